// What comes before HTTP on a port with TLS: handshakes that fail, stall or are
// cut, plain HTTP, PROXY headers; and that nothing of it stays behind.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import tls from 'node:tls';
import { scaled, slow, within } from './lib/daemon.mjs';
import { RawConn, get, publish, request, requestBytes } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { Certificates, metric, secure, tcp, tlsDaemonFor, untilEnd } from './lib/tls.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

/** The first bytes of a client, as they are on the wire. */
async function clientHello() {
  const { Duplex } = await import('node:stream');
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write(chunk, _, done) {
        resolve(chunk);
        done();
      },
    });
    tls.connect({ socket, servername: 'localhost' }).on('error', () => {});
  });
}

const metrics = async (target) => (await get(target, '/metrics')).text;

test('plain HTTP on a port with TLS is told so', async (t) => {
  const d = await tlsDaemonFor(t);
  for (const method of ['GET', 'POST', 'DELETE']) {
    const s = await tcp(d);
    const end = untilEnd(s);
    s.write(`${method} /events HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n`);
    s.write('x'.repeat(200000));
    const text = await end;
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(text, /"code":"https_only"/);
    s.destroy();
  }
});

test('a handshake that stalls, and one that never begins, end in time', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--handshake-timeout', '500ms'] });
  const hello = await clientHello();
  const begun = await tcp(d);
  const silent = await tcp(d);
  const ends = [untilEnd(begun), untilEnd(silent)];
  begun.write(hello.subarray(0, 100));
  assert.deepEqual(await Promise.all(ends), ['', '']);
  await d.waitForLog(/TLS handshake failed peer=\S+ because="it was not finished in time"/);
  const text = await metrics(d);
  assert.equal(metric(text, 'fanfare_tls_failed_total'), 2);
  assert.equal(metric(text, 'fanfare_entering'), 0);
});

test('who is over a limit of its address gets few handshakes to be told so', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--shards', '1', '--connect-rate', '1',
    '--rate-window', '1h', '--max-connections-per-address', '2'] });
  const told = { 200: 0, 429: 0, closed: 0 };
  const localAddress = '127.0.0.9';
  const from = (port) => ({ host: '127.0.0.1', port, tls: d.tls, url: d.url });
  const open = [];
  for (let i = 0; i < 2; i++) open.push(await RawConn.open(from(d.port), { localAddress }));
  const once = async () => {
    try {
      const c = await RawConn.open(from(d.port), { localAddress });
      c.write(requestBytes(d, { path: '/health' }));
      told[(await c.readResponse()).status]++;
      c.close();
    } catch (e) {
      if (e instanceof assert.AssertionError) throw e;
      told.closed++;
    }
  };
  // Many at once: a slow machine would not come to more than 20 a second one by one.
  for (let i = 0; i < 10 && !(told.closed && told[429] >= 20); i++) {
    await Promise.all(Array.from({ length: 60 }, once));
  }
  t.diagnostic(JSON.stringify(told));
  assert.equal(told[200], 0);
  assert.ok(told[429] >= 20, 'they are told');
  assert.ok(told.closed > 0, 'but not more than 20 a second');
  const text = await metrics(d);
  assert.ok(metric(text, 'fanfare_tls_handshakes_total') <= told[429] + 2 + 5);
  assert.ok(metric(text, 'fanfare_accept_refused_total') >= told[429] + told.closed);
  assert.equal((await get(d, '/health')).status, 200, 'another address');
  open.forEach((c) => c.close());
});

test('handshakes in single bytes', async (t) => {
  const d = await tlsDaemonFor(t);
  const hello = await clientHello();
  const s = await tcp(d);
  const got = new Promise((resolve) => {
    s.once('data', resolve);
  });
  for (const byte of hello) {
    s.write(Buffer.from([byte]));
    await new Promise((r) => setImmediate(r));
  }
  assert.equal((await within(10000, got, 'a ServerHello'))[0], 22);
  s.destroy();
});

test('cut in the middle of a handshake, and garbage', async (t) => {
  const d = await tlsDaemonFor(t);
  const before = await poll(() => d.fds(), { what: 'descriptors' });
  const hello = await clientHello();
  const pieces = [
    hello.subarray(0, 1),
    hello.subarray(0, 50),
    hello,
    Buffer.from([22, 3, 1, 255, 255, 1, 2, 3]),
    Buffer.alloc(1000),
  ];
  for (let i = 0; i < 50; i++) {
    const s = await tcp(d);
    s.write(pieces[i % pieces.length]);
    if (i % 2) s.resetAndDestroy();
    else s.destroy();
  }
  await poll(async () => (metric(await metrics(d), 'fanfare_entering') === 0 ? true : undefined), {
    what: 'nobody in a handshake',
  });
  await poll(() => (d.fds() === before ? true : undefined), { what: 'all descriptors' });
});

test('after thousands of connections all descriptors are back', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--shards', '1'] });
  const rounds = slow ? 10 : 100;
  const hello = await clientHello();
  const open = () => get(d, '/stats').then((r) => r.json.clientCount);
  assert.equal(await open(), 0);
  const settled = () =>
    poll(async () => ((await open()) === 0 && d.fds()) || undefined, { what: 'no client' });
  const kinds = [
    async () => (await request(d, { path: '/health' })).status,
    async () => {
      const conn = await RawConn.open(d);
      conn.write(requestBytes(d, { path: '/health' }));
      await conn.readResponse();
      conn.reset();
    },
    async () => (await Sse.live(d, '/events?channel=a')).close(),
    async () => (await Ws.live(d, '/ws?channel=a')).ws.terminate(),
    async () => {
      const ws = await Ws.live(d, '/ws?channel=a');
      ws.ws.close();
      await poll(() => ws.closed ?? undefined, { what: 'the close' });
    },
    async () => {
      const s = await tcp(d);
      s.write(hello);
      s.destroy();
    },
    async () => (await RawConn.open(d)).reset(),
    async () => {
      const conn = await RawConn.open(d);
      conn.write(requestBytes(d, { path: '/events?channel=a' }));
      conn.reset();
    },
  ];
  await Promise.all(kinds.map((k) => k()));
  await settled();
  const connected = d.fds();
  for (let i = 0; i < rounds; i++) {
    await Promise.all(Array.from({ length: 20 }, (_, k) => kinds[(i + k) % kinds.length]()));
  }
  await settled();
  await poll(() => (d.fds() <= connected ? true : undefined), {
    timeout: 20000,
    what: () => `${d.fds()} descriptors, ${connected} before`,
  });
  assert.ok(metric(await metrics(d), 'fanfare_http_connections') <= 2);
});

test('TLS and not, side by side', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--listen-plain', '127.0.0.1:0'] });
  const [plain] = d.plain;
  const sse = await Sse.live(d, '/events?channel=a');
  const other = await Sse.live(plain, '/events?channel=a');
  const ws = await Ws.live(plain, '/ws?channel=a');
  const sent = await publish(plain, { channel: 'a', data: 1 });
  assert.equal(sent.matched, 3);
  for (const s of [sse, other]) assert.equal((await s.message()).id, sent.cursor);
  await ws.message();
  for (const s of [sse, other, ws]) s.close();
});

/* ---- PROXY headers ---- */

const v1 = 'PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n';
const v2 = Buffer.concat([
  Buffer.from('0d0a0d0a000d0a515549540a', 'hex'),
  Buffer.from([0x21, 0x11, 0, 12, 203, 0, 113, 8, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb]),
]);
const proxied = ['--proxy-protocol', '--trusted-proxy', '127.0.0.0/8', '--listen-plain',
  '127.0.0.1:0'];

async function peers(target, header) {
  const s = await tcp(target);
  s.write(header);
  const conn = await secure(target, s);
  conn.write(requestBytes(target, { path: '/clients' }));
  const res = await conn.readResponse();
  conn.close();
  return res.json.clients.map((c) => c.peer ?? c.address);
}

test('a PROXY header before TLS names the client', async (t) => {
  const d = await tlsDaemonFor(t, { args: proxied });
  for (const [header, want] of [[v1, '203.0.113.7:4711'], [v2, '203.0.113.8:4711']]) {
    const s = await tcp(d);
    s.write(header);
    const conn = await secure(d, s);
    conn.write(requestBytes(d, { path: '/events?channel=a' }));
    await conn.until('fanfare.synced');
    assert.deepEqual(await peers(d, v1), [want]);
    conn.close();
    await poll(async () => (await peers(d, v1)).length === 0 || undefined, { what: 'it is gone' });
  }
});

test('a PROXY header that names nobody: neither does X-Forwarded-For', async (t) => {
  const d = await tlsDaemonFor(t, { args: proxied });
  const s = await tcp(d);
  s.write('PROXY UNKNOWN\r\n');
  const conn = await secure(d, s);
  conn.write(requestBytes(d, { path: '/events?channel=a',
    headers: { 'X-Forwarded-For': '203.0.113.9' } }));
  await conn.until('fanfare.synced');
  const [peer] = await peers(d, v1);
  assert.match(peer, /^127\.0\.0\.1:/);
  conn.close();
});

test('a PROXY header in pieces, and on a port without TLS', async (t) => {
  const d = await tlsDaemonFor(t, { args: proxied });
  const s = await tcp(d);
  for (const byte of v1) {
    s.write(byte);
    await new Promise((r) => setImmediate(r));
  }
  const conn = await secure(d, s);
  conn.write(requestBytes(d, { path: '/health' }));
  assert.equal((await conn.readResponse()).status, 200);
  conn.close();

  const plain = await tcp(d.plain[0]);
  const end = untilEnd(plain);
  plain.write(`${v1}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  assert.match(await end, /^HTTP\/1\.1 200 /);
});

test('a proxy that sends no header, a bad one, or none in time, is closed', async (t) => {
  const d = await tlsDaemonFor(t, { args: [...proxied, '--handshake-timeout', '700ms'] });
  for (const [what, because] of [
    ['PROXY TCP4 1.2.3.4 nonsense\r\n', /PROXY header refused peer=\S+ because=/],
    ['GET / HTTP/1.1\r\n\r\n', null],
    [await clientHello(), null],
    ['PROXY TCP4 1.2', null],
  ]) {
    const s = await tcp(d.plain[0]);
    const end = untilEnd(s);
    s.write(what);
    assert.doesNotMatch(await end, /HTTP/);
    if (because) await d.waitForLog(because);
  }
  const s = await tcp(d);
  s.write(v1);
  const conn = await secure(d, s);
  conn.write(requestBytes(d, { path: '/metrics' }));
  const text = (await conn.readResponse()).text;
  conn.close();
  assert.equal(metric(text, 'fanfare_proxy_failed_total'), 4);
});

/* ---- certificates of clients ---- */

test('certificates of clients: none is let in, a bad one is not', async (t) => {
  const certs = new Certificates(t);
  certs.ca('ca');
  const staff = certs.ca('staff');
  certs.ca('strangers');
  const good = certs.issue('staff', 'billing.internal');
  const bad = certs.issue('strangers', 'evil', { cn: 'billing.internal' });
  const keys = certs.file('keys');
  writeFileSync(keys, '[billing]\ncertificate = billing.internal\npublish = all\nread = yes\n', {
    mode: 0o600,
  });
  const d = await tlsDaemonFor(t, {
    certs,
    args: ['--tls-client-ca', staff.crt, '--keys', keys, '--anonymous'],
  });
  const as = (options) => ({ ...d, url: d.url, port: d.port, host: d.host, tls: { ...d.tls, ...options } });
  assert.equal((await get(d, '/health')).status, 200);
  assert.equal((await get(as(good.options), '/health')).status, 200);
  const mark = d.mark();
  await assert.rejects(async () => {
    await get(as(bad.options), '/health');
  });
  await d.waitForLog(/because="client certificate: unable to get local issuer certificate"/, {
    from: mark,
  });
  // What it may do is the key's matter.
  assert.equal((await get(d, '/clients')).status, 401);
  assert.equal((await get(as(good.options), '/clients')).status, 200);
});
