// Users that are not there: what is sent to them waits, and comes when any of
// their clients does, in order with the rest.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { get, post, publish } from './lib/http.mjs';
import { seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const transports = ['sse', 'ws'];
const mine = (list) => list.filter((e) => !e.type.startsWith('fanfare.'));
const data = (list) => mine(list).map((e) => e.data);
const user = async (d, name) => (await get(d, `/users/${name}`)).json;

const gone = (d, name) =>
  poll(async () => ((await user(d, name)).connections === 0 ? true : undefined), {
    what: `${name} is gone`,
  });

test('what a publication says of its targets', async (t) => {
  const d = await daemonFor(t);
  const l = listen(t, d, { transport: 'sse', user: 'ann' });
  await l.take('fanfare.synced');
  const one = await post(d, '/broadcast', { userId: 'ann', id: 'x' });
  assert.equal(
    one.text.trimEnd(),
    `{"id":"x","cursor":"${one.json.cursor}","matched":1,"status":"online"}`,
  );
  assert.equal((await publish(d, { userId: 'bob' })).status, 'queued');
  assert.equal((await publish(d, { userId: 'bob', ephemeral: true })).status, 'offline');
  assert.equal((await publish(d, { userId: 'ann', ephemeral: true })).status, 'online');
  assert.equal((await publish(d, { channel: 'a' })).status, undefined);
  assert.equal((await publish(d, {})).status, undefined);
  const many = await publish(d, { userIds: ['bob', 'ann', 'eve'] });
  assert.deepEqual(
    many.targets.map((x) => [x.userId, x.matched, x.status]),
    [
      ['bob', 0, 'queued'],
      ['ann', 1, 'online'],
      ['eve', 0, 'queued'],
    ],
  );
  const batch = await post(d, '/broadcast', [
    { userId: 'bob' },
    { channel: 'c' },
    { userId: 'ann' },
  ]);
  assert.deepEqual(
    batch.json.results.map((r) => r.status),
    ['queued', undefined, 'online'],
  );
  const { queued } = (await get(d, '/stats')).json.counters;
  assert.equal(queued, 4);

  const none = await daemonFor(t, { args: ['--user-history', '0'] });
  assert.equal((await publish(none, { userId: 'bob' })).status, 'offline');
  const late = listen(t, none, { transport: 'ws', user: 'bob' });
  assert.deepEqual(data(await late.upTo('fanfare.synced')), []);
});

test('queued messages come between connected and synced, once', async (t) => {
  for (const transport of transports) {
    const d = await daemonFor(t, { args: ['--shards', '3'] });
    await publish(d, { channel: 'x' });
    const sent = [];
    for (let i = 0; i < 5; i++) {
      sent.push(await publish(d, { userId: 'ann', data: i }));
      await publish(d, { userId: 'bob', data: 'for bob' });
      await publish(d, { channel: 'a', data: 'channel' });
    }
    assert.equal((await user(d, 'ann')).queued, 5);
    assert.equal((await user(d, 'ann')).history.messages, 5);
    const top = (await get(d, '/stats')).json.cursor;
    const first = listen(t, d, { transport, user: 'ann', channels: ['a'] });
    const list = await first.upTo('fanfare.synced');
    assert.deepEqual(
      data(list),
      [0, 1, 2, 3, 4],
      'of the channel nothing: no position was asked for',
    );
    assert.equal(seqOf(list[0].cursor), seqOf(sent[0].cursor) - 1n, 'the position before them');
    assert.equal(list[0].data.recovered, false);
    assert.equal(list.at(-1).cursor, top);
    for (const e of mine(list)) if (transport === 'sse') assert.equal(e.sseId, e.cursor);
    assert.equal((await user(d, 'ann')).queued, 0);
    // Live goes on behind them; a second connection gets no old ones.
    const second = listen(t, d, { transport, user: 'ann' });
    assert.deepEqual(data(await second.upTo('fanfare.synced')), []);
    assert.equal(
      (await publish(d, { userId: 'ann', data: 'live', type: 'live' })).status,
      'online',
    );
    assert.deepEqual(data(await first.upTo('live')).slice(-1), ['live']);
    await second.upTo('live');
    // When both are gone it waits again.
    first.close();
    second.close();
    await gone(d, 'ann');
    assert.equal((await publish(d, { userId: 'ann', data: 'again' })).status, 'queued');
    const third = listen(t, d, { transport, user: 'ann' });
    assert.deepEqual(data(await third.upTo('fanfare.synced')), ['again']);
  }
});

test('a client that comes back with its position gets them in the order of the log', async (t) => {
  for (const transport of transports) {
    const d = await daemonFor(t, { args: ['--shards', '2'] });
    const c = listen(t, d, { transport, user: 'ann', channels: ['a'] });
    const position = (await c.upTo('fanfare.synced')).at(-1).cursor;
    c.close();
    await gone(d, 'ann');
    for (let i = 0; i < 6; i++) {
      await publish(d, i % 2 ? { userId: 'ann', data: i } : { channel: 'a', data: i });
    }
    await publish(d, { data: 'everyone' });
    const query = { transport, user: 'ann', channels: ['a'], after: position };
    const back = await listen(t, d, query).upTo('fanfare.synced');
    assert.deepEqual(data(back), [0, 1, 2, 3, 4, 5, 'everyone']);
    assert.equal(back[0].data.recovered, true);
    assert.equal((await user(d, 'ann')).queued, 0);
  }
});

test('a position behind queued messages: they come all the same', async (t) => {
  for (const transport of transports) {
    const d = await daemonFor(t);
    const queued = await publish(d, { userId: 'ann', data: 'queued' });
    const top = (await publish(d, { channel: 'a', data: 'seen elsewhere' })).cursor;
    const l = listen(t, d, { transport, user: 'ann', channels: ['a'], after: top });
    const list = await l.upTo('fanfare.synced');
    assert.deepEqual(data(list), ['queued']);
    assert.equal(list[0].cursor, top);
    const [m] = mine(list);
    assert.equal(m.cursor, queued.cursor);
    if (transport === 'sse') assert.equal(m.sseId, top, 'the position does not move back');
    assert.equal((await user(d, 'ann')).queued, 0);
  }
});

test('bounds and ttl of what waits', async (t) => {
  const d = await daemonFor(t, { args: ['--user-history', '3'] });
  for (let i = 0; i < 10; i++) await publish(d, { userId: 'ann', data: i });
  assert.equal((await user(d, 'ann')).queued, 3);
  const l = listen(t, d, { transport: 'ws', user: 'ann' });
  const list = await l.upTo('fanfare.synced');
  assert.deepEqual(data(list), [7, 8, 9]);
  for (const e of list.filter((x) => x.type === 'fanfare.gap')) {
    assert.deepEqual([e.data.scope, e.data.reason], ['user', 'evicted']);
  }
  await publish(d, { userId: 'bob', data: 'short', ttl: 1 });
  await publish(d, { userId: 'bob', data: 'long', ttl: 3600 });
  await poll(async () => ((await user(d, 'bob')).queued === 1 ? true : undefined), {
    what: 'the end of a ttl',
  });
  const bob = await listen(t, d, { transport: 'sse', user: 'bob' }).upTo('fanfare.synced');
  assert.deepEqual(data(bob), ['long']);
  assert.ok(!bob.some((e) => e.type === 'fanfare.gap'), 'no gap for what was to expire');
});

test('since and history go with what waits', async (t) => {
  const d = await daemonFor(t);
  for (let i = 0; i < 4; i++) await publish(d, { userId: 'ann', data: `u${i}` });
  for (let i = 0; i < 4; i++) await publish(d, { channel: 'a', data: `a${i}` });
  const query = { transport: 'sse', user: 'ann', channels: ['a'], history: 2 };
  const l = listen(t, d, query);
  const got = data(await l.upTo('fanfare.synced'));
  assert.deepEqual(got, ['u0', 'u1', 'u2', 'u3', 'a2', 'a3']);
  const none = await listen(t, d, { ...query, history: 3 }).upTo('fanfare.synced');
  assert.deepEqual(data(none), ['a1', 'a2', 'a3'], 'nothing waits any more');
});

test('a user that comes and goes while others publish: each message once', async (t) => {
  const d = await daemonFor(t, {
    args: ['--shards', '3', '--user-history', '100000', '--user-history-bytes', '64m'],
  });
  let stop = false;
  let n = 0;
  let pause = null;
  let resting = () => {};
  const load = (async () => {
    while (!stop) {
      if (pause) {
        resting();
        await pause;
      }
      await publish(d, { userId: 'ann', data: n++ });
    }
  })();
  // Without any position: one connection at a time. What is published while the
  // last connection is just ending is `online`, and so not for the next one; that
  // moment is left out.
  const got = [];
  for (let i = 0; i < (slow ? 5 : 25); i++) {
    const l = listen(t, d, { transport: i % 2 ? 'ws' : 'sse', user: 'ann' });
    await l.upTo('fanfare.synced');
    const before = l.events.length;
    await l.when((e) => e.length > before + 2, 'live messages');
    let go;
    const rests = new Promise((resolve) => {
      resting = resolve;
    });
    pause = new Promise((resolve) => {
      go = resolve;
    });
    await rests;
    await l.when(() => data(l.events).at(-1) === n - 1, 'the last one before the pause');
    got.push(...data(l.events));
    l.close();
    await gone(d, 'ann');
    pause = null;
    go();
    await poll(async () => ((await user(d, 'ann')).queued > 3 ? true : undefined), {
      what: 'messages wait',
    });
  }
  stop = true;
  await load;
  const rest = await listen(t, d, { transport: 'sse', user: 'ann' }).upTo('fanfare.synced');
  got.push(...data(rest));
  assert.deepEqual(
    got,
    Array.from({ length: n }, (_, i) => i),
  );
});

test('a client that is cut in the middle of its queue gets the rest, and no more', async (t) => {
  const n = slow ? 3000 : 20000;
  const bounds = ['--user-history', '100000', '--user-history-bytes', '256m'];
  const d = await daemonFor(t, { args: [...bounds, '--send-buffer', '16k'] });
  const pad = 'x'.repeat(600);
  for (const transport of transports) {
    const name = `by-${transport}`;
    for (let from = 0; from < n; from += 1000) {
      const batch = Array.from({ length: 1000 }, (_, i) => ({
        userId: name,
        data: { n: from + i, pad },
      }));
      assert.equal((await post(d, '/broadcast', batch)).json.accepted, 1000);
    }
    const got = [];
    let position;
    for (const until of [n / 20, n / 10, Infinity]) {
      const l = listen(t, d, { transport, user: name, lastEventId: position });
      const whole = (e) => e.at(-1)?.type === 'fanfare.synced';
      await l.when((e) => e.length > until || whole(e), 'some of them', 30000);
      l.close();
      if (until < n) assert.ok(!whole(l.events), 'cut in the middle');
      got.push(...data(l.events).map((x) => x.n));
      position = l.events.at(-1).cursor;
      await gone(d, name);
    }
    assert.equal(got.length, n, transport);
    assert.deepEqual(
      got,
      Array.from({ length: n }, (_, i) => i),
    );
    assert.equal((await user(d, name)).queued, 0);
  }
});

test('a page that renders a channel first gets what waits for its user', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  for (const transport of transports) {
    const name = `page-${transport}`;
    await publish(d, { channel: 'a', data: 'in the page' });
    await publish(d, { userId: name, data: 'before the page' });
    const page = (await get(d, '/channels/a/history')).json;
    await publish(d, { userId: name, data: 'after the page' });
    await publish(d, { channel: 'a', data: 'news' });
    const query = { transport, user: name, channels: ['a'], after: page.cursor };
    const list = await listen(t, d, query).upTo('fanfare.synced');
    assert.deepEqual(data(list).sort(), ['after the page', 'before the page', 'news']);
    assert.equal((await user(d, name)).queued, 0);
  }
});
