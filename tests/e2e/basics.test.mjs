// The main job: what is published reaches exactly whom it is for, as it was
// sent, over both transports.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { daemonFor, startDaemon, within } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, post, publish, request, requestBytes } from './lib/http.mjs';
import { Sse, cursorForm, seqOf } from './lib/sse.mjs';
import { Inbox, poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const utcMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Publishes a last message to everyone; what came before it on each stream
 *  is then all there was. */
async function fence(d, streams) {
  await publish(d, { type: 'fence' });
  const got = [];
  for (const s of streams) {
    const mine = [];
    for (;;) {
      const m = await s.message();
      const env = m.envelope ?? m.json;
      if (env.type === 'fence') break;
      mine.push(env);
    }
    got.push(mine);
  }
  return got;
}

test('the ready line, health, ready and stats', async (t) => {
  const d = await daemonFor(t);
  assert.equal(d.stdout.length, 1);
  assert.match(d.stdout[0], /^fanfare ready on http:\/\/127\.0\.0\.1:[1-9]\d*$/);

  for (const [path, body] of [
    ['/health', '{"status":"ok"}'],
    ['/ready', '{"status":"ready"}'],
  ]) {
    const res = await get(d, path);
    assert.equal(res.status, 200);
    assert.equal(res.text.trimEnd(), body);
    assert.match(res.headers['content-type'], /^application\/json\b/);
    assert.equal(res.headers['cache-control'], 'no-store');
  }

  const empty = (await get(d, '/stats')).json;
  assert.match(empty.version, /^\d+\.\d+\.\d+/);
  assert.ok(Number.isInteger(empty.uptime) && empty.uptime >= 0);
  assert.match(empty.epoch, /^[0-9a-z]{1,13}$/);
  assert.equal(empty.cursor, `${empty.epoch}-0`);
  assert.equal(empty.clientCount, 0);
  assert.equal(empty.messageCount, 0);
  assert.deepEqual(empty.transports, { sse: 0, websocket: 0 });
  assert.deepEqual(empty.channels, { count: 0, top: [] });
  assert.equal(empty.users, 0);
  assert.ok(empty.shards >= 1);

  await Sse.live(d, '/events?channel=a&channel=b&userId=u1');
  await Sse.live(d, '/events?channel=a&userId=u1');
  await Ws.live(d, '/ws?channel=a&userId=u2');
  const last = await publish(d, { channel: 'a', data: 1 });
  assert.equal(last.matched, 3);
  const st = (await get(d, '/stats')).json;
  assert.equal(st.cursor, last.cursor);
  assert.equal(st.clientCount, 3);
  assert.equal(st.messageCount, 1);
  assert.deepEqual(st.transports, { sse: 2, websocket: 1 });
  assert.deepEqual(st.channels, {
    count: 2,
    top: [
      { channel: 'a', subscribers: 3 },
      { channel: 'b', subscribers: 1 },
    ],
  });
  assert.equal(st.users, 2);
  assert.equal(st.counters.published, 1);
  assert.equal(typeof st.counters.delivered, 'number');
});

test('the exact bytes of a message, the same on both transports', async (t) => {
  const d = await daemonFor(t);
  const { epoch } = (await get(d, '/stats')).json;
  const sse = await Sse.live(d, '/events?channel=orders');
  const ws = await Ws.live(d, '/ws?channel=orders');

  const r1 = await post(
    d,
    '/broadcast',
    '{"source":"shop","timestamp":"2026-11-20T12:00:00+02:00",' +
      '"id":"o-1","data":{"total":99.99},"type":"order.created","channel":"orders"}',
  );
  assert.equal(r1.status, 200, r1.text);
  assert.equal(r1.text.trimEnd(), `{"id":"o-1","cursor":"${epoch}-1","matched":2}`);
  assert.match(r1.headers['content-type'], /^application\/json\b/);
  const env1 =
    `{"type":"order.created","channel":"orders","id":"o-1","cursor":"${epoch}-1",` +
    '"timestamp":"2026-11-20T12:00:00+02:00","source":"shop","data":{"total":99.99}}';
  assert.equal((await sse.next()).raw, `event: order.created\nid: ${epoch}-1\ndata: ${env1}\n\n`);
  assert.equal((await ws.next()).text, env1);

  // The smallest one: to everyone, everything by default.
  const before = Date.now();
  const r2 = await publish(d, '{}');
  assert.match(r2.id, uuid7);
  assert.equal(r2.cursor, `${epoch}-2`);
  assert.equal(r2.matched, 2);
  const e2 = await sse.next();
  const ts = JSON.parse(e2.data).timestamp;
  assert.match(ts, utcMs);
  assert.ok(Math.abs(Date.parse(ts) - before) < 60000, ts);
  const env2 =
    `{"type":"message","id":"${r2.id}","cursor":"${epoch}-2","timestamp":"${ts}",` + '"data":null}';
  assert.equal(e2.raw, `id: ${epoch}-2\ndata: ${env2}\n\n`, 'no event line for `message`');
  assert.equal((await ws.next()).text, env2);

  // To a user: `userId` stands where `channel` would.
  const user = await Sse.live(d, '/events?userId=ann');
  await publish(d, '{"userId":"ann","id":"x","timestamp":"2026-11-20T10:00:00Z","data":[]}');
  assert.equal(
    (await user.next()).data,
    `{"type":"message","userId":"ann","id":"x",` +
      `"cursor":"${epoch}-3","timestamp":"2026-11-20T10:00:00Z","data":[]}`,
  );

  // A name that needs escaping in JSON, and one that does not.
  const odd = await Sse.live(d, '/events?userId=a%22b%5C%C3%A9%20%F0%9F%98%80');
  await publish(d, {
    userId: 'a"b\\é 😀',
    type: 'тип "x"',
    id: 'y',
    timestamp: '2026-11-20T10:00:00Z',
  });
  const o = await odd.next();
  assert.equal(o.event, 'тип "x"');
  assert.equal(
    o.data,
    `{"type":"тип \\"x\\"","userId":"a\\"b\\\\é 😀","id":"y",` +
      `"cursor":"${epoch}-4","timestamp":"2026-11-20T10:00:00Z","data":null}`,
  );
});

test('data passes through as it was sent', async (t) => {
  const d = await daemonFor(t);
  const sse = await Sse.live(d, '/events?channel=c');
  const ws = await Ws.live(d, '/ws?channel=c');
  const big = 'x'.repeat(200 * 1024);
  const deep = `${'['.repeat(60)}1${']'.repeat(60)}`;
  const cases = [
    // sent, expected (the same if absent)
    ['99.99'],
    ['99.990'],
    ['0.1000000000000000055511151231257827021181583404541015625'],
    ['123456789012345678901234567890'],
    ['-123456789012345678901234567890.5'],
    ['1e2'],
    ['1E+400'],
    ['-0'],
    ['-0.0'],
    ['1e-7'],
    ['null'],
    ['true'],
    ['false'],
    ['""'],
    ['[]'],
    ['{}'],
    ['[ ]', '[]'],
    ['{ }', '{}'],
    ['{ "b" : 1 ,\r\n\t"a" : [ 1 , 2.50 ] }', '{"b":1,"a":[1,2.50]}'],
    ['{"z":1,"10":2,"2":3,"a":4}'],
    ['" a  b\\tc "'],
    ['"\\u00e9"'],
    ['"é"'],
    ['"\\/"'],
    ['"/"'],
    ['"\\ud83d\\ude00"'],
    ['"😀"'],
    ['"\u2028\u2029"'],
    ['"\\u2028"'],
    ['"\ufeff"'],
    ['"\u0085"'],
    ['"\\u0000"'],
    ['"\\n\\r"'],
    ['"data: x\\n\\nid: forged"'],
    ['"\u007f"'],
    ['{"type":"fanfare.connected","nested":{"channel":5,"unknown":[{"a":{}}]}}'],
    [deep],
    [`"${big}"`],
    [`"${'é\u2028"'.replace('"', '\\"').repeat(1000)}"`],
  ];
  for (const [sent, expected = sent] of cases) {
    const r = await publish(d, `{ "channel" : "c" , "data" : ${sent} }\n`);
    const e = await sse.next();
    const tail = `"data":${expected}}`;
    assert.ok(e.data.endsWith(tail), `${tail.slice(0, 200)} in ${e.data.slice(0, 400)}`);
    assert.ok(e.data.includes(`"cursor":"${r.cursor}"`));
    assert.equal(e.data, (await ws.next()).text);
    JSON.parse(e.data);
  }
});

test('channels, patterns, users and everyone reach exactly theirs', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '3'] });
  const open = {
    a: await Sse.live(d, '/events?channel=a'),
    ab: await Ws.live(d, '/ws?channel=a&channel=b&channel=a'),
    star: await Sse.live(d, '/events?channel=o.*&channel=o.x'),
    gt: await Ws.live(d, '/ws?channel=o.%3E'),
    all: await Sse.live(d, '/events?channel=%3E'),
    priv: await Sse.live(d, '/events?channel=private-x.%3E'),
    ann1: await Sse.live(d, '/events?userId=ann'),
    ann2: await Ws.live(d, '/ws?userId=ann&channel=a'),
    bob: await Sse.live(d, '/events?userId=bob'),
    none: await Ws.live(d, '/ws'),
  };
  const names = Object.keys(open);
  const cases = [
    [{ channel: 'a' }, ['a', 'ab', 'all', 'ann2']],
    [{ channel: 'b' }, ['ab', 'all']],
    [{ channel: 'A' }, ['all']],
    [{ channel: 'o.x' }, ['star', 'gt', 'all']],
    [{ channel: 'o.y' }, ['star', 'gt', 'all']],
    [{ channel: 'o.x.y' }, ['gt', 'all']],
    [{ channel: 'o' }, ['all']],
    [{ channel: 'o.' }, ['star', 'gt', 'all']],
    [{ channel: 'private-x.y' }, ['priv']],
    [{ channel: 'private-x' }, []],
    [{ channel: 'presence-x' }, []],
    [{ userId: 'ann' }, ['ann1', 'ann2']],
    [{ userId: 'bob' }, ['bob']],
    [{ userId: 'eve' }, []],
    [{}, names],
  ];
  for (const [target, expected] of cases) {
    const r = await publish(d, { ...target, type: 'probe', data: target });
    assert.equal(r.matched, expected.length, `matched of ${JSON.stringify(target)}`);
  }
  const got = await fence(d, Object.values(open));
  names.forEach((name, i) => {
    const want = cases.filter(([, to]) => to.includes(name)).map(([target]) => target);
    assert.deepEqual(
      got[i].map((e) => e.data),
      want,
      `what ${name} got`,
    );
    const seqs = got[i].map((e) => seqOf(e.cursor));
    seqs.reduce((x, y) => (assert.ok(x < y, `${x} < ${y}`), y), 0n);
  });
});

test('several targets are several messages with one id and consecutive cursors', async (t) => {
  const d = await daemonFor(t);
  const { epoch } = (await get(d, '/stats')).json;
  const a = await Sse.live(d, '/events?channel=a&channel=c&userId=u1');
  const b = await Ws.live(d, '/ws?channel=c&userId=u2');

  const r = await post(d, '/broadcast', { channels: ['c', 'nobody', 'a'], id: 'm', data: 7 });
  assert.equal(r.status, 200, r.text);
  assert.equal(
    r.text.trimEnd(),
    `{"id":"m","cursor":"${epoch}-3","matched":3,"targets":[` +
      `{"channel":"c","cursor":"${epoch}-1","matched":2,"status":"sent"},` +
      `{"channel":"nobody","cursor":"${epoch}-2","matched":0,"status":"sent"},` +
      `{"channel":"a","cursor":"${epoch}-3","matched":1,"status":"sent"}]}`,
  );

  const one = await publish(d, { channels: ['a'], id: 'm2' });
  assert.deepEqual(one, {
    id: 'm2',
    cursor: `${epoch}-4`,
    matched: 1,
    targets: [{ channel: 'a', cursor: `${epoch}-4`, matched: 1, status: 'sent' }],
  });

  const u = await publish(d, { userIds: ['u2', 'u1'], id: 'n' });
  assert.deepEqual(u, {
    id: 'n',
    cursor: `${epoch}-6`,
    matched: 2,
    targets: [
      { userId: 'u2', cursor: `${epoch}-5`, matched: 1, status: 'online' },
      { userId: 'u1', cursor: `${epoch}-6`, matched: 1, status: 'online' },
    ],
  });

  const [ga, gb] = await fence(d, [a, b]);
  assert.deepEqual(
    ga.map((e) => [e.channel ?? e.userId, e.cursor, e.id]),
    [
      ['c', `${epoch}-1`, 'm'],
      ['a', `${epoch}-3`, 'm'],
      ['a', `${epoch}-4`, 'm2'],
      ['u1', `${epoch}-6`, 'n'],
    ],
  );
  assert.deepEqual(
    gb.map((e) => [e.channel ?? e.userId, e.cursor, e.id]),
    [
      ['c', `${epoch}-1`, 'm'],
      ['u2', `${epoch}-5`, 'n'],
    ],
  );

  // The most there may be.
  const many = Array.from({ length: 1000 }, (_, i) => `ch${i}`);
  const m = await publish(d, { channels: many });
  assert.equal(m.targets.length, 1000);
  assert.equal(seqOf(m.targets[999].cursor) - seqOf(m.targets[0].cursor), 999n);
});

test('except leaves out one client', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const open = [];
  for (let i = 0; i < 3; i++) {
    const s = await Sse.open(d, '/events?channel=a&userId=u');
    const w = await Ws.open(d, '/ws?channel=a&userId=u');
    open.push({ s, id: (await s.control('connected')).envelope.data.clientId });
    open.push({ s: w, id: (await w.control('connected')).json.data.clientId });
    await s.synced();
    await w.synced();
  }
  const targets = [{ channel: 'a' }, { userId: 'u' }, {}, { channels: ['a', 'b'] }];
  for (const { id } of open) {
    for (const target of targets) {
      const r = await publish(d, { ...target, except: id, data: id });
      assert.equal(r.matched, open.length, '`matched` counts before `except`');
    }
  }
  const r = await publish(d, { channel: 'a', except: 'nobody-there', data: 'all' });
  assert.equal(r.matched, open.length);
  const got = await fence(
    d,
    open.map((o) => o.s),
  );
  open.forEach(({ id }, i) => {
    const want = open.filter((o) => o.id !== id).flatMap((o) => targets.map(() => o.id));
    assert.deepEqual(
      got[i].map((e) => e.data),
      [...want, 'all'],
    );
  });
});

test('a userId reaches all connections of that user and nobody else', async (t) => {
  for (const shards of ['1', '4']) {
    const d = await startDaemon({ args: ['--shards', shards] });
    try {
      const users = ['ann', 'bob', 'Ann', 'an', 'annn'];
      const streams = [];
      for (const user of users) {
        for (let i = 0; i < 4; i++) {
          streams.push({ user, s: await Sse.live(d, `/events?userId=${user}`) });
          streams.push({ user, s: await Ws.live(d, `/ws?userId=${user}&channel=x`) });
        }
      }
      for (let n = 0; n < 5; n++) {
        for (const user of users) {
          const r = await publish(d, { userId: user, data: { user, n } });
          assert.equal(r.matched, 8);
        }
      }
      const got = await fence(
        d,
        streams.map((x) => x.s),
      );
      streams.forEach(({ user }, i) => {
        assert.deepEqual(
          got[i].map((e) => e.data),
          [0, 1, 2, 3, 4].map((n) => ({ user, n })),
        );
        assert.ok(got[i].every((e) => e.userId === user && !('channel' in e)));
      });
      // When one goes the others stay.
      streams[0].s.close();
      await streams[1].s.close();
      await poll(
        async () => {
          const n = (await get(d, '/clients?user=ann')).json.clients.length;
          return n === 6 ? true : undefined;
        },
        { what: 'two clients less' },
      );
      const rest = streams.slice(2).filter((x) => x.user === 'ann');
      await publish(d, { userId: 'ann', data: 'again' });
      for (const { s } of rest) {
        const m = await s.message();
        assert.equal((m.envelope ?? m.json).data, 'again');
      }
    } finally {
      await d.stop();
    }
  }
});

test('a batch: results in order, a bad item does not stop the rest', async (t) => {
  const d = await daemonFor(t);
  const { epoch } = (await get(d, '/stats')).json;
  const s = await Sse.live(d, '/events?channel=a&userId=ann');

  const body =
    '[{"channel":"a","data":1},{"channel":"a b"},{"userIds":["ann","bob"],"data":2},5,' +
    '{"type":"open"}, {"channel":"a","data":3.10,"id":"z"}]';
  const res = await post(d, '/broadcast', body);
  assert.equal(res.status, 200, res.text);
  const { results, accepted, refused } = res.json;
  assert.equal(accepted, 3);
  assert.equal(refused, 3);
  assert.equal(results.length, 6);
  assert.deepEqual({ ...results[0], id: 0 }, { id: 0, cursor: `${epoch}-1`, matched: 1 });
  const e1 = results[1].error;
  assert.deepEqual(
    { ...e1, detail: 0 },
    { status: 400, code: 'bad_name', detail: 0, field: 'channel', offset: body.indexOf('"a b"') },
  );
  assert.match(e1.detail, /channel/);
  assert.equal(results[2].cursor, `${epoch}-3`);
  assert.equal(results[2].matched, 1);
  assert.deepEqual(
    results[2].targets.map((x) => x.userId),
    ['ann', 'bob'],
  );
  assert.equal(results[3].error.code, 'wrong_type');
  assert.equal(results[3].error.status, 400);
  assert.equal(results[4].error.code, 'reserved_name');
  assert.equal(results[4].error.status, 422);
  assert.deepEqual(results[5], { id: 'z', cursor: `${epoch}-4`, matched: 1 });

  const empty = await post(d, '/broadcast', '[]');
  assert.equal(empty.status, 200);
  assert.deepEqual(empty.json, { results: [], accepted: 0, refused: 0 });

  const [got] = await fence(d, [s]);
  assert.deepEqual(
    got.map((e) => e.data),
    [1, 2, 3.1],
  );

  // Malformed as a whole: nothing of it is published.
  const bad = '[{"channel":"a","data":1},{"channel":"a","data":}]';
  const p = assertProblem(await post(d, '/broadcast', bad), 400, { code: 'bad_json' });
  assert.equal(p.offset, bad.indexOf('}]'));
  assert.deepEqual(await fence(d, [s]), [[]]);
});

test('NDJSON: each line by itself', async (t) => {
  const d = await daemonFor(t);
  const s = await Sse.live(d, '/events?channel=a');
  const lines = [
    '{"channel":"a","data":1}\n',
    '\r\n',
    '{"channel":"a",\n',
    '   \n',
    '{"channel":"a","data":  "\u2028" }\r\n',
    '{"chanel":"a"}\n',
    '[{"channel":"a"}]\n',
    '{"channel":"a","data":"last, without LF"}',
  ];
  const res = await post(d, '/broadcast', lines.join(''), {
    'Content-Type': 'application/x-ndjson',
  });
  assert.equal(res.status, 200, res.text);
  const { results, accepted, refused } = res.json;
  assert.equal(results.length, 6, res.text);
  assert.deepEqual([accepted, refused], [3, 3]);
  assert.equal(results[0].matched, 1);
  assert.equal(results[1].error.code, 'bad_json');
  assert.equal(results[1].error.line, 3);
  assert.equal(results[1].error.offset, '{"channel":"a",'.length);
  assert.equal(results[2].matched, 1);
  assert.equal(results[3].error.code, 'unknown_field');
  assert.equal(results[3].error.line, 6);
  assert.equal(results[3].error.offset, 10);
  assert.equal(results[4].error.code, 'wrong_type');
  assert.equal(results[5].matched, 1);
  const [got] = await fence(d, [s]);
  assert.deepEqual(
    got.map((e) => e.data),
    [1, '\u2028', 'last, without LF'],
  );

  const none = await post(d, '/broadcast', '\n\n', { 'Content-Type': 'application/x-ndjson' });
  assert.deepEqual(none.json, { results: [], accepted: 0, refused: 0 });
});

test('media types and transfer forms of a publication', async (t) => {
  const d = await daemonFor(t);
  const s = await Sse.live(d, '/events?channel=a');
  const body = '{"channel":"a","data":1}';
  const types = [
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON;charset=UTF-8',
    'application/x-www-form-urlencoded',
    undefined,
  ];
  for (const type of types) {
    const res = await request(d, {
      method: 'POST',
      path: '/broadcast',
      body,
      headers: { 'Content-Type': type },
    });
    assert.equal(res.status, 200, `${type}: ${res.text}`);
    await s.message();
  }
  // Chunked, in awkward pieces, with a trailer.
  const c = await RawConn.open(d);
  await c.write(
    requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
    }),
  );
  await c.writePieces(['1', '\r\n', '{\r\n', '17\r', `\n${body.slice(1)}\r\n`, '0\r\n', '\r\n']);
  assert.equal((await c.readResponse()).status, 200);
  await s.message();
  // A byte at a time.
  await c.writePieces(
    [
      ...requestBytes(d, {
        method: 'POST',
        path: '/broadcast',
        headers: { 'Content-Type': 'application/json' },
        body,
      }),
    ].map((b) => Buffer.of(b)),
  );
  assert.equal((await c.readResponse()).status, 200);
  await s.message();
  // curl waits for 100 Continue before a larger body.
  await c.write(
    requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: {
        'Content-Type': 'application/json',
        Expect: '100-continue',
        'Content-Length': String(body.length),
      },
    }),
  );
  assert.equal((await c.readHead()).status, 100);
  await c.write(body);
  assert.equal((await c.readResponse()).status, 200);
  await s.message();
});

test('curl: the tour of the README', async (t) => {
  const d = await daemonFor(t);
  const lines = new Inbox('curl');
  const curl = spawn('curl', ['-sN', `${d.url}/events?channel=orders`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => curl.kill());
  let text = '';
  curl.stdout.on('data', (chunk) => {
    text += chunk;
    const parts = text.split('\n');
    text = parts.pop();
    parts.forEach((l) => lines.push(l));
  });
  await lines.take((l) => l === 'event: fanfare.synced');
  const pub = spawn(
    'curl',
    [
      '-sS',
      '-d',
      '{"channel":"orders","type":"update","data":{"status":"processing"}}',
      `${d.url}/broadcast`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const answer = [];
  pub.stdout.on('data', (c) => answer.push(c));
  await within(10000, new Promise((r) => pub.once('close', r)), 'the end of curl');
  const receipt = JSON.parse(Buffer.concat(answer).toString());
  assert.equal(receipt.matched, 1);
  assert.match(receipt.cursor, cursorForm);
  await lines.take((l) => l === 'event: update');
  const data = await lines.take((l) => /^data: .*"data":\{"status":"processing"\}\}$/.test(l));
  assert.match(data, /^data: \{"type":"update","channel":"orders",/);
});

test('publications of two gateways do not mix', async (t) => {
  const d1 = await daemonFor(t);
  const d2 = await daemonFor(t);
  const s1 = await Sse.live(d1, '/events?channel=a');
  const s2 = await Sse.live(d2, '/events?channel=a');
  await publish(d1, { channel: 'a', data: 1 });
  await publish(d2, { channel: 'a', data: 2 });
  const [m1, m2] = [await s1.message(), await s2.message()];
  assert.equal(m1.envelope.data, 1);
  assert.equal(m2.envelope.data, 2);
  assert.notEqual(m1.id.split('-')[0], m2.id.split('-')[0], 'each start has an epoch of its own');
});
