// The endpoints for reading and for administrators.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { assertProblem, get, post, publish, RawConn, request, requestBytes } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const json = { 'Content-Type': 'application/json' };
const del = (d, path) => request(d, { method: 'DELETE', path });
const utcMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function openSse(d, path, opts) {
  const s = await Sse.open(d, path, opts);
  const { clientId, clientKey } = (await s.control('connected')).envelope.data;
  await s.synced();
  return Object.assign(s, { id: clientId, key: clientKey });
}

async function openWs(d, path, opts) {
  const w = await Ws.open(d, path, opts);
  const { clientId, clientKey } = (await w.control('connected')).json.data;
  await w.synced();
  return Object.assign(w, { id: clientId, key: clientKey });
}

test('clients: list and detail', async (t) => {
  const d = await daemonFor(t, { args: ['--log-level', 'debug'] });
  assert.deepEqual((await get(d, '/clients')).json, { clients: [], next: null });
  const began = Date.now();
  const meta = { page: '/cart', n: 1.5, deep: { a: [null] } };
  const s = await openSse(
    d,
    `/events?channel=b&channel=a.%3E&userId=ann&meta=${encodeURIComponent(
      '{"page": "/cart", "n": 1.50, "deep":{"a":[null]}}',
    )}`,
    { headers: { 'User-Agent': 'tester/1.0 (x; "y")' } },
  );
  const w = await openWs(d, '/ws', { headers: { 'User-Agent': 'ws é' } });

  const list = (await get(d, '/clients')).json;
  assert.equal(list.next, null);
  assert.deepEqual(list.clients.map((c) => c.id).sort(), [s.id, w.id].sort());
  const c = list.clients.find((x) => x.id === s.id);
  assert.deepEqual(Object.keys(c), [
    'id',
    'user',
    'transport',
    'channels',
    'peer',
    'userAgent',
    'replaying',
    'connectedAt',
    'messages',
    'bytes',
    'queue',
    'lastActivity',
    'meta',
  ]);
  assert.equal(c.user, 'ann');
  assert.equal(c.transport, 'sse');
  assert.deepEqual([...c.channels].sort(), ['a.>', 'b']);
  assert.equal(c.peer, `127.0.0.1:${s.conn.localPort}`);
  assert.equal(c.userAgent, 'tester/1.0 (x; "y")');
  assert.match(c.connectedAt, utcMs);
  assert.ok(Math.abs(Date.parse(c.connectedAt) - began) < 60000);
  assert.match(c.lastActivity, utcMs);
  assert.deepEqual(c.queue, { messages: 0, bytes: 0 });
  assert.deepEqual(c.meta, meta);
  const cw = list.clients.find((x) => x.id === w.id);
  assert.equal(cw.transport, 'websocket');
  assert.equal(cw.user, null);
  assert.equal(cw.meta, null);
  assert.deepEqual(cw.channels, []);

  for (const x of [s, w]) {
    const one = await get(d, `/clients/${x.id}`);
    assert.equal(one.status, 200);
    assert.equal(one.json.id, x.id);
    assert.equal(one.headers['cache-control'], 'no-store');
    assert.match(one.headers['content-type'], /^application\/json\b/);
  }

  // Figures move.
  const before = (await get(d, `/clients/${s.id}`)).json;
  await publish(d, { channel: 'b', data: 'x'.repeat(1000) });
  await s.message();
  const after = await poll(
    async () => {
      const now = (await get(d, `/clients/${s.id}`)).json;
      return now.messages > before.messages ? now : undefined;
    },
    { what: 'one message more' },
  );
  assert.equal(after.messages, before.messages + 1);
  assert.ok(after.bytes > before.bytes + 1000 && after.bytes < before.bytes + 1500);
  assert.ok(after.lastActivity >= before.lastActivity);

  // Metadata and subscriptions by op.
  assert.equal((await w.op({ op: 'meta', meta: { role: 'driver' } })).ok, true);
  assert.equal((await w.op({ op: 'subscribe', channel: 'late' })).ok, true);
  const now = (await get(d, `/clients/${w.id}`)).json;
  assert.deepEqual(now.meta, { role: 'driver' });
  assert.deepEqual(now.channels, ['late']);
  await w.op({ op: 'meta', meta: {} });
  assert.deepEqual((await get(d, `/clients/${w.id}`)).json.meta ?? {}, {});
  await w.op({ op: 'unsubscribe', channel: 'late' });
  assert.deepEqual((await get(d, `/clients/${w.id}`)).json.channels, []);

  // The key is a secret.
  for (const path of ['/clients', `/clients/${s.id}`, '/stats', '/channels', '/metrics']) {
    const { text } = await get(d, path);
    assert.ok(!text.includes(s.key) && !text.includes(w.key), path);
  }
  assert.ok(!d.stderr.some((l) => l.includes(s.key) || l.includes(w.key)), 'a key in the log');

  for (const path of [
    '/clients/nobody',
    '/clients/00000000-0000-7000-8000-000000000000',
    `/clients/${s.id}x`,
    `/clients/${'a'.repeat(300)}`,
    '/clients/a%2Fb',
    '/clients/%20',
  ]) {
    assertProblem(await get(d, path), 404, { code: 'not_found' });
  }
  const head = await request(d, { method: 'HEAD', path: `/clients/${s.id}` });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
});

test('clients: filters and paging', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '3'] });
  const all = [];
  for (let i = 0; i < 25; i++) {
    const q = `channel=${i % 2 ? 'odd' : 'even'}&channel=x.%3E&userId=u${i % 5}`;
    all.push(i % 3 ? await openSse(d, `/events?${q}`) : await openWs(d, `/ws?${q}`));
  }
  const ids = all.map((c) => c.id).sort();
  const walk = async (query, limit) => {
    const got = [];
    let after = '';
    let pages = 0;
    do {
      const page = (await get(d, `/clients?limit=${limit}${query}${after}`)).json;
      assert.ok(page.clients.length <= limit);
      got.push(...page.clients.map((c) => c.id));
      after = `&after=${page.next}`;
      pages++;
      if (page.next === null) break;
    } while (pages < 100);
    // Each once, whatever the page size; their order has a test of its own.
    return got.sort();
  };
  for (const limit of [1, 7, 25, 1000]) assert.deepEqual(await walk('', limit), ids);
  assert.deepEqual(
    await walk('&user=u3', 2),
    all
      .filter((_, i) => i % 5 === 3)
      .map((c) => c.id)
      .sort(),
  );
  assert.deepEqual(
    await walk('&channel=odd', 3),
    all
      .filter((_, i) => i % 2)
      .map((c) => c.id)
      .sort(),
  );
  assert.deepEqual(await walk('&channel=x.%3E', 100), ids);
  assert.deepEqual(await walk('&channel=x.y', 100), [], 'exactly this subscription');
  assert.deepEqual(
    await walk('&channel=odd&user=u3', 100),
    all
      .filter((_, i) => i % 2 && i % 5 === 3)
      .map((c) => c.id)
      .sort(),
  );
  assert.deepEqual(await walk('&user=nobody', 100), []);

  for (const q of ['limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'limit=1.5', 'limit=']) {
    assertProblem(await get(d, `/clients?${q}`), 400, { code: 'bad_parameter' });
  }
  assertProblem(await get(d, '/clients?usr=ann'), 400, { code: 'unknown_parameter' });
  assertProblem(await get(d, '/clients?user=a%0Ab'), 400, { code: 'bad_user' });
  assertProblem(await get(d, '/clients?channel=a%20b'), 400, { code: 'bad_channel' });
});

test('clients are listed in the order of their ids', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '3'] });
  for (let i = 0; i < 12; i++) await openSse(d, '/events');
  const ids = (await get(d, '/clients')).json.clients.map((c) => c.id);
  assert.equal(ids.length, 12);
  assert.deepEqual(ids, [...ids].sort());
});

test('a message to one client comes behind what was published before it', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1'] });
  for (const open of [() => openSse(d, '/events?channel=a'), () => openWs(d, '/ws?channel=a')]) {
    const x = await open();
    // All in one write: the shard sees them in one turn.
    const bytes = [];
    for (let i = 0; i < 8; i += 2) {
      const body = (data) => JSON.stringify({ data });
      const toAll = JSON.stringify({ channel: 'a', data: i });
      bytes.push(
        requestBytes(d, { method: 'POST', path: '/broadcast', body: toAll, headers: json }),
        requestBytes(d, {
          method: 'POST',
          path: `/clients/${x.id}/messages`,
          body: body(i + 1),
          headers: json,
        }),
      );
    }
    const conn = await RawConn.open(d);
    conn.write(Buffer.concat(bytes));
    for (let i = 0; i < 8; i++) {
      const m = await x.message();
      assert.equal((m.envelope ?? m.json).data, i);
    }
    conn.close();
  }
});

test('a message to one client', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const s = await openSse(d, '/events?channel=a');
  const w = await openWs(d, '/ws?channel=a');
  const other = await openSse(d, '/events?channel=a');
  const r = await publish(d, { channel: 'a' });
  for (const x of [s, w, other]) await x.message();

  for (const x of [s, w]) {
    const res = await post(d, `/clients/${x.id}/messages`, '{"type":"note","data": {"n":1.0}}');
    assert.equal(res.status, 202, res.text);
    assert.deepEqual(Object.keys(res.json), ['id']);
    const m = await x.message();
    const text = m.data ?? m.text;
    const ts = (m.envelope ?? m.json).timestamp;
    assert.match(ts, utcMs);
    assert.equal(
      text,
      `{"type":"note","id":"${res.json.id}","cursor":"${r.cursor}",` +
        `"timestamp":"${ts}","data":{"n":1.0}}`,
    );
    if (m.raw) assert.equal(m.raw, `event: note\nid: ${r.cursor}\ndata: ${text}\n\n`);
  }
  const min = await post(d, `/clients/${s.id}/messages`, '{}');
  assert.equal(min.status, 202);
  const m = await s.message();
  assert.equal(m.event, undefined);
  assert.equal(m.envelope.data, null);

  // It takes no place in the log, and nobody else gets it.
  assert.equal((await get(d, '/stats')).json.cursor, r.cursor);
  const r2 = await publish(d, { channel: 'a', data: 'next' });
  assert.equal((await other.next()).id, r2.cursor);

  const path = `/clients/${s.id}/messages`;
  assertProblem(await post(d, path, '{"channel":"a"}'), 400, { code: 'unknown_field' });
  assertProblem(await post(d, path, '{"typ":"a"}'), 400, { code: 'unknown_field', detail: /type/ });
  assertProblem(await post(d, path, '{"type":"open"}'), 422, { code: 'reserved_name' });
  assertProblem(await post(d, path, '{'), 400, { code: 'bad_json' });
  assertProblem(await post(d, path, '{}', { 'Content-Type': 'text/plain' }), 415, {
    code: 'unsupported_media_type',
  });
  assertProblem(await post(d, '/clients/nobody/messages', '{}'), 404, { code: 'not_found' });
});

test('closing one client', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const s = await openSse(d, '/events?channel=a');
  const w = await openWs(d, '/ws?channel=a');
  const stay = await openWs(d, '/ws?channel=a');
  for (const x of [s, w]) {
    // What was published before reaches it first.
    await publish(d, { channel: 'a', data: 'last' });
    const res = await del(d, `/clients/${x.id}`);
    assert.equal(res.status, 204, res.text);
    assert.equal(res.body.length, 0);
    const m = await x.message();
    assert.equal((m.envelope ?? m.json).data, 'last');
    await stay.message();
  }
  await s.ended();
  assert.equal((await w.waitClosed()).code, 4001);
  for (const x of [s, w]) {
    await poll(async () => ((await get(d, `/clients/${x.id}`)).status === 404 ? true : undefined), {
      what: 'the client is gone',
    });
    assertProblem(await del(d, `/clients/${x.id}`), 404, { code: 'not_found' });
  }
  assert.deepEqual(
    (await get(d, '/clients')).json.clients.map((c) => c.id),
    [stay.id],
  );
  assert.equal((await publish(d, { channel: 'a', data: 1 })).matched, 1);
  assert.equal((await stay.message()).json.data, 1);
});

test('channels', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '3'] });
  assert.deepEqual((await get(d, '/channels')).json, { channels: [], next: null });
  await openSse(d, '/events?channel=orders&channel=a%2Fb&channel=orders.x');
  await openWs(d, '/ws?channel=orders&channel=orders.*&channel=%3E');
  const gone = await openSse(d, '/events?channel=gone&channel=orders&channel=B');
  await openSse(d, '/events?channel=orders.%3E');

  const names = ['B', 'a/b', 'gone', 'orders', 'orders.x'];
  const list = (await get(d, '/channels')).json;
  assert.deepEqual(
    list.channels.map((c) => c.channel),
    names,
    'in byte order, no patterns',
  );
  assert.deepEqual(
    list.channels.map((c) => c.subscribers),
    [1, 1, 1, 3, 1],
  );
  assert.equal(list.next, null);

  const none = { messages: 0, bytes: 0, first: null, last: null, evicted: null };
  const detail = async (path) => {
    const { history, ...rest } = (await get(d, `/channels/${path}`)).json;
    assert.deepEqual(history, none);
    return rest;
  };
  assert.deepEqual(await detail('orders'), { channel: 'orders', subscribers: 3, matching: 3 });
  assert.deepEqual(await detail('orders.x'), { channel: 'orders.x', subscribers: 1, matching: 3 });
  assert.deepEqual(await detail('orders.y'), { channel: 'orders.y', subscribers: 0, matching: 2 });
  assert.deepEqual(await detail('a%2Fb'), { channel: 'a/b', subscribers: 1, matching: 2 });
  assert.deepEqual(await detail('private-q'), {
    channel: 'private-q',
    subscribers: 0,
    matching: 0,
  });
  for (const { channel } of list.channels) {
    const { matching } = (await get(d, `/channels/${encodeURIComponent(channel)}`)).json;
    assert.equal((await publish(d, { channel })).matched, matching, channel);
  }

  const page = (await get(d, '/channels?limit=2')).json;
  assert.deepEqual(
    page.channels.map((c) => c.channel),
    names.slice(0, 2),
  );
  assert.equal(typeof page.next, 'string');
  const rest = (await get(d, `/channels?after=${encodeURIComponent(page.next)}`)).json;
  assert.deepEqual(
    rest.channels.map((c) => c.channel),
    names.slice(2),
  );
  assert.deepEqual(
    (await get(d, '/channels?prefix=orders')).json.channels.map((c) => c.channel),
    ['orders', 'orders.x'],
  );
  assert.deepEqual((await get(d, '/channels?prefix=zzz')).json, { channels: [], next: null });

  gone.close();
  await poll(
    async () => {
      const { channels } = (await get(d, '/channels')).json;
      return channels.length === 3 ? true : undefined;
    },
    { what: 'forgotten channels' },
  );
  assert.deepEqual((await get(d, '/channels')).json.channels, [
    { channel: 'a/b', subscribers: 1 },
    { channel: 'orders', subscribers: 2 },
    { channel: 'orders.x', subscribers: 1 },
  ]);

  assertProblem(await get(d, '/channels/a%20b'), 400, { code: 'bad_channel' });
  assertProblem(await get(d, '/channels/fanfare.x'), 400, { code: 'reserved_channel' });
  assertProblem(await get(d, `/channels/${'a'.repeat(201)}`), 400, { code: 'bad_channel' });
  assertProblem(await get(d, '/channels/a%00b'), 400, { code: 'bad_target' });
  assertProblem(await get(d, '/channels?limt=5'), 400, { code: 'unknown_parameter' });
  assertProblem(await get(d, '/channels?limit=0'), 400, { code: 'bad_parameter' });
  assert.equal((await get(d, '/channels/a/b')).status, 404, 'split before decoding');
});

test('many channels: paging through all of them while they come and go', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2', '--max-channels-per-client', '2000'] });
  const names = Array.from({ length: 1500 }, (_, i) => `c${String(i).padStart(4, '0')}`);
  const w = await Ws.live(d, '/ws');
  const replies = names.map((channel, i) => {
    w.send(JSON.stringify({ op: 'subscribe', channel, ref: i }));
    return i;
  });
  await w.next((j) => j.type === 'fanfare.reply' && j.ref === replies.length - 1);
  const got = [];
  let after = '';
  for (;;) {
    const page = (await get(d, `/channels?limit=400${after}`)).json;
    got.push(...page.channels.map((c) => c.channel));
    if (page.next === null) break;
    after = `&after=${page.next}`;
  }
  assert.deepEqual(got, names);
  const st = (await get(d, '/stats')).json;
  assert.equal(st.channels.count, 1500);
  assert.equal(st.channels.top.length, 10);
  assert.equal((await get(d, '/channels')).json.channels.length, 100, 'the default limit');
});

test('metrics in the Prometheus text format', async (t) => {
  const d = await daemonFor(t);
  await Sse.live(d, '/events?channel=a');
  await publish(d, { channel: 'a' });
  const res = await get(d, '/metrics');
  assert.equal(res.status, 200);
  assert.match(res.headers['content-type'], /^text\/plain; ?version=0\.0\.4/);
  const values = new Map();
  const typed = new Set();
  for (const line of res.text.split('\n')) {
    if (line === '') continue;
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type) {
      typed.add(type[1]);
      assert.equal(type[2] === 'counter', type[1].endsWith('_total'), line);
      continue;
    }
    if (/^# HELP \S+ .+$/.test(line)) continue;
    const m = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line);
    assert.ok(m, line);
    assert.ok(typed.has(m[1]), `${m[1]} has a TYPE before it`);
    values.set(m[1], Number(m[3]));
  }
  assert.ok(res.text.endsWith('\n'));
  assert.equal(values.get('fanfare_clients_sse'), 1);
  assert.equal(values.get('fanfare_published_total'), 1);
  const { counters } = (await get(d, '/stats')).json;
  for (const name of Object.keys(counters)) {
    assert.ok(values.has(`fanfare_${name}`) || values.has(`fanfare_${name}_total`), name);
  }
  assert.equal(Object.keys(counters).length, values.size);
});

test('the playground page is there with --demo only', async (t) => {
  const d = await daemonFor(t, { args: ['--demo'] });
  const res = await get(d, '/');
  assert.equal(res.status, 200);
  assert.match(res.headers['content-type'], /^text\/html\b/);
  assert.match(
    res.headers['content-security-policy'] ?? '',
    /default-src 'none'|default-src 'self'/,
  );
  assert.ok(!/\b(src|href)\s*=\s*["']?(https?:)?\/\//i.test(res.text), 'self-contained');
  const plain = await daemonFor(t);
  assertProblem(await get(plain, '/'), 404, { code: 'not_found' });
});

test('wrong methods: 405 with Allow', async (t) => {
  const d = await daemonFor(t, { args: ['--demo'] });
  const table = {
    '/': ['GET', 'HEAD'],
    '/health': ['GET', 'HEAD'],
    '/ready': ['GET', 'HEAD'],
    '/stats': ['GET', 'HEAD'],
    '/metrics': ['GET', 'HEAD'],
    '/events': ['GET', 'HEAD'],
    '/ws': ['GET'],
    '/broadcast': ['POST'],
    '/channels': ['GET', 'HEAD'],
    '/channels/a': ['GET', 'HEAD'],
    '/clients': ['GET', 'HEAD'],
    '/clients/x': ['GET', 'HEAD', 'DELETE'],
    '/clients/x/messages': ['POST'],
  };
  for (const [path, allowed] of Object.entries(table)) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) {
      if (allowed.includes(method)) continue;
      const res = await request(d, {
        method,
        path,
        body: method === 'GET' || method === 'DELETE' ? undefined : '{}',
        headers: { 'Content-Type': 'application/json' },
      });
      assertProblem(res, 405, { code: 'method_not_allowed' });
      const allow = (res.headers.allow ?? '').split(/\s*,\s*/);
      for (const m of allowed) assert.ok(allow.includes(m), `${method} ${path}: Allow: ${allow}`);
      assert.ok(!allow.includes(method), `${method} ${path}: Allow: ${allow}`);
    }
  }
  for (const path of [
    '/nope',
    '/health/',
    '//health',
    '/HEALTH',
    '/health/x',
    '/broadcast/',
    '/event',
    '/clients/x/y',
    '/clients/x/messages/y',
    '/a/b/c/d/e/f/g/h',
  ]) {
    assertProblem(await get(d, path), 404, { code: 'not_found' });
  }
  assert.equal((await get(d, '/health?x=1')).status, 400);
});
