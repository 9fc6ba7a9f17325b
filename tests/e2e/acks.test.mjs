// Messages to users that must be acknowledged: delivered again, to another
// connection if there is one, on reconnect and after a restart, until somebody
// acknowledges them or they are given up, which is counted and visible.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { Disk, kill9 } from './lib/disk.mjs';
import { assertProblem, get, post, publish, request } from './lib/http.mjs';
import { seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';
import { listen } from './lib/wire.mjs';

const quick = ['--ack-timeout', '300ms'];
const user = async (d, name) => (await get(d, `/users/${name}`)).json;
const counters = async (d) => (await get(d, '/stats')).json.counters;
const mine = (list) => list.filter((e) => !e.type.startsWith('fanfare.'));

const acknowledge = (d, key, body) =>
  request(d, {
    method: 'POST',
    path: '/ack',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'Fanfare-Client-Key': key },
  });

/** A client of a user, live; `key` is its client key. */
async function client(t, d, transport, name = 'ann', more = {}) {
  const l = listen(t, d, { transport, user: name, ...more });
  const hello = await l.take('fanfare.synced');
  l.hello = hello;
  l.key = hello[0].data.clientKey;
  l.id = hello[0].data.clientId;
  l.ack = async (ids) => {
    if (transport === 'sse') {
      const res = await acknowledge(d, l.key, { ids });
      assert.equal(res.status, 200, res.text);
      return res.json;
    }
    l.wire.op({ op: 'ack', ids, ref: `ack${ids}` });
    await l.when((all) => all.some((e) => e.ref === `ack${ids}`), 'the reply');
    const [reply] = l.events.splice(
      l.events.findIndex((e) => e.ref === `ack${ids}`),
      1,
    );
    assert.equal(reply.ok, true, reply.text);
    return reply.data;
  };
  return l;
}

test('delivered again after the timeout, until it is acknowledged', async (t) => {
  for (const transport of ['sse', 'ws']) {
    const d = await daemonFor(t, { args: [...quick, '--shards', '2'] });
    const c = await client(t, d, transport);
    const sent = await publish(d, { userId: 'ann', requireAck: true, id: 'm1', data: { n: 1.5 } });
    assert.equal(sent.status, 'online');
    const other = await publish(d, { userId: 'ann', data: 'later' });
    const all = await c.when((e) => e.length >= 4, 'the message thrice');
    const [first, later, second, third] = all;
    assert.equal(first.id, 'm1');
    assert.equal(first.attempt, undefined);
    assert.equal(later.data, 'later');
    for (const [again, attempt] of [
      [second, 2],
      [third, 3],
    ]) {
      assert.equal(again.text, `${first.text.slice(0, -1)},"attempt":${attempt}}`);
      // The position of the stream stays where it is.
      if (transport === 'sse') assert.equal(again.sseId, other.cursor);
      assert.equal(again.cursor, sent.cursor);
    }
    const pending = await user(d, 'ann');
    assert.equal(pending.connections, 1);
    assert.equal(pending.pendingCount, 1);
    assert.deepEqual(Object.keys(pending.pending[0]), ['id', 'cursor', 'attempts', 'publishedAt']);
    assert.equal(pending.pending[0].id, 'm1');
    assert.equal(pending.pending[0].cursor, sent.cursor);
    assert.ok(pending.pending[0].attempts >= 3);
    assert.match(pending.pending[0].publishedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

    assert.deepEqual(await c.ack(['m1', 'never']), { acknowledged: 1, unknown: ['never'] });
    assert.deepEqual(await c.ack(['m1']), { acknowledged: 0, unknown: ['m1'] });
    const after = await user(d, 'ann');
    assert.deepEqual([after.pendingCount, after.pending, after.givenUp], [0, [], 0]);
    // No more of it: another one that is due later comes alone.
    const n = c.events.length;
    await publish(d, { userId: 'ann', requireAck: true, id: 'm2' });
    await c.when((e) => e.filter((x) => x.id === 'm2').length >= 3, 'the next one thrice');
    const rest = c.events.slice(n).filter((e) => e.id === 'm1');
    assert.ok(rest.length <= 1, 'at most one was under way');
    await c.ack(['m2']);
    const x = await counters(d);
    assert.deepEqual([x.acked, x.unacked, x.given_up], [2, 0, 0]);
    assert.ok(x.redelivered >= 4, JSON.stringify(x));
  }
});

test('a message that need not be acknowledged is not delivered again', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '100ms'] });
  const c = await client(t, d, 'ws');
  await publish(d, { userId: 'ann', id: 'plain' });
  await publish(d, { userId: 'ann', id: 'false', requireAck: false });
  await publish(d, { userId: 'ann', id: 'm', requireAck: true });
  await c.when((e) => e.filter((x) => x.id === 'm').length >= 4, 'four times');
  assert.deepEqual(
    c.events.filter((e) => e.id !== 'm').map((e) => e.id),
    ['plain', 'false'],
  );
});

test('after the timeout it goes to another connection, one at a time', async (t) => {
  const d = await daemonFor(t, { args: [...quick, '--shards', '3', '--ack-attempts', '50'] });
  const all = [];
  for (let i = 0; i < 4; i++) all.push(await client(t, d, i % 2 ? 'ws' : 'sse'));
  const bob = await client(t, d, 'ws', 'bob');
  await publish(d, { userId: 'ann', requireAck: true, id: 'm' });
  const attempts = () =>
    all.flatMap((c, i) => c.events.filter((e) => e.attempt).map((e) => [e.attempt, i]));
  await poll(() => (attempts().length >= 8 ? true : undefined), {
    timeout: 20000,
    what: 'eight more deliveries',
  });
  const list = attempts()
    .sort((a, b) => a[0] - b[0])
    .slice(0, 8);
  assert.deepEqual(
    list.map((x) => x[0]),
    [2, 3, 4, 5, 6, 7, 8, 9],
    'each attempt is one delivery',
  );
  for (let i = 1; i < 8; i++) assert.notEqual(list[i][1], list[i - 1][1], 'another connection');
  assert.equal(new Set(list.map((x) => x[1])).size, 4, 'each of them had its turn');
  for (const c of all) assert.equal(c.events.filter((e) => !e.attempt).length, 1);
  // Any of them may acknowledge it.
  assert.equal((await all[3].ack(['m'])).acknowledged, 1);
  assert.equal((await user(d, 'ann')).pendingCount, 0);
  assert.deepEqual(bob.events, [], 'nobody else');
});

test('when the only connection goes it rests, and comes on reconnect', async (t) => {
  for (const transport of ['sse', 'ws']) {
    const d = await daemonFor(t, { args: ['--ack-timeout', '60s', '--shards', '2'] });
    const c1 = await client(t, d, transport);
    const m = await publish(d, { userId: 'ann', requireAck: true, id: 'm' });
    await c1.when((e) => e.length >= 1, 'the message');
    const later = await publish(d, { userId: 'ann', id: 'later' });
    await c1.when((e) => e.length >= 2, 'the later one');
    c1.close();
    await poll(async () => ((await user(d, 'ann')).connections === 0 ? true : undefined), {
      what: 'it is gone',
    });
    // At once, not after the timeout; behind its position, which does not move.
    const c2 = listen(t, d, { transport, user: 'ann', after: later.cursor });
    await c2.when((e) => e.some((x) => x.id === 'm'), 'the message again');
    const again = c2.events.find((e) => e.id === 'm');
    assert.deepEqual([again.attempt, again.cursor], [2, m.cursor]);
    if (transport === 'sse') assert.ok(seqOf(again.sseId) >= seqOf(later.cursor), again.sseId);
    assert.equal(c2.events.filter((e) => e.id === 'later').length, 0);
    // And to one without a position.
    c2.close();
    await poll(async () => ((await user(d, 'ann')).connections === 0 ? true : undefined), {
      what: 'it is gone',
    });
    const c3 = listen(t, d, { transport: 'ws', user: 'ann' });
    await c3.when((e) => e.some((x) => x.id === 'm'), 'the message again');
    assert.equal(c3.events.find((e) => e.id === 'm').attempt, 3);
    c3.wire.op({ op: 'ack', id: 'm', ref: 1 });
    await c3.when((e) => e.some((x) => x.ref === 1), 'the reply');
    assert.deepEqual(c3.events.at(-1).data, { acknowledged: 1, unknown: [] });
  }
});

test('an offline user gets it on coming, as the first delivery', async (t) => {
  const d = await daemonFor(t, { args: [...quick] });
  const r = await publish(d, { userId: 'ann', requireAck: true, id: 'm' });
  assert.equal(r.status, 'queued');
  assert.equal((await user(d, 'ann')).pending[0].attempts, 0);
  const l = listen(t, d, { transport: 'ws', user: 'ann' });
  const [m] = mine(await l.upTo('fanfare.synced'));
  assert.deepEqual([m.id, m.attempt], ['m', undefined]);
  await l.when((e) => e.some((x) => x.attempt === 2), 'once more');
});

test('what is not acknowledged is given up, counted and visible', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '100ms', '--ack-attempts', '3'] });
  const c = await client(t, d, 'sse');
  await publish(d, { userId: 'ann', requireAck: true, id: 'm' });
  await poll(async () => ((await user(d, 'ann')).givenUp === 1 ? true : undefined), {
    what: 'it is given up',
  });
  await publish(d, { userId: 'ann', requireAck: true, id: 'n' });
  await poll(async () => ((await counters(d)).given_up === 2 ? true : undefined), {
    what: 'the other one, too',
  });
  assert.deepEqual(
    c.events.filter((e) => e.id === 'm').map((e) => e.attempt),
    [undefined, 2, 3],
  );
  assert.equal((await user(d, 'ann')).pendingCount, 0);
  assert.deepEqual(await c.ack(['m']), { acknowledged: 0, unknown: ['m'] });
});

test('a ttl ends the waiting', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '60s'] });
  await publish(d, { userId: 'ann', requireAck: true, id: 'm', ttl: 1 });
  assert.equal((await user(d, 'ann')).pendingCount, 1);
  await poll(async () => ((await user(d, 'ann')).pendingCount === 0 ? true : undefined), {
    what: 'the end of the ttl',
  });
  assert.equal((await counters(d)).given_up, 1);
  const l = listen(t, d, { transport: 'sse', user: 'ann' });
  assert.deepEqual(mine(await l.upTo('fanfare.synced')), []);
});

test('what cannot be: each refusal with its code', async (t) => {
  const d = await daemonFor(t, { args: ['--max-unacked', '2', '--ack-timeout', '60s'] });
  const refused = async (body, status, code, field) => {
    const p = assertProblem(await post(d, '/broadcast', body), status, { code });
    if (field) assert.equal(p.field, field);
    return p;
  };
  await refused({ channel: 'a', requireAck: true }, 422, 'unsupported', 'requireAck');
  await refused({ requireAck: true }, 422, 'unsupported', 'requireAck');
  await refused({ userId: 'a', requireAck: true, ephemeral: true }, 422, 'conflicting_fields');
  await publish(d, { userId: 'ann', requireAck: true, id: 'm1', data: 1 });
  await publish(d, { userIds: ['ann', 'bob'], requireAck: true, id: 'm2' });
  const full = await post(d, '/broadcast', { userId: 'ann', requireAck: true, id: 'm3' });
  const p = assertProblem(full, 503, { code: 'too_many_unacked' });
  assert.match(p.detail, /ann/);
  assert.equal(full.headers['retry-after'], '1');
  // All or nothing: bob has room, but gets nothing.
  const both = { userIds: ['bob', 'ann'], requireAck: true, id: 'm4' };
  await refused(both, 503, 'too_many_unacked');
  assert.equal((await user(d, 'bob')).pendingCount, 1);
  // Others are taken.
  await publish(d, { userId: 'ann', id: 'plain' });
  assert.equal((await publish(d, { userId: 'bob', requireAck: true, id: 'm3' })).status, 'queued');
});

test('a message of the same id still waits for the user', async (t) => {
  const d = await daemonFor(t, { args: ['--id-window', '0'] });
  await publish(d, { userId: 'ann', requireAck: true, id: 'm', data: 1 });
  const res = await post(d, '/broadcast', { userId: 'ann', requireAck: true, id: 'm', data: 1 });
  assertProblem(res, 409, { code: 'id_conflict' });
  await publish(d, { userId: 'bob', requireAck: true, id: 'm', data: 1 });
  const c = await client(t, d, 'ws', 'ann');
  await c.ack(['m']);
  await publish(d, { userId: 'ann', requireAck: true, id: 'm', data: 1 });
});

test('POST /ack: only with the key of a client that is there', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '60s', '--shards', '2'] });
  const c = await client(t, d, 'sse');
  assert.match(c.key, /^[0-9a-f]{16}\.[A-Za-z0-9_-]{22}$/);
  assert.equal(c.key.split('.')[0], c.id);
  await publish(d, { userId: 'ann', requireAck: true, id: 'm' });
  await publish(d, { userId: 'ann', requireAck: true, id: 'k' });
  const secret = c.key.split('.')[1];
  const flip = secret[0] === 'A' ? 'B' : 'A';
  const bad = [
    '',
    'x',
    c.id,
    secret,
    `${c.id}.${flip}${secret.slice(1)}`,
    `${c.id}.${secret}x`,
    `${c.id}.`,
    `0000000000000000.${secret}`,
    `ffffffffffffffff.${secret}`,
    `${c.key} `.repeat(2),
  ];
  for (const key of bad) {
    assertProblem(await acknowledge(d, key, { id: 'm' }), 401, { code: 'bad_client_key' });
  }
  const none = await post(d, '/ack', { id: 'm' });
  assertProblem(none, 401, { code: 'bad_client_key' });
  for (const [body, status] of [
    ['{', 400],
    ['[]', 400],
    ['{}', 400],
    ['{"id":5}', 400],
    ['{"ids":[]}', 400],
    ['{"ids":"m"}', 400],
    ['{"ids":[1]}', 400],
    ['{"id":"m","ids":["m"]}', 400],
    ['{"id":"m","more":1}', 400],
    [JSON.stringify({ ids: Array.from({ length: 1001 }, (_, i) => `${i}`) }), 400],
  ]) {
    const res = await acknowledge(d, c.key, body);
    const p = assertProblem(res, res.status);
    assert.ok([status, 422].includes(p.status), `${body.slice(0, 40)}: ${res.text}`);
  }
  assert.equal((await user(d, 'ann')).pendingCount, 2, 'nothing was acknowledged');
  const one = await acknowledge(d, c.key, { id: 'm' });
  assert.deepEqual([one.status, one.json], [200, { acknowledged: 1, unknown: [] }]);
  const many = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 'k' : `x${i}`));
  const all = await acknowledge(d, c.key, { ids: many });
  assert.equal(all.json.acknowledged, 1);
  assert.equal(all.json.unknown.length, 999);

  const nobody = listen(t, d, { transport: 'sse' });
  const key = (await nobody.upTo('fanfare.synced'))[0].data.clientKey;
  assertProblem(await acknowledge(d, key, { id: 'm' }), 422, { code: 'no_user' });
  c.close();
  await poll(
    async () => ((await acknowledge(d, c.key, { id: 'm' })).status === 401 ? true : undefined),
    { what: 'the key ends with its client' },
  );
  assertProblem(await get(d, '/ack'), 405);
  assert.ok(!d.stderr.join('\n').includes(secret), 'never in the log');
  assert.ok(!(await get(d, '/clients')).text.includes(secret), 'never in a list');
});

test('the ack op: replies and errors', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '60s'] });
  await publish(d, { userId: 'ann', requireAck: true, id: 'a' });
  await publish(d, { userId: 'ann', requireAck: true, id: 'b' });
  await publish(d, { userId: 'bob', requireAck: true, id: 'c' });
  const w = await Ws.open(d, '/ws?userId=ann');
  await w.synced();
  for (const op of [
    {},
    { id: 5 },
    { ids: [] },
    { ids: 'a' },
    { ids: ['a', 5] },
    { id: 'a', ids: ['b'] },
    { id: 'a', channel: 'x' },
    { ids: Array.from({ length: 1001 }, () => 'a') },
  ]) {
    const r = await w.op({ op: 'ack', ...op });
    assert.equal(r.ok, false, JSON.stringify(op));
    assert.equal(r.error.code, 'bad_request', r.error.message);
  }
  assert.equal((await user(d, 'ann')).pendingCount, 2);
  const r = await w.op({ op: 'ack', ids: ['c', 'b', 'x', 'a'] });
  assert.deepEqual(r.data, { acknowledged: 2, unknown: ['c', 'x'] }, "another user's is unknown");
  assert.equal((await user(d, 'bob')).pendingCount, 1);
  const anonymous = await Ws.live(d, '/ws');
  const no = await anonymous.op({ op: 'ack', id: 'c' });
  assert.deepEqual([no.ok, no.error.code], [false, 'no_user']);
});

test('what waits outlives the gateway', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(['--ack-timeout', '60s']);
  const c1 = await client(t, d1, 'sse');
  for (const id of ['seen', 'done', 'more']) {
    await publish(d1, { userId: 'ann', requireAck: true, id, data: id });
  }
  await c1.when((e) => e.length >= 3, 'all three');
  const position = c1.events.at(-1).cursor;
  await c1.ack(['done']);
  // What a commit came after is on the disk.
  await publish(d1, { channel: 'x' });
  await kill9(d1);
  const d2 = await disk.startLoose(['--ack-timeout', '300ms']);
  const before = await user(d2, 'ann');
  assert.deepEqual(
    before.pending.map((p) => p.id),
    ['seen', 'more'],
  );
  const c2 = listen(t, d2, { transport: 'ws', user: 'ann', after: position });
  const both = (e) => ['seen', 'more'].every((id) => e.some((x) => x.id === id));
  await c2.when(both, 'both again');
  assert.ok(!c2.events.some((e) => e.id === 'done'));
  c2.wire.op({ op: 'ack', id: 'seen', ref: 1 });
  await c2.when((e) => e.some((x) => x.ref === 1), 'the reply');
  await d2.stop();
  const d3 = await disk.start();
  assert.deepEqual(
    (await user(d3, 'ann')).pending.map((p) => p.id),
    ['more'],
  );
  const again = { userId: 'ann', requireAck: true, id: 'more', data: 'more' };
  assert.equal((await publish(d3, again)).duplicate, true);
});

test('more than a client may have waiting: all come, in portions, and nothing is lost', async (t) => {
  const args = ['--client-queue-bytes', '64k', '--send-buffer', '16k', '--ack-timeout', '60s'];
  const d = await daemonFor(t, { args: [...args, '--shards', '2'] });
  const n = 300;
  const pad = 'x'.repeat(3000);
  const first = await client(t, d, 'sse');
  const position = first.hello.at(-1).cursor;
  first.close();
  await poll(async () => ((await user(d, 'ann')).connections === 0 ? true : undefined), {
    what: 'it is gone',
  });
  for (let i = 0; i < n; i++) {
    await publish(d, { userId: 'ann', requireAck: true, id: `m${i}`, data: { pad } });
  }
  const want = Array.from({ length: n }, (_, i) => `m${i}`);
  for (const transport of ['sse', 'ws', 'sse']) {
    // Delivered first or again, with others between them that are published now.
    const query = { transport, user: 'ann', channels: ['a'], after: position };
    const l = listen(t, d, query);
    const load = (async () => {
      for (let i = 0; i < 50; i++) await publish(d, { channel: 'a', id: `${transport}${i}` });
    })();
    await l.upTo('fanfare.synced', 30000);
    await load;
    await publish(d, { channel: 'a', type: 'end' });
    await l.upTo('end', 30000);
    const missing = () => {
      const ids = new Set(l.events.map((e) => e.id));
      return want.filter((id) => !ids.has(id));
    };
    await l.when(() => missing().length === 0, 'all unacknowledged ones', 30000);
    const all = l.events;
    const own = all.map((e) => e.id).filter((id) => id?.startsWith(transport));
    assert.ok(own.length >= 50, `${own.length} of 50`);
    l.close();
    await poll(async () => ((await user(d, 'ann')).connections === 0 ? true : undefined), {
      what: 'it is gone',
    });
  }
  assert.equal((await counters(d)).slow_closed, 0);
  const { pending, pendingCount, givenUp } = await user(d, 'ann');
  assert.deepEqual([pendingCount, givenUp], [n, 0]);
  for (const p of pending) assert.equal(p.attempts, 3, p.id);
});

test('subscriptions are replayed beside what is delivered again', async (t) => {
  const d = await daemonFor(t, { args: ['--ack-timeout', '60s', '--client-queue-bytes', '64k'] });
  const pad = 'x'.repeat(2000);
  for (let i = 0; i < 100; i++) await publish(d, { channel: 'b', data: i });
  for (let i = 0; i < 100; i++) {
    await publish(d, { userId: 'ann', requireAck: true, id: `m${i}`, data: pad });
  }
  for (let round = 0; round < 4; round++) {
    const l = listen(t, d, { transport: 'ws', user: 'ann' });
    await l.when((all) => all.length > 0, 'connected');
    l.wire.op({ op: 'subscribe', channel: 'b', after: '0-0', ref: 'b' });
    await l.when((all) => all.some((e) => e.data?.ref === 'b'), 'the synced of b', 20000);
    await l.when((all) => new Set(all.map((e) => e.id)).size > 200, 'all of both', 20000);
    const got = l.events.filter((e) => e.channel === 'b').map((e) => e.data);
    assert.deepEqual(
      got,
      Array.from({ length: 100 }, (_, i) => i),
    );
    l.close();
    await poll(async () => ((await user(d, 'ann')).connections === 0 ? true : undefined), {
      what: 'it is gone',
    });
  }
  assert.equal((await get(d, '/stats')).json.counters.slow_closed, 0);
});
