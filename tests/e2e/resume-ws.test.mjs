// Subscriptions by op that ask for a position: the reply, what history has, a
// fanfare.synced of their own, and then live; other channels go on meanwhile.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { get, post, publish } from './lib/http.mjs';
import { seqOf } from './lib/sse.mjs';
import { Ws } from './lib/wsclient.mjs';
import { listen } from './lib/wire.mjs';

const epochOf = async (d) => (await get(d, '/stats')).json.epoch;

/** Everything a client gets from now on up to this synced, as JSON. */
async function untilSynced(w, ref) {
  const all = [];
  for (;;) {
    const { json } = await w.next();
    all.push(json);
    if (json.type === 'fanfare.synced' && json.data.ref === ref) return all;
  }
}

const brief = (list) => list.map((e) => (e.type.startsWith('fanfare.') ? e.type.slice(8) : e.data));

test('after, since and history of one subscription', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const epoch = await epochOf(d);
  const cursors = [];
  for (let i = 0; i < 6; i++) cursors.push((await publish(d, { channel: 'a', data: i })).cursor);
  await publish(d, { channel: 'b', data: 'b' });
  const top = (await get(d, '/stats')).json.cursor;
  const w = await Ws.live(d, '/ws');
  for (const [position, want] of [
    [{ after: cursors[2] }, [3, 4, 5]],
    [{ after: `${epoch}-0` }, [0, 1, 2, 3, 4, 5]],
    [{ after: '0-0' }, [0, 1, 2, 3, 4, 5]],
    [{ after: 'earliest' }, [0, 1, 2, 3, 4, 5]],
    [{ after: top }, []],
    [{ since: '1h' }, [0, 1, 2, 3, 4, 5]],
    [{ history: 2 }, [4, 5]],
  ]) {
    const what = JSON.stringify(position);
    w.send(JSON.stringify({ op: 'subscribe', channel: 'a', ...position, ref: what }));
    const got = await untilSynced(w, what);
    assert.deepEqual(brief(got), ['reply', ...want, 'synced'], what);
    const [reply, synced] = [got[0], got.at(-1)];
    assert.equal(reply.ok, true);
    assert.equal(reply.data.channel, 'a');
    if (position.after === cursors[2]) assert.equal(reply.data.cursor, cursors[2]);
    assert.deepEqual(synced.data, { channel: 'a', ref: what });
    assert.equal(synced.cursor, top);
    const r = await w.op({ op: 'unsubscribe', channel: 'a' });
    assert.equal(r.ok, true);
  }
  // Without a position: live from the cursor of the reply, and no synced.
  const plain = await w.op({ op: 'subscribe', channel: 'a' });
  assert.deepEqual(plain.data, { channel: 'a', cursor: top });
  await publish(d, { channel: 'a', data: 'live' });
  assert.equal((await w.next()).json.data, 'live');
  // What it has already: its position is ignored.
  const again = await w.op({ op: 'subscribe', channel: 'a', after: '0-0' });
  assert.equal(again.data.already, true);
  await publish(d, { channel: 'a', data: 'once' });
  assert.equal((await w.next()).json.data, 'once');
});

test('patterns, a ref of any form, and none', async (t) => {
  const d = await daemonFor(t);
  await publish(d, { channel: 'p.a', data: 1 });
  await publish(d, { channel: 'q', data: 2 });
  await publish(d, { channel: 'p.b', data: 3 });
  const w = await Ws.live(d, '/ws?channel=q');
  w.send('{"op":"subscribe","channel":"p.*","after":"0-0","ref":12345678901234567890}');
  const texts = [];
  while (!texts.at(-1)?.includes('fanfare.synced')) texts.push((await w.next()).text);
  assert.ok(
    texts.at(-1).includes('"data":{"channel":"p.*","ref":12345678901234567890}'),
    texts.at(-1),
  );
  assert.equal(texts.length, 4);
  const none = await Ws.live(d, '/ws');
  none.send('{"op":"subscribe","channel":"p.>","after":"0-0"}');
  const got = [];
  while (got.at(-1)?.type !== 'fanfare.synced') got.push((await none.next()).json);
  assert.deepEqual(brief(got), ['reply', 1, 3, 'synced']);
  assert.deepEqual(got.at(-1).data, { channel: 'p.>' });
});

test('gaps of a subscription', async (t) => {
  const d = await daemonFor(t, { args: ['--history', '2'] });
  const epoch = await epochOf(d);
  for (let i = 1; i <= 5; i++) await publish(d, { channel: 'a', data: i });
  const w = await Ws.live(d, '/ws');
  w.send(JSON.stringify({ op: 'subscribe', channel: 'a', after: `${epoch}-1`, ref: 1 }));
  let got = await untilSynced(w, 1);
  assert.deepEqual(brief(got), ['reply', 'gap', 4, 5, 'synced']);
  assert.deepEqual(got[1].data, {
    scope: 'channel',
    name: 'a',
    from: `${epoch}-1`,
    to: `${epoch}-3`,
    reason: 'evicted',
  });
  await w.op({ op: 'unsubscribe', channel: 'a' });
  w.send(JSON.stringify({ op: 'subscribe', channel: 'a', after: 'zzz9-5', ref: 2 }));
  got = await untilSynced(w, 2);
  assert.deepEqual(brief(got).slice(0, 2), ['reply', 'gap']);
  assert.equal(got[1].data.reason, 'epoch');
  assert.equal(got[1].data.from, 'zzz9-5');
});

test('errors: each its code, and nothing is subscribed', async (t) => {
  const d = await daemonFor(t);
  const w = await Ws.live(d, '/ws');
  for (const [position, code] of [
    [{ after: 'x' }, 'bad_cursor'],
    [{ after: '' }, 'bad_cursor'],
    [{ since: 'x' }, 'bad_since'],
    [{ since: '10y' }, 'bad_since'],
    [{ history: 0 }, 'bad_history'],
    [{ history: 1001 }, 'bad_history'],
    [{ history: 1.5 }, 'bad_history'],
    [{ after: '0-0', since: '1h' }, 'bad_request'],
    [{ since: '1h', history: 1 }, 'bad_request'],
    [{ after: 5 }, 'bad_cursor'],
    [{ lastEventId: '0-0' }, 'bad_request'],
  ]) {
    const r = await w.op({ op: 'subscribe', channel: 'a', ...position });
    assert.equal(r.ok, false, JSON.stringify(position));
    assert.equal(r.error.code, code, `${JSON.stringify(position)}: ${r.error.message}`);
  }
  assert.equal((await publish(d, { channel: 'a' })).matched, 0);
});

/** A backlog that takes many slices. */
async function backlog(d, channel, n) {
  for (let from = 0; from < n; from += 5000) {
    const batch = Array.from({ length: Math.min(5000, n - from) }, (_, i) => ({
      channel,
      data: from + i,
    }));
    const res = await post(d, '/broadcast', batch);
    assert.equal(res.json.accepted, batch.length, res.text.slice(0, 300));
  }
}

test('a long replay and live messages of other channels interleave', async (t) => {
  const n = slow ? 5000 : 40000;
  const d = await daemonFor(t, { args: ['--history', '100000', '--history-bytes', '1g'] });
  await backlog(d, 'big', n);
  const l = listen(t, d, { transport: 'ws', channels: ['live'] });
  await l.take('fanfare.synced');
  l.wire.op({ op: 'subscribe', channel: 'big', after: '0-0', ref: 'big' });
  await l.when((all) => all.some((e) => e.data === 100), 'the replay has begun');
  // While it is replayed it is subscribed, and can be left.
  l.wire.pause();
  l.wire.op({ op: 'subscribe', channel: 'big', ref: 'again' });
  for (let i = 0; i < 10; i++) await publish(d, { channel: 'live', data: `live ${i}` });
  for (let i = 0; i < 10; i++) await publish(d, { channel: 'big', data: n + i });
  l.wire.resume();
  await l.when((all) => all.some((e) => e.type === 'fanfare.synced'), 'synced', 60000);
  await publish(d, { channel: 'big', data: 'end', type: 'end' });
  const all = await l.upTo('end', 60000);
  const numbers = all.filter((e) => e.channel === 'big').map((e) => e.data);
  assert.deepEqual(numbers, [...Array.from({ length: n + 10 }, (_, i) => i), 'end']);
  const live = all.filter((e) => e.channel === 'live').map((e) => e.data);
  assert.deepEqual(
    live,
    Array.from({ length: 10 }, (_, i) => `live ${i}`),
  );
  const again = all.find((e) => e.ref === 'again');
  assert.equal(again.data.already, true, 'it is being replayed already');
  const synced = all.filter((e) => e.type === 'fanfare.synced');
  assert.equal(synced.length, 1);
  assert.deepEqual(synced[0].data, { channel: 'big', ref: 'big' });
  // The connection's own order: live messages of one channel rise.
  for (const channel of ['big', 'live']) {
    all
      .filter((e) => e.channel === channel)
      .map((e) => seqOf(e.cursor))
      .reduce((a, b) => {
        assert.ok(b > a, `${channel}: ${b} after ${a}`);
        return b;
      }, 0n);
  }
});

test('a subscription is left in the middle of its replay', async (t) => {
  const n = slow ? 5000 : 40000;
  const d = await daemonFor(t, { args: ['--history', '100000', '--history-bytes', '1g'] });
  await backlog(d, 'big', n);
  const l = listen(t, d, { transport: 'ws', channels: ['x'] });
  await l.take('fanfare.synced');
  l.wire.op({ op: 'subscribe', channel: 'big', after: '0-0', ref: 1 });
  l.wire.op({ op: 'unsubscribe', channel: 'big', ref: 2 });
  await l.when((all) => all.some((e) => e.ref === 2), 'the reply', 30000);
  const left = l.events.find((e) => e.ref === 2);
  assert.equal(left.ok, true);
  const at = l.events.length;
  await publish(d, { channel: 'big', data: 'not for it' });
  await publish(d, { channel: 'x', type: 'fence' });
  const all = await l.upTo('fence');
  assert.deepEqual(
    all.slice(at).map((e) => e.type),
    ['fence'],
    'nothing of it comes afterwards',
  );
  // And it can be had again, from where it is wanted.
  l.wire.op({ op: 'subscribe', channel: 'big', history: 3, ref: 3 });
  await l.when((e) => e.some((x) => x.type === 'fanfare.synced'), 'synced');
  const tail = l.events.filter((e) => e.channel === 'big').slice(-3);
  assert.deepEqual(
    tail.map((e) => e.data),
    [n - 2, n - 1, 'not for it'],
  );
});

test('subscriptions with a position while others publish: each message once', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '3'] });
  let stop = false;
  let n = 0;
  const load = (async () => {
    while (!stop) await publish(d, { channel: 'a', data: n++ });
  })();
  const clients = [];
  for (let i = 0; i < (slow ? 8 : 30); i++) {
    const l = listen(t, d, { transport: 'ws' });
    await l.take('fanfare.synced');
    l.wire.op({ op: 'subscribe', channel: 'a', after: '0-0', ref: i });
    clients.push(l);
  }
  stop = true;
  await load;
  await publish(d, { channel: 'a', type: 'end' });
  for (const l of clients) {
    const got = (await l.upTo('end', 30000)).filter((e) => e.type === 'message').map((e) => e.data);
    assert.deepEqual(
      got,
      Array.from({ length: n }, (_, i) => i),
    );
  }
});
