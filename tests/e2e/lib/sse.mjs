// A strict reader of SSE: it accepts exactly the subset the gateway promises
// (LF only, `field: value` with its space, no BOM, comments without a blank
// line) and fails on everything else.
import assert from 'node:assert/strict';
import { RawConn, requestBytes } from './http.mjs';
import { Inbox } from './wait.mjs';

export const cursorForm = /^(0|[1-9a-z][0-9a-z]{0,12})-(0|[1-9][0-9]*)$/;

/** The number after the dash, as a BigInt. */
export function seqOf(cursor) {
  const m = cursorForm.exec(cursor);
  assert.ok(m, `a cursor: ${JSON.stringify(cursor)}`);
  return BigInt(m[2]);
}

export class Sse {
  /** Whole events: {event, id, data, retry, raw}. */
  inbox;
  /** Comment lines seen, without their LF. */
  comments = [];
  /** All bytes of the body so far. */
  raw = '';
  head;
  #conn;
  #partial = Buffer.alloc(0);
  #block = null;

  constructor(conn, name) {
    this.#conn = conn;
    this.inbox = new Inbox(name);
  }

  /** GETs `path` and waits for the response headers. */
  static async open(
    target,
    path,
    { headers = {}, version, localAddress, conn, status = 200, name = path } = {},
  ) {
    const c = conn ?? (await RawConn.open(target, { localAddress }));
    const s = new Sse(c, name);
    c.write(
      requestBytes(target, {
        path,
        version,
        headers: { Accept: 'text/event-stream', ...headers },
      }),
    );
    s.head = await c.readHead();
    assert.equal(s.head.status, status, `${s.head.head}${c.peek()}`);
    s.#pump();
    return s;
  }

  /** Opens and waits until the stream is live. */
  static async live(target, path, opts) {
    const s = await Sse.open(target, path, opts);
    await s.control('connected');
    await s.synced();
    return s;
  }

  get conn() {
    return this.#conn;
  }

  async #pump() {
    try {
      for (;;) {
        const chunk = await this.#conn.more(2147483647 / 1000);
        if (chunk.length === 0) break;
        this.raw += chunk.toString('latin1');
        this.#feed(Buffer.concat([this.#partial, chunk]));
      }
      this.inbox.end(this.#conn.error ?? new Error('end of stream'));
    } catch (e) {
      this.inbox.end(e);
    }
  }

  #feed(bytes) {
    let start = 0;
    for (let lf = bytes.indexOf(10); lf >= 0; lf = bytes.indexOf(10, start)) {
      this.#line(bytes.subarray(start, lf));
      start = lf + 1;
    }
    this.#partial = bytes.subarray(start);
  }

  #line(bytes) {
    const line = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    assert.ok(!/[\r\0]|^\ufeff/.test(line), `CR, NUL or BOM in ${JSON.stringify(line)}`);
    if (line === '') {
      assert.ok(this.#block, 'a blank line that ends no event');
      assert.ok(this.#block.data !== undefined, `no data: ${JSON.stringify(this.#block.raw)}`);
      this.#block.raw += '\n';
      this.inbox.push(this.#block);
      this.#block = null;
      return;
    }
    if (line[0] === ':') {
      assert.equal(this.#block, null, 'a comment inside an event');
      this.comments.push(line);
      this.inbox.push({ comment: line });
      return;
    }
    const m = /^(event|id|data|retry): (.*)$/s.exec(line);
    assert.ok(m, `field line: ${JSON.stringify(line)}`);
    this.#block ??= { raw: '' };
    assert.ok(!(m[1] in this.#block), `twice: ${JSON.stringify(line)}`);
    if (m[1] === 'retry') assert.match(m[2], /^\d+$/);
    this.#block[m[1]] = m[2];
    this.#block.raw += `${line}\n`;
  }

  /** The next event (comments skipped) that matches. */
  next(match = () => true, opts) {
    return this.inbox.take((e) => e.comment === undefined && match(e), opts);
  }

  /** The next control event of that name, its data parsed. */
  async control(name, opts) {
    const e = await this.next((x) => x.event === `fanfare.${name}`, { what: name, ...opts });
    return { ...e, envelope: JSON.parse(e.data) };
  }

  /** The next message that is no control event. */
  async message(opts) {
    const e = await this.next((x) => !x.event?.startsWith('fanfare.'), {
      what: 'a message',
      ...opts,
    });
    return { ...e, envelope: JSON.parse(e.data) };
  }

  async synced(opts) {
    return this.control('synced', opts);
  }

  comment(opts) {
    return this.inbox.take((e) => e.comment !== undefined, { what: 'a comment', ...opts });
  }

  /** Waits until the server has ended the stream. */
  async ended(ms = 10000) {
    await this.#conn.closed(ms);
  }

  close() {
    this.#conn.close();
  }
}

/** A client that must not be disturbed by what the test does to others. */
export class Bystander {
  #sse;
  #target;
  #n = 0;

  static async open(target, channel = 'bystander') {
    const b = new Bystander();
    b.#target = target;
    b.channel = channel;
    b.#sse = await Sse.live(target, `/events?channel=${channel}`, { name: 'bystander' });
    return b;
  }

  /** The next message arrives, and nothing else came before it. */
  async check(publish) {
    const n = ++this.#n;
    await publish(this.#target, { channel: this.channel, data: { bystander: n } });
    const others = [];
    for (;;) {
      const m = await this.#sse.next(undefined, { what: 'the message of the bystander' });
      if (JSON.parse(m.data).data?.bystander === n) break;
      others.push(m.data);
    }
    assert.deepEqual(others, [], 'the bystander got something else');
  }

  close() {
    this.#sse.close();
  }
}
