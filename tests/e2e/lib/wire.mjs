// A light client of either transport, for tests with many messages and rough
// ends: it hands every envelope to a callback as it comes, and can be cut off in
// every way a client is lost.
import assert from 'node:assert/strict';
import net from 'node:net';
import { within } from './daemon.mjs';
import { addressOf, requestBytes } from './http.mjs';
import { SAMPLE_KEY, frame } from './rawws.mjs';

const HEADERS = {
  sse: { Accept: 'text/event-stream' },
  ws: {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': SAMPLE_KEY,
  },
};

/** `channel=a&channel=b&...` of names, a user and other parameters. */
export function queryOf({ channels = [], user, ...others } = {}) {
  const q = channels.map((c) => `channel=${encodeURIComponent(c)}`);
  if (user !== undefined) q.push(`userId=${encodeURIComponent(user)}`);
  for (const [k, v] of Object.entries(others)) {
    if (v !== undefined) q.push(`${k}=${encodeURIComponent(v)}`);
  }
  return q.join('&');
}

export class Wire {
  status = 0;
  /** Why it ended: 'end', 'close 1001', 'ECONNRESET', ... */
  ended = null;
  closeCode;
  /** Bytes of an unfinished answer, event or frame. */
  #rest = Buffer.alloc(0);
  #body = false;
  #cutMid = false;
  #done;
  #onEvent;
  #onEnd;

  /** onEvent(envelope, id): on WebSocket `id` is undefined. onEnd(why, wire). */
  constructor(target, { transport, query = '', headers = {}, localAddress, onEvent, onEnd }) {
    this.transport = transport;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
    this.closed = new Promise((resolve) => {
      this.#done = resolve;
    });
    const path = `${transport === 'ws' ? '/ws' : '/events'}${query ? `?${query}` : ''}`;
    const all = { ...HEADERS[transport], ...headers };
    this.socket = net.connect({ ...addressOf(target), noDelay: true, localAddress });
    this.socket.on('connect', () =>
      this.socket.write(requestBytes(target, { path, headers: all })),
    );
    this.socket.on('data', (chunk) => this.#data(chunk));
    this.socket.on('error', (e) => this.#over(e.code ?? e.message));
    this.socket.on('close', () => this.#over('end'));
  }

  #over(why) {
    if (this.ended) return;
    this.ended = this.closeCode ? `close ${this.closeCode}` : why;
    this.socket.destroy();
    this.#onEnd?.(this.ended, this);
    this.#done(this.ended);
  }

  #data(chunk) {
    if (this.ended) return;
    let bytes = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#body) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      this.#body = true;
      this.status = Number(bytes.toString('latin1', 9, 12));
      bytes = bytes.subarray(end + 4);
    }
    if (this.status >= 400) {
      this.#rest = bytes;
      this.refusal = bytes.toString('utf8');
      return;
    }
    this.#rest = this.transport === 'ws' ? this.#frames(bytes) : this.#blocks(bytes);
    if (this.#cutMid && this.#rest.length > 0) this.#gone();
  }

  #blocks(bytes) {
    let at = 0;
    while (!this.ended) {
      while (bytes[at] === 0x3a && bytes[at + 1] === 0x0a) at += 2; // heartbeats
      const end = bytes.indexOf('\n\n', at);
      if (end < 0) break;
      let id;
      let data;
      for (const line of bytes.toString('utf8', at, end).split('\n')) {
        if (line.startsWith('id: ')) id = line.slice(4);
        else if (line.startsWith('data: ')) data = line.slice(6);
        else assert.match(line, /^(event|retry): /, 'a line of an event');
      }
      at = end + 2;
      this.#onEvent(JSON.parse(data), id, data);
    }
    return bytes.subarray(at);
  }

  #frames(bytes) {
    let at = 0;
    while (!this.ended && at + 2 <= bytes.length) {
      let len = bytes[at + 1];
      let from = at + 2;
      if (len === 126) {
        if (from + 2 > bytes.length) break;
        len = bytes.readUInt16BE(from);
        from += 2;
      } else if (len === 127) {
        if (from + 8 > bytes.length) break;
        len = Number(bytes.readBigUInt64BE(from));
        from += 8;
      }
      if (from + len > bytes.length) break;
      const payload = bytes.subarray(from, from + len);
      this.#frame(bytes[at], payload);
      at = from + len;
    }
    return bytes.subarray(at);
  }

  #frame(first, payload) {
    if (first === 0x81) {
      const text = payload.toString('utf8');
      this.#onEvent(JSON.parse(text), undefined, text);
    } else if (first === 0x89) {
      this.socket.write(frame(10, payload));
    } else {
      assert.equal(first, 0x88, 'a text, ping or close frame');
      this.closeCode = payload.readUInt16BE(0);
      this.socket.end(frame(8, payload));
    }
  }

  /** Sends an op (WebSocket). */
  op(op) {
    this.socket.write(frame(1, JSON.stringify(op)));
  }

  #gone() {
    this.#over('cut');
  }

  /** Leaves: 'rst' or 'fin' now; 'mid' inside the next event that comes in
   *  pieces, or (WebSocket) inside a frame of its own. What still comes is not
   *  looked at, except until a 'mid'. */
  cut(how) {
    if (this.ended) return;
    if (how === 'mid') {
      if (this.transport === 'ws' && this.status === 101) {
        this.socket.write(frame(1, '{"op":"ping"}').subarray(0, 9), () => this.#gone());
      } else {
        this.#cutMid = true;
        if (this.#rest.length > 0) this.#gone();
      }
    } else if (how === 'rst') {
      this.socket.resetAndDestroy();
      this.#over('cut');
    } else {
      this.socket.end();
      this.#over('cut');
    }
  }

  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }
}

/** A client that keeps all that it gets, in order. */
export class Listener {
  events = [];
  #checks = new Set();
  #pending = false;

  constructor(target, { transport, ...query }) {
    const { lastEventIdHeader, ...rest } = query;
    this.wire = new Wire(target, {
      transport,
      query: queryOf(rest),
      headers: lastEventIdHeader === undefined ? {} : { 'Last-Event-ID': lastEventIdHeader },
      onEvent: (envelope, id, text) => {
        this.events.push({ ...envelope, sseId: id, text });
        this.#look();
      },
      onEnd: () => this.#look(),
    });
    this.what = `${transport} ${queryOf(rest)} ${lastEventIdHeader ?? ''}`;
  }

  /** Once for all that came together. */
  #look() {
    if (this.#pending || this.#checks.size === 0) return;
    this.#pending = true;
    setImmediate(() => {
      this.#pending = false;
      for (const c of [...this.#checks]) c();
    });
  }

  /** Resolves when `probe(events)` is true. */
  when(probe, what, ms = 10000) {
    let check;
    const done = new Promise((resolve, reject) => {
      check = () => {
        if (probe(this.events)) resolve(this.events);
        else if (this.wire.ended) {
          const { ended, refusal = '' } = this.wire;
          reject(new Error(`${this.what}: ended (${ended}) before ${what} ${refusal}`));
        }
      };
      this.#checks.add(check);
      check();
    });
    const have = () =>
      `${this.what}: ${what}; have ${this.events.length}: ` +
      this.events
        .slice(-5)
        .map((e) => e.text.slice(0, 300))
        .join('\n');
    return within(ms, done, have).finally(() => this.#checks.delete(check));
  }

  /** Everything up to and including the first event of that type. */
  async upTo(type, ms) {
    await this.when((all) => all.some((e) => e.type === type), type, ms);
    return this.events.slice(0, this.events.findIndex((e) => e.type === type) + 1);
  }

  /** Takes everything up to and including the first event of that type out. */
  async take(type, ms) {
    return this.events.splice(0, (await this.upTo(type, ms)).length);
  }

  close() {
    this.wire.cut('rst');
  }
}

/** Opens one and closes it at the end of the test. */
export function listen(t, target, options) {
  const l = new Listener(target, options);
  t.after(() => l.close());
  return l;
}
