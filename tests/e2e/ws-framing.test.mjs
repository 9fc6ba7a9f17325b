// RFC 6455 framing, byte by byte, against the daemon's echo mode. The cases
// and their numbers are those of the Autobahn test suite (groups 1-7, 9, 10);
// cases named X.* are not in it.
import assert from 'node:assert/strict';
import { after, before, describe as group, test } from 'node:test';
import { startDaemon } from './lib/daemon.mjs';
import {
  OP, RawWs, binary, close, closeAll, cont, describe, fragments, frame, isUtf8, ping, pong, text,
} from './lib/rawws.mjs';

const K = 1024;
const M = 1024 * K;
const LIMIT = 32 * M;

let daemon;
before(async () => {
  daemon = await startDaemon({
    args: ['--test-ws-echo', '--max-message', '32m', '--max-body', '32m',
      '--client-queue-bytes', '64m'],
  });
});
after(async () => {
  closeAll();
  await daemon?.stop();
});

const hex = (s) => Buffer.from(s.replaceAll(' ', ''), 'hex');
const msg = (opcode, data) => ({ kind: 'message', opcode, data: Buffer.from(data) });
const txt = (data) => msg(OP.TEXT, data);
const bin = (data) => msg(OP.BINARY, data);
const pongOf = (data) => ({ kind: 'pong', data: Buffer.from(data) });

// The gateway greets each client with control events; they are not under test.
const greeting = (e) => e.kind === 'message' && e.data.subarray(0, 17).equals(GREETING);
const GREETING = Buffer.from('{"type":"fanfare.');

const open = (opts) => RawWs.open(daemon.port, { hide: greeting, ...opts });

function same(got, want) {
  // Not deepEqual: its diff of two 16 MB buffers takes minutes.
  const ok = got.kind === want.kind && got.opcode === want.opcode && got.data?.equals(want.data);
  assert.ok(ok, `expected ${describe(want)}, got ${describe(got)}`);
}

// A case: [id, what, frames to send, events expected, end, how it is sent]
//   end:  a close code (or a list) with which the server ends the connection
//         by itself, or 'ok': it stays usable and the client closes with 1000
//   how:  'once' (default): one write; 'frames': a write a frame;
//         n: n octets a write
async function run([, , frames, expected, end, how = 'once']) {
  const ws = await open();
  try {
    const sent = how === 'once' ? ws.send(...frames)
      : how === 'frames' ? ws.sendEach(frames) : ws.chop(Buffer.concat(frames), how);
    for (const want of expected) {
      same(await ws.next(describe(want)), want);
    }
    if (end === 'ok') {
      await sent;
      await ws.closeClean(1000);
    } else {
      // Where the case has sent a Close already, another would be one too many.
      await ws.expectClose(end, { reply: !frames.some((f) => (f[0] & 0x0f) === OP.CLOSE) });
    }
  } finally {
    ws.destroy();
  }
}

function table(name, cases) {
  group(name, () => {
    for (const c of cases) {
      test(`${c[0]} ${c[1]}`, () => run(c));
    }
  });
}

// ---- 1: messages of every length encoding -----------------------------------

const SIZES = [0, 125, 126, 127, 128, 65535, 65536, 65536];
table('1 messages', [['1.1', OP.TEXT, 0x2a], ['1.2', OP.BINARY, 0xfe]].flatMap(([id, op, byte]) =>
  SIZES.map((size, i) => {
    const data = Buffer.alloc(size, byte);
    const how = i === 7 ? 997 : 'once';
    return [`${id}.${i + 1}`, `${op === OP.TEXT ? 'text' : 'binary'} of ${size}${
      how === 997 ? ' in chops of 997' : ''}`, [frame(op, data)], [msg(op, data)], 'ok', how];
  })));

// ---- 2: pings and pongs -----------------------------------------------------

const BYTES = hex('00 ff fe fd fc fb 00 ff');
const TEN = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
table('2 pings', [
  ['2.1', 'empty ping', [ping()], [pongOf('')], 'ok'],
  ['2.2', 'ping with text', [ping('Hello, world!')], [pongOf('Hello, world!')], 'ok'],
  ['2.3', 'ping with binary', [ping(BYTES)], [pongOf(BYTES)], 'ok'],
  ['2.4', 'ping of 125', [ping(Buffer.alloc(125, 0xfe))], [pongOf(Buffer.alloc(125, 0xfe))], 'ok'],
  ['2.5', 'ping of 126', [ping(Buffer.alloc(126, 0xfe))], [], 1002],
  ['2.6', 'ping of 125 octet by octet', [ping(Buffer.alloc(125, 0xfe))],
    [pongOf(Buffer.alloc(125, 0xfe))], 'ok', 1],
  ['2.7', 'unsolicited empty pong', [pong()], [], 'ok'],
  ['2.8', 'unsolicited pong', [pong('unsolicited')], [], 'ok'],
  ['2.9', 'unsolicited pong, then ping', [pong('unsolicited'), ping('ping')], [pongOf('ping')],
    'ok'],
  ['2.10', 'ten pings in one write', TEN.map((p) => ping(p)), TEN.map((p) => pongOf(p)), 'ok'],
  ['2.11', 'ten pings octet by octet', TEN.map((p) => ping(p)), TEN.map((p) => pongOf(p)), 'ok', 1],
]);

// ---- 3: reserved bits -------------------------------------------------------

const HELLO = 'Hello, world!';
const after_hello = (f) => [text(HELLO), f, ping()];
table('3 reserved bits', [
  ['3.1', 'RSV 1 in text', [text(HELLO, { rsv: 1 })], [], 1002],
  ['3.2', 'text, RSV 2, ping', after_hello(text(HELLO, { rsv: 2 })), [txt(HELLO)], 1002],
  ['3.3', 'text, RSV 3, ping; frame by frame', after_hello(text(HELLO, { rsv: 3 })), [txt(HELLO)],
    1002, 'frames'],
  ['3.4', 'text, RSV 4, ping; octet by octet', after_hello(text(HELLO, { rsv: 4 })), [txt(HELLO)],
    1002, 1],
  ['3.5', 'RSV 5 in binary', [binary(BYTES, { rsv: 5 })], [], 1002],
  ['3.6', 'RSV 6 in ping', [ping(HELLO, { rsv: 6 })], [], 1002],
  ['3.7', 'RSV 7 in Close', [frame(OP.CLOSE, '', { rsv: 7 })], [], 1002],
  ['X.3.8', 'RSV 4 in a continuation', [text('a', { fin: false }), cont('b', { rsv: 4 })], [],
    1002],
  ['X.3.9', 'RSV 1 in pong', [pong('', { rsv: 1 })], [], 1002],
]);

// ---- 4: reserved opcodes ----------------------------------------------------

table('4 reserved opcodes', [[3, 1], [11, 2]].flatMap(([first, g]) => [
  [`4.${g}.1`, `opcode ${first}`, [frame(first)], [], 1002],
  [`4.${g}.2`, `opcode ${first + 1} with payload`, [frame(first + 1, 'reserved')], [], 1002],
  [`4.${g}.3`, `text, opcode ${first + 2}, ping`, after_hello(frame(first + 2)), [txt(HELLO)],
    1002],
  [`4.${g}.4`, `text, opcode ${first + 3} with payload, ping`,
    after_hello(frame(first + 3, HELLO)), [txt(HELLO)], 1002],
  [`4.${g}.5`, `text, opcode ${first + 4} with payload, ping; octet by octet`,
    after_hello(frame(first + 4, HELLO)), [txt(HELLO)], 1002, 1],
]));

// ---- 5: fragmentation -------------------------------------------------------

const NOFIN = { fin: false };
const TWO = [text('fragment1', NOFIN), cont('fragment2')];
const TWO_PING = [TWO[0], ping('ping payload'), TWO[1]];
const TWO_SENT = txt('fragment1fragment2');
const LOOSE_FIN = [cont('non-continuation payload'), text(HELLO)];
const LOOSE = [cont('non-continuation payload', NOFIN), text(HELLO)];
const WAYS = [['once', 'one write'], ['frames', 'frame by frame'], [1, 'octet by octet']];
const FIVE = [
  text('fragment1', NOFIN), cont('fragment2', NOFIN), ping('pongme 1!'),
  cont('fragment3', NOFIN), cont('fragment4', NOFIN), ping('pongme 2!'), cont('fragment5'),
];
const FIVE_SENT = [pongOf('pongme 1!'), pongOf('pongme 2!'),
  txt('fragment1fragment2fragment3fragment4fragment5')];
const ways = (first, what, frames, expected, end) => WAYS.map(([how, name], i) =>
  [`5.${first + i}`, `${what}, ${name}`, frames, expected, end, how]);

table('5 fragmentation', [
  ['5.1', 'ping in two fragments', [ping('fragment1', NOFIN), cont('fragment2')], [], 1002],
  ['5.2', 'pong in two fragments', [pong('fragment1', NOFIN), cont('fragment2')], [], 1002],
  ...ways(3, 'text in two fragments', TWO, [TWO_SENT], 'ok'),
  ...ways(6, 'ping between two fragments', TWO_PING, [pongOf('ping payload'), TWO_SENT], 'ok'),
  ...ways(9, 'final continuation of nothing, then text', LOOSE_FIN, [], 1002),
  ...ways(12, 'continuation of nothing, then text', LOOSE, [], 1002),
  ['5.15', 'fragmented text, then continuation of nothing, then text',
    [...TWO, cont('fragment3', NOFIN), text('fragment4')], [TWO_SENT], 1002],
  ['5.16', 'twice: continuation of nothing, then fragmented text',
    [...Array(2)].flatMap(() => [cont('fragment1', NOFIN), text('fragment2', NOFIN),
      cont('fragment3')]), [], 1002],
  ['5.17', 'twice: final continuation of nothing, then fragmented text',
    [...Array(2)].flatMap(() => [cont('fragment1'), text('fragment2', NOFIN), cont('fragment3')]),
    [], 1002],
  ['5.18', 'two text frames for one message', [text('fragment1', NOFIN), text('fragment2')], [],
    1002],
  ['5.20', 'pings between five fragments, frame by frame', FIVE, FIVE_SENT, 'ok', 'frames'],
  ['X.5.21', 'pings between five fragments, octet by octet', FIVE, FIVE_SENT, 'ok', 1],
  ['X.5.22', 'a binary frame inside a fragmented text', [text('a', NOFIN), binary('b')], [], 1002],
  ['X.5.23', 'a text frame inside a fragmented binary', [binary('a', NOFIN), text('b')], [], 1002],
  ['X.5.24', 'fragmented Close', [frame(OP.CLOSE, hex('03e8'), NOFIN)], [], 1002],
  ['X.5.25', 'binary in 300 fragments of one octet', fragments(OP.BINARY, Buffer.alloc(300, 7), 1),
    [bin(Buffer.alloc(300, 7))], 'ok'],
  ['X.5.26', 'empty binary in three fragments',
    [binary('', NOFIN), cont('', NOFIN), cont('')], [bin('')], 'ok'],
  ['X.5.27', 'pongs between fragments', [text('a', NOFIN), pong('x'), cont('b', NOFIN), pong(),
    cont('c')], [txt('abc')], 'ok'],
]);

group('5 fragmentation, in dialogue', () => {
  test('5.19 a ping is answered before the message is complete', async () => {
    const ws = await open();
    ws.send(...FIVE.slice(0, 3));
    same(await ws.next('first pong'), FIVE_SENT[0]);
    ws.send(...FIVE.slice(3));
    same(await ws.next('second pong'), FIVE_SENT[1]);
    same(await ws.next('message'), FIVE_SENT[2]);
    await ws.closeClean();
  });
});

// ---- 6: UTF-8 ---------------------------------------------------------------

const MIXED = Buffer.from('Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!');
const KOSME = Buffer.from('\u03ba\u1f79\u03c3\u03bc\u03b5');
const SURROGATE = Buffer.concat([KOSME, hex('eda080'), Buffer.from('edited')]);
const TOO_HIGH = Buffer.concat([KOSME, hex('f4908080'), Buffer.from('edited')]);

table('6.1-6.3 text messages', [
  ['6.1.1', 'empty text', [text('')], [txt('')], 'ok'],
  ['6.1.2', 'three empty fragments', [text('', NOFIN), cont('', NOFIN), cont('')], [txt('')], 'ok'],
  ['6.1.3', 'empty, full, empty', [text('', NOFIN), cont('middle', NOFIN), cont('')],
    [txt('middle')], 'ok'],
  ['6.2.1', 'valid, one frame', [text(MIXED)], [txt(MIXED)], 'ok'],
  ['6.2.2', 'valid, cut between code points',
    [text(MIXED.subarray(0, 14), NOFIN), cont(MIXED.subarray(14))], [txt(MIXED)], 'ok'],
  ['6.2.3', 'valid, frames of one octet', fragments(OP.TEXT, MIXED, 1), [txt(MIXED)], 'ok'],
  ['6.2.4', 'valid Greek, frames of one octet', fragments(OP.TEXT, KOSME, 1), [txt(KOSME)], 'ok'],
  ['X.6.2.5', 'valid, cut between code points, an empty frame and a ping inside one',
    [text(KOSME.subarray(0, 3), NOFIN), cont('', NOFIN), ping('p'), cont(KOSME.subarray(3))],
    [pongOf('p'), txt(KOSME)], 'ok'],
  ['X.6.2.6', 'a valid message, then another: no state is left',
    [text('\u20ac'), text('\u20ac')], [txt('\u20ac'), txt('\u20ac')], 'ok'],
  ['6.3.1', 'surrogate, one frame', [text(SURROGATE)], [], 1007],
  ['6.3.2', 'surrogate, frames of one octet', fragments(OP.TEXT, SURROGATE, 1), [], 1007],
  ['X.6.3.3', 'surrogate cut by a ping',
    [text(hex('eda0'), NOFIN), ping('p'), cont(hex('80'))], [], 1007],
  ['X.6.3.4', 'a code point cut off by the end of the message',
    [text(hex('61e2'), NOFIN), cont(hex('82'))], [], 1007],
  ['X.6.3.5', 'bad UTF-8 in binary is fine', [binary(SURROGATE)], [bin(SURROGATE)], 'ok'],
  ['X.6.3.6', 'bad UTF-8 in ping and pong is fine', [pong(hex('ff')), ping(hex('ff'))],
    [pongOf(hex('ff'))], 'ok'],
]);

// The connection must end as soon as the text cannot become valid any more: the
// rest of the message is never sent.
group('6.4 fail fast', () => {
  const first = TOO_HIGH.subarray(0, 11);
  const second = TOO_HIGH.subarray(11, 15);
  // A ping shows that the first fragment was taken.
  async function inFrames(a, b) {
    const ws = await open();
    ws.send(text(a, NOFIN), ping('taken'));
    same(await ws.next('pong'), pongOf('taken'));
    ws.send(cont(b, NOFIN));
    await ws.expectClose(1007);
  }
  async function inChops(a, b) {
    const ws = await open();
    const whole = text(TOO_HIGH);
    const head = whole.length - TOO_HIGH.length;
    await ws.write(whole.subarray(0, head + a.length));
    await ws.write(whole.subarray(head + a.length, head + a.length + b.length));
    await ws.expectClose(1007);
  }
  test('6.4.1 second of three frames', () => inFrames(first, second));
  test('6.4.2 second of three frames, up to the bad octet',
    () => inFrames(TOO_HIGH.subarray(0, 12), TOO_HIGH.subarray(12, 13)));
  test('6.4.3 second of three chops of a frame', () => inChops(first, second));
  test('6.4.4 second of three chops of a frame, up to the bad octet',
    () => inChops(TOO_HIGH.subarray(0, 12), TOO_HIGH.subarray(12, 13)));
});

const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i);
const hexOf = (numbers) => Buffer.from(numbers).toString('hex');
const prefixes = range(1, KOSME.length + 1).map((n) => KOSME.subarray(0, n).toString('hex'));
const CUT = ['c0', 'e080', 'f08080', 'f8808080', 'fc80808080',
  'df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf'];
const planes = range(1, 17).flatMap((plane) => [0xfffe, 0xffff].map((low) =>
  Buffer.from(String.fromCodePoint(plane * 0x10000 + low)).toString('hex')));
const hello = (s) => `68656c6c6f${s}776f726c64`;

// [group, what, valid?, sequences]; null: mixed, as isUtf8 says
const UTF8 = [
  ['6.5', 'valid text', true,
    [hello('24'), hello('c2a2'), hello('e282ac'), hello('f0a4ada2'), KOSME.toString('hex')]],
  ['6.6', 'every prefix of a valid text', null, prefixes],
  ['6.7', 'first of each length', true, ['00', 'c280', 'e0a080', 'f0908080']],
  ['6.8', 'first of five and six octets', false, ['f888808080', 'fc8480808080']],
  ['6.9', 'last of each length', true, ['7f', 'dfbf', 'efbfbf', 'f48fbfbf']],
  ['6.10', 'last of four, five and six octets', false,
    ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf']],
  ['6.11', 'boundaries', null, ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf', 'f4908080']],
  ['6.12', 'unexpected continuation octets', false, ['80', 'bf', '80bf', '80bf80', '80bf80bf',
    '80bf80bf80', '80bf80bf80bf', hexOf(range(0x80, 0xbf))]],
  ['6.13', 'lonely start octets', false,
    [[0xc0, 0xdf], [0xe0, 0xef], [0xf0, 0xf7], [0xf8, 0xfb], [0xfc, 0xfd]].map(([a, b]) =>
      hexOf(range(a, b).flatMap((x) => [x, 0x20])))],
  ['6.14', 'last continuation octet missing', false, CUT],
  ['6.15', 'incomplete sequences in a row', false, [CUT.join('')]],
  ['6.16', 'impossible octets', false, ['fe', 'ff', 'fefeffff']],
  ['6.17', 'overlong slash', false, ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af']],
  ['6.18', 'longest overlong', false,
    ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf']],
  ['6.19', 'overlong NUL', false, ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080']],
  ['6.20', 'single surrogates', false,
    ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf']],
  ['6.21', 'paired surrogates', false, ['eda080', 'edadbf', 'edae80', 'edafbf'].flatMap((hi) =>
    ['edb080', 'edbfbf'].map((lo) => hi + lo))],
  ['6.22', 'noncharacters, which are valid', true, ['efbfbe', 'efbfbf', ...planes]],
  ['6.23', 'specials', true,
    ['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf']],
];

for (const [id, what, valid, sequences] of UTF8) {
  table(`${id} UTF-8: ${what}`, sequences.flatMap((s, i) => {
    const data = hex(s);
    const good = valid ?? isUtf8(data);
    assert.equal(isUtf8(data), good, `the table is wrong about ${s}`);
    const shown = s.length > 40 ? `${s.slice(0, 40)}...` : s;
    const expected = good ? [txt(data)] : [];
    const end = good ? 'ok' : 1007;
    const name = `${good ? 'valid' : 'invalid'} ${shown}`;
    return [
      [`${id}.${i + 1}`, `${name}`, [text(data)], expected, end],
      [`${id}.${i + 1}/f`, `${name}, frames of one octet`, fragments(OP.TEXT, data, 1), expected,
        end],
      [`${id}.${i + 1}/o`, `${name}, octet by octet`, [text(data)], expected, end, 1],
    ];
  }));
}

// ---- 7: closing -------------------------------------------------------------

// [id, what, frames, events expected before it, codes of the server's Close]
const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const INVALID = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
const BIG = Buffer.alloc(256 * K, 'BAsd7&jh23');
const closing = [
  ['7.1.1', 'text, then Close, in one write', [text(HELLO), close(1000)], [txt(HELLO)], 1000],
  ['7.1.2', 'two Closes', [close(1000), close()], [], 1000],
  ['7.1.3', 'Close, then ping', [close(1000), ping()], [], 1000],
  ['7.1.4', 'Close, then text', [close(1000), text(HELLO)], [], 1000],
  ['7.1.5', 'fragment, Close, fragment',
    [text('fragment1', NOFIN), close(1000), cont('fragment2')], [], 1000],
  ['7.1.6', '256 KB, text, Close, ping', [text(BIG), text(HELLO), close(1000), ping()],
    [txt(BIG), txt(HELLO)], 1000],
  ['X.7.1.7', 'Close, then an invalid frame', [close(1000), frame(3, 'x', { rsv: 7 })], [], 1000],
  ['X.7.1.8', 'Close octet by octet', [close(1000, 'bye')], [], 1000, 1],
  ['X.7.1.9', 'text, Close, code 1001', [text(HELLO), close(1001)], [txt(HELLO)], 1001],
  ['7.3.1', 'empty Close', [close()], [], [undefined, 1000]],
  ['7.3.2', 'Close of one octet', [frame(OP.CLOSE, 'a')], [], 1002],
  ['7.3.3', 'Close with a code', [close(1000)], [], 1000],
  ['7.3.4', 'Close with a reason', [close(1000, 'Hello World!')], [], 1000],
  ['7.3.5', 'Close with a reason of 123', [close(1000, '*'.repeat(123))], [], 1000],
  ['7.3.6', 'Close with a reason of 124', [close(1000, '*'.repeat(124))], [], 1002],
  ['X.7.3.7', 'Close of one octet, octet by octet', [frame(OP.CLOSE, 'a')], [], 1002, 1],
  ['7.5.1', 'bad UTF-8 in the reason', [close(1000, SURROGATE)], [], [1007, 1002]],
  ['X.7.5.2', 'bad UTF-8 in the reason, octet by octet', [close(1000, SURROGATE)], [],
    [1007, 1002], 1],
  ['X.7.5.3', 'valid UTF-8 in the reason, octet by octet', [close(1000, KOSME)], [], 1000, 1],
  ['X.7.5.4', 'a code point cut off at the end of the reason', [close(1000, hex('61e282'))], [],
    [1007, 1002]],
  ...VALID.map((c, i) => [`7.7.${i + 1}`, `valid code ${c}`, [close(c)], [], c]),
  // Registered with IANA after the RFC: both answers are in use.
  ...[1012, 1013, 1014].map((c, i) =>
    [`X.7.7.${i + 14}`, `later registered code ${c}`, [close(c)], [], [c, 1002]]),
  ...INVALID.map((c, i) => [`7.9.${i + 1}`, `invalid code ${c}`, [close(c)], [], 1002]),
  ['X.7.9.10', 'invalid code 1015', [close(1015)], [], 1002],
  // Undefined by the RFC; refusing them is the usual reading.
  ['7.13.1', 'code 5000', [close(5000)], [], 1002],
  ['7.13.2', 'code 65535', [close(65535)], [], 1002],
];
table('7 closing', closing);

group('7 closing, order of things', () => {
  test('X.7.14 the server ends the TCP connection first', async () => {
    const ws = await open();
    ws.sendClose(1000);
    const e = await ws.next('Close');
    assert.equal(e.kind, 'close', describe(e));
    await ws.eof(); // our side is still open here
    ws.destroy();
  });
  test('X.7.15 the echoed reason, if any, is the one sent', async () => {
    const ws = await open();
    ws.sendClose(1000, 'h\u00e9');
    const e = await ws.expectClose(1000);
    assert.ok(['', 'h\u00e9'].includes(e.reason), e.reason);
  });
});

// ---- 9: limits and volume ---------------------------------------------------

const TEXT_FILL = 'BAsd7&jh23';
const BIN_FILL = hex('00 fe 23 fa f0');
const KINDS = [['text', OP.TEXT, TEXT_FILL], ['binary', OP.BINARY, BIN_FILL]];
const big = [];
KINDS.forEach(([name, op, fill], k) => {
  [64 * K, 256 * K, M, 4 * M, 8 * M, 16 * M].forEach((size, i) =>
    big.push([`9.${1 + k}.${i + 1}`, `${name} of ${size / K} KB`, op, fill, size]));
  [64, 256, K, 4 * K, 16 * K, 64 * K, 256 * K, M, 4 * M].forEach((cut, i) =>
    big.push([`9.${3 + k}.${i + 1}`, `${name} of 4 MB in frames of ${cut}`, op, fill, 4 * M,
      { cut }]));
  [64, 128, 256, 512, 1024, 2048].forEach((chop, i) =>
    big.push([`9.${5 + k}.${i + 1}`, `${name} of 1 MB in chops of ${chop}`, op, fill, M,
      { chop }]));
});

async function volume(op, fill, size, { cut, chop } = {}) {
  const data = Buffer.alloc(size, fill);
  const bytes = cut ? Buffer.concat(fragments(op, data, cut)) : frame(op, data);
  const ws = await open();
  try {
    const sent = chop ? ws.chop(bytes, chop) : ws.write(bytes);
    same(await ws.next('the echo', 60_000), msg(op, data));
    await sent;
    await ws.closeClean();
  } finally {
    ws.destroy();
  }
}

group('9.1-9.6 large messages', () => {
  for (const [id, what, ...args] of big) {
    test(`${id} ${what}`, () => volume(...args));
  }
});

group('9.7-9.8 a thousand round trips', () => {
  KINDS.forEach(([name, op], k) => [0, 16, 64, 256, 1024, 4096].forEach((size, i) => {
    test(`9.${7 + k}.${i + 1} ${name} of ${size}`, async () => {
      const data = Buffer.alloc(size, op === OP.TEXT ? '*' : 0xfe);
      const bytes = frame(op, data);
      const ws = await open();
      for (let n = 0; n < 1000; n++) {
        ws.send(bytes);
        same(await ws.next(`echo ${n}`), msg(op, data));
      }
      await ws.closeClean();
    });
  }));
});

group('9 the message limit', () => {
  test('X.9.9 a message of exactly the limit', () => volume(OP.BINARY, BIN_FILL, LIMIT));
  test('X.9.10 one octet more: refused by its header', async () => {
    const ws = await open();
    ws.send(binary('', { announce: LIMIT + 1 }));
    await ws.expectClose(1009);
  });
  test('X.9.11 fragments that add up to more', async () => {
    const ws = await open();
    ws.send(binary(Buffer.alloc(M), NOFIN), cont('', { announce: LIMIT - M + 1 }));
    await ws.expectClose(1009);
  });
  test('9.9.1 a message without end', async () => {
    const ws = await open();
    const one = cont(Buffer.alloc(4 * K, '*'), NOFIN);
    const block = Buffer.concat(Array(64).fill(one));
    await ws.write(text('', NOFIN));
    for (let sent = 0; sent <= LIMIT && ws.waiting === 0; sent += 256 * K) {
      await ws.write(block);
    }
    await ws.expectClose(1009);
  });
});

// ---- 10 and what the suite leaves out ---------------------------------------

const A65536 = Buffer.alloc(65536, '*');
const ZERO_KEY = Buffer.alloc(4);
table('10 fragmentation by a library', [
  ['10.1.1', 'text of 65536 in frames of 1300', fragments(OP.TEXT, A65536, 1300), [txt(A65536)],
    'ok'],
]);

table('X masks and lengths', [
  ['X.1', 'unmasked text', [text(HELLO, { mask: false })], [], 1002],
  ['X.2', 'unmasked empty text', [text('', { mask: false })], [], 1002],
  ['X.3', 'unmasked ping', [ping('x', { mask: false })], [], 1002],
  ['X.4', 'unmasked Close', [close(1000, '', { mask: false })], [], 1002],
  ['X.5', 'unmasked continuation', [text('a', NOFIN), cont('b', { mask: false })], [], 1002],
  ['X.6', 'text, then unmasked text', [text('a'), text('b', { mask: false })], [txt('a')], 1002],
  ['X.7', 'a mask of zeros', [text(HELLO, { mask: ZERO_KEY })], [txt(HELLO)], 'ok'],
  ['X.8', '5 octets in a 16-bit length', [text('12345', { length: 16 })], [], 1002],
  ['X.9', '125 octets in a 16-bit length', [binary(Buffer.alloc(125), { length: 16 })], [], 1002],
  ['X.10', '5 octets in a 64-bit length', [text('12345', { length: 64 })], [], 1002],
  ['X.11', '65535 octets in a 64-bit length', [binary(Buffer.alloc(65535), { length: 64 })], [],
    1002],
  ['X.12', 'a ping with a 16-bit length', [ping('12345', { length: 16 })], [], 1002],
  ['X.13', 'a ping of 65536', [ping(A65536)], [], 1002],
  ['X.14', 'a Close of 126', [frame(OP.CLOSE, Buffer.alloc(126, 3))], [], 1002],
  ['X.15', 'top bit of a 64-bit length', [binary('', { announce: 1n << 63n })], [], [1002, 1009]],
  ['X.16', 'largest 64-bit length', [binary('', { announce: (1n << 64n) - 1n })], [],
    [1002, 1009]],
  ['X.17', 'three messages in one write', [text('1'), binary('2'), text('3')],
    [txt('1'), bin('2'), txt('3')], 'ok'],
  ['X.18', 'three messages octet by octet', [text('1'), binary('2'), text('3')],
    [txt('1'), bin('2'), txt('3')], 'ok', 1],
  ['X.19', 'a message and half of the next, then the rest',
    [Buffer.concat([text('one'), text('two', { mask: ZERO_KEY }).subarray(0, 5)]),
      text('two', { mask: ZERO_KEY }).subarray(5)], [txt('one'), txt('two')], 'ok', 'frames'],
  ['X.20', 'text that looks like a control event of the server', [text('{"type":"x"}')],
    [txt('{"type":"x"}')], 'ok'],
]);
