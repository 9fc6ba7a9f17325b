// What a WebSocket client may say (docs/protocol.md, "Ops") and what it hears.
import assert from 'node:assert/strict';
import { after, before, describe as group, test } from 'node:test';
import { startDaemon } from './lib/daemon.mjs';
import { post, request } from './lib/http.mjs';
import {
  OP, RawWs, binary, closeAll, cont, describe, fragments, ping, text,
} from './lib/rawws.mjs';
import { poll } from './lib/wait.mjs';

const MAX_CHANNELS = 8;
const MAX_META = 256;
const MAX_MESSAGE = 4096;

let daemon;
before(async () => {
  daemon = await startDaemon({
    args: ['--max-channels-per-client', String(MAX_CHANNELS), '--max-meta', String(MAX_META),
      '--max-message', String(MAX_MESSAGE), '--shards', '2'],
  });
});
after(async () => {
  closeAll();
  await daemon?.stop();
});

// ---- a client in step with the gateway --------------------------------------

class Client {
  constructor(ws, connected) {
    this.ws = ws;
    this.id = connected.data.clientId;
    this.connected = connected;
  }

  // Sends an op as this exact text and returns the reply as text.
  async raw(op) {
    this.ws.send(text(op));
    return (await this.ws.message(`the reply to ${op.slice(0, 60)}`)).data.toString();
  }

  async op(value) {
    return JSON.parse(await this.raw(JSON.stringify(value)));
  }

  async ok(value) {
    const reply = await this.op(value);
    assert.equal(reply.ok, true, JSON.stringify(reply));
    return reply.data;
  }

  async fails(value, code) {
    const reply = JSON.parse(await this.raw(typeof value === 'string' ? value
      : JSON.stringify(value)));
    assertError(reply, code);
    return reply;
  }

  next(what) {
    return this.ws.nextJson(what);
  }

  // Nothing else has arrived: a ping's reply is the very next message.
  async nothing(why) {
    const reply = await this.op({ op: 'ping', ref: 'nothing' });
    assert.equal(reply.ref, 'nothing', `${why}, yet there is ${JSON.stringify(reply)}`);
  }
}

function assertError(reply, code) {
  assert.equal(reply.type, 'fanfare.reply', JSON.stringify(reply));
  assert.equal(reply.ok, false, `expected ${code}: ${JSON.stringify(reply)}`);
  assert.equal(reply.error.code, code, JSON.stringify(reply));
  assert.equal(typeof reply.error.message, 'string');
  assert.ok(reply.error.message.length > 0);
  assert.ok(!('data' in reply));
}

async function connect(t, query = '') {
  const ws = await RawWs.open(daemon.port, { path: `/ws${query && `?${query}`}` });
  let connected;
  // The next test counts who is there: this one is gone by then.
  t.after(async () => {
    ws.destroy();
    if (connected) {
      await poll(async () => (await http('GET', `/clients/${connected.data.clientId}`))
        .status === 404 || undefined, { what: 'the end of the client' });
    }
  });
  connected = await ws.nextJson('fanfare.connected');
  assert.equal(connected.type, 'fanfare.connected');
  const synced = await ws.nextJson('fanfare.synced');
  assert.equal(synced.type, 'fanfare.synced');
  return new Client(ws, connected);
}

async function http(method, path, body) {
  const res = await request(daemon, { method, path, body: body && JSON.stringify(body),
    headers: body ? { 'Content-Type': 'application/json' } : {} });
  return { status: res.status, body: res.text === '' ? null : res.json };
}

async function publish(message) {
  const { status, body } = await http('POST', '/broadcast', message);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function clientInfo(id) {
  const { status, body } = await http('GET', `/clients/${id}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

const CURSOR = /^[0-9a-z]{1,13}-(0|[1-9][0-9]{0,19})$/;
const seqOf = (cursor) => BigInt(cursor.slice(cursor.indexOf('-') + 1));
let serial = 0;
const fresh = (name) => `${name}-${++serial}`;

// ---- the beginning of a connection ------------------------------------------

group('greeting', () => {
  test('connected, then synced, then silence', async (t) => {
    const ws = await RawWs.open(daemon.port, { path: '/ws?channel=a&channel=b.%3E&channel=a' });
    t.after(() => ws.destroy());
    const connected = await ws.nextJson('connected');
    assert.equal(connected.type, 'fanfare.connected');
    assert.match(connected.cursor, CURSOR);
    assert.match(connected.data.clientId, /^[A-Za-z0-9_-]{1,64}$/);
    assert.equal(typeof connected.data.clientKey, 'string');
    assert.notEqual(connected.data.clientKey, connected.data.clientId);
    assert.deepEqual(connected.data.channels.sort(), ['a', 'b.>']);
    assert.equal(connected.data.recovered, false);
    const synced = await ws.nextJson('synced');
    assert.deepEqual(synced, { type: 'fanfare.synced', cursor: synced.cursor, data: {} });
    assert.match(synced.cursor, CURSOR);
    await new Client(ws, connected).nothing('only two events greet a client');
  });
  test('control events are minified JSON with type, cursor, data in this order', async (t) => {
    const ws = await RawWs.open(daemon.port);
    t.after(() => ws.destroy());
    const { data } = await ws.message();
    assert.equal(data.toString(), JSON.stringify(JSON.parse(data)));
    assert.match(data.toString(), /^\{"type":"fanfare\.connected","cursor":"[^"]+","data":\{/);
  });
  test('a subscription of the query is live after synced', async (t) => {
    const channel = fresh('query');
    const c = await connect(t, `channel=${channel}`);
    const sent = await publish({ channel, data: 1 });
    assert.equal(sent.matched, 1);
    assert.equal((await c.next()).id, sent.id);
  });
  test('a position that is the top of the log is recovered', async (t) => {
    const { cursor } = await publish({ channel: 'top' });
    const c = await connect(t, `lastEventId=${cursor}`);
    assert.equal(c.connected.data.recovered, true);
    assert.equal(c.connected.cursor, cursor);
  });
  test('an older position: connected, what was missed, synced', async (t) => {
    const from = (await publish({ channel: 'old' })).cursor;
    const to = (await publish({ channel: 'old', data: 2 })).cursor;
    const ws = await RawWs.open(daemon.port, { path: `/ws?channel=old&lastEventId=${from}` });
    t.after(() => ws.destroy());
    const connected = await ws.nextJson('connected');
    assert.equal(connected.cursor, from);
    assert.equal(connected.data.recovered, true);
    const { cursor, data } = await ws.nextJson('what was missed');
    assert.deepEqual([cursor, data], [to, 2]);
    assert.deepEqual(await ws.nextJson('synced'), { type: 'fanfare.synced', cursor: to, data: {} });
  });
  test('a position of another log is a gap with reason epoch', async (t) => {
    const { cursor } = await publish({ channel: 'other' });
    const from = '1zz-7';
    const ws = await RawWs.open(daemon.port, { path: `/ws?lastEventId=${from}` });
    t.after(() => ws.destroy());
    assert.equal((await ws.nextJson('connected')).cursor, from);
    const gap = await ws.nextJson('gap');
    assert.equal(gap.type, 'fanfare.gap');
    assert.equal(gap.data.reason, 'epoch');
    assert.equal(gap.data.to, cursor);
    assert.equal((await ws.nextJson('synced')).cursor, cursor);
  });
});

// ---- ref --------------------------------------------------------------------

group('ref comes back exactly as written', () => {
  for (const ref of ['1', '0', '-7', '1.0', '1.50', '1e3', '1E+3', '-0', '-0.0', '1e-7',
    '123456789012345678901234567890', '0.1000000000000000055511151231257827',
    '""', '"a"', '"\\u0041"', '"caf\u00e9"', '"\\"\\\\"', '"\ud83d\ude00"', '"\\ud83d\\ude00"',
    '"a\\/b"', '"\\n"']) {
    test(`${ref}`, async (t) => {
      const c = await connect(t);
      const good = await c.raw(`{"op":"ping","ref":${ref}}`);
      assert.ok(good.startsWith(`{"type":"fanfare.reply","ref":${ref},"ok":true,"data":{`), good);
      const spaced = await c.raw(`{ "ref" :\t${ref} , "op" : "nonsense" }`);
      assert.ok(spaced.startsWith(`{"type":"fanfare.reply","ref":${ref},"ok":false,"error":{`),
        spaced);
    });
  }
  test('absent', async (t) => {
    const c = await connect(t);
    assert.match(await c.raw('{"op":"ping"}'), /^\{"type":"fanfare\.reply","ok":true,"data":\{/);
    assert.match(await c.raw('{"op":"nonsense"}'),
      /^\{"type":"fanfare\.reply","ok":false,"error":\{/);
  });
  for (const ref of ['null', 'true', '{}', '[1]']) {
    test(`${ref} is no ref`, async (t) => {
      const c = await connect(t);
      const reply = await c.fails(`{"op":"ping","ref":${ref}}`, 'bad_request');
      assert.ok(!('ref' in reply));
    });
  }
  test('a long one', async (t) => {
    const c = await connect(t);
    const ref = `"${'r'.repeat(1000)}"`;
    assert.ok((await c.raw(`{"op":"ping","ref":${ref}}`)).includes(ref));
  });
});

// ---- errors -----------------------------------------------------------------

const nested = (n) => '['.repeat(n) + ']'.repeat(n);
// [what, text of the op, code, does the reply carry the ref "r"?]
const ERRORS = [
  ['no JSON', 'hello', 'bad_json'],
  ['empty', '', 'bad_json'],
  ['white space', ' \n ', 'bad_json'],
  ['cut off', '{"op":"ping"', 'bad_json'],
  ['trailing comma', '{"op":"ping",}', 'bad_json'],
  ['two values', '{"op":"ping"}{"op":"ping"}', 'bad_json'],
  ['single quotes', "{'op':'ping'}", 'bad_json'],
  ['a bad number', '{"op":"ping","ref":01}', 'bad_json'],
  ['a bad escape', '{"op":"pi\\xng"}', 'bad_json'],
  ['a control character in a string', '{"op":"pi\nng"}', 'bad_json'],
  ['a comment', '{"op":"ping"/**/}', 'bad_json'],
  ['NaN', '{"op":"message","data":NaN}', 'bad_json'],
  ['nested too deep', `{"op":"message","ref":"r","data":${nested(64)}}`, 'bad_json'],
  ['an array', '[{"op":"ping"}]', 'bad_request'],
  ['a string', '"ping"', 'bad_request'],
  ['null', 'null', 'bad_request'],
  ['an empty object', '{}', 'bad_request'],
  ['no op', '{"ref":"r","channel":"a"}', 'bad_request', true],
  ['op is a number', '{"ref":"r","op":1}', 'bad_request', true],
  ['op is null', '{"ref":"r","op":null}', 'bad_request', true],
  ['op twice', '{"ref":"r","op":"ping","op":"ping"}', 'bad_request', true],
  ['channel twice', '{"ref":"r","op":"subscribe","channel":"a","channel":"b"}', 'bad_request',
    true],
  ['a member of another op', '{"ref":"r","op":"ping","channel":"a"}', 'bad_request', true],
  ['a misspelt member', '{"ref":"r","op":"subscribe","chanel":"a"}', 'bad_request', true],
  ['an unknown member', '{"ref":"r","op":"subscribe","channel":"a","x":1}', 'bad_request', true],
  ['unknown op', '{"ref":"r","op":"frobnicate"}', 'unknown_op', true],
  ['an op in another case', '{"ref":"r","op":"Ping"}', 'unknown_op', true],
  ['an empty op', '{"ref":"r","op":""}', 'unknown_op', true],
  ['an op with NUL', '{"ref":"r","op":"ping\\u0000"}', 'unknown_op', true],
  ['subscribe without channel', '{"ref":"r","op":"subscribe"}', 'bad_request', true],
  ['subscribe to a number', '{"ref":"r","op":"subscribe","channel":1}', 'bad_request', true],
  ['subscribe to null', '{"ref":"r","op":"subscribe","channel":null}', 'bad_request', true],
  ['subscribe to a list', '{"ref":"r","op":"subscribe","channel":["a"]}', 'bad_request', true],
  ['unsubscribe without channel', '{"ref":"r","op":"unsubscribe"}', 'bad_request', true],
  ['unsubscribe from a number', '{"ref":"r","op":"unsubscribe","channel":1}', 'bad_request', true],
  ...[['', 'empty'], ['a b', 'a space'], ['caf\u00e9', 'not ASCII'], ['a\\u0000b', 'NUL'],
    ['a\\nb', 'LF'], ['a\\"b', 'a quote'], ['a#b', '#'], ['a?b', '?'], ['a>', '> in a segment'],
    ['a*', '* in a segment'], ['>.a', '> that is not last'], ['a.>.b', '> in the middle'],
    ['private-*', 'a prefix and * in one segment'], ['x'.repeat(201), '201 bytes'],
    [`${'x'.repeat(199)}.>`, 'a pattern of 201 bytes']].map(([channel, what]) =>
    [`subscribe: ${what}`, `{"ref":"r","op":"subscribe","channel":"${channel}"}`, 'bad_channel',
      true]),
  ['unsubscribe: a bad channel', '{"ref":"r","op":"unsubscribe","channel":"a b"}',
    ['bad_channel', 'not_subscribed'], true],
  ['subscribe: reserved', '{"ref":"r","op":"subscribe","channel":"fanfare.x"}', 'reserved_channel',
    true],
  ['subscribe: all that is reserved', '{"ref":"r","op":"subscribe","channel":"fanfare.>"}',
    'reserved_channel', true],
  ['unsubscribe from nothing', '{"ref":"r","op":"unsubscribe","channel":"a"}', 'not_subscribed',
    true],
  ['publish', '{"ref":"r","op":"publish","channel":"a","userId":"ann"}', 'not_permitted', true],
  ['meta without meta', '{"ref":"r","op":"meta"}', 'bad_request', true],
  ['meta is a list', '{"ref":"r","op":"meta","meta":[]}', 'bad_request', true],
  ['meta is a string', '{"ref":"r","op":"meta","meta":"x"}', 'bad_request', true],
  ['meta is null', '{"ref":"r","op":"meta","meta":null}', 'bad_request', true],
  ['meta too large', `{"ref":"r","op":"meta","meta":{"a":"${'x'.repeat(MAX_META)}"}}`, 'too_large',
    true],
  ['message without data', '{"ref":"r","op":"message"}', 'bad_request', true],
];

group('errors: a reply, and the connection stays', () => {
  for (const [what, op, code, hasRef] of ERRORS) {
    test(`${[code].flat()[0]}: ${what}`, async (t) => {
      const c = await connect(t);
      const reply = JSON.parse(await c.raw(op));
      assertError(reply, [code].flat().includes(reply.error?.code) ? reply.error.code
        : [code].flat()[0]);
      assert.equal(reply.ref, hasRef ? 'r' : undefined);
      await c.nothing('one op, one reply');
      assert.deepEqual((await clientInfo(c.id)).channels, [], 'a refused op changes nothing');
    });
  }
  test('bad_json names the byte offset', async (t) => {
    const c = await connect(t);
    const reply = await c.fails('{"op":"ping",}', 'bad_json');
    assert.match(reply.error.message, /\b13\b/, reply.error.message);
  });
  test('bad_request names the member and the nearest known one', async (t) => {
    const c = await connect(t);
    const reply = await c.fails({ op: 'subscribe', chanel: 'a' }, 'bad_request');
    assert.match(reply.error.message, /chanel/);
    assert.match(reply.error.message, /"channel"/);
  });
  test('too_many_channels', async (t) => {
    const c = await connect(t);
    for (let i = 0; i < MAX_CHANNELS; i++) {
      await c.ok({ op: 'subscribe', channel: i % 2 ? `many.${i}` : `many.${i}.*` });
    }
    await c.fails({ op: 'subscribe', channel: 'one.more', ref: 1 }, 'too_many_channels');
    assert.equal((await c.ok({ op: 'subscribe', channel: 'many.1' })).already, true,
      'what it has is no new one');
    await c.ok({ op: 'unsubscribe', channel: 'many.1' });
    await c.ok({ op: 'subscribe', channel: 'one.more' });
    assert.equal((await clientInfo(c.id)).channels.length, MAX_CHANNELS);
  });
  test('not_subscribed: each subscription is one by itself', async (t) => {
    const c = await connect(t);
    await c.ok({ op: 'subscribe', channel: 'orders.*' });
    await c.fails({ op: 'unsubscribe', channel: 'orders.created' }, 'not_subscribed');
    await c.ok({ op: 'unsubscribe', channel: 'orders.*' });
    await c.fails({ op: 'unsubscribe', channel: 'orders.*' }, 'not_subscribed');
  });
  test('a hundred errors in a row, then an op that works', async (t) => {
    const c = await connect(t);
    c.ws.send(...Array.from({ length: 100 }, (_, i) => text(`{"op":"x","ref":${i}}`)));
    for (let i = 0; i < 100; i++) {
      const reply = await c.next(`reply ${i}`);
      assertError(reply, 'unknown_op');
      assert.equal(reply.ref, i);
    }
    await c.nothing('a reply each');
  });
});

group('what ends the connection', () => {
  test('a binary message: 1003', async (t) => {
    const c = await connect(t);
    c.ws.send(binary('{"op":"ping"}'));
    await c.ws.expectClose(1003);
  });
  test('an empty binary message: 1003', async (t) => {
    const c = await connect(t);
    c.ws.send(binary(''));
    await c.ws.expectClose(1003);
  });
  test('a fragmented binary message: 1003', async (t) => {
    const c = await connect(t);
    c.ws.send(binary('{"op":', { fin: false }), cont('"ping"}'));
    await c.ws.expectClose(1003);
  });
  test('the reply to an op before it still comes', async (t) => {
    const c = await connect(t);
    c.ws.send(text('{"op":"ping","ref":1}'), binary('x'));
    assert.equal((await c.next()).ref, 1);
    await c.ws.expectClose(1003);
  });
  test('text that is not UTF-8: 1007', async (t) => {
    const c = await connect(t);
    c.ws.send(text(Buffer.from('{"op":"ping","ref":"\xff"}', 'latin1')));
    await c.ws.expectClose(1007);
  });
  test('a message of exactly --max-message is taken', async (t) => {
    const c = await connect(t);
    const shell = '{"op":"message","ref":1,"data":""}';
    const data = 'x'.repeat(MAX_MESSAGE - shell.length);
    assert.match(await c.raw(shell.replace('""', `"${data}"`)), /"ok":true/);
  });
  test('one byte more: 1009', async (t) => {
    const c = await connect(t);
    c.ws.send(text(' '.repeat(MAX_MESSAGE + 1)));
    await c.ws.expectClose(1009);
  });
  test('fragments that add up to more: 1009', async (t) => {
    const c = await connect(t);
    c.ws.send(...fragments(OP.TEXT, ' '.repeat(MAX_MESSAGE + 1), 1000));
    await c.ws.expectClose(1009);
  });
  test('it leaves the registry', async (t) => {
    const c = await connect(t);
    await clientInfo(c.id);
    await c.ws.closeClean();
    c.ws.destroy();
    await poll(async () => (await http('GET', `/clients/${c.id}`)).status === 404 || undefined,
      { what: 'the client is gone' });
  });
});

// ---- each op ----------------------------------------------------------------

group('subscribe and unsubscribe', () => {
  test('delivery after subscribe, none after unsubscribe', async (t) => {
    const channel = fresh('live');
    const c = await connect(t);
    assert.equal((await publish({ channel, data: 0 })).matched, 0);
    const sub = await c.ok({ op: 'subscribe', channel, ref: 1 });
    assert.equal(sub.channel, channel);
    assert.match(sub.cursor, CURSOR);
    assert.ok(!('already' in sub));
    const sent = await publish({ channel, type: 'created', data: { n: 1 } });
    assert.equal(sent.matched, 1);
    const got = await c.next();
    assert.deepEqual(got, { type: 'created', channel, id: sent.id, cursor: sent.cursor,
      timestamp: got.timestamp, data: { n: 1 } });
    assert.ok(seqOf(got.cursor) > seqOf(sub.cursor));
    assert.deepEqual(await c.ok({ op: 'unsubscribe', channel, ref: 2 }), { channel });
    assert.equal((await publish({ channel, data: 2 })).matched, 0);
    await c.nothing('unsubscribed');
  });
  test('the cursor of the reply is the top of the log', async (t) => {
    const { cursor } = await publish({ channel: fresh('top') });
    const c = await connect(t);
    assert.equal((await c.ok({ op: 'subscribe', channel: fresh('top') })).cursor, cursor);
  });
  test('twice is fine and delivers once', async (t) => {
    const channel = fresh('twice');
    const c = await connect(t, `channel=${channel}`);
    const again = await c.ok({ op: 'subscribe', channel });
    assert.equal(again.already, true);
    assert.match(again.cursor, CURSOR);
    assert.equal((await publish({ channel })).matched, 1);
    assert.equal((await c.next()).channel, channel);
    await c.nothing('once');
    await c.ok({ op: 'unsubscribe', channel });
    assert.equal((await publish({ channel })).matched, 0);
  });
  test('subscriptions of the query can be dropped', async (t) => {
    const channel = fresh('q');
    const c = await connect(t, `channel=${channel}`);
    await c.ok({ op: 'unsubscribe', channel });
    assert.equal((await publish({ channel })).matched, 0);
    await c.nothing('unsubscribed');
  });
  test('GET /clients/{id} follows', async (t) => {
    const c = await connect(t, 'channel=q1');
    await c.ok({ op: 'subscribe', channel: 'q2' });
    await c.ok({ op: 'subscribe', channel: 'q.*' });
    assert.deepEqual((await clientInfo(c.id)).channels.sort(), ['q.*', 'q1', 'q2']);
    await c.ok({ op: 'unsubscribe', channel: 'q1' });
    assert.deepEqual((await clientInfo(c.id)).channels.sort(), ['q.*', 'q2']);
  });
  test('again and again, a thousand times', async (t) => {
    const channel = fresh('churn');
    const c = await connect(t);
    for (let i = 0; i < 1000; i++) {
      c.ws.send(text(`{"op":"subscribe","channel":"${channel}","ref":${2 * i}}`),
        text(`{"op":"unsubscribe","channel":"${channel}","ref":${2 * i + 1}}`));
    }
    for (let i = 0; i < 2000; i++) {
      const reply = await c.next(`reply ${i}`);
      assert.equal(reply.ok, true, JSON.stringify(reply));
      assert.equal(reply.ref, i);
    }
    assert.equal((await publish({ channel })).matched, 0);
  });
  test('names of every kind', async (t) => {
    const c = await connect(t);
    for (const channel of ['a', 'x'.repeat(200), 'AZaz09_-.:@=,;/', '..', '.', 'private-x',
      'presence-x.y', '*', '>', 'a.*.b.>', '*.*', 'a/b', 'fanfare', 'fanfare-x']) {
      await c.ok({ op: 'subscribe', channel });
      if (channel.startsWith('presence-')) {
        assert.equal((await c.next('a snapshot')).type, 'fanfare.presence');
      }
      await c.ok({ op: 'unsubscribe', channel });
    }
  });
  test('a name given with escapes is the same name', async (t) => {
    const channel = fresh('esc');
    const c = await connect(t);
    const escaped = [...channel].map((x) => `\\u${x.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('');
    assert.match(await c.raw(`{"op":"subscribe","channel":"${escaped}"}`), /"ok":true/);
    assert.equal((await publish({ channel })).matched, 1);
    assert.equal((await c.next()).channel, channel);
  });
});

group('meta', () => {
  test('replaces, is visible, and is empty at first', async (t) => {
    const c = await connect(t);
    assert.equal((await clientInfo(c.id)).meta, null);
    assert.deepEqual(await c.ok({ op: 'meta', meta: { page: '/cart', n: 1 }, ref: 1 }), {});
    assert.deepEqual((await clientInfo(c.id)).meta, { page: '/cart', n: 1 });
    await c.ok({ op: 'meta', meta: { page: '/' } });
    assert.deepEqual((await clientInfo(c.id)).meta, { page: '/' });
    await c.fails({ op: 'meta', meta: [] }, 'bad_request');
    assert.deepEqual((await clientInfo(c.id)).meta, { page: '/' });
  });
  test('{} empties it', async (t) => {
    const c = await connect(t, 'meta=%7B%22a%22%3A1%7D');
    assert.deepEqual((await clientInfo(c.id)).meta, { a: 1 });
    await c.ok({ op: 'meta', meta: {} });
    const { meta } = await clientInfo(c.id);
    assert.ok(meta === null || Object.keys(meta).length === 0, JSON.stringify(meta));
  });
  test('exactly the limit', async (t) => {
    const c = await connect(t);
    const meta = { a: 'x'.repeat(MAX_META - '{"a":""}'.length) };
    await c.ok({ op: 'meta', meta });
    assert.deepEqual((await clientInfo(c.id)).meta, meta);
  });
  test('numbers stay as they were written', async (t) => {
    const c = await connect(t);
    await c.raw('{"op":"meta","meta":{"n":99.990,"big":123456789012345678901234567890}}');
    const { text: body } = await request(daemon, { path: `/clients/${c.id}` });
    assert.ok(body.includes('"n":99.990,"big":123456789012345678901234567890'), body);
  });
});

group('ping and message', () => {
  test('ping tells the time', async (t) => {
    const c = await connect(t);
    const before = Date.now();
    const { time } = await c.ok({ op: 'ping', ref: 5 });
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(time) - before) < 60_000, time);
  });
  test('message: the daemon has no handler', async (t) => {
    const c = await connect(t);
    for (const data of [null, 1, 'x', [], {}, { move: 'e4' }]) {
      assert.deepEqual(await c.ok({ op: 'message', data, ref: 1 }), { handled: false });
    }
  });
  test('message publishes nothing', async (t) => {
    const other = await connect(t, 'channel=a');
    const c = await connect(t, 'channel=a');
    await c.ok({ op: 'message', data: 'not for others' });
    await other.nothing('a message op is for the program only');
  });
});

// ---- who gets what ----------------------------------------------------------

group('delivery', () => {
  test('several subscriptions of one client, one message', async (t) => {
    const c = await connect(t);
    for (const channel of ['orders.created', 'orders.*', 'orders.>', '*.created', '>', '*.*']) {
      await c.ok({ op: 'subscribe', channel });
    }
    const sent = await publish({ channel: 'orders.created', data: 1 });
    assert.equal(sent.matched, 1);
    assert.equal((await c.next()).id, sent.id);
    await c.nothing('matched by six subscriptions, delivered once');
    assert.equal((await http('GET', '/channels/orders.created')).body.matching, 1);
    // Each that goes leaves the others.
    for (const channel of ['orders.created', '>', 'orders.*', '*.*', '*.created']) {
      await c.ok({ op: 'unsubscribe', channel });
      const again = await publish({ channel: 'orders.created', data: channel });
      assert.equal(again.matched, 1, `after unsubscribing ${channel}`);
      assert.equal((await c.next()).id, again.id);
    }
    await c.ok({ op: 'unsubscribe', channel: 'orders.>' });
    assert.equal((await publish({ channel: 'orders.created' })).matched, 0);
    await c.nothing('nothing is left');
  });
  test('matched counts clients', async (t) => {
    const channel = fresh('m.x');
    const [a, b, d] = [await connect(t, `channel=${channel}`), await connect(t, 'channel=m.*'),
      await connect(t, `channel=${channel}&channel=m.%3E&channel=m.*`)];
    const sent = await publish({ channel });
    assert.equal(sent.matched, 3);
    for (const c of [a, b, d]) {
      assert.equal((await c.next()).id, sent.id);
      await c.nothing('once each');
    }
  });
  const PATTERNS = [
    ['orders.*', ['orders.created', 'orders.'], ['orders', 'orders.eu.created', 'order.created']],
    ['orders.>', ['orders.created', 'orders.eu.created', 'orders.'], ['orders', 'orderss.x']],
    ['*.created', ['orders.created', '.created'], ['created', 'orders.eu.created']],
    ['>', ['a', 'a.b.c', '.'], ['private-x', 'presence-x', 'private-x.y']],
    ['*', ['a', 'a-b:c'], ['a.b', 'private-x', 'presence-x']],
    ['a.*.c', ['a.b.c', 'a..c'], ['a.c', 'a.b.b.c', 'a.b.d']],
    ['a.*.>', ['a.b.c', 'a.b.c.d'], ['a.b', 'a']],
    ['private-x.>', ['private-x.y', 'private-x.y.z'], ['private-x', 'private-y.x']],
    ['presence-room.*', ['presence-room.1'], ['presence-room', 'presence-room.1.2']],
    ['*.x', ['b.x'], ['private-a.x', 'presence-a.x']],
    ['a', ['a'], ['A', 'a.', 'aa']],
  ];
  for (const [pattern, yes, no] of PATTERNS) {
    test(`the pattern ${pattern}`, async (t) => {
      const c = await connect(t);
      await c.ok({ op: 'subscribe', channel: pattern });
      for (const channel of yes) {
        const sent = await publish({ channel });
        assert.equal(sent.matched, 1, `${pattern} matches ${channel}`);
        assert.equal((await c.next()).channel, channel);
      }
      for (const channel of no) {
        assert.equal((await publish({ channel })).matched, 0, `${pattern} leaves ${channel}`);
      }
      await c.nothing(`${pattern} has had all of its own`);
    });
  }
  test('to a user: all of the user and nobody else', async (t) => {
    const user = fresh('ann');
    const [a, b, other] = [await connect(t, `userId=${user}`), await connect(t, `userId=${user}`),
      await connect(t, `userId=${user}x`)];
    const sent = await publish({ userId: user, data: 1 });
    assert.equal(sent.matched, 2);
    for (const c of [a, b]) {
      const got = await c.next();
      assert.equal(got.id, sent.id);
      assert.equal(got.userId, user);
      assert.ok(!('channel' in got));
    }
    await other.nothing('for another user');
  });
  test('to everyone, and except', async (t) => {
    const [a, b] = [await connect(t), await connect(t, 'channel=x')];
    const sent = await publish({ data: 1 });
    for (const c of [a, b]) {
      const got = await c.next();
      assert.equal(got.id, sent.id);
      assert.ok(!('channel' in got) && !('userId' in got));
    }
    await publish({ channel: 'x', data: 2, except: b.id });
    await b.nothing('it is the exception');
  });
  test('to one client', async (t) => {
    const [a, b] = [await connect(t), await connect(t)];
    const { status, body } = await http('POST', `/clients/${a.id}/messages`,
      { type: 'hint', data: 1 });
    assert.equal(status, 202, JSON.stringify(body));
    const got = await a.next();
    assert.equal(got.type, 'hint');
    assert.equal(got.id, body.id);
    assert.ok(!('channel' in got) && !('userId' in got));
    await b.nothing('for the other one');
  });
  test('DELETE /clients/{id} closes with 4001', async (t) => {
    const c = await connect(t);
    assert.equal((await http('DELETE', `/clients/${c.id}`)).status, 204);
    await c.ws.expectClose(4001);
  });
  test('data passes through as it was sent', async (t) => {
    const channel = fresh('raw');
    const c = await connect(t, `channel=${channel}`);
    const data = '{"b":99.990,"a":123456789012345678901234567890,"e":1E+2,"s":"\\u00e9\\/"}';
    const res = await post(daemon, '/broadcast', `{"channel":"${channel}", "data": ${data}}`);
    assert.equal(res.status, 200);
    const got = (await c.ws.message()).data.toString();
    assert.ok(got.endsWith(`,"data":${data}}`), got);
  });
});

// ---- order ------------------------------------------------------------------

group('order', () => {
  test('replies come in the order of the ops, also in one write', async (t) => {
    const c = await connect(t);
    const ops = [];
    for (let i = 0; i < 200; i++) {
      ops.push(text(JSON.stringify([
        { op: 'ping', ref: i }, { op: 'nonsense', ref: i }, { op: 'meta', meta: { i }, ref: i },
        { op: 'subscribe', channel: 'o', ref: i }, { op: 'unsubscribe', channel: 'o', ref: i },
      ][i % 5])));
    }
    c.ws.send(...ops);
    for (let i = 0; i < 200; i++) {
      const reply = await c.next(`reply ${i}`);
      assert.equal(reply.ref, i);
      assert.equal(reply.ok, i % 5 !== 1, JSON.stringify(reply));
    }
  });
  test('an op octet by octet, ops in fragments, a ping between them', async (t) => {
    const c = await connect(t);
    await c.ws.chop(text('{"op":"ping","ref":1}'), 1);
    assert.equal((await c.next()).ref, 1);
    const [first, ...rest] = fragments(OP.TEXT, '{"op":"ping","ref":2}', 4);
    c.ws.send(first, ping('between'), ...rest);
    const e = await c.ws.next('the pong');
    assert.equal(e.kind, 'pong', describe(e));
    assert.equal((await c.next()).ref, 2);
  });
  test('no message before the reply to subscribe, none after that to unsubscribe', async (t) => {
    const channel = fresh('race');
    const c = await connect(t);
    let running = true;
    const publisher = (async () => {
      while (running) {
        await publish({ channel });
      }
    })();
    try {
      for (let round = 0; round < 30; round++) {
        c.ws.json({ op: 'subscribe', channel, ref: 'on' });
        const on = await c.next('the reply to subscribe');
        assert.equal(on.ref, 'on', 'a message before the reply');
        let last = seqOf(on.data.cursor);
        const first = await c.next('the first message');
        assert.equal(seqOf(first.cursor), last + 1n, 'the first message follows the cursor');
        last = seqOf(first.cursor);
        c.ws.json({ op: 'unsubscribe', channel, ref: 'off' });
        for (;;) {
          const m = await c.next('the reply to unsubscribe');
          if (m.type === 'fanfare.reply') {
            assert.equal(m.ref, 'off');
            break;
          }
          assert.equal(seqOf(m.cursor), last + 1n, 'in order and without holes');
          last = seqOf(m.cursor);
        }
        await c.nothing('unsubscribed');
      }
    } finally {
      running = false;
      await publisher;
    }
  });
  test('one order for clients of all shards under concurrent publishers', async (t) => {
    const channel = fresh('total');
    const clients = [];
    for (let i = 0; i < 6; i++) {
      clients.push(await connect(t, `channel=${channel}`));
    }
    await Promise.all(Array.from({ length: 4 }, async (_, p) => {
      for (let n = 0; n < 50; n++) {
        await publish({ channel, data: [p, n] });
      }
    }));
    const seen = [];
    for (const c of clients) {
      const cursors = [];
      for (let i = 0; i < 200; i++) {
        cursors.push((await c.next(`message ${i}`)).cursor);
      }
      for (let i = 1; i < 200; i++) {
        assert.ok(seqOf(cursors[i]) > seqOf(cursors[i - 1]), 'ascending');
      }
      seen.push(cursors.join());
    }
    assert.equal(new Set(seen).size, 1, 'the same for everyone');
  });
  test('what was delivered before a Close arrives before it', async (t) => {
    const channel = fresh('flush');
    const c = await connect(t, `channel=${channel}`);
    await Promise.all(Array.from({ length: 100 }, () => publish({ channel })));
    c.ws.send(text('{"op":"ping","ref":"last"}'));
    c.ws.sendClose(1000);
    for (let i = 0; i < 100; i++) {
      assert.equal((await c.next(`message ${i}`)).channel, channel);
    }
    assert.equal((await c.next('reply')).ref, 'last');
    await c.ws.expectClose(1000);
  });
});
