// Clients that stop reading, and what they find when they read again.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { RawConn, requestBytes } from './http.mjs';
import { Sse, seqOf } from './sse.mjs';
import { poll } from './wait.mjs';

/** Server frames in these bytes: {opcode, payload}; stops at an incomplete one. */
export function* frames(bytes) {
  let at = 0;
  while (at + 2 <= bytes.length) {
    const opcode = bytes[at] & 15;
    let len = bytes[at + 1] & 127;
    let from = at + 2;
    if (len === 126) {
      if (from + 2 > bytes.length) return;
      len = bytes.readUInt16BE(from);
      from += 2;
    } else if (len === 127) {
      if (from + 8 > bytes.length) return;
      len = Number(bytes.readBigUInt64BE(from));
      from += 8;
    }
    if (from + len > bytes.length) return;
    yield { opcode, payload: bytes.subarray(from, from + len) };
    at = from + len;
  }
}

/** Opens a WebSocket by hand, for tests that must be able to stop reading. */
export async function rawWs(target, path) {
  const c = await RawConn.open(target);
  await c.write(
    requestBytes(target, {
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
      },
    }),
  );
  assert.equal((await c.readHead()).status, 101);
  return c;
}

/** What follows the synced message, of which `until` has taken the beginning. */
export const afterSynced = (bytes) => bytes.subarray(bytes.indexOf('}}') + 2);

/** A client of either transport that is live, and then reads nothing. */
export class Stalled {
  #sse;
  #ws;

  static async open(target, transport, query) {
    const s = new Stalled();
    s.transport = transport;
    if (transport === 'sse') {
      s.#sse = await Sse.open(target, `/events?${query}`);
      s.id = (await s.#sse.control('connected')).envelope.data.clientId;
      await s.#sse.synced();
    } else {
      s.#ws = await rawWs(target, `/ws?${query}`);
      const hello = (await s.#ws.until('"fanfare.synced"')).toString('latin1');
      s.id = /"clientId":"([^"]+)"/.exec(hello)[1];
    }
    s.conn.pause();
    return s;
  }

  get conn() {
    return this.#sse?.conn ?? this.#ws;
  }

  /** Envelopes read so far; on SSE each one's `id:` is its cursor. */
  events() {
    if (this.#ws) {
      return [...frames(afterSynced(this.#ws.peek()))]
        .filter((f) => f.opcode === 1)
        .map((f) => JSON.parse(f.payload.toString('utf8')));
    }
    return this.#sse.inbox.items
      .filter((e) => e.data)
      .map((e) => {
        const envelope = JSON.parse(e.data);
        assert.equal(e.id, envelope.cursor);
        return envelope;
      });
  }

  /** Reads on until the message of type `fence` has come; all before it. */
  async readUntil(fence) {
    this.conn.resume();
    const events = await poll(
      () => {
        const seen = this.#ws ? this.#ws.peek().includes(`"type":"${fence}"`) : true;
        const all = seen ? this.events() : [];
        return all.some((e) => e.type === fence) ? all : undefined;
      },
      { timeout: 30000, what: `${fence} at the stalled ${this.transport} client` },
    );
    return events.slice(0, events.findIndex((e) => e.type === fence) + 1);
  }

  close() {
    this.conn.close();
  }
}

/** Checks that a client that got `events` missed none of `sent` without being
 *  told, at every point of the stream: whoever comes back with a cursor has got
 *  or been told of everything up to it. `sent` has {seq, …} in order, all of it
 *  for this client. Returns what was missed, and the gaps. */
export function checkTold(sent, events, what) {
  const got = new Set();
  const told = new Set();
  const gaps = [];
  let cursor = 0n;
  let newest = 0n;
  let upto = 0;
  for (const e of events) {
    const at = seqOf(e.cursor);
    assert.ok(at >= cursor, `${what}: the cursor moves back from ${cursor} to ${at}`);
    cursor = at;
    if (e.type === 'fanfare.gap') {
      const [from, to] = [seqOf(e.data.from), seqOf(e.data.to)];
      assert.equal(e.data.scope, 'all', what);
      assert.match(e.data.reason, /^(slow|conflated)$/, what);
      assert.ok(from >= newest && to > from, `${what}: a gap ${from}-${to} after ${newest}`);
      for (const s of sent) if (s.seq > from && s.seq <= to) told.add(s.seq);
      gaps.push({ from, to, reason: e.data.reason });
    } else if (!e.type.startsWith('fanfare.')) {
      assert.ok(at > newest, `${what}: ${at} after ${newest}`);
      newest = at;
      got.add(at);
    }
    for (; upto < sent.length && sent[upto].seq <= cursor; upto++) {
      const { seq } = sent[upto];
      assert.ok(got.has(seq) || told.has(seq), `${what}: at ${cursor}, but of ${seq} no word`);
    }
  }
  assert.equal(upto, sent.length, `${what}: the last ones are missing`);
  const missed = sent.filter((s) => !got.has(s.seq));
  for (const g of gaps) {
    for (const end of [g.from + 1n, g.to]) {
      assert.ok(!got.has(end), `${what}: the gap ${g.from}-${g.to} begins or ends with one got`);
    }
  }
  return { missed, got, gaps };
}
