// A WebSocket client that knows nothing but bytes. It sends exactly what a test
// tells it to, also what no real client would, and reads the server strictly:
// every breach of RFC 6455 by the server is an error of the test that sees it.
//
// Nothing here waits for time to pass. `next` has a deadline, which is only
// reached when the server fails to do something.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { atTestEnd, scaled } from './daemon.mjs';

export const OP = { CONT: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const SAMPLE_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const DEADLINE = 10_000;

export const acceptFor = (key) => createHash('sha1').update(key + GUID).digest('base64');
export const isUtf8 = (bytes) => {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};

const toBytes = (x) => (typeof x === 'string' ? Buffer.from(x) : x);

// The bytes of one frame.
//   fin, rsv (0..7), mask: true (random key), false, or the 4 bytes of a key
//   length: 'minimal', 16 or 64: the form of the length field
//   announce: the length to write there, if not the payload's
export function frame(opcode, payload = '', opts = {}) {
  const { fin = true, rsv = 0, mask = true, length = 'minimal' } = opts;
  const data = toBytes(payload);
  const announced = BigInt(opts.announce ?? data.length);
  const form = length !== 'minimal' ? length
    : announced < 126n ? 7 : announced < 65536n ? 16 : 64;
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  if (form === 7) {
    head[1] = Number(announced);
  } else if (form === 16) {
    head[1] = 126;
    head.writeUInt16BE(Number(announced), 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(announced, 2);
  }
  if (mask === false) {
    return Buffer.concat([head, data]);
  }
  head[1] |= 0x80;
  const key = mask === true ? randomBytes(4) : mask;
  const masked = Buffer.allocUnsafe(data.length);
  for (let i = 0; i < data.length; i++) {
    masked[i] = data[i] ^ key[i & 3];
  }
  return Buffer.concat([head, key, masked]);
}

export const text = (s, opts) => frame(OP.TEXT, s, opts);
export const binary = (b, opts) => frame(OP.BINARY, b, opts);
export const cont = (b, opts) => frame(OP.CONT, b, opts);
export const ping = (b = '', opts = {}) => frame(OP.PING, b, opts);
export const pong = (b = '', opts = {}) => frame(OP.PONG, b, opts);
// close(): no payload; close(code, reason)
export function close(code, reason = '', opts = {}) {
  if (code === undefined) {
    return frame(OP.CLOSE, '', opts);
  }
  const c = Buffer.alloc(2);
  c.writeUInt16BE(code);
  return frame(OP.CLOSE, Buffer.concat([c, toBytes(reason)]), opts);
}

// One message cut into frames of `size` bytes.
export function fragments(opcode, payload, size) {
  const data = toBytes(payload);
  const out = [];
  for (let at = 0; at === 0 || at < data.length; at += size) {
    out.push(frame(at === 0 ? opcode : OP.CONT, data.subarray(at, at + size),
      { fin: at + size >= data.length }));
  }
  return out;
}

// The bytes of an opening handshake. A header set to null is left out, one set
// to an array becomes several lines; `lines` are appended as they are.
export function handshake(opts = {}) {
  const { method = 'GET', path = '/ws', version = 'HTTP/1.1', lines = [], body = '' } = opts;
  const headers = {
    'Host': '127.0.0.1',
    'Upgrade': 'websocket',
    'Connection': 'Upgrade',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...opts.headers,
  };
  let head = `${method} ${path} ${version}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    for (const v of value === null ? [] : [value].flat()) {
      head += `${name}: ${v}\r\n`;
    }
  }
  for (const line of lines) {
    head += `${line}\r\n`;
  }
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), toBytes(body)]);
}

const CLOSE_CODE_OK = (c) => (c >= 1000 && c <= 1003) || (c >= 1007 && c <= 1014)
  || (c >= 3000 && c <= 4999);

// A connection that a failed test left open would keep the process alive.
const openSockets = new Set();
export const closeAll = () => openSockets.forEach((s) => s.destroy());
atTestEnd.push(closeAll);

export class RawWs {
  #socket;
  #chunks = [];
  #have = 0;
  #need = 1;
  #stage = 'http';
  #events = [];
  #end = null;        // 'eof' or 'rst' as an event, once seen
  #wake = null;
  #message = null;    // the message under assembly
  #gotClose = false;
  #sentClose = false;
  #opts;
  bytesReceived = 0;
  response = null;    // { status, reason, headers: {lower: [values]} }

  // showPings: report the server's pings (they are answered otherwise)
  // autoPong:  false: never answer
  // hide:      event => true to drop it
  constructor(socket, opts = {}) {
    this.#socket = socket;
    this.#opts = opts;
    openSockets.add(socket);
    socket.on('data', (d) => this.#data(d));
    socket.on('end', () => this.#finish({ kind: 'eof' }));
    socket.on('error', (e) => this.#finish(['ECONNRESET', 'EPIPE'].includes(e.code)
      ? { kind: 'rst' } : { kind: 'error', error: e }));
    socket.on('close', () => {
      openSockets.delete(socket);
      this.#finish({ kind: 'closed' });
    });
  }

  static connect(port, opts = {}) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: opts.host ?? '127.0.0.1', allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        socket.setNoDelay(true);
        resolve(new RawWs(socket, opts));
      });
    });
  }

  // Connects and shakes hands; anything but 101 is an error.
  static async open(port, opts = {}) {
    const ws = await RawWs.connect(port, opts);
    ws.send(handshake(opts));
    await ws.upgraded();
    return ws;
  }

  // ---- sending ----

  get socket() {
    return this.#socket;
  }

  // Bytes given to `send` that the kernel has not taken.
  get unsent() {
    return this.#socket.writableLength;
  }

  get localPort() {
    return this.#socket.localPort;
  }

  send(...bufs) {
    if (!this.#socket.destroyed && this.#socket.writable) {
      this.#socket.write(bufs.length === 1 ? bufs[0] : Buffer.concat(bufs));
    }
  }

  // Resolves when the kernel has the bytes (true) or the connection is gone (false).
  write(buf) {
    return new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) {
        resolve(false);
        return;
      }
      // The event loop must turn between writes, or a peer that takes all at
      // once would keep us from reading.
      this.#socket.write(buf, (e) => setImmediate(resolve, !e));
    });
  }

  // Writes `size` bytes at a time, each as a TCP write of its own.
  async chop(buf, size) {
    for (let at = 0; at < buf.length; at += size) {
      if (!await this.write(buf.subarray(at, at + size))) {
        return false;
      }
    }
    return true;
  }

  // Each buffer as a TCP write of its own.
  async sendEach(bufs) {
    for (const b of bufs) {
      if (!await this.write(b)) {
        return false;
      }
    }
    return true;
  }

  json(value) {
    this.send(text(JSON.stringify(value)));
  }

  sendClose(code, reason) {
    this.#sentClose = true;
    this.send(close(code, reason));
  }

  fin() {
    this.#socket.end();
  }

  rst() {
    this.#socket.resetAndDestroy();
  }

  // Stops reading: the receive window closes when the kernel's buffer is full.
  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  destroy() {
    this.#socket.destroy();
  }

  // ---- receiving ----

  get waiting() {
    return this.#events.length;
  }

  get ended() {
    return this.#end;
  }

  // The next thing the server did:
  //   { kind: 'head', status, reason, headers }, { kind: 'message', opcode, data },
  //   { kind: 'ping' | 'pong', data }, { kind: 'close', code, reason },
  //   { kind: 'eof' } or { kind: 'rst' }, which stay.
  async next(what = 'an answer', deadline = DEADLINE) {
    if (this.#events.length === 0 && this.#end === null) {
      assert.equal(this.#wake, null, 'one waiter at a time');
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#wake = null;
          reject(new Error(`no ${what} within ${scaled(deadline)} ms`));
        }, scaled(deadline));
        this.#wake = () => {
          this.#wake = null;
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const e = this.#events.shift() ?? this.#end;
    if (e.kind === 'violation') {
      throw new assert.AssertionError({ message: `the server broke the protocol: ${e.why}` });
    }
    return e;
  }

  // The next event of which `match` is true; others are dropped, but not the end.
  async until(match, what, deadline = DEADLINE) {
    for (;;) {
      const e = await this.next(what, deadline);
      if (match(e)) {
        return e;
      }
      if (e === this.#end) {
        throw new assert.AssertionError({ message: `the end (${e.kind}) came before ${what}` });
      }
    }
  }

  // The response head, with `body` if it is not 101.
  async head() {
    const e = await this.next('response head');
    assert.equal(e.kind, 'head', `expected a response head, got ${e.kind}`);
    return e;
  }

  async upgraded() {
    const h = await this.head();
    assert.equal(h.status, 101, `handshake refused: ${h.status} ${h.body ?? ''}`);
    return h;
  }

  async message(what = 'a message', deadline = DEADLINE) {
    const e = await this.next(what, deadline);
    assert.equal(e.kind, 'message', `expected ${what}, got ${describe(e)}`);
    return e;
  }

  // The next message as JSON.
  async nextJson(what = 'a JSON message', deadline = DEADLINE) {
    const e = await this.message(what, deadline);
    assert.equal(e.opcode, OP.TEXT, `${what}: text expected`);
    return JSON.parse(e.data.toString());
  }

  async eof(deadline = DEADLINE) {
    const e = await this.next('end of the connection', deadline);
    assert.equal(e.kind, 'eof', `expected a clean end of the TCP connection, got ${describe(e)}`);
  }

  // The server closes with this code (or one of them; undefined is an empty
  // Close); the closing handshake is completed (unless reply is false) and the
  // TCP connection ends.
  async expectClose(codes, { deadline = DEADLINE, reply = true } = {}) {
    const e = await this.next(`Close ${codes}`, deadline);
    assert.equal(e.kind, 'close', `expected Close ${codes}, got ${describe(e)}`);
    assert.ok([codes].flat().includes(e.code), `expected Close ${codes}, got ${describe(e)}`);
    if (reply && !this.#sentClose) {
      this.sendClose(e.code);
    }
    await this.eof(deadline);
    return e;
  }

  // The client starts the closing handshake and the server completes it.
  async closeClean(code = 1000) {
    this.sendClose(code);
    return this.expectClose(code);
  }

  // ---- parsing ----

  #push(event) {
    if (this.#opts.hide?.(event)) {
      return;
    }
    this.#events.push(event);
    this.#wake?.();
  }

  #finish(event) {
    if (this.#end === null) {
      if (this.#stage === 'body') {
        this.#endBody();
      } else if (this.#have > 0 && event.kind === 'eof') {
        this.#violation(`the connection ended inside a ${this.#stage} unit (${this.#have} bytes)`);
      }
      this.#end = event;
      this.#wake?.();
    }
  }

  #violation(why) {
    this.#stage = 'dead';
    this.#push({ kind: 'violation', why });
  }

  #data(d) {
    this.bytesReceived += d.length;
    if (this.#stage === 'dead') {
      return;
    }
    this.#chunks.push(d);
    this.#have += d.length;
    while (this.#have >= this.#need && this.#have > 0 && this.#stage !== 'dead') {
      const buf = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      const used = this.#stage === 'http' ? this.#parseHead(buf)
        : this.#stage === 'body' ? this.#parseBody(buf) : this.#parseFrame(buf);
      if (used === 0) {
        this.#chunks = [buf];
        return;
      }
      this.#have = buf.length - used;
      this.#chunks = this.#have ? [buf.subarray(used)] : [];
    }
  }

  #parseHead(buf) {
    const end = buf.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#need = buf.length + 1;
      return 0;
    }
    const [start, ...lines] = buf.subarray(0, end).toString('latin1').split('\r\n');
    const m = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(start);
    if (!m) {
      this.#violation(`bad status line ${JSON.stringify(start)}`);
      return buf.length;
    }
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      (headers[line.slice(0, colon).toLowerCase()] ??= []).push(line.slice(colon + 1).trim());
    }
    this.response = { kind: 'head', status: Number(m[1]), reason: m[2] ?? '', headers };
    if (this.response.status === 101) {
      this.#stage = 'frame';
      this.#need = 2;
      this.#push(this.response);
    } else if (this.response.status !== 100) {
      this.#stage = 'body';
      this.#need = [204, 304].includes(this.response.status) ? 0
        : Number(headers['content-length']?.[0] ?? Infinity);
      if (this.#need === 0) {
        this.#endBody();
      }
    }
    return end + 4;
  }

  #parseBody(buf) {
    this.response.body = buf.subarray(0, this.#need).toString();
    const used = this.#need;
    this.#endBody();
    return used;
  }

  #endBody() {
    this.response.body ??= Buffer.concat(this.#chunks).toString();
    this.#stage = 'http';
    this.#need = 1;
    this.#push(this.response);
  }

  #parseFrame(buf) {
    this.#need = 2;
    if (buf.length < 2) {
      return 0;
    }
    const fin = (buf[0] & 0x80) !== 0;
    const opcode = buf[0] & 0x0f;
    let length = buf[1] & 0x7f;
    const head = length < 126 ? 2 : length === 126 ? 4 : 10;
    const bad = (buf[0] & 0x70) ? 'RSV bits set'
      : (buf[1] & 0x80) ? 'a masked frame'
        : ![0, 1, 2, 8, 9, 10].includes(opcode) ? `reserved opcode ${opcode}`
          : opcode >= 8 && !fin ? 'a fragmented control frame'
            : opcode >= 8 && length > 125 ? 'a control frame longer than 125'
              : this.#gotClose ? 'a frame after Close' : null;
    if (bad) {
      this.#violation(`${bad}: ${buf.subarray(0, 16).toString('hex')}`);
      return buf.length;
    }
    if (buf.length < head) {
      this.#need = head;
      return 0;
    }
    if (head === 4) {
      length = buf.readUInt16BE(2);
    } else if (head === 10) {
      length = Number(buf.readBigUInt64BE(2));
    }
    if ((head === 4 && length < 126) || (head === 10 && length < 65536)) {
      this.#violation(`a length that is not minimal: ${buf.subarray(0, head).toString('hex')}`);
      return buf.length;
    }
    if (buf.length < head + length) {
      this.#need = head + length;
      return 0;
    }
    this.#frame(opcode, fin, buf.subarray(head, head + length));
    return head + length;
  }

  #frame(opcode, fin, payload) {
    if (opcode === OP.CLOSE) {
      this.#closeFrame(payload);
    } else if (opcode === OP.PING) {
      if (this.#opts.autoPong !== false) {
        this.send(pong(payload));
      }
      if (this.#opts.showPings) {
        this.#push({ kind: 'ping', data: payload });
      }
    } else if (opcode === OP.PONG) {
      this.#push({ kind: 'pong', data: payload });
    } else {
      this.#dataFrame(opcode, fin, payload);
    }
  }

  #dataFrame(opcode, fin, payload) {
    if ((opcode === OP.CONT) !== (this.#message !== null)) {
      this.#violation(opcode === OP.CONT ? 'a continuation of nothing'
        : 'a new message inside a fragmented one');
      return;
    }
    this.#message ??= { opcode, parts: [] };
    this.#message.parts.push(payload);
    if (fin) {
      const data = Buffer.concat(this.#message.parts);
      const event = { kind: 'message', opcode: this.#message.opcode, data };
      this.#message = null;
      if (event.opcode === OP.TEXT && !isUtf8(data)) {
        this.#violation('a text message that is not UTF-8');
      } else {
        this.#push(event);
      }
    }
  }

  #closeFrame(payload) {
    this.#gotClose = true;
    if (payload.length === 0) {
      this.#push({ kind: 'close', code: undefined, reason: '' });
      return;
    }
    const code = payload.length === 1 ? 0 : payload.readUInt16BE(0);
    const reason = payload.subarray(2);
    if (!CLOSE_CODE_OK(code) || !isUtf8(reason)) {
      this.#violation(`a bad Close payload: ${payload.toString('hex')}`);
      return;
    }
    this.#push({ kind: 'close', code, reason: reason.toString() });
  }
}

// One line for a failure message.
export function describe(e) {
  switch (e.kind) {
    case 'message':
      return `message ${e.opcode} (${e.data.length} bytes: ${
        JSON.stringify(e.data.subarray(0, 80).toString('latin1'))})`;
    case 'ping':
    case 'pong':
      return `${e.kind} ${e.data.toString('hex')}`;
    case 'close':
      return `Close ${e.code ?? '(empty)'} ${JSON.stringify(e.reason)}`;
    case 'error':
      return `error ${e.error.message}`;
    default:
      return e.kind;
  }
}
