// The durable store: what a gateway has told it still knows after it was
// stopped or killed, and where it cannot know it says so.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Disk, kept, kill9 } from './lib/disk.mjs';
import { slow } from './lib/daemon.mjs';
import { get, post, publish } from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { Ws } from './lib/wsclient.mjs';
import { listen } from './lib/wire.mjs';

const syncs = [
  ['--sync', 'always'],
  ['--sync', 'always', '--fanout-early'],
  ['--sync', 'interval'],
  ['--sync', 'interval', '--sync-interval', '20ms'],
  ['--sync', 'off'],
];
const ends = { 'a clean stop': (d) => d.stop(), 'kill -9': kill9 };

const events = async (t, d, query) => listen(t, d, query).upTo('fanfare.synced');
const messages = (list) => list.filter((e) => !e.type.startsWith('fanfare.'));
const gapsOf = (list) => list.filter((e) => e.type === 'fanfare.gap').map((e) => e.data);

/** Some of everything. */
async function fill(d) {
  const sent = [];
  for (let i = 0; i < 20; i++) {
    sent.push(
      await publish(d, { channel: i % 2 ? 'a' : 'b', id: `m${i}`, type: 't', data: [i, 9.9] }),
    );
  }
  await publish(d, { channels: ['a', 'b'], data: 'two' });
  await publish(d, { data: 'everyone' });
  for (let i = 0; i < 3; i++) await publish(d, { userId: 'ann', data: `ann ${i}` });
  await publish(d, { userId: 'bob', requireAck: true, id: 'ack-me', data: 'bob' });
  await publish(d, { channel: 'a', ephemeral: true, data: 'ephemeral' });
  return sent;
}

for (const sync of syncs) {
  for (const [how, end] of Object.entries(ends)) {
    test(`${sync.join(' ')}: ${how}, and it knows everything`, async (t) => {
      const disk = Disk.for(t);
      const exact = how === 'a clean stop' || sync[1] === 'always';
      const d1 = await disk.startLoose([...sync, '--shards', '2']);
      const before = (await get(d1, '/stats')).json;
      assert.equal(before.store.kind, 'sqlite');
      assert.equal(before.store.sync, sync[1]);
      assert.deepEqual([before.store.ok, before.store.reason], [true, null]);
      const sent = await fill(d1);
      const historyBefore = (await get(d1, '/channels/a/history')).json;
      const topBefore = (await get(d1, '/stats')).json.cursor;
      await end(d1);

      const d2 = await disk.start([...sync, '--shards', '1']);
      const after = (await get(d2, '/stats')).json;
      assert.equal(after.epoch, before.epoch, 'the same epoch');
      assert.ok(seqOf(after.cursor) >= seqOf(topBefore), `${after.cursor} after ${topBefore}`);
      // Resume from somewhere in the middle.
      for (const transport of ['sse', 'ws']) {
        const list = await events(t, d2, {
          transport,
          channels: ['a', 'b'],
          after: sent[9].cursor,
        });
        const gaps = gapsOf(list);
        if (exact) {
          // Sent early, something may have been seen that is not on the disk.
          const ahead = sync.includes('--fanout-early') && how === 'kill -9';
          for (const g of gaps) {
            assert.ok(ahead && g.reason === 'unclean-stop', JSON.stringify(g));
            assert.ok(seqOf(g.from) >= seqOf(sent.at(-1).cursor), 'what was answered is whole');
          }
          const got = messages(list).map((e) => e.data[0]);
          assert.deepEqual(got.slice(0, 10), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
          assert.deepEqual(
            messages(list)
              .slice(10)
              .map((e) => e.data),
            ['two', 'two', 'everyone'],
          );
        } else {
          // Whatever did not come is announced.
          const got = new Set(messages(list).map((e) => e.cursor));
          const missing = sent.slice(10).filter((m) => !got.has(m.cursor));
          for (const m of missing) {
            assert.ok(
              gaps.some((g) => seqOf(g.from) < seqOf(m.cursor) && seqOf(m.cursor) <= seqOf(g.to)),
              `${m.cursor} is neither there nor in ${JSON.stringify(gaps)}`,
            );
          }
          for (const g of gaps) assert.deepEqual([g.scope, g.reason], ['all', 'unclean-stop']);
        }
      }
      if (exact) {
        assert.deepEqual(
          (await get(d2, '/channels/a/history')).json.messages,
          historyBefore.messages,
        );
        // An id of before.
        const again = { channel: 'b', id: 'm0', type: 't', data: [0, 9.9] };
        const dup = await publish(d2, again);
        assert.equal(dup.duplicate, true);
        assert.equal(dup.cursor, sent[0].cursor);
        const other = await post(d2, '/broadcast', { ...again, data: 'other' });
        assert.equal(other.status, 409, other.text);
        // What waits for a user.
        const ann = (await get(d2, '/users/ann')).json;
        assert.deepEqual([ann.queued, ann.connections], [3, 0]);
        const bob = (await get(d2, '/users/bob')).json;
        assert.deepEqual([bob.pendingCount, bob.pending[0].id], [1, 'ack-me']);
        const s = await Sse.live(d2, '/events?userId=ann').catch((e) => e);
        assert.ok(s instanceof Sse, s.stack);
        s.close();
        const mine = await events(t, d2, { transport: 'ws', user: 'bob' });
        assert.deepEqual(
          messages(mine).map((e) => e.id),
          ['ack-me'],
        );
      }
      // No number is used again.
      const next = await publish(d2, { channel: 'a', data: 'next' });
      assert.ok(seqOf(next.cursor) > seqOf(topBefore), `${next.cursor} after ${topBefore}`);
      const last = (await kept(d2, 'a')).at(-1);
      assert.equal(last.cursor, next.cursor);
    });
  }
}

test('queued messages come after a restart, in order with the rest', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose();
  for (let i = 0; i < 3; i++) {
    assert.equal((await publish(d1, { userId: 'ann', data: `ann ${i}` })).status, 'queued');
  }
  await kill9(d1);
  const d2 = await disk.startLoose();
  assert.equal((await publish(d2, { userId: 'ann', data: 'ann 3' })).status, 'queued');
  const list = await events(t, d2, { transport: 'sse', user: 'ann' });
  assert.deepEqual(
    messages(list).map((e) => e.data),
    ['ann 0', 'ann 1', 'ann 2', 'ann 3'],
  );
  // What is known when a later publication is answered is on the disk.
  await publish(d2, { channel: 'x' });
  await kill9(d2);
  // They were delivered: no client gets them as queued once more, but history has them.
  const d3 = await disk.start();
  const again = await events(t, d3, { transport: 'sse', user: 'ann' });
  assert.deepEqual(
    messages(again).map((e) => e.data),
    [],
  );
  const back = await events(t, d3, { transport: 'ws', user: 'ann', after: list[0].cursor });
  assert.equal(messages(back).length, 4);
});

test('no number is used twice, also not that of what was ephemeral', async (t) => {
  for (const sync of syncs) {
    const disk = Disk.for(t);
    const seen = new Map();
    for (let round = 0; round < (slow ? 3 : 6); round++) {
      const d = await disk.startLoose(sync);
      const w = listen(t, d, { transport: 'ws', channels: ['a'] });
      await w.take('fanfare.synced');
      const n = 1 + round * 7;
      const all = Array.from({ length: n }, (_, i) =>
        publish(d, { channel: 'a', ephemeral: i % 3 !== 0, data: `${round} ${i}` }),
      );
      // Killed as soon as it was seen: the disk may be behind.
      await w.when((e) => e.length >= n, `${n} messages`);
      d.kill('SIGKILL');
      await Promise.allSettled(all);
      await d.waitExit();
      for (const e of w.events) {
        const other = seen.get(e.cursor);
        assert.equal(other, undefined, `${sync}: ${e.cursor} was ${other}, and is ${e.data}`);
        seen.set(e.cursor, e.data);
      }
    }
    // The last one seen is a position that a gateway knows.
    const position = [...seen.keys()].at(-1);
    const d = await disk.start(sync);
    const list = await events(t, d, { transport: 'sse', channels: ['a'], after: position });
    assert.equal(list[0].cursor, position);
    if (sync[1] === 'always' && sync.length === 2) assert.deepEqual(gapsOf(list), []);
    for (const g of gapsOf(list)) assert.equal(g.reason, 'unclean-stop', sync.join(' '));
  }
});

test('an unclean stop is announced where something may be lost, and only there', async (t) => {
  for (const sync of ['interval', 'off']) {
    const disk = Disk.for(t);
    const args = ['--sync', sync, '--sync-interval', '1h'];
    let d = await disk.startLoose(args);
    const first = await publish(d, { channel: 'a', data: 0 });
    await d.stop();
    d = await disk.startLoose(args);
    const second = await publish(d, { channel: 'a', data: 1 });
    const last = await publish(d, { channel: 'a', data: 2 });
    await kill9(d);
    d = await disk.start(args);
    const list = await events(t, d, { transport: 'sse', channels: ['a'], after: first.cursor });
    const [gap, ...more] = gapsOf(list);
    assert.deepEqual(more, []);
    assert.deepEqual([gap.scope, gap.reason], ['all', 'unclean-stop'], sync);
    assert.ok(seqOf(gap.from) >= seqOf(first.cursor), 'what was stopped cleanly is whole');
    assert.ok(seqOf(gap.to) >= seqOf(last.cursor), JSON.stringify(gap));
    assert.ok(seqOf(second.cursor) > seqOf(first.cursor));
    // Who comes from behind it has none.
    const top = (await get(d, '/stats')).json.cursor;
    const whole = await events(t, d, { transport: 'sse', channels: ['a'], after: top });
    assert.deepEqual(gapsOf(whole), []);
    await publish(d, { channel: 'a', data: 3 });
    const later = await events(t, d, { transport: 'ws', channels: ['a'], after: top });
    assert.deepEqual(
      messages(later).map((e) => e.data),
      [3],
    );
    assert.deepEqual(gapsOf(later), []);
    assert.ok(
      d.stderr.some((l) => / warn .*ended without warning/.test(l)),
      d.tail(),
    );
  }
});

test('--sync=always answers after the commit, and many share one', async (t) => {
  const disk = Disk.for(t);
  const d = await disk.startLoose(['--shards', '2']);
  const n = slow ? 100 : 400;
  const all = await Promise.all(
    Array.from({ length: n }, (_, i) => publish(d, { channel: 'a', id: `c${i}`, data: i })),
  );
  const { counters } = (await get(d, '/stats')).json;
  await kill9(d);
  assert.equal(counters.store_written, n);
  assert.ok(counters.store_commits < n, `${counters.store_commits} commits for ${n} messages`);
  const d2 = await disk.start();
  const have = await kept(d2, 'a');
  assert.equal(have.length, n);
  for (const r of all) assert.equal(have.find((m) => m.id === r.id)?.cursor, r.cursor);
  // The log's order is that of the numbers.
  have.reduce((a, b) => (assert.ok(seqOf(a.cursor) < seqOf(b.cursor)), b));
});

test('a batch that was answered is whole', async (t) => {
  const disk = Disk.for(t);
  const d = await disk.startLoose();
  const batch = Array.from({ length: 500 }, (_, i) => ({ channel: `c${i % 7}`, data: i }));
  const res = await post(d, '/broadcast', batch);
  assert.equal(res.json.accepted, 500);
  await kill9(d);
  const d2 = await disk.start();
  let n = 0;
  for (let i = 0; i < 7; i++) n += (await kept(d2, `c${i}`)).length;
  assert.equal(n, 500);
});

test('the bounds hold for what comes back from the disk', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(['--history', '50']);
  const sent = [];
  for (let i = 0; i < 60; i++) sent.push(await publish(d1, { channel: 'a', data: i }));
  await d1.stop();
  const d2 = await disk.startLoose(['--history', '50']);
  assert.deepEqual(
    (await kept(d2, 'a')).map((m) => m.data),
    sent.slice(10).map((_, i) => i + 10),
  );
  const list = await events(t, d2, { transport: 'sse', channels: ['a'], after: sent[4].cursor });
  assert.deepEqual(
    gapsOf(list).map((g) => [g.reason, g.to]),
    [['evicted', sent[9].cursor]],
  );
  await d2.stop();
  // With a smaller bound fewer are kept, and the gap is true again.
  const d3 = await disk.start(['--history', '5']);
  assert.deepEqual(
    (await kept(d3, 'a')).map((m) => m.data),
    [55, 56, 57, 58, 59],
  );
  const less = await events(t, d3, { transport: 'sse', channels: ['a'], after: sent[4].cursor });
  assert.deepEqual(
    gapsOf(less).map((g) => [g.reason, g.to]),
    [['evicted', sent[54].cursor]],
  );
});

test('clients that come back after a restart on the same port', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose();
  const s = await Sse.live(d1, '/events?channel=a');
  const w = await Ws.live(d1, '/ws?channel=a');
  const r = await publish(d1, { channel: 'a', data: 1 });
  await s.message();
  await w.message();
  await publish(d1, { channel: 'a', data: 2 });
  await kill9(d1);
  const d2 = await disk.start([], { listen: [`127.0.0.1:${d1.port}`] });
  for (const transport of ['sse', 'ws']) {
    const list = await events(t, d2, { transport, channels: ['a'], after: r.cursor });
    assert.deepEqual(
      messages(list).map((e) => e.data),
      [2],
    );
    assert.equal(list[0].data.recovered, true);
  }
});

test('channels that come and are forgotten, and kills in between: it starts again', async (t) => {
  const disk = Disk.for(t);
  const args = ['--history-channels', '16', '--shards', '2'];
  let n = 0;
  let epoch;
  for (let round = 0; round < (slow ? 3 : 8); round++) {
    const d = await disk.startLoose(args);
    const now = (await get(d, '/stats')).json.epoch;
    assert.equal(now, (epoch ??= now));
    // Forgotten, and there again, all the time.
    const all = Array.from({ length: 300 }, () => {
      n++;
      return publish(d, { channel: `c${(n * 7) % 40}`, data: n });
    });
    await Promise.all(all.slice(0, 150));
    d.kill('SIGKILL');
    await Promise.allSettled(all);
    await d.waitExit();
  }
  const d = await disk.start(args);
  const last = await publish(d, { channel: 'c1', data: 'last' });
  assert.equal((await kept(d, 'c1')).at(-1).cursor, last.cursor);
});

test('pages of history tell of a lost range where it lies, and nowhere else', async (t) => {
  const disk = Disk.for(t);
  const args = ['--sync', 'interval', '--sync-interval', '1h'];
  const d1 = await disk.startLoose(args);
  const sent = [];
  for (let i = 0; i < 10; i++) sent.push(await publish(d1, { channel: 'a', data: i }));
  await d1.stop();
  const d2 = await disk.startLoose(args);
  await publish(d2, { channel: 'b', data: 'perhaps lost' });
  await kill9(d2);
  const d3 = await disk.start(args);
  for (let i = 10; i < 15; i++) sent.push(await publish(d3, { channel: 'a', data: i }));
  const gaps = [];
  const got = [];
  for (let after = sent[1].cursor; after;) {
    const { json } = await get(d3, `/channels/a/history?limit=2&after=${after}`);
    if (json.gap) gaps.push([json.messages[0]?.data, json.gap]);
    got.push(...json.messages.map((m) => m.data));
    after = json.next;
  }
  assert.deepEqual(got, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  assert.equal(gaps.length, 1, JSON.stringify(gaps));
  const [[first, gap]] = gaps;
  assert.ok([8, 10].includes(first), `told on the page of ${first}`);
  assert.equal(gap.reason, 'unclean-stop');
  assert.ok(seqOf(gap.from) >= seqOf(sent[9].cursor) && seqOf(gap.to) < seqOf(sent[10].cursor));
});
