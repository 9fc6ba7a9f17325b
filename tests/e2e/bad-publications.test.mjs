// What bad publications get: the precise answer, and nobody else disturbed.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertProblem, post, publish } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { forAll, undisturbed } from './lib/undisturbed.mjs';

const b = (...parts) => Buffer.concat(parts.map((p) => Buffer.from(p)));

test('publications that are not JSON', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    const cases = [
      // body, offset of the fault (null: not checked to the byte)
      ['', 0],
      [' ', 1],
      ['{', 1],
      ['{"data":', 8],
      ['{"data":}', 8],
      ['{"data" 1}', 8],
      ['{"a"', 4],
      ['{"data":1}x', 10],
      ['{"data":1}{', 10],
      ['{"data":1} null', 11],
      ["{'data':1}", 1],
      ['{"data":1,}', 10],
      ['{"data":[1,]}', 11],
      ['{"data":01}', 9],
      ['{"data":1.}', null],
      ['{"data":.5}', 8],
      ['{"data":+1}', 8],
      ['{"data":-}', null],
      ['{"data":1e}', null],
      ['{"data":0x10}', null],
      ['{"data":NaN}', null],
      ['{"data":Infinity}', null],
      ['{"data":nul}', null],
      ['{"data":TRUE}', 8],
      ['{"data":"a', 10],
      ['{"data":"\\x"}', null],
      ['{"data":"\\u12g4"}', null],
      ['{"data":"a\tb"}', 10],
      ['{"data":"a\nb"}', 10],
      ['{"data":/*c*/1}', 8],
      ['{"data":1}//c', 10],
      ['{data:1}', 1],
      ['{"data":1]', 9],
      [']', 0],
      ['hello', 0],
      ['<xml/>', 0],
      ['channel=a&data=1', 0],
      ['{"data":1,"data2"}', null],
      ['\ufeff{"data":1}', 0],
      ['{"data":1}\u00a0', 10],
      [b('{"data":"', [0xff], '"}'), 9],
      [b('{"data":"', [0xc0, 0x80], '"}'), 9],
      [b('{"data":"', [0xc1, 0xbf], '"}'), 9],
      [b('{"data":"ab', [0xed, 0xa0, 0x80], '"}'), null],
      [b('{"data":"', [0xf4, 0x90, 0x80, 0x80], '"}'), null],
      [b('{"data":"', [0xf8, 0x88, 0x80, 0x80, 0x80], '"}'), 9],
      [b('{"data":"', [0xe2, 0x82], '"}'), null],
      [b('{"data":"', [0x80], '"}'), 9],
      [b('{"data":"', [0xe2, 0x82]), null],
      [b('{"', [0xff], '":1}'), 2],
      [b('{"data":"a', [0], 'b"}'), 10],
      [b('{"data":1}', [0]), 10],
      [b([0]), 0],
      [b([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), 0],
    ];
    await forAll(
      cases.map((c) => [JSON.stringify(c[0].toString('latin1')), c]),
      async ([body, offset]) => {
        const what = JSON.stringify(body.toString('latin1'));
        const res = await post(d, '/broadcast', body);
        const p = assertProblem(res, 400, { code: 'bad_json' });
        assert.equal(p.type, 'urn:fanfare:problem:bad_json', what);
        assert.ok(Number.isInteger(p.offset), `${what}: an offset in ${res.text}`);
        assert.ok(p.offset >= 0 && p.offset <= Buffer.byteLength(body), `${what}: ${p.offset}`);
        if (offset !== null) assert.equal(p.offset, offset, `${what}: ${p.detail}`);
        assert.match(p.detail, /byte|offset|position/i, what);
        await check();
      },
    );
  });
});

test('nesting: 64 levels pass, one more does not', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    const nest = (n, open, close, inner = '') =>
      `{"channel":"x","data":${open.repeat(n)}${inner}${close.repeat(n)}}`;
    assert.equal((await post(d, '/broadcast', nest(63, '[', ']'))).status, 200);
    assert.equal((await post(d, '/broadcast', nest(63, '{"a":', '}', '1'))).status, 200);
    for (const body of [
      nest(64, '[', ']'),
      nest(64, '{"a":', '}', '1'),
      nest(100000, '[', ']'),
      '['.repeat(200000),
      '{"a":'.repeat(50000),
    ]) {
      const p = assertProblem(await post(d, '/broadcast', body), 400, { code: 'bad_json' });
      assert.ok(Number.isInteger(p.offset));
      assert.match(p.detail, /deep|nest|level/i);
      await check();
    }
  });
});

test('publications with wrong types, unknown, doubled and bad members', async (t) => {
  const long = 'x'.repeat(201);
  const fits = 'x'.repeat(200);
  const rows = [
    // body, status, code, field
    ['5', 400, 'wrong_type'],
    ['"x"', 400, 'wrong_type'],
    ['null', 400, 'wrong_type'],
    ['true', 400, 'wrong_type'],
    ['{"channel":5}', 400, 'wrong_type', 'channel'],
    ['{"channel":null}', 400, 'wrong_type', 'channel'],
    ['{"channel":["a"]}', 400, 'wrong_type', 'channel'],
    ['{"channels":"a"}', 400, 'wrong_type', 'channels'],
    ['{"channels":{}}', 400, 'wrong_type', 'channels'],
    ['{"channels":["a",1]}', 400, 'wrong_type', 'channels'],
    ['{"channels":[["a"]]}', 400, 'wrong_type', 'channels'],
    ['{"userId":7}', 400, 'wrong_type', 'userId'],
    ['{"userIds":"u"}', 400, 'wrong_type', 'userIds'],
    ['{"userIds":[null]}', 400, 'wrong_type', 'userIds'],
    ['{"type":1}', 400, 'wrong_type', 'type'],
    ['{"type":null}', 400, 'wrong_type', 'type'],
    ['{"id":1}', 400, 'wrong_type', 'id'],
    ['{"source":{}}', 400, 'wrong_type', 'source'],
    ['{"timestamp":1763632800}', 400, 'wrong_type', 'timestamp'],
    ['{"except":[]}', 400, 'wrong_type', 'except'],
    ['{"key":5}', 400, 'wrong_type', 'key'],
    ['{"key":""}', 400, 'bad_name', 'key'],
    [`{"key":"${long}"}`, 400, 'bad_name', 'key'],
    ['{"key":"a\\nb"}', 400, 'bad_name', 'key'],
    ['{"kye":"a"}', 400, 'unknown_field', 'kye', /"key"/],
    ['{"ephemeral":"yes"}', 400, 'wrong_type', 'ephemeral'],
    ['{"ephemeral":1}', 400, 'wrong_type', 'ephemeral'],
    ['{"ttl":"5"}', 400, 'wrong_type', 'ttl'],
    ['{"requireAck":1}', 400, 'wrong_type', 'requireAck'],
    ['{"ttl":-1}', 400, 'bad_value', 'ttl'],
    ['{"ttl":1.5}', 400, 'bad_value', 'ttl'],
    ['{"ttl":1e3}', 400, 'bad_value', 'ttl'],
    ['{"ttl":99999999999999999999}', 400, 'bad_value', 'ttl'],
    ['{"chanel":"orders"}', 400, 'unknown_field', 'chanel', /"channel"/],
    ['{"dat":1}', 400, 'unknown_field', 'dat', /"data"/],
    ['{"userid":"u"}', 400, 'unknown_field', 'userid', /"userId"/],
    ['{"Channel":"a"}', 400, 'unknown_field', 'Channel', /"channel"/],
    ['{"channel":"a","":1}', 400, 'unknown_field'],
    ['{"qqqqqqqqqqqqqqqqqqqqqqqq":1}', 400, 'unknown_field'],
    [`{"${'k'.repeat(5000)}":1}`, 400, 'unknown_field'],
    ['{"a\\nb":1}', 400, 'unknown_field'],
    ['{"cursor":"a-1"}', 400, 'unknown_field', 'cursor'],
    ['{"channel":"a","channel":"a"}', 400, 'duplicate_field', 'channel'],
    ['{"data":1,"type":"x","data":1}', 400, 'duplicate_field', 'data'],
    ['{"channel":"a","ch\\u0061nnel":"b"}', 400, 'duplicate_field', 'channel'],
    ['{"channels":[]}', 400, 'missing_value', 'channels'],
    ['{"userIds":[]}', 400, 'missing_value', 'userIds'],
    ['{"channels":["a","b","a"]}', 400, 'bad_value', 'channels'],
    ['{"userIds":["a","\\u0061"]}', 400, 'bad_value', 'userIds'],
    ['{"channel":""}', 400, 'bad_name', 'channel'],
    ['{"channel":"a b"}', 400, 'bad_name', 'channel'],
    ['{"channel":"é"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a*"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a.*"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a.>"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a\\u0000"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a\\nb"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a#b"}', 400, 'bad_name', 'channel'],
    ['{"channel":"a%20b"}', 400, 'bad_name', 'channel'],
    [`{"channel":"${long}"}`, 400, 'bad_name', 'channel'],
    ['{"channels":["a",""]}', 400, 'bad_name', 'channels'],
    ['{"channels":["a b"]}', 400, 'bad_name', 'channels'],
    ['{"userId":""}', 400, 'bad_name', 'userId'],
    [`{"userId":"${long}"}`, 400, 'bad_name', 'userId'],
    ['{"userId":"a\\u0000b"}', 400, 'bad_name', 'userId'],
    ['{"userId":"a\\u007f"}', 400, 'bad_name', 'userId'],
    ['{"userId":"\\ud800"}', 400, 'bad_name', 'userId'],
    ['{"userIds":["ok","\\r"]}', 400, 'bad_name', 'userIds'],
    ['{"type":""}', 400, 'bad_name', 'type'],
    [`{"type":"${long}"}`, 400, 'bad_name', 'type'],
    ['{"type":"a\\nb"}', 400, 'bad_name', 'type'],
    ['{"type":"a\\rb"}', 400, 'bad_name', 'type'],
    ['{"type":"a\\u0000b"}', 400, 'bad_name', 'type'],
    ['{"type":"x\\r\\ndata: forged\\r\\n\\r\\n"}', 400, 'bad_name', 'type'],
    ['{"type":"\\udc00"}', 400, 'bad_name', 'type'],
    ['{"id":""}', 400, 'bad_name', 'id'],
    [`{"id":"${long}"}`, 400, 'bad_name', 'id'],
    ['{"id":"a\\nid: forged"}', 400, 'bad_name', 'id'],
    ['{"id":"a\\u0000"}', 400, 'bad_name', 'id'],
    ['{"id":"a\\r"}', 400, 'bad_name', 'id'],
    ['{"source":""}', 400, 'bad_name', 'source'],
    ['{"source":"\\u0001"}', 400, 'bad_name', 'source'],
    ['{"except":""}', 400, 'bad_name', 'except'],
    ['{"timestamp":"yesterday"}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":""}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":"2026-11-20"}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":"2026-11-20T10:00:00"}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":"2026-13-20T10:00:00Z"}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":"2026-11-31T10:00:00Z"}', 400, 'bad_value', 'timestamp'],
    ['{"timestamp":"2026-11-20T25:00:00Z"}', 400, 'bad_value', 'timestamp'],
    ['{"type":"open"}', 422, 'reserved_name', 'type'],
    ['{"type":"error"}', 422, 'reserved_name', 'type'],
    ['{"type":"fanfare."}', 422, 'reserved_name', 'type'],
    ['{"type":"fanfare.synced"}', 422, 'reserved_name', 'type'],
    ['{"type":"\\u006fpen"}', 422, 'reserved_name', 'type'],
    ['{"channel":"fanfare.users"}', 422, 'reserved_name', 'channel'],
    ['{"channels":["a","fanfare.x"]}', 422, 'reserved_name', 'channels'],
    ['{"channel":"a","userId":"u"}', 422, 'conflicting_targets'],
    ['{"channel":"a","channels":["b"]}', 422, 'conflicting_targets'],
    ['{"userId":"a","userIds":["b"]}', 422, 'conflicting_targets'],
    ['{"channels":["a"],"userIds":["b"]}', 422, 'conflicting_targets'],
    ['{"userId":"u","channels":["b"]}', 422, 'conflicting_targets'],
    [
      JSON.stringify({ channels: Array.from({ length: 1001 }, (_, i) => `c${i}`) }),
      422,
      'too_many',
      'channels',
    ],
    ['{"channel":"c","requireAck":true}', 422, 'unsupported', 'requireAck'],
    ['{"userId":"u","requireAck":true,"ephemeral":true}', 422, 'conflicting_fields'],
    ['{"userId":"u","ifLast":"0-0"}', 422, 'unsupported', 'ifLast'],
    ['{"ifLast":"0-0"}', 422, 'unsupported', 'ifLast'],
    ['{"requireAck":true}', 422, 'unsupported', 'requireAck'],
  ];
  await undisturbed(t, { args: ['--log-level', 'debug'] }, async (d, check) => {
    const everyone = await Sse.live(d, '/events?channel=%3E&userId=u');
    await forAll(
      rows.map((r) => [r[0].slice(0, 60), r]),
      async ([body, status, code, field, detail]) => {
        const mark = d.mark();
        const res = await post(d, '/broadcast', body);
        const p = assertProblem(res, status, { code, detail });
        await d.waitForLog(new RegExp(`^\\S+ debug .*refused.*\\b${status}\\b.*\\b${code}\\b`), {
          from: mark,
        });
        const what = `${body.slice(0, 200)}: ${res.text.slice(0, 400)}`;
        assert.equal(p.type, `urn:fanfare:problem:${code}`, what);
        if (field) assert.equal(p.field, field, what);
        assert.ok(res.text.length < 2000, 'an answer does not grow with the input');
        assert.doesNotMatch(p.detail, /[\x00-\x1f]/, what);
        if (field && !field.endsWith('s') && code !== 'duplicate_field') {
          const key = body.indexOf(`"${field}"`);
          if (key >= 0) assert.equal(p.offset, key + field.length + 3, `offset: ${what}`);
        }
        await check();
      },
    );
    // Nothing of all this was published.
    const got = [];
    await publish(d, { userId: 'u', type: 'fence' });
    for (;;) {
      const m = await everyone.message();
      if (m.event === 'fence') break;
      got.push(m);
    }
    assert.deepEqual(
      got.filter((m) => m.envelope.channel !== 'bystander'),
      [],
    );

    // What just fits.
    const good = [
      `{"channel":"${fits}"}`,
      `{"userId":"${fits}"}`,
      `{"type":"${fits}"}`,
      `{"id":"${fits}"}`,
      `{"source":"${fits}"}`,
      `{"key":"${fits}"}`,
      '{"channel":"Aa0_-.:@=,;/"}',
      '{"userId":"\\u0085 é😀 \\u2028"}',
      '{"channel":"private-x"}',
      '{"channel":"presence-x"}',
      '{"channel":"fanfare"}',
      '{"channel":"fanfareX"}',
      '{"type":"opened"}',
      '{"type":"Open"}',
      '{"type":"fanfare"}',
      '{"timestamp":"2026-11-20T10:00:00.123456789+14:00"}',
      '{"ephemeral":true,"ttl":60,"requireAck":false}',
      '{"userId":"u","requireAck":true}',
      '{"ifLast":"0-0","channel":"never-used"}',
      '{"ttl":0}',
      '{"except":"x"}',
    ];
    for (const body of good) {
      // Not to everyone: that would reach the bystander.
      const targeted = /"(channel|userId)"/.test(body)
        ? body
        : body.replace('{', '{"channel":"good",');
      const res = await post(d, '/broadcast', targeted);
      if (body === '{"ttl":0}' && res.status === 400) continue; // "in range" leaves it open
      assert.equal(res.status, 200, `${body}: ${res.text}`);
    }
    everyone.close();
  });
});
