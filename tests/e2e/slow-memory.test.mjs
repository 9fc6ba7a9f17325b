// 200 clients, of which ten stop reading while 200 MB are published to them:
// the memory of the process stays under its bound, and the others lose nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { get, post } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { Stalled } from './lib/stalled.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const MiB = 1 << 20;
const TOTAL = 32 * MiB;
const BACKLOG = 8 * MiB;
const STALLED = 10;
const OTHERS = slow ? 40 : 190;
const VOLUME = (slow ? 60 : 200) * 1e6;
const big = 'x'.repeat(64000);
const rounds = Math.ceil(VOLUME / (STALLED * big.length));
/** Sanitizers and valgrind have a memory of their own. */
const plain = !process.env.FANFARE_SAN_DIR && Number(process.env.FANFARE_TIME_FACTOR || 1) === 1;

const args = [
  ...['--client-queues-total', String(TOTAL), '--client-queue-bytes', '8m'],
  ...['--max-backlog-bytes', String(BACKLOG), '--send-buffer', '16k', '--shards', '2'],
  // Nothing but the bound is to close them here, and history has bounds of its own.
  ...['--history', '0'],
  ...['--user-timeout', '1h', '--heartbeat', '1h'],
];

const counters = async (d) => (await get(d, '/stats')).json.counters;

/** Half of either transport, live on the channel. */
function openOthers(d) {
  return Promise.all(
    Array.from({ length: OTHERS }, (_, i) =>
      i % 2 ? Ws.live(d, '/ws?channel=small') : Sse.live(d, '/events?channel=small'),
    ),
  );
}

/** One of each big message, and a small one for everybody else; again if the
 *  gateway says that too much waits. */
async function publishRound(d, n) {
  const one = { channel: 'small', data: n };
  const own = Array.from({ length: STALLED }, (_, i) => ({ channel: `big.${i}`, data: big }));
  let items = [...own, one];
  while (items.length) {
    const res = await post(d, '/broadcast', items);
    assert.equal(res.status, 200, res.text.slice(0, 300));
    const { results } = res.json;
    for (const { error } of results) assert.ok(!error || error.code === 'overloaded', error?.code);
    items = items.filter((_, i) => results[i].error);
  }
}

for (const policy of ['disconnect', 'drop-oldest', 'conflate']) {
  test(`memory is bounded under ${policy}`, async (t) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'fanfare-slow-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const socket = path.join(dir, 's.sock');
    const d = await daemonFor(t, {
      listen: ['127.0.0.1:0', `unix:${socket}`],
      args: [...args, '--slow-client', policy],
    });
    const others = await openOthers(d);
    // Over the unix socket, where the kernel holds little for them.
    const stalled = await Promise.all(
      Array.from({ length: STALLED }, (_, i) =>
        Stalled.open({ path: socket }, i % 2 ? 'ws' : 'sse', `channel=big.${i}`),
      ),
    );
    const before = d.rss();
    let most = 0;
    let held = 0;
    for (let n = 0; n < rounds; n++) {
      await publishRound(d, n);
      for (const c of others) {
        const m = await c.message();
        assert.equal((m.envelope ?? m.json).data, n, 'nobody else loses or waits');
      }
      most = Math.max(most, d.rss() - before);
      if (n % 10 === 0) held = Math.max(held, (await counters(d)).slow_bytes);
    }
    const at = await counters(d);
    t.diagnostic(
      `${Math.round((rounds * STALLED * big.length) / 1e6)} MB; ` +
        `held at most ${(held / MiB).toFixed(1)} MiB, ` +
        `resident at most ${(most / MiB).toFixed(1)} MiB more; closed ${at.slow_closed} ` +
        `(${at.memory_closed} for memory), dropped ${at.dropped}, conflated ${at.conflated}`,
    );
    assert.ok(held <= TOTAL, `${held} bytes held`);
    if (plain) assert.ok(most <= TOTAL + BACKLOG + 8 * MiB, `${most} bytes more`);
    if (policy === 'conflate') {
      assert.equal(at.slow_closed, 0);
      assert.ok(at.conflated > rounds * STALLED * 0.8);
    } else {
      assert.ok(at.memory_closed > 0, 'the bound of all was reached');
    }
    for (const s of stalled) s.close();
    for (const c of others) (c.conn ?? c).close();
    await poll(async () => (await counters(d)).slow_bytes === 0 || undefined, {
      what: 'nothing is held any more',
    });
  });
}
