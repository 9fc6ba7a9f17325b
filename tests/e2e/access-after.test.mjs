// What counts after a credential has ended: what it gave out, what still waits, what is remembered
// (docs/security.md, "Something leaked").
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application } from './lib/application.mjs';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { startDaemon } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, post, request } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { Certificates, tlsDaemonFor } from './lib/tls.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const FIRST = 'the first secret that signs the questions';
const SECOND = 'the second secret that signs the questions';
const BACKEND = key('backend', everything);
const DOOR = key('door', { tickets: 'yes' });
const SHOP = key('shop', { publish: 'all' });
const AUTH = bearer(BACKEND.text);

let folder, app, d;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-after-'));
  app = await Application.start(FIRST);
  writeKeys(folder, [BACKEND, DOOR, SHOP]);
  writeSecret(folder, 'secret', FIRST);
  d = await startDaemon({ args: ['--keys', join(folder, 'keys'), '--shards', '2',
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`, '--token-cookie', 'session',
    '--auth-url', app.url, '--auth-ask', 'publish', '--auth-secret-file', join(folder, 'secret'),
    '--auth-failure-rate', '0', '--ticket-ttl', '1s', '--max-connections-per-user', '1'] });
});
after(async () => {
  await d?.stop();
  await app?.stop();
  rmSync(folder, { recursive: true, force: true });
});

let users = 0;
const someone = () => `user${(users += 1)}`;
const tokenFor = (claims) => bearer(token(SECRET, { exp: now() + 300, ...claims }));
const revoke = async (user) => {
  const res = await request(d, { method: 'DELETE', path: `/users/${user}`, headers: AUTH });
  assert.equal(res.status, 200, res.text);
};
async function reload() {
  const from = d.mark();
  d.kill('SIGHUP');
  await d.waitForLog(/options reloaded/, { from });
}
const ticketFor = async (who, what) => {
  const res = await post(d, '/tickets', what, bearer(who.text));
  assert.equal(res.status, 201, res.text);
  return res.json.ticket;
};

describe('tickets', () => {
  test('end with the key that asked for them, and so do their streams', async () => {
    const stream = await Sse.open(d, `/events?ticket=${await ticketFor(DOOR,
      { channels: ['private-x'] })}&channel=private-x`);
    await stream.control('connected');
    const ticket = await ticketFor(DOOR, { channels: ['private-x'] });
    const kept = await ticketFor(BACKEND, { channels: ['private-x'] });
    writeKeys(folder, [BACKEND, SHOP]);
    await reload();
    const closing = JSON.parse((await stream.control('closing')).data);
    assert.equal(closing.data.code, 'expired');
    assertProblem(await get(d, `/events?ticket=${ticket}&channel=private-x`), 401,
      { code: 'token_expired' });
    const other = await Sse.open(d, `/events?ticket=${kept}&channel=private-x`);
    await other.control('connected');
    other.close();
    writeKeys(folder, [BACKEND, DOOR, SHOP]);
    await reload();
  });
  test('given back again and again they end all the same', async () => {
    const user = someone();
    const stream = await Sse.open(d, '/events', { headers: tokenFor({ sub: user }) });
    await stream.control('connected');
    const ticket = await ticketFor(BACKEND, { userId: user });
    const begun = Date.now();
    let res;
    do { // the user has as many streams as it may: refused for now
      res = await get(d, `/events?ticket=${ticket}`, { Accept: 'application/json' });
    } while (res.status === 429 && Date.now() - begun < 20000);
    assert.equal(res.status, 401);
    assert.ok(Date.now() - begun < 13000, `${Date.now() - begun} ms`);
    stream.close();
  });
});

describe('requests that wait', () => {
  /** A publication whose last byte comes after `between`. */
  async function late(headers, between) {
    const conn = await RawConn.open(d);
    const body = '{"channel":"late","data":1}';
    conn.write(`POST /broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: ${headers.Authorization}\r\n`
      + `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
    conn.write(body.slice(0, -1));
    await between();
    conn.write(body.slice(-1));
    return conn.readResponse({ method: 'POST' });
  }
  test('a body that ends after its user was revoked', async () => {
    const user = someone();
    const res = await late(tokenFor({ sub: user, publish: ['late'] }), () => revoke(user));
    assertProblem(res, 403, { code: 'revoked' });
  });
  test('a body that ends after its key was taken out', async () => {
    const res = await late(bearer(SHOP.text), async () => {
      writeKeys(folder, [BACKEND, DOOR]);
      await reload();
    });
    assertProblem(res, 401, { code: 'unknown_credential' });
  });
  test('a publication about which the application is being asked', async () => {
    const user = someone();
    app.hold();
    const res = post(d, '/broadcast', { channel: 'asked', data: 1 }, tokenFor({ sub: user }));
    await app.question();
    await revoke(user);
    app.release();
    assertProblem(await res, 403, { code: 'revoked' });
  });
});

test('the secret of the questions is read again', async () => {
  const user = someone();
  writeSecret(folder, 'secret', SECOND);
  await reload();
  app.expect(SECOND);
  const res = await post(d, '/broadcast', { channel: 'signed', data: 1 }, tokenFor({ sub: user }));
  assert.equal(res.status, 200, res.text);
});

test('a cookie on a request that another site has caused', async () => {
  const cookie = { Cookie: `session=${token(SECRET, { sub: someone(), exp: now() + 300 })}` };
  for (const [site, status] of [['cross-site', 403], ['same-site', 403], ['same-origin', 200],
    ['none', 200], [undefined, 200]]) {
    const res = await request(d, { method: 'HEAD', path: '/events',
      headers: site ? { ...cookie, 'Sec-Fetch-Site': site } : cookie });
    assert.equal(res.status, status, site);
  }
});

test('a client certificate ends while its connection goes on', async (t) => {
  const certs = new Certificates(t);
  const ca = certs.ca('ca');
  const until = (now() + 3) * 1000;
  const mine = certs.issue('ca', 'billing', { until });
  const keys = join(certs.dir, 'keys');
  writeSecret(certs.dir, 'keys', '[billing]\ncertificate = billing\npublish = all\n');
  const g = await tlsDaemonFor(t, { certs, args: ['--tls-client-ca', ca.crt, '--keys', keys] });
  const conn = await RawConn.open({ ...g, port: g.port, tls: { ...g.tls, ...mine.options } });
  const publish = async () => {
    const body = '{"channel":"a"}';
    conn.write(`POST /broadcast HTTP/1.1\r\nHost: localhost:${g.port}\r\n`
      + `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    return conn.readResponse({ method: 'POST' });
  };
  assert.equal((await publish()).status, 200);
  let res;
  do res = await publish(); while (Date.now() < until + 200 && res.status === 200);
  assertProblem(res, 401, { code: 'token_expired' });
  assert.ok(Date.now() >= until - 100, 'not before');
});
