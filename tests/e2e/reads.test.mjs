// How far users have read: the furthest counts, the others are told, and the store has it
// (docs/protocol.md, "Read receipts").
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { Disk, kill9 } from './lib/disk.mjs';
import { get, publish } from './lib/http.mjs';
import { IoFault } from './lib/iofault.mjs';
import { Person, settled } from './lib/person.mjs';
import { seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const transports = ['sse', 'ws'];
const READ = 'fanfare.read';
const args = ['--shards', '2'];
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const room = (t, d, transport, user, more = {}) =>
  Person.live(t, d, { transport, user, channels: ['room'], ...more });
const reads = (p, cursor, channel = 'room') => p.did('read', { channel, cursor });
async function json(d, path) {
  const res = await get(d, path);
  assert.equal(res.status, 200, res.text);
  return res.json;
}
const positions = async (d, channel = 'room', query = '') =>
  (await json(d, `/channels/${channel}/reads${query}`)).reads.map((r) => [r.userId, r.cursor]);
const unread = async (d, user, ...channels) => {
  const query = channels.map((c) => `channel=${c}`).join('&');
  return (await json(d, `/users/${user}/unread?${query}`)).channels;
};
async function talk(d, n, channel = 'room') {
  const sent = [];
  for (let i = 0; i < n; i++) {
    sent.push(await publish(d, { channel, id: `${channel}-m${i}`, data: i }));
  }
  return sent.map((s) => s.cursor);
}

for (const transport of transports) {
  test(`${transport}: only forward, and the others are told once`, async (t) => {
    const d = await daemonFor(t, { args });
    const ann = await room(t, d, transport, 'ann');
    const tab = await room(t, d, 'ws', 'ann');
    const bob = await room(t, d, 'sse', 'bob');
    const watcher = await Person.live(t, d, { transport: 'ws', channels: ['*'] });
    const c = await talk(d, 5);
    assert.deepEqual(await reads(ann, c[1]), { cursor: c[1], changed: true });
    assert.deepEqual(await reads(ann, c[0]), { cursor: c[1], changed: false });
    assert.deepEqual(await reads(tab, c[1]), { cursor: c[1], changed: false });
    assert.deepEqual(await ann.did('read', { channel: 'room', id: 'room-m3' }), {
      cursor: c[3],
      changed: true,
    });
    await settled(d, 'room', ann, tab, bob, watcher);
    for (const p of [tab, bob, watcher]) {
      const told = p.told(READ);
      assert.deepEqual(
        told.map((n) => [n.channel, n.userId, n.cursor]),
        [['room', 'ann', c[1]], ['room', 'ann', c[3]]],
      );
      for (const n of told) assert.match(n.at, time);
      const notice = p.client.events.find((e) => e.type === READ);
      assert.deepEqual(Object.keys(JSON.parse(notice.text)), ['type', 'data']);
      assert.equal(notice.sseId, undefined);
    }
    assert.deepEqual(ann.told(READ), [], 'not to the connection itself');
    assert.deepEqual(await positions(d), [['ann', c[3]]]);
  });

  test(`${transport}: what is no position`, async (t) => {
    const d = await daemonFor(t, { args });
    const ann = await room(t, d, transport, 'ann');
    const nobody = await room(t, d, transport);
    const [c] = await talk(d, 1);
    const code = async (p, body) => (await p.act('read', { channel: 'room', ...body })).code;
    const beyond = c.replace(/-.*/, '-99');
    assert.equal(await code(ann, { cursor: beyond }), 'bad_cursor');
    assert.equal(await code(ann, { cursor: 'abc-1' }), 'bad_cursor');
    assert.equal(await code(ann, { id: 'unknown' }), 'unknown_message');
    assert.equal(await code(nobody, { cursor: c }), 'no_user');
    assert.deepEqual(await positions(d), []);
    // Not subscribed, but free to.
    assert.deepEqual(await reads(ann, c, 'other'), { cursor: c, changed: true });
  });

  test(`${transport}: on request a snapshot`, async (t) => {
    const d = await daemonFor(t, { args });
    const ann = await room(t, d, 'ws', 'ann', { channels: ['room', 'other'] });
    const bob = await room(t, d, 'sse', 'bob');
    const c = await talk(d, 3);
    await reads(ann, c[0]);
    await reads(bob, c[1]);
    await reads(ann, c[2]);
    const without = await room(t, d, transport, 'eve');
    const eve = await room(t, d, transport, 'eve', { channels: ['room', 'quiet'], reads: true });
    const told = await eve.toldOf('fanfare.reads', 2);
    const of = (name) => told.find((r) => r.channel === name);
    assert.deepEqual(of('quiet'), { channel: 'quiet', reads: [], more: false });
    assert.deepEqual(
      of('room').reads.map((r) => [r.userId, r.cursor]),
      [['ann', c[2]], ['bob', c[1]]],
      'newest first',
    );
    assert.equal(of('room').more, false);
    await settled(d, 'room', without, eve);
    assert.deepEqual(without.told('fanfare.reads'), []);
    // Then what moves.
    await reads(bob, c[2]);
    assert.deepEqual((await eve.toldOf(READ, 1)).map((n) => [n.userId, n.cursor]), [['bob', c[2]]]);
    if (transport === 'ws') {
      await reads(ann, c[2], 'other');
      assert.ok((await eve.op({ op: 'subscribe', channel: 'other', reads: true })).ok);
      const three = await eve.toldOf('fanfare.reads', 3);
      assert.deepEqual(three[2].reads.map((r) => r.userId), ['ann']);
    }
  });
}

test('pages by user, and the bound', async (t) => {
  const d = await daemonFor(t, { args: [...args, '--max-reads', '20'] });
  const [c0, c1] = await talk(d, 2);
  const names = Array.from({ length: 24 }, (_, i) => `u${String(i).padStart(2, '0')}`);
  for (const name of names) {
    const p = await room(t, d, 'ws', name);
    await reads(p, c0);
    if (name === 'u23') await reads(p, c1);
    p.cut('fin');
  }
  // The first four moved longest ago.
  const all = names.slice(4);
  assert.deepEqual((await positions(d)).map(([u]) => u), all);
  const pages = [];
  let next = '';
  do {
    const page = await json(d, `/channels/room/reads?limit=7${next && `&after=${next}`}`);
    pages.push(page.reads.map((r) => r.userId));
    next = page.next ?? '';
  } while (next);
  assert.deepEqual(pages, [all.slice(0, 7), all.slice(7, 14), all.slice(14)]);
  const p = await room(t, d, 'ws', 'u00', { reads: true });
  const [snapshot] = await p.toldOf('fanfare.reads', 1);
  assert.deepEqual(snapshot.reads.map((r) => r.userId), [...all].reverse());
});

test('what a user has not read', async (t) => {
  const d = await daemonFor(t, { args: [...args, '--history', '10'] });
  const ann = await room(t, d, 'ws', 'ann');
  const c = await talk(d, 8);
  const o = await talk(d, 3, 'other');
  assert.deepEqual(await unread(d, 'ann', 'room', 'other', 'none'), [
    { channel: 'room', unread: 8, atLeast: false, read: null, last: c[7] },
    { channel: 'other', unread: 3, atLeast: false, read: null, last: o[2] },
    { channel: 'none', unread: 0, atLeast: false, read: null, last: null },
  ]);
  await reads(ann, c[2]);
  assert.deepEqual(await unread(d, 'ann', 'room'), [
    { channel: 'room', unread: 5, atLeast: false, read: c[2], last: c[7] },
  ]);
  // A position is one of the log: that of another channel's message counts.
  await reads(ann, o[1], 'other');
  assert.equal((await unread(d, 'ann', 'other'))[0].unread, 1);
  await reads(ann, o[2], 'room');
  assert.deepEqual((await unread(d, 'ann', 'room'))[0], {
    channel: 'room',
    unread: 0,
    atLeast: false,
    read: o[2],
    last: c[7],
  });
  // More came than is kept.
  for (let i = 0; i < 15; i++) await publish(d, { channel: 'room', data: i });
  await publish(d, { channel: 'room', data: 'fleeting', ephemeral: true });
  const [after] = await unread(d, 'ann', 'room');
  assert.deepEqual([after.unread, after.atLeast], [10, true]);
  const [last] = (await json(d, '/channels/room/history?limit=1&order=desc')).messages;
  assert.equal(after.last, last.cursor);
});

test('who does not live long counts as long as it lives', async (t) => {
  const d = await daemonFor(t, { args });
  await publish(d, { channel: 'room', data: 1 });
  await publish(d, { channel: 'room', data: 2, ttl: 1 });
  await publish(d, { channel: 'room', data: 3 });
  assert.equal((await unread(d, 'ann', 'room'))[0].unread, 3);
  let u;
  for (const end = Date.now() + 20000; Date.now() < end; ) {
    [u] = await unread(d, 'ann', 'room');
    if (u.unread === 2) break;
  }
  assert.deepEqual([u.unread, u.atLeast], [2, false]);
});

// ---- the store ----

const ends = { 'a clean stop': (d) => d.stop(), 'kill -9': kill9 };

for (const [how, end] of Object.entries(ends)) {
  test(`after ${how} it is known`, async (t) => {
    const disk = Disk.for(t);
    const d1 = await disk.startLoose(args);
    const people = {};
    for (const u of ['ann', 'bob', 'J\u00f6rg "x"']) people[u] = await room(t, d1, 'ws', u);
    const c = await talk(d1, 6);
    let i = 0;
    for (const p of Object.values(people)) {
      await reads(p, c[i++]);
      await reads(p, c[i]);
      await reads(p, c[0], 'other');
    }
    const sse = await room(t, d1, 'sse', 'eve');
    await reads(sse, c[5]);
    const before = await json(d1, '/channels/room/reads');
    const snapshotOf = async (d) => {
      const l = listen(t, d, { transport: 'sse', channels: ['room'], reads: true });
      const { data } = (await l.upTo('fanfare.reads')).at(-1);
      const times = data.reads.map((r) => r.at);
      assert.deepEqual(times, [...times].sort().reverse(), 'newest first');
      // Those of the same millisecond may change places.
      return data.reads.sort((a, b) => (a.userId < b.userId ? -1 : 1));
    };
    const newest = await snapshotOf(d1);
    assert.equal(before.reads.length, 4);
    await end(d1);
    const d2 = await disk.start(args);
    assert.deepEqual(await json(d2, '/channels/room/reads'), before);
    assert.deepEqual(await snapshotOf(d2), newest);
    assert.equal((await positions(d2, 'other')).length, 3);
    assert.equal((await unread(d2, 'ann', 'room'))[0].unread, 4);
    // It goes on from there.
    const ann = await room(t, d2, 'sse', 'ann');
    assert.deepEqual(await reads(ann, c[0]), { cursor: c[1], changed: false });
    assert.deepEqual(await reads(ann, c[5]), { cursor: c[5], changed: true });
  });
}

test('killed while everybody reads: what was answered is kept', async (t) => {
  const disk = Disk.for(t);
  const answered = new Map(); // user -> seq
  let c;
  for (let round = 0; round < (slow ? 3 : 8); round++) {
    const d = await disk.startLoose(args);
    c ??= await talk(d, 200);
    const kept = new Map(await positions(d));
    for (const [user, seq] of answered) {
      assert.ok(kept.has(user), `${user} is lost`);
      assert.ok(Number(seqOf(kept.get(user))) >= seq, `${user}: ${kept.get(user)} after ${seq}`);
    }
    let n = 0;
    const reader = async (p, user) => {
      for (let i = round * 20; !d.exited; i = Math.min(i + 1, c.length - 1)) {
        const r = await p.act('read', { channel: 'room', cursor: c[i] }).catch(() => null);
        if (!r?.ok) return;
        answered.set(user, Number(seqOf(r.data.cursor)));
        if (++n === 150) d.kill('SIGKILL');
      }
    };
    const people = await Promise.all(
      Array.from({ length: 12 }, (_, i) => room(t, d, i % 2 ? 'ws' : 'sse', `u${i}`)),
    );
    await Promise.all(people.map((p, i) => reader(p, `u${i}`)));
    await d.waitExit();
    assert.ok(n >= 150);
    const r = disk.tool('check', disk.path);
    assert.equal(r.code, 0, r.out + r.err);
    assert.match(r.out, /^reads +12$/m);
  }
});

for (const transport of transports) {
  test(`${transport}: a full disk`, async (t) => {
    const disk = Disk.for(t);
    const fault = new IoFault(t, 'log.db');
    const d = await disk.startLoose(args, { env: fault.env });
    const ann = await room(t, d, transport, 'ann');
    const c = await talk(d, 5);
    await reads(ann, c[0]);
    fault.set('write enospc');
    const body = { channel: 'room', cursor: c[2] };
    const refused = async () => (await ann.act('read', body)).code;
    assert.equal(await refused(), 'store_failed', 'the commit that failed');
    assert.equal(await refused(), 'store_failed');
    fault.set('off');
    const works = async () => (await refused()) === undefined || undefined;
    await poll(works, { what: 'a store that works again' });
    await kill9(d);
    const d2 = await disk.start(args);
    assert.deepEqual(await positions(d2), [['ann', c[2]]]);
  });
}

test('exported and imported', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(args);
  const ann = await room(t, d1, 'ws', 'ann');
  const c = await talk(d1, 3);
  await reads(ann, c[1]);
  await d1.stop();
  const out = `${disk.dir}/out.jsonl`;
  assert.equal(disk.tool('export', disk.path, out).code, 0);
  const other = Disk.for(t);
  const r = other.tool('import', other.path, out);
  assert.equal(r.code, 0, r.err);
  const d2 = await other.start(args);
  assert.deepEqual(await positions(d2), [['ann', c[1]]]);
});

// One that was made before there were read positions.
test('an older store', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(args);
  const c = await talk(d1, 3);
  await d1.stop();
  disk.sql('drop table reads');
  disk.sql("update meta set value = 1 where key = 'schema'");
  assert.match(disk.tool('check', disk.path).err, /older schema 1/);
  const d2 = await disk.startLoose(args);
  assert.equal((await json(d2, '/channels/room/history')).messages.length, 3);
  const ann = await room(t, d2, 'sse', 'ann');
  await reads(ann, c[2]);
  await d2.stop();
  assert.equal(disk.tool('check', disk.path).code, 0);
  const d3 = await disk.start(args);
  assert.deepEqual(await positions(d3), [['ann', c[2]]]);
});

// Fewer are allowed than there are: the oldest give way, also in the file.
test('a smaller bound', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(args);
  const [c] = await talk(d1, 1);
  for (const u of ['a', 'b', 'c', 'd']) await reads(await room(t, d1, 'ws', u), c);
  await d1.stop();
  const d2 = await disk.startLoose([...args, '--max-reads', '2']);
  assert.deepEqual((await positions(d2)).map(([u]) => u), ['c', 'd']);
  await publish(d2, { channel: 'room', data: 1 });
  await d2.stop();
  assert.equal(disk.sql('select group_concat(user) from reads'), 'c,d');
});
