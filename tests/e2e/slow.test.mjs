// Clients that do not read: the policy, its log line, and nobody else's loss.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { Publisher, get } from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { afterSynced, frames, rawWs } from './lib/stalled.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const args = ['--client-queue-bytes', '64k', '--send-buffer', '16k', '--shards', '2'];
const filler = 'x'.repeat(4000);

/** Publishes until `done()`; returns how many there were. */
async function publishUntil(d, done, { limit = 20000, onEach = () => {}, message } = {}) {
  const pub = await Publisher.open(d);
  let n = 0;
  for (; n < limit && !done(); n++) {
    await pub.publish(message?.(n) ?? { channel: 's', data: { n, filler } });
    await onEach(n);
  }
  pub.close();
  assert.ok(n < limit, `nothing happened in ${limit} messages\n${d.tail()}`);
  return n;
}

test('disconnect: a slow client is closed and named, the others lose nothing', async (t) => {
  // Each line, not one a second.
  const d = await daemonFor(t, { args: [...args, '--log-level', 'debug'] });
  const fast = [await Sse.live(d, '/events?channel=s'), await Ws.live(d, '/ws?channel=s')];
  const stuck = await Sse.open(d, '/events?channel=s&userId=sleepy');
  const { clientId } = (await stuck.control('connected')).envelope.data;
  await stuck.synced();
  stuck.conn.pause();
  const stuckWs = await rawWs(d, '/ws?channel=s&userId=dozy');
  const hello = (await stuckWs.until('"fanfare.synced"')).toString('latin1');
  const wsId = /"clientId":"([^"]+)"/.exec(hello)[1];
  stuckWs.pause();
  const rss = d.rss();
  const mark = d.mark();

  const named = (id) =>
    d.stderr.slice(mark).find((l) => l.includes(id) && /slow client closed/.test(l));
  const n = await publishUntil(d, () => named(clientId) && named(wsId), {
    onEach: async (i) => {
      for (const s of fast) {
        const m = await s.message();
        assert.equal((m.envelope ?? m.json).data.n, i, 'a fast client is not delayed');
      }
    },
  });
  for (const [id, user, conn] of [
    [clientId, 'sleepy', stuck.conn],
    [wsId, 'dozy', stuckWs],
  ]) {
    const line = named(id);
    assert.match(line, /^\S+ warn /, line);
    assert.ok(line.includes(user), `the user: ${line}`);
    assert.ok(line.includes(`127.0.0.1:${conn.localPort}`), `the peer: ${line}`);
    assert.match(line, / lag_bytes=\d+ lag_messages=\d+ lag_seconds=\d+$/, line);
  }
  assert.ok(
    d.rss() - rss < 32 * 1024 * 1024,
    `memory is bounded: ${rss} -> ${d.rss()} in ${n} messages`,
  );
  const st = (await get(d, '/stats')).json;
  assert.equal(st.counters.slow_closed, 2);
  await poll(async () => (await get(d, '/stats')).json.clientCount === 2 || undefined, {
    what: 'the slow clients are out of the books',
  });

  // What they find when they read again: a clean beginning, and the end.
  stuck.conn.resume();
  await stuck.ended(20000);
  const seen = stuck.inbox.items.filter((e) => e.data).map((e) => JSON.parse(e.data).data.n);
  assert.deepEqual(
    seen,
    seen.map((_, i) => i),
    'no hole before the end',
  );
  assert.ok(seen.length < n);
  stuckWs.resume();
  await stuckWs.closed(20000);
  const got = [...frames(afterSynced(stuckWs.peek()))];
  const close = got.find((f) => f.opcode === 8);
  if (close) assert.equal(close.payload.readUInt16BE(0), 4008);
  t.diagnostic(
    `a slow WebSocket ${close ? 'gets its Close 4008' : 'is closed without a Close frame'}`,
  );
  stuckWs.close();

  // An EventSource comes back with its position: it gets what it missed, and is
  // told of what is not kept any more.
  const lastId = stuck.inbox.items.filter((e) => e.id).at(-1).id;
  const back = await Sse.open(d, '/events?channel=s', { headers: { 'Last-Event-ID': lastId } });
  await back.inbox.when((items) => items.some((e) => e.event === 'fanfare.synced') || undefined, {
    timeout: 20000,
    what: 'the end of the replay',
  });
  const rest = back.inbox.items.filter((e) => e.data && !e.event).map((e) => JSON.parse(e.data));
  const gap = back.inbox.items.find((e) => e.event === 'fanfare.gap');
  const next = gap ? rest[0].data.n : seen.length;
  if (gap) {
    const { from, to, reason } = JSON.parse(gap.data).data;
    assert.deepEqual([from, reason], [lastId, 'evicted']);
    assert.equal(seqOf(to), seqOf(rest[0].cursor) - 1n, 'the gap ends where the rest begins');
  }
  assert.deepEqual(
    rest.map((e) => e.data.n),
    Array.from({ length: n - next }, (_, i) => next + i),
  );
});

test('disconnect by the number of messages', async (t) => {
  const d = await daemonFor(t, {
    args: [
      '--client-queue-messages',
      '50',
      '--send-buffer',
      '16k',
      '--client-queue-bytes',
      '1g',
      '--shards',
      '1',
    ],
  });
  const stuck = await Sse.open(d, '/events?channel=s');
  const { clientId } = (await stuck.control('connected')).envelope.data;
  stuck.conn.pause();
  await publishUntil(d, () => d.stderr.some((l) => l.includes(clientId) && /slow/i.test(l)));
  stuck.close();
});

test('drop-oldest: a gap stands in the place of what was dropped', async (t) => {
  const d = await daemonFor(t, { args: [...args, '--slow-client', 'drop-oldest'] });
  const fast = await Ws.live(d, '/ws?channel=s');
  const stuck = await Sse.live(d, '/events?channel=s');
  const stuckWs = await rawWs(d, '/ws?channel=s');
  await stuckWs.until('"fanfare.synced"');
  stuck.conn.pause();
  stuckWs.pause();
  const rss = d.rss();
  let dropped = 0;
  let extra = 0;
  const n = await publishUntil(d, () => dropped > 0 && extra > 400, {
    onEach: async (i) => {
      assert.equal((await fast.message()).json.data.n, i, 'a fast client is not delayed');
      if (i % 50 === 49) dropped = (await get(d, '/stats')).json.counters.dropped;
      if (dropped) extra++;
    },
  });
  assert.ok(
    d.rss() - rss < 32 * 1024 * 1024,
    `memory is bounded: ${rss} -> ${d.rss()} in ${n} messages`,
  );
  const st = (await get(d, '/stats')).json;
  assert.equal(st.clientCount, 3, 'nobody was closed');
  assert.equal(st.counters.slow_closed, 0);

  const pub = await Publisher.open(d);
  const fence = await pub.publish({ channel: 's', type: 'fence' });
  pub.close();
  const top = seqOf(fence.cursor);

  const check = (events, what) => {
    // Every message is either there or inside a gap that stands in its place.
    let pos = 0n;
    let gaps = 0;
    for (const e of events) {
      if (e.type === 'fanfare.synced') continue;
      if (e.type === 'fanfare.gap') {
        gaps++;
        assert.equal(e.data.scope, 'all', what);
        assert.equal(e.data.reason, 'slow', what);
        assert.equal(e.cursor, e.data.to, what);
        assert.equal(seqOf(e.data.from), pos, `${what}: the gap begins where the stream was`);
        assert.ok(seqOf(e.data.to) > pos, what);
        pos = seqOf(e.data.to);
      } else {
        assert.equal(seqOf(e.cursor), pos + 1n, `${what}: ${e.type} after ${pos}`);
        pos++;
      }
    }
    assert.equal(pos, top, what);
    assert.ok(gaps >= 1, `${what}: a gap`);
    return gaps;
  };

  stuck.conn.resume();
  await stuck.inbox.when((items) => items.some((e) => e.event === 'fence') || undefined, {
    timeout: 30000,
    what: 'the fence',
  });
  const sseEvents = stuck.inbox.items.filter((e) => e.data);
  for (const e of sseEvents) assert.equal(e.id, JSON.parse(e.data).cursor);
  const g1 = check(
    sseEvents.map((e) => JSON.parse(e.data)),
    'SSE',
  );

  stuckWs.resume();
  await poll(() => stuckWs.peek().includes('"type":"fence"') || undefined, {
    timeout: 30000,
    what: 'the fence on the WebSocket',
  });
  const texts = [];
  const all = [...frames(afterSynced(stuckWs.peek()))];
  for (const f of all) if (f.opcode === 1) texts.push(JSON.parse(f.payload.toString('utf8')));
  const g2 = check(texts, 'WebSocket');
  t.diagnostic(`${n} messages, gaps: SSE ${g1}, WebSocket ${g2}`);

  // Both are live again.
  const pub2 = await Publisher.open(d);
  await pub2.publish({ channel: 's', type: 'after' });
  pub2.close();
  await stuck.next((e) => e.event === 'after');
  await stuckWs.until('"type":"after"');
  stuckWs.close();
});

test('a client that reads slowly but reads is not closed', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1'] });
  const s = await Sse.live(d, '/events?channel=s');
  const pub = await Publisher.open(d);
  for (let round = 0; round < 20; round++) {
    s.conn.pause();
    for (let i = 0; i < 50; i++) await pub.publish({ channel: 's', data: { round, i, filler } });
    s.conn.resume();
    for (let i = 0; i < 50; i++) {
      const { data } = (await s.message()).envelope;
      assert.deepEqual([data.round, data.i], [round, i]);
    }
  }
  pub.close();
  assert.equal((await get(d, '/stats')).json.counters.slow_closed, 0);
});
