// Connections that come and go leave nothing behind.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { RawConn, get, hostHeader, publish } from './lib/http.mjs';
import { poll } from './lib/wait.mjs';

const cycles = slow ? 2000 : 20000;
const parallel = 50;

test(`${cycles} connects and disconnects, FIN and RST, SSE and WebSocket`, async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2', '--log-level', 'warn'] });
  const host = hostHeader(d);
  const sse = Buffer.from(
    `GET /events?channel=a&channel=b.*&userId=u&meta=%7B%22a%22%3A1%7D HTTP/1.1\r\nHost: ${
      host
    }\r\nAccept: text/event-stream\r\nUser-Agent: leak\r\n\r\n`,
  );
  const ws = () =>
    Buffer.from(
      `GET /ws?channel=a&channel=b.*&userId=u HTTP/1.1\r\nHost: ${host}\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\n\r\n`,
    );

  async function cycle(i) {
    const c = await RawConn.open(d);
    await c.write(i % 2 ? ws() : sse);
    // A few vanish before they are answered.
    if (i % 16 < 14) await c.until('"fanfare.synced"', 30000);
    if (i % 4 < 2) c.close();
    else c.reset();
  }

  async function run(n) {
    let next = 0;
    await Promise.all(
      Array.from({ length: parallel }, async () => {
        while (next < n) {
          const i = next++;
          await cycle(i);
          if (i % 200 === 0) await publish(d, { channel: 'a', data: i });
        }
      }),
    );
    await poll(
      async () => {
        const st = (await get(d, '/stats')).json;
        return st.clientCount === 0 && st.channels.count === 0 && st.users === 0 ? true : undefined;
      },
      { timeout: 30000, what: 'nobody is there' },
    );
  }

  const fds = d.fds();
  // The first round fills pools and caches.
  await run(Math.min(4000, cycles / 2));
  let rss = d.rss();
  await run(cycles);
  await poll(() => (d.fds() <= fds ? true : undefined), {
    timeout: 20000,
    what: () => `descriptors: ${fds} before, ${d.fds()} after`,
  });
  let after = d.rss();
  t.diagnostic(`resident: ${rss >> 10} KiB before, ${after >> 10} KiB after ${cycles} cycles`);
  if (!slow) {
    // 50 bytes a cycle would be a megabyte. The heap's high-water mark may move
    // once by so much; a leak does it every time.
    for (let again = 0; again < 2 && after - rss >= 1024 * 1024; again++) {
      rss = after;
      await run(cycles);
      after = d.rss();
      t.diagnostic(`again: ${rss >> 10} KiB before, ${after >> 10} KiB after`);
    }
    assert.ok(after - rss < 1024 * 1024, `resident: ${rss} before, ${after} after`);
  }
  const { counters } = (await get(d, '/stats')).json;
  assert.equal(counters.clients_sse, 0);
  assert.equal(counters.clients_websocket, 0);
  assert.equal(counters.connects_sse + counters.connects_websocket, counters.disconnects);
});

test('requests leave nothing behind either', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2', '--log-level', 'warn'] });
  const bodies = [
    '{"channel":"a","data":[1,2,3]}',
    '{"channel":"a"',
    '{"nope":1}',
    '[{},{"channel":"a b"}]',
  ];
  const n = slow ? 400 : 4000;
  const { Agent, request } = await import('undici');
  const agent = new Agent({ connections: 8, pipelining: 1 });
  const round = async () => {
    let next = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (next < n) {
          const i = next++;
          const res = await request(`${d.url}/broadcast`, {
            dispatcher: agent,
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: bodies[i % bodies.length],
          });
          await res.body.dump();
          if (i % 4 === 0)
            await (await request(`${d.url}/channels/x${i}`, { dispatcher: agent })).body.dump();
        }
      }),
    );
  };
  await round();
  const rss = d.rss();
  const fds = d.fds();
  await round();
  await round();
  assert.ok(d.fds() <= fds + 8);
  if (!slow) assert.ok(d.rss() - rss < 1024 * 1024, `resident: ${rss} before, ${d.rss()} after`);
  await agent.close();
});

// libmicrohttpd looks at connections without an event in the order of their
// age: an old one that stays must not keep the descriptors of younger streams.
test('an idle keep-alive connection does not hold up the ends of streams', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1', '--log-level', 'warn'] });
  const old = await RawConn.open(d);
  await old.write(`GET /health HTTP/1.1\r\nHost: ${hostHeader(d)}\r\n\r\n`);
  await old.until('"ok"}', 30000);
  const fds = d.fds();
  const streams = [];
  for (let i = 0; i < 30; i++) {
    const c = await RawConn.open(d);
    await c.write(`GET /events?channel=a HTTP/1.1\r\nHost: ${hostHeader(d)}\r\n\r\n`);
    await c.until('"fanfare.synced"', 30000);
    streams.push(c);
  }
  await poll(() => (d.fds() <= fds + streams.length ? true : undefined), {
    timeout: 20000,
    what: () => `one descriptor a stream: ${fds} before, ${d.fds()} with ${streams.length} streams`,
  });
  for (const c of streams) c.close();
  await poll(() => (d.fds() <= fds ? true : undefined), {
    timeout: 20000,
    what: () => `descriptors: ${fds} before, ${d.fds()} after`,
  });
  old.close();
});
