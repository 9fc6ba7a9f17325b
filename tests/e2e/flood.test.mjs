// Attackers with few means: sockets that dribble, floods of connections, of messages and of bad
// credentials. The gateway ends or holds them back, and ordinary clients of both transports go
// on getting their messages in time.
//
// "In time": of the messages published one after the other meanwhile, the 99th percentile from
// the publication to the client is below FACTOR times what it was without the attack, and
// SLACK ms. Both run on the same processors as the attacker and this test.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { bearer, everything, key, writeKeys } from './lib/credentials.mjs';
import { daemonFor, scaled, slow, within } from './lib/daemon.mjs';
import { RawConn, get, hostHeader, requestBytes } from './lib/http.mjs';
import { counter } from './lib/limited.mjs';
import { Sse } from './lib/sse.mjs';
import { tlsDaemonFor } from './lib/tls.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const FACTOR = 10;
const SLACK = 200;
const ROUNDS = slow ? 60 : 200;
const FROM = '127.0.0.7';
const few = slow ? 0.3 : 1;

/** Ordinary clients and a publisher. */
class Audience {
  #clients = [];
  #d;
  #headers;
  #at = 0;

  static async of(d, headers = {}) {
    const a = new Audience();
    a.#d = d;
    a.#headers = headers;
    for (let i = 0; i < 10; i++) {
      a.#clients.push(await Sse.live(d, '/events?channel=a', { headers }));
      a.#clients.push(await Ws.live(d, '/ws?channel=a', { headers }));
    }
    return a;
  }

  /** Publishes ROUNDS messages, each when the one before has come to all; the 99th percentile
   *  of the times in ms. */
  async measure(rounds = ROUNDS) {
    const c = await RawConn.open(this.#d);
    const times = [];
    for (let i = 0; i < rounds; i++) {
      const body = `{"channel":"a","data":${++this.#at}}`;
      const since = performance.now();
      c.write(requestBytes(this.#d, { method: 'POST', path: '/broadcast', body,
        headers: { 'Content-Type': 'application/json', ...this.#headers } }));
      const got = this.#clients.map(async (client) => {
        const m = await client.message({ timeout: 20000 });
        times.push(performance.now() - since);
        assert.equal((m.envelope ?? m.json).data, this.#at, 'in order, and none missing');
      });
      const res = await c.readResponse({ timeout: 20000 });
      assert.equal(res.status, 200, res.text);
      await Promise.all(got);
    }
    c.close();
    times.sort((a, b) => a - b);
    return times[Math.floor(times.length * 0.99)];
  }

  close() {
    for (const c of this.#clients) c.close();
  }
}

class Attack {
  static async start(t, data) {
    const a = new Attack();
    a.worker = new Worker(new URL('./helpers/attacker.mjs', import.meta.url),
      { workerData: { from: FROM, ...data } });
    t.after(() => a.worker.terminate());
    await within(20000, new Promise((resolve, reject) => {
      a.worker.once('message', resolve);
      a.worker.once('error', reject);
    }), `the attack ${data.kind}`);
    return a;
  }

  async stop() {
    const counts = new Promise((resolve) => this.worker.once('message', resolve));
    this.worker.postMessage('stop');
    return within(20000, counts, 'the counts of an attack');
  }
}

/** Measures before and during; `during` starts what is to be stopped again. */
async function compare(t, audience, during) {
  const calm = await audience.measure();
  const attacks = await during();
  const p99 = await audience.measure();
  const counts = [];
  for (const a of attacks) counts.push(await a.stop());
  const bound = Math.max(FACTOR * calm, scaled(SLACK));
  t.diagnostic(`p99 ${calm.toFixed(1)} ms before, ${p99.toFixed(1)} ms during; ` +
    `bound ${bound.toFixed(0)} ms; ${JSON.stringify(counts)}`);
  assert.ok(p99 < bound, `p99 ${p99.toFixed(1)} ms, bound ${bound.toFixed(1)} ms`);
  return counts;
}

const handshake = (d) => `GET /ws HTTP/1.1\r\nHost: ${hostHeader(d)}\r\nUpgrade: websocket\r\n` +
  'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

test('300 sockets that dribble headers, bodies, TLS handshakes and frames', async (t) => {
  const d = await tlsDaemonFor(t, {
    args: ['--shards', '2', '--listen-plain', '127.0.0.1:0', '--header-timeout', '2s',
      '--body-timeout', '2s', '--handshake-timeout', '2s'],
  });
  const plain = d.plain[0];
  const before = d.fds();
  const audience = await Audience.of(plain);
  const n = Math.round(75 * few);
  const host = `Host: ${hostHeader(plain)}\r\n`;
  const counts = await compare(t, audience, async () => [
    await Attack.start(t, { kind: 'dribble', port: plain.port, n,
      text: `GET /events HTTP/1.1\r\n${host}X-Long: a` }),
    await Attack.start(t, { kind: 'dribble', port: plain.port, n, everyMs: 10,
      text: `POST /broadcast HTTP/1.1\r\n${host}Content-Type: application/json\r\n` +
        'Content-Length: 100000\r\n\r\n{' }),
    // A client hello that says it has 500 bytes.
    await Attack.start(t, { kind: 'dribble', port: d.port, n,
      text: '\x16\x03\x01\x01\xf8\x01\x00\x01\xf4\x03\x03a' }),
    await Attack.start(t, { kind: 'dribbleFrames', port: plain.port, n, text: handshake(plain) }),
  ]);
  assert.equal(counts.reduce((sum, c) => sum + c.opened, 0), 4 * n);
  // Those that dribble on are ended by the time limits, whatever comes in the meantime.
  const attacks = [
    await Attack.start(t, { kind: 'dribble', port: plain.port, n,
      text: `GET /events HTTP/1.1\r\n${host}X-Long: a` }),
    await Attack.start(t, { kind: 'dribble', port: d.port, n,
      text: '\x16\x03\x01\x01\xf8\x01\x00\x01\xf4\x03\x03a' }),
  ];
  const timeouts = await counter(plain, 'http_timeouts');
  await poll(async () => (await counter(plain, 'http_timeouts') >= timeouts + n ? true : undefined),
    { timeout: 20000, what: `${n} timeouts` });
  await audience.measure(20);
  const [headers] = [await attacks[0].stop(), await attacks[1].stop()];
  assert.equal(headers.closed, n);
  assert.equal(headers.answers['408'], n, 'each is told');
  audience.close();
  await poll(() => (d.fds() <= before ? true : undefined), { what: 'all descriptors back' });
});

test('a flood of connections from one address', async (t) => {
  const d = await daemonFor(t, {
    args: ['--shards', '2', '--max-connections-per-address', '60', '--connect-rate', '50',
      '--rate-window', '1s'],
  });
  const before = d.fds();
  const audience = await Audience.of(d);
  const calls = async () => {
    // Who comes meanwhile from elsewhere is let in.
    for (let i = 0; i < 10; i++) {
      (await Sse.live(d, '/events?channel=b', { localAddress: '127.0.0.8' })).close();
    }
  };
  const [counts] = await compare(t, audience, async () => {
    const a = await Attack.start(t, { kind: 'connections', port: d.port, n: 100,
      text: `GET /events?channel=x HTTP/1.1\r\nHost: ${hostHeader(d)}\r\n` +
        'Accept: text/event-stream\r\n\r\n' });
    await poll(async () => (await counter(d, 'accept_refused') > 100 ? true : undefined),
      { what: 'refusals' });
    await calls();
    return [a];
  });
  assert.ok(counts.opened > 200, `${counts.opened} connections`);
  assert.ok(counts.left <= 100);
  const streams = await counter(d, 'connects_sse');
  assert.ok(streams <= 20 + 60 + 50 * 60, `${streams} streams`);
  await d.waitForLog(/connection over a limit limit=(connect-rate|max-connections-per-address) peer=127\.0\.0\.7/);
  // One line a second of that at most.
  const lines = d.stderr.filter((l) => l.includes('connection over a limit'));
  assert.ok(lines.length < 100, `${lines.length} lines`);
  audience.close();
  await poll(() => (d.fds() <= before ? true : undefined), { what: 'all descriptors back' });
});

test('a flood of WebSocket messages', async (t) => {
  const d = await daemonFor(t, {
    args: ['--shards', '2', '--op-rate', '50', '--rate-window', '1s'],
  });
  const audience = await Audience.of(d);
  const n = Math.round(50 * few);
  await compare(t, audience, async () => [
    await Attack.start(t, { kind: 'messages', port: d.port, n, text: handshake(d) }),
  ]);
  assert.ok(await counter(d, 'limited_ops') >= n, 'each was held back');
  assert.ok(await counter(d, 'websocket_received') < n * 5000, 'most was never read');
  audience.close();
});

test('a flood of bad credentials', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-flood-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const all = key('all', everything);
  const good = bearer(all.text);
  const d = await daemonFor(t, {
    args: ['--shards', '2', '--keys', writeKeys(folder, [all]), '--auth-failure-rate', '20',
      '--rate-window', '1s'],
  });
  const audience = await Audience.of(d, good);
  const since = performance.now();
  const [counts] = await compare(t, audience, async () => {
    const a = await Attack.start(t, { kind: 'requests', port: d.port, n: 20,
      text: `GET /stats HTTP/1.1\r\nHost: ${hostHeader(d)}\r\n` +
        `Authorization: Bearer ffk_all_${'x'.repeat(43)}\r\n\r\n` });
    await poll(async () => (await counter(d, 'limited_failures', good) > 0 ? true : undefined),
      { what: 'refusals' });
    return [a];
  });
  const seconds = (performance.now() - since) / 1000;
  assert.ok(counts.answers['429'] > 0);
  // The connection of each is judged on its shard; two may find the last one at once.
  assert.ok(counts.answers['401'] <= 20 * (seconds + 1) + 40,
    `${counts.answers['401']} were looked at in ${seconds.toFixed(1)} s`);
  assert.equal((await get(d, '/stats', good)).status, 200, 'others are not concerned');
  audience.close();
});
