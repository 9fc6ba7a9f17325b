// Behind proxies: who the client is, for logs, listings and limits, and that nobody but a
// trusted proxy can say so.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { bearer, everything, key, writeKeys } from './lib/credentials.mjs';
import { cleanEnv, daemonFor, daemonPath } from './lib/daemon.mjs';
import { RawConn, get, request, requestBytes } from './lib/http.mjs';
import { ask, assertLimited, counter, eventually, refusedStream, send } from './lib/limited.mjs';
import { Sse } from './lib/sse.mjs';
import { forAll } from './lib/undisturbed.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const PROXY = '127.0.0.9', OTHER = '127.0.0.1';
const trusting = (...args) => ({
  args: ['--shards', '2', '--trusted-proxy', `${PROXY}/32`, '--trusted-proxy', '10.0.0.0/8',
    '--trusted-proxy', 'fd00::/8', ...args],
});
const xff = (value) => ({ 'X-Forwarded-For': value });
const fwd = (value) => ({ Forwarded: value });

let serial = 0;
/** The peer that GET /clients shows for a stream that begins with these headers. */
async function peerOf(d, headers, from = PROXY) {
  const channel = `c${serial++}`;
  const s = await Sse.live(d, `/events?channel=${channel}`, { headers, localAddress: from });
  try {
    const { clients } = (await get(d, `/clients?channel=${channel}`)).json;
    assert.equal(clients.length, 1);
    return clients[0].peer.replace(/^(127\.0\.0\.\d+):\d+$/, '$1');
  } finally {
    s.close();
  }
}

test('whom a trusted proxy names is the client', async (t) => {
  const d = await daemonFor(t, trusting());
  await forAll(Object.entries({
    'no header': [{}, PROXY],
    'X-Forwarded-For': [xff('192.0.2.1'), '192.0.2.1'],
    'with a port': [xff('192.0.2.1:4711'), '192.0.2.1:4711'],
    'IPv6': [xff('2001:db8::1'), '2001:db8::1'],
    'IPv6 with a port': [xff('[2001:db8::1]:80'), '[2001:db8::1]:80'],
    'IPv4 in IPv6': [xff('::ffff:192.0.2.1'), '192.0.2.1'],
    'past other proxies': [xff('192.0.2.1, 10.1.1.1, fd00::5'), '192.0.2.1'],
    'no further than the first stranger': [xff('192.0.2.1, 198.51.100.1, 10.1.1.1'), '198.51.100.1'],
    'inventions further left': [xff('rubbish", 1.1.1.1, 198.51.100.1'), '198.51.100.1'],
    'several lines': [xff(['192.0.2.1', '198.51.100.1', '10.0.0.1']), '198.51.100.1'],
    'only proxies': [xff('10.0.0.7, 10.0.0.1'), '10.0.0.7'],
    'rubbish': [xff('rubbish'), PROXY],
    'a name': [xff('unknown'), PROXY],
    'rubbish where a proxy wrote': [xff('192.0.2.1, rubbish, 10.0.0.1'), PROXY],
    'Forwarded': [fwd('for=192.0.2.1'), '192.0.2.1'],
    'Forwarded, IPv6': [fwd('proto=https;For="[2001:db8::1]:4711";by=10.0.0.1'),
      '[2001:db8::1]:4711'],
    'Forwarded, past proxies': [fwd('for=192.0.2.1, for="10.0.0.1:80";by=_x'), '192.0.2.1'],
    'Forwarded, hidden': [fwd('for=_secret'), PROXY],
    'Forwarded, an open quotation before it': [fwd('for="1.1.1.1, for=192.0.2.1'), PROXY],
    'Forwarded, an open quotation in a line before': [fwd(['for="1.1.1.1', 'for=192.0.2.1']),
      '192.0.2.1'],
    'both, the same': [{ ...fwd('for=192.0.2.1'), ...xff('192.0.2.1') }, '192.0.2.1'],
    'both, a contradiction': [{ ...fwd('for=6.6.6.6'), ...xff('192.0.2.1') }, PROXY],
    'from nobody who is trusted': [{ ...xff('192.0.2.1'), ...fwd('for=192.0.2.1') }, OTHER, OTHER],
  }), async ([headers, peer, from]) => {
    assert.equal(await peerOf(d, headers, from), peer);
  });
  assert.ok(await counter(d, 'forwarded_bad') >= 4);
  await d.waitForLog(/warn .*trusted proxy's Forwarded or X-Forwarded-For .*peer=127\.0\.0\.9:\d+/);
  // More lines than are looked at: the last ones count.
  const lines = [...Array(60).fill('rubbish'), '192.0.2.1', ...Array(20).fill('10.0.0.1')];
  assert.equal(await peerOf(d, xff(lines)), '192.0.2.1');
});

test('each request of a connection has a client of its own', async (t) => {
  const d = await daemonFor(t, trusting('--publish-rate', '1', '--rate-window', '1s'));
  const c = await RawConn.open(d, { localAddress: PROXY });
  const publish = async (client) => {
    c.write(requestBytes(d, {
      method: 'POST', path: '/broadcast', body: '{"channel":"a"}',
      headers: { 'Content-Type': 'application/json', ...(client ? xff(client) : {}) },
    }));
    return c.readResponse();
  };
  for (const client of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) {
    assert.equal((await publish(client)).status, 200);
    assertLimited(await publish(client), 'publish-rate');
  }
  assertLimited(await publish('2001:db8::2'), 'publish-rate'); // the same /64
  for (let i = 0; i < 10; i++) assert.equal((await publish()).status, 200, 'the proxy itself');
  await d.waitForLog(/limit=publish-rate peer=192\.0\.2\.1\b/);
});

test('per-address limits are those of the clients', async (t) => {
  const d = await daemonFor(t,
    trusting('--max-connections-per-address', '2', '--connect-rate', '1000'));
  const open = (client, how = Sse) => (how === Sse
    ? Sse.live(d, '/events?channel=a', { headers: xff(client), localAddress: PROXY })
    : Ws.live(d, '/ws?channel=a', { headers: xff(client), options: { localAddress: PROXY } }));
  const a = [await open('192.0.2.1'), await open('192.0.2.1', Ws)];
  await refusedStream(d, '/events', 'too_many_connections', { headers: xff('192.0.2.1'), from: PROXY });
  const b = [await open('192.0.2.2'), await open('192.0.2.2', Ws)];
  await refusedStream(d, '/events', 'too_many_connections', { headers: xff('192.0.2.2'), from: PROXY });
  // What is no stream, and the proxy's own, is not limited.
  for (let i = 0; i < 10; i++) {
    assert.equal((await ask(d, { path: '/stats', headers: xff('192.0.2.1') }, PROXY)).status, 200);
    b.push(await Sse.live(d, '/events?channel=a', { localAddress: PROXY }));
  }
  // One who connects by itself is counted at once.
  const direct = [await RawConn.open(d), await RawConn.open(d)];
  for (const c of direct) {
    c.write(requestBytes(d, { path: '/health' }));
    assert.equal((await c.readResponse()).status, 200);
  }
  assertLimited(await get(d, '/health'), 'max-connections-per-address', 'too_many_connections');
  direct.forEach((c) => c.close());
  a.forEach((c) => c.close());
  const again = await eventually(() => open('192.0.2.1').catch(() => assert.fail('refused')),
    'a place again');
  const second = await eventually(() => open('192.0.2.1', Ws).catch(() => assert.fail('refused')),
    'the other place again');
  await refusedStream(d, '/events', 'too_many_connections', { headers: xff('192.0.2.1'), from: PROXY });
  assert.ok(await counter(d, 'limited_addresses') >= 3);
  await d.waitForLog(/request over a limit limit=max-connections-per-address peer=192\.0\.2\.1\b/);
  for (const c of [again.value, second.value, ...b]) c.close();
});

test('connect-rate and auth-failure-rate behind a proxy', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-proxies-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const all = key('all', everything);
  const d = await daemonFor(t, trusting('--keys', writeKeys(folder, [all]), '--connect-rate', '1',
    '--auth-failure-rate', '1', '--rate-window', '2s'));
  const good = bearer(all.text);
  const from = (client) => ({ ...good, ...xff(client) });
  for (let i = 0; i < 2; i++) {
    (await Sse.live(d, '/events', { headers: from('192.0.2.1'), localAddress: PROXY })).close();
  }
  await refusedStream(d, '/events', 'rate_limited', { headers: from('192.0.2.1'), from: PROXY });
  (await Sse.live(d, '/events', { headers: from('192.0.2.2'), localAddress: PROXY })).close();
  const stats = (headers) => ask(d, { path: '/stats', headers }, PROXY);
  const bad = { ...bearer('wrong'), ...xff('192.0.2.3') };
  for (let i = 0; i < 2; i++) assert.equal((await stats(bad)).status, 401);
  assertLimited(await stats(bad), 'auth-failure-rate', 'too_many_failures');
  assert.equal((await stats(from('192.0.2.3'))).status, 200, 'a good key always counts');
  assert.equal((await stats(from('192.0.2.4'))).status, 200);
  assert.equal((await stats(good)).status, 200);
  await d.waitForLog(/credential refused peer=192\.0\.2\.3\b/);
});

test('a proxy at a unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-proxies-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's');
  const me = key('me', { read: 'yes', peer: execFileSync('id', ['-un']).toString().trim() });
  const all = key('all', everything);
  const d = await daemonFor(t, {
    args: ['--trusted-proxy', 'unix', '--keys', writeKeys(folder, [me, all]), '--publish-rate', '1',
      '--rate-window', '1s'],
    listen: ['127.0.0.1:0', `unix:${path}`],
  });
  const unix = { path };
  // Whoever the proxy is, its clients are not.
  assert.equal((await request(unix, { path: '/stats', headers: xff('192.0.2.1') })).status, 401);
  assert.equal((await request(unix, { path: '/stats' })).status, 401);
  const res = await request(unix, { path: '/stats', headers: bearer(all.text) });
  assert.equal(res.status, 200);
  const s = await Sse.live(unix, '/events?channel=u', {
    headers: { ...bearer(all.text), ...xff('192.0.2.1') } });
  const { clients } = (await get(d, '/clients?channel=u', bearer(all.text))).json;
  assert.equal(clients[0].peer, '192.0.2.1');
  s.close();
});

test('SIGHUP changes whom it trusts', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-proxies-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'conf');
  const write = (text) => writeFileSync(config, text);
  write('max-connections-per-address = 3\n');
  const d = await daemonFor(t, { args: ['--config', config, '--shards', '1'] });
  const headers = xff('192.0.2.1');
  const before = await RawConn.open(d, { localAddress: PROXY });
  assert.equal(await peerOf(d, headers), PROXY);
  write(`max-connections-per-address = 3\ntrusted-proxy = ${PROXY}\n`);
  const mark = d.mark();
  d.kill('SIGHUP');
  await d.waitForLog(/options reloaded/, { from: mark });
  assert.equal(await peerOf(d, headers), '192.0.2.1');
  // A connection that was counted as the proxy's becomes a client's stream.
  const s = await Sse.live(d, '/events?channel=x', { conn: before, headers });
  assert.equal((await get(d, '/clients?channel=x')).json.clients[0].peer, '192.0.2.1');
  s.close();
  write('max-connections-per-address = 3\n');
  const again = d.mark();
  d.kill('SIGHUP');
  await d.waitForLog(/options reloaded/, { from: again });
  assert.equal(await peerOf(d, headers), PROXY);
  // No place was lost.
  const three = [];
  await eventually(async () => {
    while (three.length < 3) {
      const c = await RawConn.open(d, { localAddress: PROXY });
      c.write(requestBytes(d, { path: '/health' }));
      const { status } = await c.readResponse();
      if (status !== 200) c.close();
      assert.equal(status, 200);
      three.push(c);
    }
  }, 'three connections');
  assertLimited(await ask(d, { path: '/health' }, PROXY), 'max-connections-per-address',
    'too_many_connections');
  write('trusted-proxy = 10.0.0.1/8\n');
  d.kill('SIGHUP');
  await d.waitForLog(/not reloaded.*trusted-proxy: .*10\.0\.0\.0\/8/);
});

// ---- the PROXY protocol -------------------------------------------------------

const v2 = (cmd, family, body) => {
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  head[12] = 0x20 | cmd;
  head[13] = family;
  head.writeUInt16BE(body.length, 14);
  return Buffer.concat([head, body]);
};
const v2of4 = (ip, port) => {
  const b = Buffer.alloc(12);
  ip.split('.').forEach((n, i) => { b[i] = Number(n); });
  b.writeUInt16BE(port, 8);
  return v2(1, 0x11, b);
};

async function proxied(d, header, { pieces, headers, from = PROXY } = {}) {
  const c = await RawConn.open(d, { localAddress: from });
  const all = Buffer.concat([Buffer.from(header, 'latin1'),
    requestBytes(d, { path: `/events?channel=p${++serial}`, headers })]);
  if (pieces) await c.writePieces(Array.from(all, (_, i) => all.subarray(i, i + 1)));
  else await c.write(all);
  return c;
}

test('the PROXY protocol names the client of a connection', async (t) => {
  const d = await daemonFor(t, trusting('--proxy-protocol'));
  await forAll(Object.entries({
    'version 1': ['PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n', '192.0.2.1:4711'],
    'version 1, byte by byte': ['PROXY TCP6 2001:db8::1 ::1 4711 80\r\n', '[2001:db8::1]:4711',
      { pieces: true }],
    'version 1, UNKNOWN': ['PROXY UNKNOWN\r\n', PROXY],
    'version 2': [v2of4('192.0.2.1', 4711), '192.0.2.1:4711'],
    'version 2, byte by byte': [v2of4('192.0.2.1', 4711), '192.0.2.1:4711', { pieces: true }],
    'version 2, LOCAL': [v2(0, 0, Buffer.alloc(0)), PROXY],
    'version 2, LOCAL with rubbish': [v2(0, 0xff, Buffer.from('rubbish')), PROXY],
    'version 2, a unix socket': [v2(1, 0x31, Buffer.alloc(216)), PROXY],
    ...Object.fromEntries(Object.entries({
      UNKNOWN: 'PROXY UNKNOWN\r\n',
      LOCAL: v2(0, 0, Buffer.alloc(0)),
      UNSPEC: v2(1, 0, Buffer.alloc(0)),
      'a unix socket': v2(1, 0x31, Buffer.alloc(216)),
    }).flatMap(([what, header]) => [xff('5.5.5.5'), fwd('for=5.5.5.5')].map((headers) => [
      `nobody is named (${what}), and a header is as anybody wrote it (${Object.keys(headers)})`,
      [header, PROXY, { headers }]]))),
    'the client is no proxy: its headers are its own': [
      'PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n', '192.0.2.1:4711',
      { headers: xff('6.6.6.6') }],
    'the client is a proxy too': ['PROXY TCP4 10.0.0.1 198.51.100.1 4711 80\r\n', '192.0.2.7',
      { headers: xff('192.0.2.7') }],
  }), async ([header, peer, opts]) => {
    const c = await proxied(d, header, opts);
    assert.equal((await c.readHead()).status, 200);
    const { clients } = (await get(d, `/clients?channel=p${serial}`)).json;
    assert.equal(clients[0].peer.replace(/^(127\.0\.0\.\d+):\d+$/, '$1'), peer);
    c.close();
  });
  await forAll(Object.entries({
    'none at all': '',
    'a malformed one': 'PROXY TCP4 192.0.2.256 198.51.100.1 4711 80\r\n',
    'one without an end': `PROXY UNKNOWN ${'x'.repeat(200)}`,
    'one of a version to come': Buffer.from('\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0', 'latin1'),
    'one that is too long': v2(0, 0, Buffer.alloc(3000)),
  }), async (header) => {
    const c = await proxied(d, header);
    assert.equal((await c.rest()).length, 0, 'closed without a word');
    c.close();
  });
  await d.waitForLog(/peer=127\.0\.0\.9:\d+/);
  // Others send none, and must not.
  const plain = await proxied(d, '', { from: OTHER });
  assert.equal((await plain.readHead()).status, 200);
  plain.close();
  const liar = await proxied(d, 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n', { from: OTHER });
  assert.doesNotMatch((await liar.rest()).toString(), /^HTTP\/1\.1 200/);
  liar.close();
});

test('limits of clients that the PROXY protocol names', async (t) => {
  const d = await daemonFor(t, trusting('--proxy-protocol', '--max-connections-per-address', '2',
    '--handshake-timeout', '500ms'));
  const named = (ip) => proxied(d, `PROXY TCP4 ${ip} 198.51.100.1 4711 80\r\n`);
  const open = [await named('192.0.2.1'), await named('192.0.2.1'), await named('192.0.2.2')];
  for (const c of open) assert.equal((await c.readHead()).status, 200);
  const third = await named('192.0.2.1');
  assert.equal((await third.readResponse()).status, 429);
  for (let i = 0; i < 5; i++) {
    open.push(await proxied(d, 'PROXY UNKNOWN\r\n'));
    assert.equal((await open.at(-1).readHead()).status, 200, 'the proxy itself');
  }
  open[0].close();
  await eventually(async () => {
    const c = await named('192.0.2.1');
    const { status } = await c.readHead();
    c.close();
    assert.equal(status, 200);
  }, 'a place again');
  // One that never comes to its end.
  const slow = await RawConn.open(d, { localAddress: PROXY });
  slow.write('PROXY TCP4 192');
  await slow.closed();
  for (const c of open) c.close();
  const free = d.fds();
  await poll(() => (d.fds() <= free ? true : undefined), { what: 'no descriptor is lost' });
  assert.equal((await send(d, { channel: 'a' })).status, 200);
});

test('every form of trusted-proxy that is none is refused', async () => {
  const run = (value) => {
    try {
      execFileSync(daemonPath(), ['--check-config', '--trusted-proxy', value],
        { stdio: 'pipe', env: cleanEnv() });
      return 'taken';
    } catch (e) {
      return e.stderr.toString();
    }
  };
  for (const good of ['10.0.0.0/8', '::1', '2001:db8::/32', 'unix', '::ffff:10.0.0.0/104']) {
    assert.equal(run(good), 'taken', good);
  }
  for (const bad of ['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/', 'example.com', '[::1]', '/8',
    '10.0.0.0/08', '::1/129', 'unix:/run/x']) {
    assert.match(run(bad), /trusted-proxy/, bad);
  }
});
