// What bad requests and ops about people get, what is refused to whom, and that nobody else is
// disturbed (docs/protocol.md, "People").
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor } from './lib/daemon.mjs';
import { assertProblem, get, hostHeader, post, publish, request } from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { forAll, undisturbed } from './lib/undisturbed.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const long = 'x'.repeat(201);
const asKey = (clientKey) => ({ 'Fanfare-Client-Key': clientKey });

/** A stream, and the key of its client. */
async function sse(d, query) {
  const s = await Sse.open(d, `/events?${query}`);
  s.hello = (await s.control('connected')).envelope.data;
  await s.synced();
  return s;
}

// Body, status, code, field.
const NAMES = [
  [undefined, 400, 'bad_value', 'channel'],
  [null, 400, 'wrong_type', 'channel'],
  [5, 400, 'wrong_type', 'channel'],
  [['a'], 400, 'wrong_type', 'channel'],
  ['', 400, 'bad_channel', 'channel'],
  ['a b', 400, 'bad_channel', 'channel'],
  ['a.*', 400, 'bad_channel', 'channel'],
  ['é', 400, 'bad_channel', 'channel'],
  ['\ud800', 400, 'bad_channel', 'channel'],
  [long, 400, 'bad_channel', 'channel'],
  ['fanfare.users', 400, 'reserved_channel', 'channel'],
  ['fanfare.x', 400, 'reserved_channel', 'channel'],
];
const BODIES = {
  '/typing': [
    ...NAMES.map(([channel, ...rest]) => [{ channel, typing: true }, ...rest]),
    [{ channel: 'room' }, 400, 'bad_value', 'typing'],
    [{ channel: 'room', typing: null }, 400, 'wrong_type', 'typing'],
    [{ channel: 'room', typing: 'true' }, 400, 'wrong_type', 'typing'],
    [{ channel: 'room', typing: 1 }, 400, 'wrong_type', 'typing'],
    [{ channel: 'room', typing: true, userId: 'bob' }, 400, 'unknown_field'],
    ['{"channel":"room","typing":true,"typing":false}', 400, 'duplicate_field'],
    [{ channel: 'elsewhere', typing: true }, 409, 'not_subscribed'],
    [{ channel: 'elsewhere', typing: false }, 409, 'not_subscribed'],
  ],
  '/read': [
    ...NAMES.map(([channel, ...rest]) => [{ channel, cursor: '0-0' }, ...rest]),
    [{ channel: 'room' }, 400, 'bad_value', 'cursor'],
    [{ channel: 'room', cursor: '0-0', id: 'x' }, 400, 'bad_value', 'cursor'],
    [{ channel: 'room', cursor: 5 }, 400, 'wrong_type', 'cursor'],
    [{ channel: 'room', id: 5 }, 400, 'wrong_type', 'id'],
    [{ channel: 'room', cursor: '' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', cursor: 'x' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', cursor: '-1' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', cursor: 'abc-1' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', cursor: 'EPOCH-18446744073709551615' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', cursor: 'EPOCH-18446744073709551616' }, 400, 'bad_cursor', 'cursor'],
    [{ channel: 'room', id: '' }, 400, 'bad_value', 'id'],
    [{ channel: 'room', id: long }, 400, 'bad_value', 'id'],
    [{ channel: 'room', id: 'a\u0000' }, 400, 'bad_value', 'id'],
    ['{"channel":"room","id":"\\ud800"}', 400, 'bad_value', 'id'],
    [{ channel: 'room', id: 'unknown' }, 404, 'unknown_message', 'id'],
    [{ channel: 'elsewhere', id: 'ID' }, 404, 'unknown_message', 'id'],
    [{ channel: 'room', cursor: 'CURSOR', userId: 'bob' }, 400, 'unknown_field'],
  ],
  '/info': [
    [{}, 400, 'bad_value', 'info'],
    [{ info: 1, user: 'bob' }, 400, 'unknown_field'],
    ['{"info":1,"info":2}', 400, 'duplicate_field'],
    [{ info: 'x'.repeat(1023) }, 413, 'too_large', 'info'],
  ],
};
const BROKEN = [
  ['', 400, /./],
  ['{', 400, /./],
  ['[]', 400, 'wrong_type'],
  ['5', 400, 'wrong_type'],
  ['{"channel":"room"} x', 400, /./],
  ['\u{feff}{}', 400, /./],
];

test('bad bodies', async (t) => {
  await undisturbed(t, { args: ['--shards', '2', '--history', '10'] }, async (d, check) => {
    const ann = await sse(d, 'userId=ann&channel=room');
    const sent = await publish(d, { channel: 'room', id: 'ID', data: 1 });
    const epoch = sent.cursor.split('-')[0];
    const real = (text) => text.replace('EPOCH', epoch).replace('CURSOR', sent.cursor);
    for (const [where, rows] of Object.entries(BODIES)) {
      await forAll(
        [...rows, ...BROKEN].map((row) => [`${where} ${JSON.stringify(row[0])}`.slice(0, 90), row]),
        async ([body, status, code, field]) => {
          const text = real(typeof body === 'string' ? body : JSON.stringify(body));
          const res = await post(d, where, text, asKey(ann.hello.clientKey));
          const p = assertProblem(res, status, typeof code === 'string' ? { code } : {});
          if (field) assert.equal(p.field, field, res.text);
          await check();
        },
      );
      assertProblem(await post(d, `${where}?x=1`, '{}', asKey(ann.hello.clientKey)), 400, {
        code: 'unknown_parameter',
      });
    }
    // After all that nothing was noted, and the good ones are taken.
    assert.deepEqual((await get(d, '/channels/room/reads')).json.reads, []);
    const good = async (where, body, answer) => {
      const res = await post(d, where, body, asKey(ann.hello.clientKey));
      assert.equal(`${res.status} ${res.text}`, `200 ${JSON.stringify(answer)}`);
    };
    await good('/typing', { channel: 'room', typing: true }, {});
    await good('/typing', { channel: 'room', typing: true }, {});
    await good('/typing', { channel: 'room', typing: false }, {});
    await good('/typing', { channel: 'room', typing: false }, {});
    await good('/read', { channel: 'room', id: 'ID' }, { cursor: sent.cursor, changed: true });
    await good('/read', { channel: 'room', cursor: sent.cursor }, {
      cursor: sent.cursor,
      changed: false,
    });
    await good('/info', { info: 'x'.repeat(1022) }, {});
    ann.close();
  });
});

test('whose key it is', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const ann = await sse(d, 'userId=ann&channel=room');
  const nobody = await sse(d, 'channel=room');
  const other = ann.hello.clientKey.replace(/\..*/, `.${nobody.hello.clientKey.split('.')[1]}`);
  const gone = await sse(d, 'userId=ann&channel=room');
  gone.close();
  const bodies = {
    '/typing': { channel: 'room', typing: true },
    '/read': { channel: 'room', cursor: '0-0' },
    '/info': { info: 1 },
  };
  for (const [where, body] of Object.entries(bodies)) {
    for (const headers of [{}, asKey(''), asKey('x'), asKey(other), asKey(ann.hello.clientId)]) {
      const res = await post(d, where, body, headers);
      assertProblem(res, 401, { code: 'bad_client_key' });
      assert.equal(res.headers['www-authenticate'], 'Fanfare-Client-Key');
    }
    let res;
    do {
      res = await post(d, where, body, asKey(gone.hello.clientKey));
    } while (res.status !== 401); // until its end is noticed
    assertProblem(res, 401, { code: 'bad_client_key' });
    assertProblem(await post(d, where, body, asKey(nobody.hello.clientKey)), 422, { code: 'no_user' });
  }
});

test('bad queries, methods and origins', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const rows = [
    ['/channels/presence-a/presence?limit=0', 400, 'bad_parameter', 'limit'],
    ['/channels/presence-a/presence?limit=1001', 400, 'bad_parameter', 'limit'],
    ['/channels/presence-a/presence?limit=x', 400, 'bad_parameter', 'limit'],
    ['/channels/presence-a/presence?after=%0A', 400, 'bad_parameter', 'after'],
    [`/channels/presence-a/presence?after=${long}`, 400, 'bad_parameter', 'after'],
    ['/channels/presence-a/presence?order=asc', 400, 'unknown_parameter', 'order'],
    ['/channels/presence-a.*/presence', 400, 'bad_channel', 'channel'],
    ['/channels/a%20b/presence', 400, 'bad_channel', 'channel'],
    ['/channels//presence', 400, 'bad_channel', 'channel'],
    ['/channels/fanfare.x/presence', 400, 'reserved_channel', 'channel'],
    ['/channels/room/presence', 404, 'no_presence', 'channel'],
    ['/channels/presenc/presence', 404, 'no_presence', 'channel'],
    ['/channels/room/reads?limit=-1', 400, 'bad_parameter', 'limit'],
    ['/channels/room/reads?after=%00', 400, 'bad_target'],
    ['/channels/room/reads?after=%07', 400, 'bad_parameter', 'after'],
    ['/channels/room/reads?since=1', 400, 'unknown_parameter', 'since'],
    ['/channels/a.*/reads', 400, 'bad_channel', 'channel'],
    ['/channels/fanfare.users/reads', 400, 'reserved_channel', 'channel'],
    ['/users/ann/unread', 400, 'bad_parameter', 'channel'],
    ['/users/ann/unread?channel=', 400, 'bad_channel', 'channel'],
    ['/users/ann/unread?channel=a&channel=a.*', 400, 'bad_channel', 'channel'],
    ['/users/ann/unread?channel=fanfare.users', 400, 'reserved_channel', 'channel'],
    ['/users/ann/unread?channel=a&limit=5', 400, 'unknown_parameter', 'limit'],
    [`/users/ann/unread?${Array.from({ length: 101 }, (_, i) => `channel=c${i}`).join('&')}`, 400,
      'too_many_channels', 'channel'],
    ['/users/a%0Ab/unread?channel=a', 400, 'bad_user', 'user'],
    ['/users/ann/reads', 404, 'not_found'],
    ['/channels/a/typing', 404, 'not_found'],
    ['/events?userId=ann&info=%7B', 400, 'bad_info', 'info'],
    ['/events?userId=ann&info=x', 400, 'bad_info', 'info'],
    [`/events?userId=ann&info=%22${'x'.repeat(1023)}%22`, 400, 'bad_info', 'info'],
    ['/events?info=1', 422, 'no_user', 'info'],
    ['/events?channel=a&reads=1', 400, 'bad_parameter', 'reads'],
    ['/events?channel=a&reads=yes', 400, 'bad_parameter', 'reads'],
  ];
  await forAll(
    rows.map((r) => [r[0].slice(0, 70), r]),
    async ([target, status, code, field]) => {
      const p = assertProblem(await get(d, target), status, { code });
      if (field) assert.equal(p.field, field);
    },
  );
  // What is fine.
  for (const q of ['userId=ann&info=', 'info=', 'reads=', 'reads=false&channel=a', 'userId=a&info=null']) {
    (await sse(d, q)).close();
  }
  const reading = ['/channels/presence-a/presence', '/channels/a/reads', '/users/ann/unread?channel=a'];
  for (const target of reading) {
    const full = await get(d, target);
    const head = await request(d, { method: 'HEAD', path: target });
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.equal(head.headers['content-length'], full.headers['content-length']);
  }
  const origin = `http://${hostHeader(d)}`;
  for (const [where, methods] of [
    ...reading.map((p) => [p, 'GET, HEAD, OPTIONS']),
    ...['/typing', '/read', '/info'].map((p) => [p, 'POST, OPTIONS']),
  ]) {
    const options = await request(d, {
      method: 'OPTIONS',
      path: where,
      headers: { Origin: origin, 'Access-Control-Request-Method': methods.split(',')[0],
        'Access-Control-Request-Headers': 'fanfare-client-key' },
    });
    assert.equal(options.status, 204);
    assert.equal(options.headers.allow, methods);
    assert.equal(options.headers['access-control-allow-origin'], origin);
    assert.equal(options.headers['access-control-allow-methods'], methods);
    assert.match(options.headers['access-control-allow-headers'], /Fanfare-Client-Key/);
    const put = await request(d, { method: 'PUT', path: where });
    assertProblem(put, 405, { code: 'method_not_allowed' });
    assert.equal(put.headers.allow, methods);
    const elsewhere = await request(d, {
      method: methods.split(',')[0],
      path: where,
      headers: { Origin: 'https://evil.example' },
    });
    assert.equal(elsewhere.status, 403, elsewhere.text);
  }
});

test('bad ops', async (t) => {
  await undisturbed(t, { args: ['--history', '10'] }, async (d, check) => {
    const ann = await Ws.live(d, '/ws?userId=ann&channel=room');
    const nobody = await Ws.live(d, '/ws?channel=room');
    const sent = await publish(d, { channel: 'room', id: 'ID', data: 1 });
    const bad = (channel) => (channel === undefined || typeof channel !== 'string' ? 'bad_request'
      : channel.startsWith('fanfare.') ? 'reserved_channel'
        : channel === '\ud800' ? 'bad_request' : 'bad_channel');
    const rows = [
      ...NAMES.flatMap(([channel]) => [
        [{ op: 'typing', channel, typing: true }, bad(channel)],
        [{ op: 'read', channel, cursor: '0-0' }, bad(channel)],
        ...(channel === 'fanfare.users' ? [] : [[{ op: 'presence', channel }, bad(channel)]]),
      ]),
      [{ op: 'presence', channel: 'room' }, 'no_presence'],
      [{ op: 'presence', channel: 'presence-a', limit: 5 }, 'bad_request'],
      [{ op: 'info' }, 'bad_request'],
      [{ op: 'info', info: 1, userId: 'bob' }, 'bad_request'],
      [{ op: 'info', info: 'x'.repeat(1023) }, 'too_large'],
      [{ op: 'typing', channel: 'room' }, 'bad_request'],
      [{ op: 'typing', channel: 'room', typing: 1 }, 'bad_request'],
      [{ op: 'typing', channel: 'room', typing: true, stop: 1 }, 'bad_request'],
      [{ op: 'typing', channel: 'elsewhere', typing: true }, 'not_subscribed'],
      [{ op: 'read', channel: 'room' }, 'bad_request'],
      [{ op: 'read', channel: 'room', cursor: sent.cursor, id: 'ID' }, 'bad_request'],
      [{ op: 'read', channel: 'room', cursor: 5 }, 'bad_request'],
      [{ op: 'read', channel: 'room', cursor: 'x' }, 'bad_cursor'],
      [{ op: 'read', channel: 'room', cursor: 'abc-1' }, 'bad_cursor'],
      [{ op: 'read', channel: 'room', cursor: `${sent.cursor}0000` }, 'bad_cursor'],
      [{ op: 'read', channel: 'room', id: '' }, 'bad_request'],
      [{ op: 'read', channel: 'room', id: 'unknown' }, 'unknown_message'],
      [{ op: 'subscribe', channel: 'b', reads: 1 }, 'bad_request'],
      [{ op: 'subscribe', channel: 'b', reads: 'true' }, 'bad_request'],
    ];
    await forAll(
      rows.map((r) => [JSON.stringify(r[0]).slice(0, 80), r]),
      async ([op, code]) => {
        const reply = await ann.op(op);
        assert.equal(reply.ok, false, JSON.stringify(reply));
        assert.equal(reply.error.code, code, JSON.stringify(reply));
        assert.ok(reply.error.message.length > 10);
        await check();
      },
    );
    for (const op of [
      { op: 'info', info: 1 },
      { op: 'typing', channel: 'room', typing: true },
      { op: 'read', channel: 'room', id: 'ID' },
    ]) {
      assert.equal((await nobody.op(op)).error.code, 'no_user');
    }
    assert.deepEqual((await get(d, '/channels/room/reads')).json.reads, []);
    const reply = await ann.op({ op: 'read', channel: 'room', id: 'ID' });
    assert.deepEqual(reply.data, { cursor: sent.cursor, changed: true });
    await ann.close();
    await nobody.close();
  });
});

test('reads: the positions on request, behind synced', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2', '--history', '10'] });
  const sent = await publish(d, { channel: 'room', id: 'ID', data: 1 });
  const ann = await Ws.live(d, '/ws?userId=ann&channel=room');
  await ann.op({ op: 'read', channel: 'room', id: 'ID' });
  const is = (data) => {
    assert.deepEqual(Object.keys(data), ['channel', 'reads', 'more']);
    assert.equal(data.more, false);
    assert.deepEqual(data.reads.map((r) => [r.userId, r.cursor]), [['ann', sent.cursor]]);
    assert.match(data.reads[0].at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  };
  for (const query of ['', '&userId=bob', '&history=1', '&userId=bob&since=1h']) {
    const s = await sse(d, `channel=room&channel=none&channel=r.*&reads=true${query}`);
    const first = await s.control('reads');
    assert.equal(first.id, undefined);
    assert.equal(first.envelope.cursor, undefined);
    is(first.envelope.data);
    assert.deepEqual((await s.control('reads')).envelope.data, { channel: 'none', reads: [], more: false });
    assert.ok(s.raw.indexOf('fanfare.reads') > s.raw.indexOf('fanfare.synced'));
    s.close();
  }
  const c = await Ws.live(d, '/ws?userId=bob');
  for (const more of [{}, { history: 5 }]) {
    const reply = await c.op({ op: 'subscribe', channel: 'room', reads: true, ...more });
    assert.equal(reply.ok, true);
    if (more.history) {
      const behind = await c.next((j) => j.type !== 'fanfare.reply' && j.type !== 'message');
      assert.equal(behind.json.type, 'fanfare.synced');
    }
    is((await c.control('reads')).json.data);
    await c.op({ op: 'unsubscribe', channel: 'room' });
  }
  // Without being asked for there is none.
  await c.op({ op: 'subscribe', channel: 'room' });
  await c.op({ op: 'ping' });
  assert.deepEqual(c.inbox.items.filter((i) => i.json.type === 'fanfare.reads'), []);
  assert.ok(seqOf(sent.cursor) > 0n);
});

// ---- who may -------------------------------------------------------------------

const SECRET = 'the secret that signs the tokens of this test';

test('what the credential must permit', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fanfare-people-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const backend = key('backend', everything);
  const writer = key('writer', { publish: 'all' });
  const d = await daemonFor(t, {
    args: ['--keys', writeKeys(folder, [backend, writer]), '--anonymous', '--shards', '2', '--history',
      '5', '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`],
  });
  const tokenOf = (more) => token(SECRET, { sub: 'ann', exp: now() + 300, ...more });
  const listed = tokenOf({ channels: ['presence-a', 'private-a'], publish: ['private-a'] });
  const plain = tokenOf();
  const reading = [
    // target, no credential, a token without lists, a listed one, a key that reads, one that writes
    ['/channels/presence-a/presence', 403, 403, 200, 200, 403],
    ['/channels/presence-b/presence', 403, 403, 403, 200, 403],
    ['/channels/private-a/reads', 403, 403, 200, 200, 403],
    ['/channels/open/reads', 200, 200, 403, 200, 403],
    ['/users/ann/unread?channel=private-a', 403, 403, 200, 200, 403],
    ['/users/ann/unread?channel=private-a&channel=open', 403, 403, 403, 200, 403],
    ['/users/ann/unread?channel=open', 403, 200, 403, 200, 403],
    ['/users/bob/unread?channel=private-a', 403, 403, 403, 200, 403],
    ['/users/ann', 401, 403, 403, 200, 403],
  ];
  const who = [undefined, plain, listed, backend.text, writer.text];
  await forAll(
    reading.flatMap(([target, ...all]) => all.map((status, i) => [`${target} ${i}`, [target, i, status]])),
    async ([target, i, status]) => {
      const res = await get(d, target, who[i] ? bearer(who[i]) : {});
      assert.equal(res.status, status, res.text);
      if (status !== 200) assertProblem(res, status);
      if (status === 403 && target.startsWith('/channels')) {
        assert.equal(res.json.code, 'forbidden_channel');
      }
    },
  );
  // In the query, too.
  const inQuery = await get(d, `/users/ann/unread?channel=private-a&access_token=${listed}`);
  assert.equal(inQuery.status, 200, inQuery.text);

  const sent = await post(d, '/broadcast', { channel: 'private-a', id: 'ID', data: 1 }, bearer(backend.text));
  assert.equal(sent.status, 200, sent.text);
  const s = await sse(d, `access_token=${listed}&channel=private-a&channel=presence-a`);
  const w = await Ws.live(d, `/ws?access_token=${listed}&channel=private-a&channel=presence-a`);
  const deeds = [
    ['typing', { channel: 'private-a', typing: true }, 0],
    ['typing', { channel: 'presence-a', typing: true }, 403, 'forbidden_channel', 'forbidden_channel'],
    ['read', { channel: 'private-a', id: 'ID' }, 0],
    ['read', { channel: 'presence-a', cursor: sent.json.cursor }, 0],
    ['read', { channel: 'private-b', cursor: sent.json.cursor }, 403, 'forbidden_channel', 'forbidden'],
    ['read', { channel: 'open', cursor: sent.json.cursor }, 403, 'forbidden_channel', 'forbidden'],
  ];
  for (const [op, body, status, problem, code] of deeds) {
    const res = await post(d, `/${op}`, body, asKey(s.hello.clientKey));
    const reply = await w.op({ op, ...body });
    if (status) {
      assertProblem(res, status, { code: problem });
      assert.equal(reply.error?.code, code, JSON.stringify(reply));
    } else {
      assert.equal(res.status, 200, res.text);
      assert.equal(reply.ok, true, JSON.stringify(reply));
    }
  }
  const { reads } = (await get(d, '/channels/private-a/reads', bearer(backend.text))).json;
  assert.deepEqual(reads.map((r) => r.userId), ['ann']);
  s.close();
  await w.close();
});

test('twenty a second, whatever the limits: the others are told of each', async (t) => {
  const d = await daemonFor(t);
  const ws = await Ws.open(d, '/ws?channel=room&userId=ann');
  const other = await sse(d, 'channel=room&userId=bob');
  const acts = [(on) => ({ op: 'typing', channel: 'room', typing: on }),
    (on) => ({ op: 'info', info: on })];
  for (const act of acts) {
    const said = await Promise.all(Array.from({ length: 100 }, (_, i) => ws.op(act(i % 2 === 0))));
    const refused = said.filter((m) => !m.ok);
    assert.ok(refused.length >= 100 - 2 * 20, `${refused.length} are refused`);
    assert.ok(refused.every((m) => m.error.code === 'rate_limited' && m.data.retryAfter === 1000));
  }
  // What is only renewed tells nobody, and does not count.
  await poll(async () => (await ws.op(acts[0](true))).ok || undefined);
  for (let i = 0; i < 100; i++) assert.equal((await ws.op(acts[0](true))).ok, true);
  ws.terminate();
  other.close();
});

test('--max-reads: one user does not push out what the others have', async (t) => {
  const d = await daemonFor(t, { args: ['--max-reads', '600', '--shards', '1'] });
  const vic = await sse(d, 'channel=room&userId=vic');
  const { cursor } = await publish(d, { channel: 'room', data: 1 });
  const say = (who, channel) => post(d, '/read', { channel, cursor }, asKey(who.hello.clientKey));
  assert.equal((await say(vic, 'room')).json.changed, true);
  const kept = async () => (await get(d, '/metrics')).text;
  // Many connections, since each may say twenty a second.
  for (let i = 0; i < 100; i++) {
    const eve = await sse(d, 'userId=eve');
    for (let k = 0; k < 10; k++) assert.equal((await say(eve, `x${i}-${k}`)).status, 200);
    eve.close();
  }
  const unread = await get(d, '/users/vic/unread?channel=room');
  assert.equal(unread.json.channels[0].read, cursor, unread.text);
  assert.match(await kept(), /^fanfare_reads 7[0-9]$/m);
  vic.close();
});
