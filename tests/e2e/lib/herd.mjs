// Thousands of clients at once. Each is a socket with a parser that knows just
// enough to count: what it was told, which messages came, and in which order.
import assert from 'node:assert/strict';
import net from 'node:net';
import { atTestEnd, within } from './daemon.mjs';
import { addressKey, addressOf, hostHeader, requestBytes } from './http.mjs';
import { SAMPLE_KEY } from './rawws.mjs';

const HEADERS = {
  sse: { Accept: 'text/event-stream' },
  ws: {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': SAMPLE_KEY,
  },
};
const PONG = Buffer.from([0x8a, 0x80, 1, 2, 3, 4]);

class Client {
  /** 'wait', then 'stands', 'refused' or 'failed'; a client that stood: 'gone'. */
  state = 'wait';
  /** Why it was refused: the code it was told, or that of its Close. */
  code;
  /** The numbers of the messages: `data` is the number. */
  first = -1;
  last = -1;
  messages = 0;
  disorder = null;
  controls = new Map();
  beats = 0;
  #herd;
  #ws;
  #rest = Buffer.alloc(0);
  #body = false;
  #status = 0;

  constructor(herd, ws) {
    this.#herd = herd;
    this.#ws = ws;
    this.socket = net.connect({ ...addressOf(herd.target), noDelay: true });
    this.socket.on('connect', () => this.socket.write(herd.request(ws)));
    this.socket.on('data', (chunk) => this.#data(chunk));
    this.socket.on('error', (e) => {
      this.error = e;
    });
    this.socket.on('close', () => this.#closed());
  }

  #settle(state) {
    if (this.state === 'wait') {
      this.state = state;
      this.#herd.settled(this);
    }
  }

  #data(chunk) {
    let bytes = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#body) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      this.#body = true;
      this.#status = Number(bytes.toString('latin1', 9, 12));
      bytes = bytes.subarray(end + 4);
    }
    this.#rest = this.#status >= 400 ? bytes : this.#ws ? this.#frames(bytes) : this.#blocks(bytes);
  }

  #blocks(bytes) {
    let at = 0;
    for (;;) {
      while (bytes[at] === 0x3a && bytes[at + 1] === 0x0a) {
        this.beats++;
        at += 2;
      }
      const end = bytes.indexOf('\n\n', at);
      if (end < 0) return bytes.subarray(at);
      const data = bytes.indexOf('data: ', at);
      if (data >= 0 && data < end) this.#envelope(bytes.toString('latin1', data + 6, end));
      at = end + 2;
    }
  }

  #frames(bytes) {
    let at = 0;
    while (at + 2 <= bytes.length) {
      let len = bytes[at + 1];
      let from = at + 2;
      if (len === 126) {
        if (from + 2 > bytes.length) break;
        len = bytes.readUInt16BE(from);
        from += 2;
      }
      if (from + len > bytes.length) break;
      const opcode = bytes[at] & 15;
      if (opcode === 1) this.#envelope(bytes.toString('latin1', from, from + len));
      if (opcode === 8) this.closeCode = bytes.readUInt16BE(from);
      if (opcode === 9) {
        this.beats++;
        this.socket.write(PONG);
      }
      at = from + len;
    }
    return bytes.subarray(at);
  }

  #envelope(text) {
    const type = /^\{"type":"([^"]*)"/.exec(text)?.[1] ?? '?';
    if (!type.startsWith('fanfare.')) {
      const n = Number(/"data":(\d+)\}$/.exec(text)?.[1] ?? NaN);
      if (this.messages > 0 && n !== this.last + 1) this.disorder ??= `${n} after ${this.last}`;
      if (this.messages === 0) this.first = n;
      this.last = n;
      this.messages++;
      this.#herd.got(this);
      return;
    }
    this.controls.set(type, (this.controls.get(type) ?? 0) + 1);
    if (type === 'fanfare.synced') this.#settle('stands');
    if (type === 'fanfare.refused') this.code = JSON.parse(text).data.code;
  }

  #closed() {
    if (this.#status >= 400) this.code = JSON.parse(this.#rest.toString()).code;
    if (this.closeCode === 1013) this.code = 1013; // a refusal after the handshake
    this.#settle(this.code ? 'refused' : 'failed');
    if (this.state === 'stands') {
      this.state = 'gone';
      this.#herd.left(this);
    }
  }
}

const herds = new Set();
atTestEnd.push((daemon) => {
  for (const h of [...herds]) if (addressKey(h.target) === addressKey(daemon)) h.close();
});

export class Herd {
  clients = [];
  #requests = {};
  #checks = new Set();

  constructor(target, { path = '?channel=a' } = {}) {
    this.target = target;
    for (const t of ['sse', 'ws']) {
      this.#requests[t] = requestBytes(target, {
        path: `${t === 'ws' ? '/ws' : '/events'}${path}`,
        headers: { Host: hostHeader(target), ...HEADERS[t] },
      });
    }
    herds.add(this);
  }

  request(ws) {
    return this.#requests[ws ? 'ws' : 'sse'];
  }

  /** n more, all at once, every second one over WebSocket; resolves when each
   *  of them stands, was told why not, or failed. */
  async come(n) {
    const all = Array.from({ length: n }, (_, i) => new Client(this, i % 2 === 1));
    this.clients.push(...all);
    await this.when(() => all.every((c) => c.state !== 'wait'), 60000, () => {
      const waiting = all.filter((c) => c.state === 'wait').length;
      return `${n} clients; ${waiting} still wait`;
    });
    return all;
  }

  static async of(target, n, options) {
    const h = new Herd(target, options);
    await h.come(n);
    return h;
  }

  settled() {
    this.#look();
  }

  left() {
    this.#look();
  }

  got() {
    this.#look();
  }

  #pending = false;

  #look() {
    if (this.#pending) return;
    this.#pending = true; // once for all that arrived together
    setImmediate(() => {
      this.#pending = false;
      for (const check of [...this.#checks]) check();
    });
  }

  when(probe, ms, what) {
    let check;
    const done = new Promise((resolve) => {
      check = () => {
        if (probe()) resolve();
      };
      this.#checks.add(check);
      check();
    });
    return within(ms, done, what).finally(() => this.#checks.delete(check));
  }

  in(state) {
    return this.clients.filter((c) => c.state === state);
  }

  /** How many were told which reason; nobody may be refused without one. */
  refusals() {
    const failed = this.in('failed');
    const why = failed[0]?.error?.code ?? 'closed without a word';
    assert.equal(failed.length, 0, `${failed.length} were refused without a reason (${why})`);
    const by = {};
    for (const c of this.in('refused')) by[c.code] = (by[c.code] ?? 0) + 1;
    return by;
  }

  /** Every client that stands has messages up to number `last`, each once, in
   *  order, from the first it got on. */
  async upTo(last, ms = 60000) {
    const mine = this.in('stands');
    await this.when(
      () => mine.every((c) => c.last >= last || c.disorder || c.state !== 'stands'),
      ms,
      () => {
        const behind = mine.filter((c) => c.last < last);
        return `message ${last}: ${behind.length} of ${mine.length} have not got it`;
      },
    );
    for (const c of mine) {
      assert.equal(c.state, 'stands', `one was closed (${c.closeCode ?? c.error?.code})`);
      assert.equal(c.disorder, null);
      assert.equal(c.last, last);
      assert.equal(c.messages, last - c.first + 1);
      assert.equal(c.controls.get('fanfare.gap') ?? 0, 0);
    }
  }

  /** All go at once, without a word. */
  go({ reset = false } = {}) {
    const all = this.clients;
    this.clients = [];
    for (const c of all) {
      c.socket.removeAllListeners('close');
      if (reset) c.socket.resetAndDestroy();
      else c.socket.destroy();
    }
  }

  close() {
    this.go();
    herds.delete(this);
  }
}
