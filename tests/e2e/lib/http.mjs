// HTTP over a raw socket: sends exactly the bytes it is given, in pieces if
// asked, and reads what comes back even after its own send has failed.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { atTestEnd, within } from './daemon.mjs';

/** net.connect options for a daemon, a {host, port} or a {path}. With `tls`, a target's options
 *  for tls.connect, all of this folder speak TLS to it. */
export function addressOf(target) {
  if (target.url?.startsWith('unix:')) return { path: target.url.slice('unix:'.length) };
  if (target.path) return { path: target.path };
  return { host: target.host ?? '127.0.0.1', port: target.port };
}

export function hostHeader(target) {
  const a = addressOf(target);
  if (a.path) return 'localhost';
  return a.host.includes(':') ? `[${a.host}]:${a.port}` : `${a.host}:${a.port}`;
}

/** The same text for the same address. */
export const addressKey = (target) => JSON.stringify(addressOf(target));

const openConns = new Set();
atTestEnd.push((daemon) => {
  for (const c of [...openConns]) if (c.to === addressKey(daemon)) c.close();
});

export class RawConn {
  #socket;
  #under; // the same, or what TLS is spoken on
  #chunks = [];
  #size = 0;
  #waiters = new Set();
  /** Where it goes to. */
  to;
  /** The peer sent FIN, or the connection is broken. */
  ended = false;
  /** Set when the connection broke (ECONNRESET, ...). */
  error = null;
  /** Set when our own send failed; reading goes on. */
  writeError = null;

  constructor(socket) {
    this.#socket = socket;
    this.#under = socket;
    openConns.add(this);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      this.#wake();
    });
    const over = () => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', over);
    socket.on('close', () => {
      openConns.delete(this);
      over();
    });
    socket.on('error', (e) => {
      if (e.syscall === 'write') {
        // Only our sending has ended: go on reading what the peer said.
        this.writeError = e;
        socket._readableState.errored = null;
        socket._readableState.errorEmitted = false;
        if (!socket.isPaused()) socket.resume();
        this.#wake();
        return;
      }
      this.error = e;
      over();
    });
  }

  /** With `halfOpen` our side stays open when the peer has closed its own. */
  static async open(target, { localAddress, halfOpen = false } = {}) {
    const opts = { ...addressOf(target), allowHalfOpen: true, localAddress };
    const under = net.connect(opts);
    const socket = target.tls
      ? tls.connect({ socket: under, servername: 'localhost', ...target.tls })
      : under;
    // A failed send must not throw away what the peer already said.
    socket._writableState.autoDestroy = false;
    socket._readableState.autoDestroy = false;
    const conn = new RawConn(socket);
    conn.#under = under;
    conn.to = addressKey(target);
    await within(
      10000,
      new Promise((resolve, reject) => {
        socket.once(target.tls ? 'secureConnect' : 'connect', resolve);
        socket.once('error', reject);
        under.once('error', reject);
      }),
      `a connection to ${JSON.stringify(opts)}`,
    );
    if (!halfOpen) socket.on('end', () => socket.end());
    return conn;
  }

  get localPort() {
    return this.#socket.localPort;
  }

  get socket() {
    return this.#socket;
  }

  #wake() {
    for (const w of [...this.#waiters]) w();
  }

  #when(probe, ms, what) {
    let check;
    const p = new Promise((resolve) => {
      check = () => {
        const got = probe();
        if (got !== undefined) resolve(got);
      };
      this.#waiters.add(check);
      check();
    });
    return within(
      ms,
      p,
      () =>
        `${what}; ended=${this.ended} error=${this.error?.code} ` +
        `have ${this.#size} bytes: ${JSON.stringify(this.peek().toString('latin1').slice(0, 600))}`,
    ).finally(() => this.#waiters.delete(check));
  }

  /** Everything received and not yet taken. */
  peek() {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  take(n) {
    const all = this.peek();
    assert.ok(n <= all.length);
    this.#chunks = [all.subarray(n)];
    this.#size = all.length - n;
    return all.subarray(0, n);
  }

  /** Resolves when the kernel has the bytes; a failed send is not thrown. */
  write(bytes) {
    return new Promise((resolve) => {
      if (this.writeError || this.#socket.destroyed) {
        resolve(false);
        return;
      }
      this.#socket.write(bytes, (e) => {
        if (e) this.writeError = e;
        resolve(!e);
      });
    });
  }

  /** Each piece is a segment of its own (as far as TCP lets us say so). */
  async writePieces(pieces) {
    for (const piece of pieces) {
      if (!(await this.write(piece))) return false;
      await new Promise((r) => setImmediate(r));
    }
    return true;
  }

  finish() {
    this.#socket.end();
  }

  /** Stops reading from the socket: a slow client. */
  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  close() {
    this.#socket.destroy();
  }

  reset() {
    this.#under.resetAndDestroy();
  }

  /** At least n bytes, taken. */
  async bytes(n, ms = 10000) {
    await this.#when(() => (this.#size >= n || this.ended ? true : undefined), ms, `${n} bytes`);
    assert.ok(this.#size >= n, `ended after ${this.#size} of ${n} bytes (${this.error?.code})`);
    return this.take(n);
  }

  /** Everything up to and including `mark`, taken. */
  async until(mark, ms = 10000) {
    const m = Buffer.from(mark);
    const at = await this.#when(
      () => {
        const i = this.peek().indexOf(m);
        if (i >= 0) return i;
        return this.ended ? -1 : undefined;
      },
      ms,
      JSON.stringify(mark),
    );
    assert.ok(
      at >= 0,
      `ended (${this.error?.code ?? 'FIN'}) before ${JSON.stringify(mark)}: ` +
        JSON.stringify(this.peek().toString('latin1').slice(0, 600)),
    );
    return this.take(at + m.length);
  }

  /** Everything until the peer closes. */
  async rest(ms = 10000) {
    await this.#when(() => (this.ended ? true : undefined), ms, 'the end of the connection');
    return this.take(this.#size);
  }

  /** Resolves when the peer has closed or reset. */
  async closed(ms = 10000) {
    await this.#when(() => (this.ended ? true : undefined), ms, 'the close by the peer');
  }

  /** Whatever arrives next; an empty buffer is the end. */
  async more(ms = 10000) {
    await this.#when(() => (this.#size > 0 || this.ended ? true : undefined), ms, 'more bytes');
    return this.take(this.#size);
  }

  async readHead(ms = 10000) {
    const head = (await this.until('\r\n\r\n', ms)).toString('latin1');
    return parseHead(head);
  }

  /** One response, body included. */
  async readResponse({ method = 'GET', timeout = 10000 } = {}) {
    let res;
    do {
      res = await this.readHead(timeout);
    } while (res.status === 100);
    let body = Buffer.alloc(0);
    const length = res.headers['content-length'];
    if (method === 'HEAD' || res.status === 204 || res.status === 304 || res.status === 101) {
      // no body
    } else if (/chunked/i.test(res.headers['transfer-encoding'] ?? '')) {
      body = await this.#chunked(timeout);
    } else if (length !== undefined) {
      body = await this.bytes(Number(length), timeout);
    } else {
      body = await this.rest(timeout);
    }
    return new Response(res, body);
  }

  async #chunked(ms) {
    const parts = [];
    for (;;) {
      const line = (await this.until('\r\n', ms)).toString('latin1').trim();
      assert.match(line, /^[0-9a-fA-F]+(;.*)?$/, 'chunk size');
      const n = parseInt(line, 16);
      if (n > 0) parts.push(await this.bytes(n, ms));
      assert.equal((await this.until('\r\n', ms)).length, 2, 'end of chunk');
      if (n === 0) return Buffer.concat(parts);
    }
  }
}

export function parseHead(head) {
  const lines = head.split('\r\n');
  const m = /^HTTP\/(1\.[01]) (\d{3}) ?(.*)$/.exec(lines[0]);
  assert.ok(m, `status line: ${JSON.stringify(lines[0])}`);
  const headers = {};
  for (const line of lines.slice(1)) {
    if (line === '') continue;
    const h = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    assert.ok(h, `header line: ${JSON.stringify(line)}`);
    const name = h[1].toLowerCase();
    headers[name] = name in headers ? `${headers[name]}, ${h[2]}` : h[2];
  }
  return { version: m[1], status: Number(m[2]), reason: m[3], headers, head };
}

export class Response {
  constructor({ version, status, reason, headers, head }, body) {
    Object.assign(this, { version, status, reason, headers, head, body });
  }

  get text() {
    return this.body.toString('utf8');
  }

  get json() {
    try {
      return JSON.parse(this.text);
    } catch (e) {
      throw new Error(`not JSON (${e.message}): ${this.status} ${this.text.slice(0, 300)}`);
    }
  }
}

/** The bytes of a request; Host and Content-Length are filled in. */
export function requestBytes(
  target,
  { method = 'GET', path = '/', headers = {}, body, version = '1.1' } = {},
) {
  const all = { Host: hostHeader(target), ...headers };
  const payload = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  const has = (name) => Object.keys(all).some((k) => k.toLowerCase() === name);
  if (body !== undefined && !has('content-length') && !has('transfer-encoding')) {
    all['Content-Length'] = String(payload.length);
  }
  const lines = Object.entries(all).flatMap(([k, v]) => {
    if (v === undefined) return [];
    return (Array.isArray(v) ? v : [v]).map((one) => `${k}: ${one}`);
  });
  const head = `${method} ${path} HTTP/${version}\r\n${lines.join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'utf8'), payload]);
}

/** One request on a connection of its own. */
export async function request(target, opts = {}) {
  const conn = await RawConn.open(target);
  try {
    const headers = { Connection: 'close', ...opts.headers };
    conn.write(requestBytes(target, { ...opts, headers }));
    return await conn.readResponse({ method: opts.method, timeout: opts.timeout });
  } finally {
    conn.close();
  }
}

export const get = (target, path, headers) => request(target, { path, headers });

/** Sends exactly these bytes and reads one response. */
export async function exchange(target, bytes, { method, timeout } = {}) {
  const conn = await RawConn.open(target);
  try {
    conn.write(bytes);
    return await conn.readResponse({ method, timeout });
  } finally {
    conn.close();
  }
}

export function post(target, path, body, headers = {}) {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return request(target, {
    method: 'POST',
    path,
    body: text,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

/** POST /broadcast that must succeed; returns the receipt. */
export async function publish(target, message) {
  const res = await post(target, '/broadcast', message);
  assert.equal(res.status, 200, res.text);
  return res.json;
}

/** Checks an RFC 9457 body; returns it. */
export function assertProblem(res, status, { code, detail } = {}) {
  assert.equal(res.status, status, `${res.status} ${res.text.trim()}`);
  assert.match(res.headers['content-type'] ?? '', /^application\/problem\+json\b/, res.head);
  const p = res.json;
  assert.equal(typeof p.type, 'string', res.text);
  assert.equal(typeof p.title, 'string', res.text);
  assert.ok(p.title.length > 0, res.text);
  assert.equal(p.status, status, res.text);
  assert.equal(typeof p.detail, 'string', res.text);
  assert.ok(p.detail.length > 0, res.text);
  if (code) assert.equal(p.code, code, res.text);
  if (detail) assert.match(p.detail, detail, res.text);
  return p;
}

/** A publisher that keeps its connection and publishes one after another. */
export class Publisher {
  #conn;
  #target;

  constructor(target, conn) {
    this.#target = target;
    this.#conn = conn;
  }

  static async open(target) {
    return new Publisher(target, await RawConn.open(target));
  }

  async publish(message) {
    this.#conn.write(
      requestBytes(this.#target, {
        method: 'POST',
        path: '/broadcast',
        headers: { 'Content-Type': 'application/json' },
        body: typeof message === 'string' ? message : JSON.stringify(message),
      }),
    );
    const res = await this.#conn.readResponse({ timeout: 20000 });
    assert.equal(res.status, 200, res.text);
    return res.json;
  }

  close() {
    this.#conn.close();
  }
}
