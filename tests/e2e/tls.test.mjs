// Everything over TLS that there is without: requests, both transports, the
// client libraries, slow clients, drain; and the certificates.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import test from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import * as eventsource3 from 'eventsource3';
import { chromium } from 'playwright-core';
import * as undici from 'undici';
import { scaled, slow, spawnDaemon, within } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, post, publish, request, requestBytes } from './lib/http.mjs';
import { text as textFrame } from './lib/rawws.mjs';
import { Sse } from './lib/sse.mjs';
import { Stalled } from './lib/stalled.mjs';
import { Certificates, tlsDaemonFor } from './lib/tls.mjs';
import { Inbox, poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const require = createRequire(import.meta.url);
const EventSource2 = require('eventsource2');
/** The position of the next message of a client of either kind. */
async function cursorOf(client) {
  const m = await client.message();
  return m.json?.cursor ?? m.id;
}

const here = path.dirname(fileURLToPath(import.meta.url));

test('requests: kept connections, pipelines, large bodies and answers', async (t) => {
  const d = await tlsDaemonFor(t);
  assert.match(d.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const conn = await RawConn.open(d);
  assert.match(conn.socket.getProtocol(), /^TLSv1\.[23]$/);
  for (let i = 0; i < 3; i++) {
    conn.write(requestBytes(d, { path: '/health' }));
    assert.equal((await conn.readResponse()).status, 200);
  }
  const one = requestBytes(d, { path: '/health' });
  conn.write(Buffer.concat([one, one, one, one]));
  for (let i = 0; i < 4; i++) assert.deepEqual((await conn.readResponse()).json, { status: 'ok' });
  const data = 'x'.repeat(10000);
  for (let i = 0; i < 20; i++) {
    const body = JSON.stringify({ channel: 'big', data: `${i} ${data}` });
    conn.write(requestBytes(d, { method: 'POST', path: '/broadcast', body,
      headers: { 'Content-Type': 'application/json' } }));
    assert.equal((await conn.readResponse()).status, 200);
  }
  conn.write(requestBytes(d, { path: '/channels/big/history?limit=1000' }));
  const res = await conn.readResponse();
  assert.equal(res.json.messages.length, 20);
  assert.equal(res.json.messages[19].data, `19 ${data}`);
  conn.close();
  assertProblem(await post(d, '/broadcast', 'x'.repeat(5 << 20)), 413);
});

test('both transports, resuming, and what follows a handshake at once', async (t) => {
  const d = await tlsDaemonFor(t);
  const sse = await Sse.live(d, '/events?channel=a');
  const ws = await Ws.live(d, '/ws?channel=a');
  const first = await publish(d, { channel: 'a', data: { n: 99.990 } });
  for (const s of [sse, ws]) assert.equal(await cursorOf(s), first.cursor);
  sse.close();
  ws.close();
  const missed = [];
  for (let i = 0; i < 50; i++) missed.push((await publish(d, { channel: 'a', data: i })).cursor);
  const again = await Sse.open(d, '/events?channel=a', { headers: { 'Last-Event-ID': first.cursor } });
  const wsAgain = await Ws.open(d, `/ws?channel=a&lastEventId=${first.cursor}`);
  for (const cursor of missed) {
    assert.equal(await cursorOf(again), cursor);
    assert.equal(await cursorOf(wsAgain), cursor);
  }

  // Frames in the same segment as the handshake, and more than the pair holds.
  const conn = await RawConn.open(d);
  const handshake = requestBytes(d, { path: '/ws', headers: { Connection: 'Upgrade',
    Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' } });
  const ops = [];
  for (let i = 0; i < 2000; i++) {
    ops.push(textFrame(JSON.stringify({ op: 'ping', ref: i, pad: 'p'.repeat(100) })));
  }
  conn.write(Buffer.concat([handshake, ...ops]));
  assert.equal((await conn.readHead()).status, 101);
  for (let i = 0; i < 2000; i++) await conn.until(`"ref":${i},`);
  conn.close();
});

test('EventSource libraries', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--retry', '1s'] });
  const agent = new undici.Agent({ connect: { ca: d.tls.ca, servername: 'localhost' } });
  t.after(() => agent.destroy());
  const url = `${d.url}/events?channel=orders`;
  const sources = [
    () => new EventSource2(url, { https: { ca: d.tls.ca, servername: 'localhost' } }),
    () => new eventsource3.EventSource(url, {
      fetch: (u, init) => undici.fetch(u, { ...init, dispatcher: agent }),
    }),
  ];
  for (const create of sources) {
    const es = create();
    t.after(() => es.close());
    const inbox = new Inbox('events');
    es.onmessage = (e) => inbox.push(e);
    es.addEventListener('fanfare.synced', () => inbox.push({ synced: true }));
    await inbox.take((e) => e.synced);
    const sent = await publish(d, { channel: 'orders', data: 1 });
    await inbox.take((e) => e.lastEventId === sent.cursor);
    const { clients } = (await get(d, '/clients')).json;
    for (const c of clients) await request(d, { method: 'DELETE', path: `/clients/${c.id}` });
    const missed = await publish(d, { channel: 'orders', data: 2 });
    await inbox.take((e) => e.lastEventId === missed.cursor, { timeout: 20000 });
    es.close();
  }
});

test('curl, and python3-websocket', async (t) => {
  const d = await tlsDaemonFor(t);
  const ca = d.certs.file('ca.crt');
  const curl = spawn('curl', ['-sN', '--cacert', ca, `${d.url}/events?channel=a`]);
  t.after(() => curl.kill('SIGKILL'));
  const lines = readline.createInterface({ input: curl.stdout })[Symbol.asyncIterator]();
  const line = async (re) => {
    for (;;) {
      const { value, done } = await within(20000, lines.next(), () => `${re}`);
      assert.ok(!done);
      if (re.test(value)) return value;
    }
  };
  await line(/^event: fanfare\.synced/);
  const sent = await publish(d, { channel: 'a', data: { price: '99.990' } });
  assert.equal(await line(/^id: /), `id: ${sent.cursor.replace(/\d+$/, '0')}`);
  assert.equal(await line(/^id: /), `id: ${sent.cursor}`);

  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
  const py = spawn(python, [path.join(here, 'py', 'ws_client.py'),
    `${d.url.replace('https://127.0.0.1', 'wss://localhost')}/ws`, 'python.test'],
  { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, WEBSOCKET_CLIENT_CA_BUNDLE: ca } });
  t.after(() => py.kill('SIGKILL'));
  const said = readline.createInterface({ input: py.stdout })[Symbol.asyncIterator]();
  const steps = [];
  for (;;) {
    const { value, done } = await within(20000, said.next(), () => `after ${steps}`);
    if (done) break;
    steps.push(JSON.parse(value).step);
    if (steps.at(-1) === 'subscribed') {
      await publish(d, { channel: 'python.test', data: 1 });
      py.stdin.write('published\n');
    }
  }
  assert.deepEqual(steps, ['connected', 'subscribed', 'message', 'pong', 'fragments',
    'unsubscribed', 'closed', 'closed again']);
});

for (const transport of ['sse', 'ws']) {
  test(`a client that reads nothing is closed (${transport}); others have their messages`,
    async (t) => {
      const d = await tlsDaemonFor(t, { args: ['--client-queue-bytes', '256k',
        '--send-buffer', '32k', '--shards', '1'] });
      const good = await Ws.live(d, '/ws?channel=a');
      const bad = await Stalled.open(d, transport, 'channel=a');
      const data = 'y'.repeat(8000);
      const before = d.rss();
      let n = 0;
      while (!d.stderr.some((l) => /slow client closed/.test(l))) {
        const sent = await publish(d, { channel: 'a', data: `${n++} ${data}` });
        assert.equal(await cursorOf(good), sent.cursor);
        assert.ok(n < 5000, 'it is never closed');
      }
      assert.ok(d.rss() - before < 64 << 20, `${d.rss() - before} more`);
      bad.close?.();
    });

  test(`drop-oldest tells of the gap (${transport})`, async (t) => {
    const d = await tlsDaemonFor(t, { args: ['--client-queue-bytes', '256k',
      '--send-buffer', '32k', '--slow-client', 'drop-oldest'] });
    const conn = await RawConn.open(d);
    const headers = transport === 'sse' ? {} : { Connection: 'Upgrade', Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    conn.write(requestBytes(d, { path: `/${transport === 'sse' ? 'events' : 'ws'}?channel=a`,
      headers }));
    await conn.until('fanfare.synced');
    conn.pause();
    const data = 'z'.repeat(8000);
    const dropped = () => get(d, '/stats').then((r) => r.json.counters.dropped);
    while ((await dropped()) < 50) await publish(d, { channel: 'a', data });
    const last = await publish(d, { channel: 'a', data: 'the last' });
    conn.resume();
    const text = (await conn.until(last.cursor, 30000)).toString('latin1');
    assert.equal(text.match(/"type":"fanfare\.gap"/g)?.length, 1);
    conn.close();
  });
}

test('two hundred clients', async (t) => {
  const n = slow ? 40 : 200;
  const d = await tlsDaemonFor(t, { args: ['--shards', '2'] });
  const all = [];
  for (let i = 0; i < n; i += 20) {
    all.push(...await Promise.all(Array.from({ length: 20 }, (_, k) =>
      k % 2 ? Sse.live(d, '/events?channel=a') : Ws.live(d, '/ws?channel=a'))));
  }
  const cursors = [];
  for (let i = 0; i < 30; i++) {
    const sent = await publish(d, { channel: 'a', data: i });
    assert.equal(sent.matched, n);
    cursors.push(sent.cursor);
  }
  for (const c of all) for (const cursor of cursors) assert.equal(await cursorOf(c), cursor);
  for (const c of all) c.close();
  await poll(async () => (await get(d, '/stats')).json.clientCount === 0 || undefined,
    { what: 'nobody is left' });
});

test('SIGTERM: a drain, and an orderly end of TLS', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--drain', '1s'] });
  const sse = await RawConn.open(d);
  sse.write(requestBytes(d, { path: '/events?channel=a' }));
  await sse.until('fanfare.synced');
  const ws = await Ws.live(d, '/ws?channel=a');
  d.kill('SIGTERM');
  const text = (await sse.rest()).toString('latin1');
  assert.match(text, /fanfare\.draining/);
  assert.equal(sse.error, null, 'ended, not cut');
  await ws.inbox.take((m) => m.json.type === 'fanfare.draining');
  await poll(async () => ws.closed ?? undefined, { what: 'the close' });
  assert.equal(ws.closed.code, 1012);
  await d.waitExit();
});

/* ---- certificates ---- */

async function shown(target, servername) {
  const s = tls.connect({ host: '127.0.0.1', port: target.port, servername,
    rejectUnauthorized: false });
  await within(10000, new Promise((resolve, reject) => {
    s.once('secureConnect', resolve);
    s.once('error', reject);
  }), 'a handshake');
  const cert = s.getPeerCertificate();
  s.destroy();
  return cert.subject.CN;
}

test('SIGHUP: a new certificate for those who come, the old session for those who are there',
  async (t) => {
    const d = await tlsDaemonFor(t);
    const sse = await Sse.live(d, '/events?channel=a');
    const ws = await Ws.live(d, '/ws?channel=a');
    assert.equal(await shown(d, 'localhost'), 'localhost');
    const next = d.certs.issue('ca', 'next', { cn: 'renewed', san: ['DNS:localhost'] });
    copyFileSync(next.crt, d.certs.file('server.crt'));
    copyFileSync(next.key, d.certs.file('server.key'));
    let mark = d.mark();
    d.kill('SIGHUP');
    await d.waitForLog(/options reloaded/, { from: mark });
    assert.equal(await shown(d, 'localhost'), 'renewed');
    const sent = await publish(d, { channel: 'a', data: 1 });
    assert.equal(await cursorOf(sse), sent.cursor);
    assert.equal(await cursorOf(ws), sent.cursor);

    writeFileSync(d.certs.file('server.key'), 'no key');
    mark = d.mark();
    d.kill('SIGHUP');
    const said = await d.waitForLog(/certificates not reloaded/, { from: mark });
    assert.match(said, /tls-key .*server\.key/);
    await d.waitForLog(/options reloaded/, { from: mark });
    assert.equal(await shown(d, 'localhost'), 'renewed', 'the one before stays');
    assert.equal((await get(d, '/health')).status, 200);
  });

test('several certificates: the server name chooses', async (t) => {
  const certs = new Certificates(t);
  certs.ca('ca');
  const other = certs.issue('ca', 'other', { cn: 'other', san: ['DNS:other.example'] });
  const d = await tlsDaemonFor(t, { certs,
    args: ['--tls-cert', other.crt, '--tls-key', other.key] });
  assert.equal(await shown(d, 'other.example'), 'other');
  assert.equal(await shown(d, 'localhost'), 'localhost');
  assert.equal(await shown(d, 'unknown.example'), 'localhost');
});

test('what cannot be started says why', async (t) => {
  const certs = new Certificates(t);
  certs.ca('ca');
  const a = certs.issue('ca', 'a');
  const b = certs.issue('ca', 'b');
  const refused = async (args, re) => {
    const d = spawnDaemon(['--listen', '127.0.0.1:0', ...args]);
    t.after(() => d.exited || d.kill('SIGKILL'));
    const { code } = await d.waitExit();
    assert.ok(code === 1 || code === 2, d.tail());
    assert.match([...d.stdout, ...d.stderr].join('\n'), re);
  };
  await refused(['--tls-cert', a.crt, '--tls-key', b.key], /is not the key of tls-cert/);
  chmodSync(b.key, 0o644);
  await refused(['--tls-cert', b.crt, '--tls-key', b.key],
    /tls-key .*everybody may read this file \(mode 0644\)/);
  chmodSync(b.key, 0o600);
  await refused(['--tls-cert', '/nonexistent', '--tls-key', b.key], /nonexistent.*No such file/);
  await refused(['--tls-cert', a.crt], /tls-key/);
  await refused(['--tls-cert', a.crt, '--tls-key', a.key, '--no-detach'], /no-detach/);
});

test('old versions and other protocols are refused', async (t) => {
  const d = await tlsDaemonFor(t);
  const client = (...args) => spawnSync('openssl',
    ['s_client', '-connect', `127.0.0.1:${d.port}`, '-brief', ...args],
    { input: '', encoding: 'utf8', timeout: scaled(20000) });
  let mark = d.mark();
  assert.notEqual(client('-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0').status, 0);
  await d.waitForLog(/TLS handshake failed peer=127\.0\.0\.1:\d+ because="unsupported protocol"/,
    { from: mark });
  assert.notEqual(client('-alpn', 'h2').status, 0);
  assert.equal(client('-alpn', 'h2,http/1.1').status, 0);
  assert.equal(client('-tls1_2').status, 0);
  assert.equal(client('-tls1_3').status, 0);
});

test('a browser', async (t) => {
  const d = await tlsDaemonFor(t, { args: ['--demo'] });
  const browser = await chromium.launch({
    executablePath: process.env.FANFARE_CHROMIUM || '/usr/bin/chromium',
    timeout: scaled(60000),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--ignore-certificate-errors'],
  });
  t.after(() => browser.close());
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  page.setDefaultTimeout(scaled(15000));
  await page.goto(d.url);
  const id = (x) => `[data-testid=${x}]`;
  const open = () => page.waitForSelector(`${id('state')}[data-state=open]`);
  await open();
  await page.click(id('publish-button'));
  await page.waitForSelector(id('message'));
  await page.click(`label:has(${id('transport-ws')})`);
  await poll(async () => {
    const now = (await get(d, '/clients')).json.clients;
    return now.length === 1 && now[0].transport === 'websocket' ? true : undefined;
  }, { what: 'the page is a WebSocket client now' });
  await open();
  const r = await publish(d, { channel: 'orders', data: 'over wss' });
  await page.waitForSelector(`${id('message')}[data-id="${r.id}"]`);
});
