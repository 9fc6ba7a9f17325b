// Publishing once: by the publisher's id, and only if nobody was faster.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { Disk, kept, kill9 } from './lib/disk.mjs';
import { assertProblem, get, post, publish } from './lib/http.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const counters = async (d) => (await get(d, '/stats')).json.counters;

test('the same id: the first answer again', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const l = listen(t, d, { transport: 'sse', channels: ['a', 'b'] });
  await l.take('fanfare.synced');
  const m = { channel: 'a', id: 'x', data: { n: 1 } };
  const first = await post(d, '/broadcast', m);
  assert.equal(first.json.duplicate, undefined);
  const cursor = first.json.cursor;
  const again = await post(d, '/broadcast', m);
  assert.equal(again.status, 200);
  assert.equal(
    again.text.trimEnd(),
    `{"id":"x","cursor":"${cursor}","matched":1,"duplicate":true}`,
  );
  // Said in another way it is the same publication.
  const same = await post(d, '/broadcast', '{ "id":"x", "data" : {"n": 1},\n"channel":"a" }');
  assert.equal(same.json.duplicate, true, same.text);
  assert.equal(same.json.cursor, cursor);
  const l2 = listen(t, d, { transport: 'ws', channels: ['a'] });
  await l2.take('fanfare.synced');
  assert.equal((await publish(d, m)).matched, 1, 'what it was then');

  // Several targets, users, everyone.
  const many = { channels: ['a', 'b'], id: 'y', data: 2 };
  const r1 = await publish(d, many);
  assert.deepEqual(await publish(d, many), { ...r1, duplicate: true });
  const user = { userId: 'ann', id: 'z' };
  const r2 = await publish(d, user);
  assert.equal(r2.status, 'queued');
  const l3 = listen(t, d, { transport: 'ws', user: 'ann' });
  await l3.take('fanfare.synced');
  assert.deepEqual(await publish(d, user), { ...r2, duplicate: true }, 'queued, as it was');
  const all = { id: 'w' };
  const r3 = await publish(d, all);
  assert.deepEqual(await publish(d, all), { ...r3, duplicate: true });
  const quick = { channel: 'a', id: 'e', ephemeral: true };
  const r4 = await publish(d, quick);
  assert.deepEqual(await publish(d, quick), { ...r4, duplicate: true });

  await publish(d, { channel: 'a', type: 'end' });
  const ids = (await l.upTo('end')).slice(0, -1).map((e) => e.id);
  assert.deepEqual(ids, ['x', 'y', 'y', 'w', 'e'], 'each was sent once');
  const c = await counters(d);
  assert.equal(c.duplicates, 7);
  assert.equal((await get(d, '/stats')).json.messageCount, 7);
});

test('the same id for another publication is a conflict', async (t) => {
  const d = await daemonFor(t);
  const m = { channel: 'a', id: 'x', type: 't', data: { n: 1.5 } };
  await publish(d, m);
  const others = [
    { ...m, data: { n: 2 } },
    { ...m, channel: 'b' },
    { ...m, type: 'u' },
    { ...m, source: 's' },
    { ...m, ttl: 5 },
    { ...m, ephemeral: true },
    { ...m, timestamp: '2026-01-01T00:00:00Z' },
    { ...m, channel: undefined, userId: 'a' },
    { ...m, channel: undefined },
  ];
  for (const other of others) {
    const res = await post(d, '/broadcast', other);
    assertProblem(res, 409, { code: 'id_conflict' });
  }
  assert.equal((await get(d, '/stats')).json.messageCount, 1);
  assert.equal((await counters(d)).id_conflicts, others.length);
  assert.equal((await publish(d, m)).duplicate, true, 'the first one stands');
});

test('many at once with the same id: one is published, all get its cursor', async (t) => {
  for (const store of [false, true]) {
    const disk = Disk.for(t);
    const args = ['--shards', '3'];
    const d = store ? await disk.start(args) : await daemonFor(t, { args });
    const l = listen(t, d, { transport: 'ws', channels: ['a'] });
    await l.take('fanfare.synced');
    const rounds = slow ? 5 : 20;
    for (let i = 0; i < rounds; i++) {
      const all = await Promise.all(
        Array.from({ length: 12 }, () => publish(d, { channel: 'a', id: `r${i}`, data: i })),
      );
      assert.equal(all.filter((r) => !r.duplicate).length, 1, 'exactly one is the first');
      assert.equal(new Set(all.map((r) => r.cursor)).size, 1);
    }
    await publish(d, { channel: 'a', type: 'end' });
    const got = (await l.upTo('end')).slice(0, -1).map((e) => e.data);
    assert.deepEqual(
      got,
      Array.from({ length: rounds }, (_, i) => i),
    );
  }
});

test('in batches, item by item', async (t) => {
  const d = await daemonFor(t);
  const item = (i) => ({ channel: 'a', id: `i${i}`, data: i });
  const first = await post(d, '/broadcast', [item(0), item(1), item(0), { ...item(1), data: 'x' }]);
  const [a, b, c, e] = first.json.results;
  assert.deepEqual([a.duplicate, b.duplicate, c.duplicate], [undefined, undefined, true]);
  assert.equal(c.cursor, a.cursor);
  assert.deepEqual([e.error.status, e.error.code], [409, 'id_conflict']);
  assert.deepEqual([first.json.accepted, first.json.refused], [3, 1]);
  // The whole batch again, as after a lost answer; NDJSON, this time.
  const body = [item(0), item(1), item(2)].map((x) => JSON.stringify(x)).join('\n');
  const again = await post(d, '/broadcast', body, { 'Content-Type': 'application/x-ndjson' });
  assert.deepEqual(
    again.json.results.map((r) => r.duplicate),
    [true, true, undefined],
  );
  assert.deepEqual(
    again.json.results.slice(0, 2).map((r) => r.cursor),
    [a.cursor, b.cursor],
  );
  assert.deepEqual(
    (await kept(d, 'a')).map((m) => m.data),
    [0, 1, 2],
  );
});

test('the window and its bound', async (t) => {
  const d = await daemonFor(t, { args: ['--id-window', '1s', '--max-ids', '16'] });
  const first = await publish(d, { channel: 'a', id: 'x' });
  const later = await poll(
    async () => {
      const r = await publish(d, { channel: 'a', id: 'x' });
      return r.duplicate ? undefined : r;
    },
    { what: 'the end of the window' },
  );
  assert.notEqual(later.cursor, first.cursor);
  for (let i = 0; i < 16; i++) await publish(d, { channel: 'a', id: `y${i}` });
  assert.equal(
    (await publish(d, { channel: 'a', id: 'x' })).duplicate,
    undefined,
    'the oldest went',
  );
  const off = await daemonFor(t, { args: ['--id-window', '0'] });
  await publish(off, { channel: 'a', id: 'x' });
  assert.equal((await publish(off, { channel: 'a', id: 'x', data: 2 })).duplicate, undefined);
});

test('failures are not remembered', async (t) => {
  const d = await daemonFor(t, { args: ['--max-unacked', '1'] });
  await publish(d, { userId: 'ann', requireAck: true, id: 'first' });
  const m = { userId: 'ann', requireAck: true, id: 'second' };
  assertProblem(await post(d, '/broadcast', m), 503, { code: 'too_many_unacked' });
  const w = listen(t, d, { transport: 'ws', user: 'ann' });
  await w.take('fanfare.synced');
  w.wire.op({ op: 'ack', id: 'first', ref: 1 });
  await w.when((e) => e.some((x) => x.ref === 1), 'the reply');
  assert.equal((await publish(d, m)).duplicate, undefined);
  // Nor are conditions that did not hold.
  const last = await publish(d, { channel: 'a' });
  const next = await publish(d, { channel: 'a' });
  const c = { channel: 'a', id: 'c', ifLast: last.cursor };
  assertProblem(await post(d, '/broadcast', c), 409, { code: 'moved_on' });
  assert.equal((await publish(d, { ...c, ifLast: next.cursor })).duplicate, undefined);
});

test('after a restart the first answer still stands', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose();
  const batch = Array.from({ length: 50 }, (_, i) => ({
    channels: ['a', 'b'],
    id: `i${i}`,
    data: i,
  }));
  const first = (await post(d1, '/broadcast', batch)).json.results;
  const user = await publish(d1, { userId: 'ann', id: 'u' });
  await kill9(d1);
  const d2 = await disk.startLoose();
  const again = (await post(d2, '/broadcast', batch)).json.results;
  assert.deepEqual(
    again,
    first.map((r) => ({ ...r, duplicate: true })),
  );
  assert.deepEqual(await publish(d2, { userId: 'ann', id: 'u' }), { ...user, duplicate: true });
  assertProblem(await post(d2, '/broadcast', { ...batch[0], data: 'x' }), 409, {
    code: 'id_conflict',
  });
  await d2.stop();
  const d3 = await disk.start(['--id-window', '1s']);
  assert.equal((await kept(d3, 'a')).length, 50);
});

test('ifLast: only if the channel has not moved on', async (t) => {
  const d = await daemonFor(t);
  const { epoch } = (await get(d, '/stats')).json;
  const first = await publish(d, { channel: 'a', ifLast: '0-0', data: 1 });
  let res = await post(d, '/broadcast', { channel: 'a', ifLast: '0-0' });
  let p = assertProblem(res, 409, { code: 'moved_on' });
  assert.equal(p.last, first.cursor);
  assert.ok(p.detail.includes('a') && p.detail.includes(first.cursor), p.detail);
  const other = await publish(d, { channel: 'b' });
  // Anything from its last message on will do.
  const second = await publish(d, { channel: 'a', ifLast: first.cursor, data: 2 });
  const third = await publish(d, { channel: 'a', ifLast: second.cursor, data: 3 });
  await publish(d, { channel: 'c', ifLast: other.cursor });
  await publish(d, { channel: 'c', ifLast: (await get(d, '/stats')).json.cursor });
  // Several channels: all of them.
  res = await post(d, '/broadcast', { channels: ['new', 'a'], ifLast: second.cursor });
  p = assertProblem(res, 409, { code: 'moved_on' });
  assert.equal(p.last, third.cursor);
  assert.match(p.detail, /\ba\b/);
  assert.equal((await kept(d, 'new')).length, 0, 'all or nothing');
  await publish(d, { channels: ['new', 'a'], ifLast: third.cursor });
  assertProblem(await post(d, '/broadcast', { channel: 'x', ifLast: 'zzz9-5' }), 409, {
    code: 'moved_on',
  });
  for (const target of [{}, { userId: 'u' }, { userIds: ['u'] }]) {
    const r = await post(d, '/broadcast', { ...target, ifLast: `${epoch}-0` });
    assertProblem(r, 422, { code: 'unsupported' });
  }
  for (const bad of ['x', '', 5, null, `${epoch}-01`]) {
    const r = await post(d, '/broadcast', { channel: 'a', ifLast: bad });
    assert.equal(r.status, bad === null ? r.status : 400, r.text);
  }
  assert.equal((await counters(d)).moved_on, 3);
  // Ephemeral messages are no state that somebody could have missed.
  const at = (await publish(d, { channel: 'e', data: 1 })).cursor;
  await publish(d, { channel: 'e', ephemeral: true });
  await publish(d, { channel: 'e', ifLast: at });
});

test('of many with the same ifLast exactly one wins', async (t) => {
  for (const store of [false, true]) {
    const disk = Disk.for(t);
    const args = ['--shards', '3'];
    const d = store ? await disk.start(args) : await daemonFor(t, { args });
    let last = '0-0';
    const rounds = slow ? 5 : 25;
    for (let i = 0; i < rounds; i++) {
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, k) =>
          post(d, '/broadcast', { channel: 'a', ifLast: last, data: `${i} ${k}` }),
        ),
      );
      const won = all.filter((r) => r.status === 200);
      assert.equal(won.length, 1, all.map((r) => r.status).join());
      for (const r of all) if (r !== won[0]) assert.equal(r.json.last, won[0].json.cursor, r.text);
      last = won[0].json.cursor;
    }
    assert.equal((await kept(d, 'a')).length, rounds);
  }
});

test('ifLast after a restart', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose();
  const one = await publish(d1, { channel: 'a', data: 1 });
  const two = await publish(d1, { channel: 'a', data: 2 });
  await kill9(d1);
  const d2 = await disk.start();
  assertProblem(await post(d2, '/broadcast', { channel: 'a', ifLast: one.cursor }), 409);
  assertProblem(await post(d2, '/broadcast', { channel: 'a', ifLast: '0-0' }), 409);
  await publish(d2, { channel: 'a', ifLast: two.cursor, data: 3 });
});
