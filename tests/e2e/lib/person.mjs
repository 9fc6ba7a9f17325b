// A client of either transport that acts among the people of its channels: by ops on WebSocket,
// by POST with its key beside SSE (docs/protocol.md, "People").
import assert from 'node:assert/strict';
import { post, publish } from './http.mjs';
import { listen } from './wire.mjs';

export class Person {
  #ref = 0;

  constructor(t, d, options) {
    this.d = d;
    this.transport = options.transport;
    this.client = listen(t, d, options);
  }

  /** Live, with its hello. */
  static async live(t, d, options) {
    const p = new Person(t, d, options);
    await p.client.upTo('fanfare.synced');
    p.hello = p.client.events[0].data;
    return p;
  }

  /** {ok, data, code}: whatever the transport, `code` undefined if it was taken. */
  async act(what, body) {
    if (this.transport === 'sse') {
      const res = await post(this.d, `/${what}`, body, {
        'Fanfare-Client-Key': this.hello.clientKey,
      });
      const ok = res.status === 200;
      return { ok, status: res.status, data: ok ? res.json : undefined, code: res.json.code };
    }
    return this.op({ op: what, ...body });
  }

  async op(op) {
    const ref = `r${++this.#ref}`;
    const mine = (e) => e.type === 'fanfare.reply' && e.ref === ref;
    this.client.wire.op({ ...op, ref });
    await this.client.when((all) => all.some(mine), `the reply to ${op.op}`);
    const reply = this.client.events.find(mine);
    return { ok: reply.ok, data: reply.data, code: reply.error?.code };
  }

  /** It was taken: its answer. */
  async did(what, body) {
    const r = await this.act(what, body);
    assert.ok(r.ok, `${what} ${JSON.stringify(body)}: ${JSON.stringify(r)}`);
    return r.data;
  }

  /** The data of all events of that type so far. */
  told(type) {
    return this.client.events.filter((e) => e.type === type).map((e) => e.data);
  }

  /** Waits for that many events of the type, and returns their data. */
  async toldOf(type, n, ms) {
    const of = (all) => all.filter((e) => e.type === type);
    await this.client.when((all) => of(all).length >= n, `${n} ${type}`, ms);
    return this.told(type);
  }

  cut(how = 'rst') {
    this.client.wire.cut(how);
  }
}

let marks = 0;

/** All of them have got everything that came before: notices and messages are in one order. */
export async function settled(d, channel, ...people) {
  const id = `mark-${++marks}`;
  await publish(d, { channel, id, type: 'mark', data: null });
  for (const p of people) {
    await p.client.when((all) => all.some((e) => e.id === id), 'everything');
  }
}
