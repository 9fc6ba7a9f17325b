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
  const rss = d.rss();
  await run(cycles);
  await poll(() => (d.fds() <= fds ? true : undefined), {
    timeout: 20000,
    what: () => `descriptors: ${fds} before, ${d.fds()} after`,
  });
  const after = d.rss();
  t.diagnostic(`resident: ${rss >> 10} KiB before, ${after >> 10} KiB after ${cycles} cycles`);
  if (!slow) {
    // 50 bytes a cycle would be a megabyte.
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
