// What the log says of bad input: which line, at which level, about whom; that
// a flood of it does not fill the log; and that no line can be forged.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, scaled } from './lib/daemon.mjs';
import { Publisher, RawConn, get, hostHeader, request, requestBytes } from './lib/http.mjs';
import { RawWs, binary, close, frame, handshake, text } from './lib/rawws.mjs';
import { Sse } from './lib/sse.mjs';
import { forAll } from './lib/undisturbed.mjs';
import { poll } from './lib/wait.mjs';

// ---- reading lines ----------------------------------------------------------

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const FIELD = / ([A-Za-z]\w*)=("(?:[^"\\]|\\["\\nrt]|\\u[0-9a-f]{4}|\\x[0-9a-f]{2})*"|[^\s"=\\]+)/y;

/** One escape sequence of the text form; a byte that is no UTF-8 is U+FFFD, as in JSON. */
function unescaped(sequence) {
  if (sequence[1] === 'u') return String.fromCharCode(parseInt(sequence.slice(2), 16));
  if (sequence[1] === 'x') return '\ufffd';
  return { n: '\n', r: '\r', t: '\t' }[sequence[1]] ?? sequence[1];
}

const unquoted = (v) =>
  v[0] === '"' ? v.slice(1, -1).replace(/\\(u....|x..|.)/gs, unescaped) : v;

/** {time, level, msg, ...fields}, or throws: nothing may stand beside the fields. */
function parseText(line) {
  const head = /^(\S+) (error|warn |info |debug) ([^="\\]+?)(?= [A-Za-z]\w*=|$)/.exec(line);
  assert.ok(head, `the form of a line: ${JSON.stringify(line)}`);
  const [all, time, level, msg] = head;
  const out = { time, level: level.trim(), msg };
  FIELD.lastIndex = all.length;
  while (FIELD.lastIndex < line.length) {
    const at = FIELD.lastIndex;
    const m = FIELD.exec(line);
    assert.ok(m, `no field at ${at}: ${JSON.stringify(line)}`);
    assert.ok(!(m[1] in out), `${m[1]} twice: ${JSON.stringify(line)}`);
    out[m[1]] = unquoted(m[2]);
  }
  return out;
}

function parseJson(line) {
  const out = JSON.parse(line);
  for (const [k, v] of Object.entries(out)) assert.equal(typeof v, 'string', `${k}: ${line}`);
  assert.equal(Object.keys(out).length, line.match(/[{,]"\w+":"/g).length, `twice: ${line}`);
  return out;
}

const parsers = { text: parseText, json: parseJson };

function parsed(line, format) {
  const out = parsers[format](line);
  assert.match(out.time, TIME, line);
  assert.ok(['error', 'warn', 'info', 'debug'].includes(out.level), line);
  return out;
}

const linesOf = (d, format) => d.stderr.map((line) => parsed(line, format));

/** The first line with that message about that peer. */
async function lineAbout(d, format, msg, peer) {
  const line = await d.waitForLog(
    {
      test(l) {
        const got = l.includes(msg) ? parsed(l, format) : {};
        return got.msg === msg && got.peer === peer;
      },
      toString: () => `"${msg}" about ${peer}`,
    },
    { timeout: 5000 },
  );
  return parsed(line, format);
}

const peerOf = (conn, address = '127.0.0.1') => `${address}:${conn.localPort}`;

/** A WebSocket client and who it is: {ws, id, who}, `who` as a line has it. */
async function client(d, query = '', opts = {}) {
  const ws = await RawWs.open(d.port, { path: `/ws${query}`, ...opts });
  const connected = await ws.nextJson('connected');
  await ws.nextJson('synced');
  const id = connected.data.clientId;
  assert.match(id, /\S/);
  return { ws, id, who: { client: id, transport: 'websocket', peer: peerOf(ws) } };
}

// ---- the table --------------------------------------------------------------

/** Sends one request as it is and reads the answer; resolves to its peer. */
async function exchanged(d, bytes, status) {
  const c = await RawConn.open(d);
  const peer = peerOf(c);
  await c.write(bytes);
  const res = await c.readResponse();
  assert.equal(res.status, status, res.text);
  c.close();
  return peer;
}

/** A 4xx: what the client is told is what the log says. */
const refused = (form, status, code, more = {}) => ({
  level: 'debug',
  msg: 'request refused',
  async cause(d) {
    const { method = 'GET' } = form;
    const peer = await exchanged(d, requestBytes(d, form), status);
    return { peer, method, path: form.path.split('?')[0], status: String(status), code, detail: /\S/, ...more };
  },
});

const badHandshake = (headers, status, detail) => ({
  level: 'info',
  msg: 'WebSocket handshake refused',
  async cause(d) {
    const peer = await exchanged(d, handshake({ headers }), status);
    return { peer, status: String(status), detail };
  },
});

const violation = (bytes, code) => ({
  level: 'info',
  msg: 'WebSocket protocol violation',
  async cause(d) {
    const { ws, who } = await client(d, '?userId=ann');
    ws.send(bytes);
    await ws.expectClose(code);
    return { ...who, user: 'ann', code: String(code) };
  },
});

/** A connection on which something is begun and not finished. */
const unfinished = (msg, limit, begin) => ({
  level: 'info',
  msg,
  async cause(d) {
    const c = await RawConn.open(d);
    await begin(d, c);
    return { peer: peerOf(c), limit };
  },
});

/** A client's end as the log tells it. */
const ended = (reason, end) => ({
  level: 'debug',
  msg: 'client disconnected',
  async cause(d) {
    const { ws, id, who } = await client(d);
    await end(ws, d, id);
    return { ...who, reason };
  },
});

const posted = (body, headers = {}) => ({
  method: 'POST',
  path: '/broadcast',
  headers: { 'Content-Type': 'application/json', ...headers },
  body,
});

/** Clients that do not read are named with what waits for them. */
function slowCase(msg) {
  return {
    level: 'warn',
    msg,
    async cause(d, format) {
      const s = await Sse.open(d, '/events?channel=slow&userId=sleepy');
      const { clientId } = (await s.control('connected')).envelope.data;
      await s.synced();
      s.conn.pause();
      const pub = await Publisher.open(d);
      const data = 'x'.repeat(3500);
      const said = () =>
        d.stderr.some((l) => l.includes(clientId) && parsed(l, format).msg === msg);
      for (let n = 0; n < 4000 && !said(); n++) await pub.publish({ channel: 'slow', data });
      pub.close();
      const who = { client: clientId, user: 'sleepy', transport: 'sse', peer: peerOf(s.conn) };
      return {
        ...who,
        lag_bytes: /^[1-9]\d{3,}$/,
        lag_messages: /^[1-9]\d*$/,
        lag_seconds: /^\d+$/,
      };
    },
  };
}

const unmasked = frame(1, 'hello', { mask: false });
const PER_ADDRESS = 40;

const cases = {
  'no such path': refused({ path: '/nope' }, 404, 'not_found'),
  'bad JSON': refused(posted('{"data":'), 400, 'bad_json', { detail: /byte \d+/ }),
  'a bad channel': refused({ path: '/events?channel=a%20b' }, 400, 'bad_channel', {
    detail: /"a b"/,
  }),
  'an unknown host': refused(
    { path: '/health', headers: { Host: 'rebound.example' } },
    403,
    'forbidden_host',
    { detail: /Host/ },
  ),
  'a body over the limit': refused(
    posted('x'.repeat(9000), { Expect: undefined }),
    413,
    'body_too_large',
  ),

  'a handshake without a key': badHandshake({ 'Sec-WebSocket-Key': null }, 400, /key/i),
  'a handshake of another version': badHandshake({ 'Sec-WebSocket-Version': '8' }, 426, /version/i),
  'a handshake without Upgrade': badHandshake({ Upgrade: null }, 426, /upgrade|websocket/i),

  'an unmasked frame': violation(unmasked, 1002),
  'a reserved opcode': violation(frame(3, 'x'), 1002),
  'text that is no UTF-8': violation(text(Buffer.from([0xc3, 0x28])), 1007),
  'a message over the limit': violation(text('x'.repeat(5000)), 1009),

  'a binary message': {
    level: 'info',
    msg: 'binary WebSocket message refused',
    async cause(d) {
      const { ws, who } = await client(d);
      ws.send(binary(Buffer.from([1, 2, 3])));
      await ws.expectClose(1003);
      return who;
    },
  },
  'no pong': {
    level: 'info',
    msg: 'no pong in time',
    async cause(d) {
      const { who } = await client(d, '', { autoPong: false });
      return who;
    },
  },
  'headers that do not end': unfinished('request headers not finished in time', 'header-timeout', (d, c) =>
    c.write('GET /health HTTP/1.1\r\nX-A: '),
  ),
  'a body that does not end': unfinished('request body not finished in time', 'body-timeout', (d, c) =>
    c.write(requestBytes(d, posted('{', { 'Content-Length': '100' }))),
  ),
  'answers that are not taken': unfinished('answer not taken in time', 'body-timeout', async (d, c) => {
    c.pause();
    const one = requestBytes(d, { path: '/metrics' });
    c.write(Buffer.concat(Array.from({ length: 4000 }, () => one)));
  }),
  'too many connections of one address': {
    level: 'warn',
    msg: 'connection over a limit',
    async cause(d, format) {
      const from = '127.0.0.2';
      for (let i = 0; i < PER_ADDRESS; i++) {
        await Sse.live(d, '/events?channel=none', { localAddress: from });
      }
      const over = await RawConn.open(d, { localAddress: from });
      await over.write(requestBytes(d, { path: '/health' }));
      await over.closed();
      const peer = peerOf(over, from);
      await lineAbout(d, format, 'request refused', peer);
      return { peer, limit: 'max-connections-per-address' };
    },
  },
  'closed by an administrator': {
    level: 'info',
    msg: 'client closed by an administrator',
    async cause(d) {
      const { ws, id, who } = await client(d, '?userId=bob');
      const res = await request(d, { method: 'DELETE', path: `/clients/${id}` });
      assert.equal(res.status, 204, res.text);
      await ws.expectClose(4001);
      return { ...who, user: 'bob' };
    },
  },
  'a client that vanishes': {
    level: 'debug',
    msg: 'client vanished without a Close',
    async cause(d) {
      const { ws, who } = await client(d);
      ws.fin();
      return who;
    },
  },
  'a slow client': slowCase('slow client closed'),

  'a client comes': {
    level: 'debug',
    msg: 'client connected',
    cause: async (d) => (await client(d)).who,
  },
  'a client leaves': ended('closed by client', async (ws) => {
    await ws.closeClean();
    ws.fin();
  }),
  'a client is gone without a Close': ended('closed without a Close', (ws) => ws.fin()),
  'a client breaks the protocol': ended('protocol violation', async (ws) => {
    ws.send(unmasked);
    await ws.expectClose(1002);
    ws.fin();
  }),
};

/** Runs a case and compares its line field by field: no more and no fewer. */
async function check(d, format, { level, msg, cause }) {
  const want = await cause(d, format);
  const { time, ...line } = await lineAbout(d, format, msg, want.peer);
  const shown = JSON.stringify(line);
  assert.equal(line.level, level, shown);
  assert.deepEqual(
    Object.keys(line).sort(),
    ['level', 'msg', ...Object.keys(want)].sort(),
    `the fields of ${shown}`,
  );
  for (const [k, v] of Object.entries(want)) {
    if (v instanceof RegExp) assert.match(line[k], v, `${k} in ${shown}`);
    else assert.equal(line[k], v, `${k} in ${shown}`);
  }
}

const ms = (n) => `${scaled(n)}ms`;
const common = ['--client-queue-bytes', '64k', '--send-buffer', '16k'];

for (const format of ['text', 'json']) {
  test(`each kind of bad input has its line (${format})`, async (t) => {
    const d = await daemonFor(t, {
      args: [
        ...common,
        ...['--log-level', 'debug', '--log-format', format, '--shards', '2'],
        ...['--heartbeat', '1s', '--pong-timeout', ms(300), '--max-body', '8k'],
        ...['--header-timeout', ms(500), '--body-timeout', ms(500), '--max-message', '4k'],
        ...['--client-queue-messages', '64'],
        ...['--max-connections-per-address', String(PER_ADDRESS)],
      ],
    });
    const all = Object.entries(cases);
    // Those that wait for a timer wait together.
    const timed = all.filter(([, c]) => / in time$/.test(c.msg));
    const waiting = forAll([['timers', null]], () =>
      Promise.all(timed.map(([, c]) => check(d, format, c))),
    );
    waiting.catch(() => {});
    await forAll(
      all.filter((c) => !timed.includes(c)),
      (c) => check(d, format, c),
    );
    await waiting;
    for (const line of linesOf(d, format)) assert.notEqual(line.level, 'error', line.msg);
  });
}

// The one refusal with a header of its own.
test('405 has its line', async (t) => {
  const d = await daemonFor(t, { args: ['--log-level', 'debug', '--shards', '1'] });
  const one = refused(
    { method: 'PUT', path: '/broadcast', body: '{}' },
    405,
    'method_not_allowed',
  );
  const { peer } = await one.cause(d);
  // A line that is written after it, were it there.
  await check(d, 'text', refused({ path: '/nope' }, 404, 'not_found'));
  assert.ok(linesOf(d, 'text').some((l) => l.msg === 'request refused' && l.peer === peer));
});

test('drop-oldest: the line names the client and the lag, once', async (t) => {
  const d = await daemonFor(t, {
    args: [...common, '--slow-client', 'drop-oldest', '--shards', '1'],
  });
  const msg = 'slow client: dropping its oldest messages';
  await check(d, 'text', slowCase(msg));
  assert.equal(linesOf(d, 'text').filter((l) => l.msg === msg).length, 1);
});

// ---- floods -----------------------------------------------------------------

const FLOOD = 300;

async function counters(d) {
  return (await get(d, '/stats')).json.counters;
}

/** `n` times `one`, several at a time. */
async function many(n, one) {
  let left = n;
  const worker = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}

const oneBadHandshake = async (d) =>
  exchanged(d, handshake({ headers: { 'Sec-WebSocket-Key': 'short' } }), 400);

async function oneViolation(d) {
  const ws = await RawWs.open(d.port);
  ws.send(unmasked);
  await ws.until((e) => e.kind === 'close', 'a Close');
  ws.destroy();
}

test('a flood is counted but not written at the default level', async (t) => {
  const shards = 2;
  const d = await daemonFor(t, { args: ['--shards', String(shards)] });
  for (const [msg, one, counter] of [
    ['WebSocket handshake refused', oneBadHandshake, 'http_errors'],
    ['WebSocket protocol violation', oneViolation, 'websocket_violations'],
  ]) {
    const began = Date.now();
    await many(FLOOD, () => one(d));
    assert.equal((await counters(d))[counter], FLOOD, counter);
    // One a second and shard; the first at once.
    const most = shards * (1 + Math.ceil((Date.now() - began) / 1000));
    await d.waitForLog(new RegExp(msg));
    const lines = linesOf(d, 'text').filter((l) => l.msg === msg);
    t.diagnostic(`${msg}: ${lines.length} lines of ${FLOOD}, at most ${most}`);
    assert.ok(lines.length <= most, `${lines.length} lines, at most ${most}`);
    assert.ok(most < FLOOD / 4, 'too slow for this to say anything');
  }
  for (const l of linesOf(d, 'text')) {
    assert.notEqual(l.level, 'debug', JSON.stringify(l));
    assert.ok(!['client connected', 'client disconnected', 'request refused'].includes(l.msg));
  }
});

test('at level debug every one is written', async (t) => {
  const n = 40;
  const d = await daemonFor(t, { args: ['--shards', '2', '--log-level', 'debug'] });
  await many(n, () => oneBadHandshake(d));
  await many(n, () => oneViolation(d));
  assert.equal((await counters(d)).websocket_violations, n);
  for (const msg of ['WebSocket handshake refused', 'WebSocket protocol violation']) {
    const peers = await poll(
      () => {
        const all = linesOf(d, 'text').filter((l) => l.msg === msg);
        return all.length >= n ? all.map((l) => l.peer) : undefined;
      },
      { what: `${n} lines: ${msg}` },
    );
    assert.equal(new Set(peers).size, n, `each names its own peer: ${msg}`);
  }
});

// ---- forgeries --------------------------------------------------------------

const FORGED = '2026-01-01T00:00:00.000Z error forged=yes';
// latin1, a character a byte: CR, LF, quotes, ESC, DEL, C1, U+2028, U+202E, no UTF-8.
const NASTY = [
  '" level=error msg="forged\\" \\',
  `"\x1b[31m" \\" level="error`,
  `\r${FORGED}`,
  `\r\n${FORGED}\r\n`,
  `","level":"error","msg":"forged"}\n{"x":"`,
  '\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae',
  '\xff\xfe\xc0\x80',
];
const percent = (s) =>
  [...Buffer.from(s, 'latin1')].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('');
const RAW_HAZARD =
  /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

for (const format of ['text', 'json']) {
  test(`no line can be forged (${format})`, async (t) => {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-e2e-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const file = path.join(dir, 'log');
    const d = await daemonFor(t, {
      args: ['--log-level', 'debug', '--log-format', format, '--log-file', file, '--shards', '1'],
    });
    // Bytes as they are in the file: a reader of lines would hide a lone CR.
    const lines = () => {
      const bytes = readFileSync(file);
      const whole = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      return whole.slice(0, whole.lastIndexOf('\n') + 1).split('\n').slice(0, -1);
    };
    const raw = async (bytes) => {
      const c = await RawConn.open(d);
      await c.write(Buffer.from(bytes, 'latin1'));
      await c.rest();
      c.close();
    };
    const http = (line, ...headers) =>
      raw([line, `Host: ${hostHeader(d)}`, 'Connection: close', ...headers, '', ''].join('\r\n'));
    const users = [];
    for (const s of NASTY) {
      const oneLine = s.replace(/[\r\n]/g, '');
      const word = oneLine.replace(/ /g, '');
      await http(`GET /nope${word} HTTP/1.1`);
      await http(`GET /nope?x=${s} HTTP/1.1`);
      await http(`GET /nope${percent(s)} HTTP/1.1`);
      await http(`G${word} /nope HTTP/1.1`);
      await http('GET /nope HTTP/1.1', `User-Agent: ${s}`);
      await http('GET /nope HTTP/1.1', `X${word}: y`);
      await http('GET /nope HTTP/1.1', `Origin: http://${oneLine}`);
      await http(`GET /events?channel=${percent(s)} HTTP/1.1`);
      await http(`GET /clients?${percent(s)}=1 HTTP/1.1`);
      await http('GET /ws HTTP/1.1', 'Upgrade: websocket', `Sec-WebSocket-Version: ${oneLine}`);
      // A userId that is taken stands in the line; one that is not, in its refusal.
      const ws = await RawWs.connect(d.port);
      ws.send(handshake({ path: `/ws?userId=${percent(s)}`, headers: { 'User-Agent': oneLine } }));
      const { status } = await ws.head();
      assert.ok([101, 400].includes(status), String(status));
      if (status === 101) {
        users.push(Buffer.from(s, 'latin1').toString());
        ws.send(text(JSON.stringify({ op: s, ref: s })));
        ws.send(close(4000, Buffer.from(s, 'latin1')));
        await ws.until((e) => e.kind === 'close', 'a Close');
      }
      ws.destroy();
      const closing = await RawWs.open(d.port, { path: '/ws' });
      closing.send(close(1000, Buffer.from(s, 'latin1')));
      await closing.until((e) => e.kind === 'close', 'a Close');
      closing.destroy();
    }
    assert.ok(users.length > 0, 'a userId with quotes is taken');
    await get(d, '/the-last');
    const got = await poll(() => {
      const all = lines();
      return all.some((l) => l.includes('/the-last')) ? all : undefined;
    });
    const known = new Set([
      ...['started', 'listening', 'http', 'request refused', 'WebSocket handshake refused'],
      ...['WebSocket protocol violation', 'client connected', 'client disconnected'],
      ...['client vanished without a Close'],
      'open mode: everyone on this machine may publish and read',
    ]);
    const fields = new Set();
    let escaped = 0;
    for (const line of got) {
      assert.doesNotMatch(line, RAW_HAZARD, `raw: ${JSON.stringify(line)}`);
      const l = parsed(line, format);
      assert.ok(known.has(l.msg), `an unknown line: ${line}`);
      assert.notEqual(l.level, 'error', line);
      for (const k of Object.keys(l)) fields.add(k);
      if (RAW_HAZARD.test(Object.values(l).join(''))) escaped++;
    }
    assert.ok(!fields.has('forged'), [...fields].join());
    assert.ok(escaped > 5, `${escaped} lines have such bytes, escaped`);
    assert.ok(got.some((l) => parsed(l, format).path?.includes('"\x1b[31m"')));
    for (const user of users) {
      assert.ok(
        got.some((l) => parsed(l, format).user === user),
        `the user as it is: ${JSON.stringify(user)}`,
      );
    }
  });
}
