// One connection of the model test, with its views of the channels that it is in.
import assert from 'node:assert/strict';
import { within } from '../lib/daemon.mjs';
import { View } from '../lib/presence.mjs';
import { frame } from '../lib/rawws.mjs';
import { Wire, queryOf } from '../lib/wire.mjs';

/** A sum over the members: the same for the same view, however it came about. */
function hashOf(userId, { since, info }) {
  let h = 0x811c9dc5;
  const text = `${userId} ${since} ${JSON.stringify(info)}`;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

class Summed extends View {
  sum = 0;

  apply(data) {
    const before = this.listed && data.event === 'changes' ? data.changes ?? [] : null;
    for (const { userId } of before ?? []) this.#add(userId, -1);
    super.apply(data);
    if (before && this.listed) for (const { userId } of before) this.#add(userId, 1);
    else {
      this.sum = 0;
      for (const userId of this.members.keys()) this.#add(userId, 1);
    }
  }

  #add(userId, sign) {
    const m = this.members.get(userId);
    if (m) this.sum += sign * hashOf(userId, m);
  }

  get state() {
    return this.listed ? `${this.count} ${this.sum}` : `${this.count} not listed`;
  }
}

export class Client {
  /** channel -> Summed; null: subscribed, the snapshot has not come yet. */
  views = new Map();
  hello = null;
  over = false;
  #replies = new Map();
  #ref = 0;
  #look = () => {};
  /** How often an event is taken: for --break. */
  times = () => 1;

  /** `record` is told of every event of presence; `fail` of what is wrong at once. */
  constructor(d, { transport, query, headers, localAddress, channels, record, fail }) {
    this.transport = transport;
    this.channels = new Set(channels);
    for (const c of channels) if (!c.includes('*')) this.views.set(c, null);
    this.record = record;
    this.what = `${transport} ${localAddress ?? ''} ${channels.join(' ')}`;
    this.wire = new Wire(d, {
      transport, headers, localAddress,
      query: queryOf({ channels, ...query }),
      onEvent: (envelope, id, text) => {
        try {
          this.#event(envelope, id, text);
        } catch (e) {
          e.message = `${this.what}: ${e.message}\n${text.slice(0, 400)}`;
          fail(e);
        }
        this.#look();
      },
      onEnd: (why, wire) => {
        if (!this.over) fail(new Error(`${this.what}: ended: ${why} ${wire.refusal ?? ''}`));
        this.#look();
      },
    });
  }

  #event(e, id, text) {
    if (e.ref !== undefined) {
      if (e.data?.event === 'snapshot') this.#asked(e.data);
      this.#replies.get(e.ref)?.(e);
      this.#replies.delete(e.ref);
    } else if (e.type === 'fanfare.connected') {
      this.hello = e.data;
    } else if (e.type === 'fanfare.synced') {
      this.synced = true;
    } else if (e.type === 'fanfare.presence') {
      assert.equal(e.cursor, undefined);
      assert.equal(id, undefined);
      for (let n = this.times(e.data); n > 0; n--) this.#presence(e.data, text);
    }
  }

  /** What came before the reply to the op in the stream is in it, and nothing else. */
  #asked(data) {
    const view = this.views.get(data.channel);
    const other = new Summed();
    other.apply(data);
    assert.equal(`${data.version} ${other.state}`, `${view.version} ${view.state}`);
  }

  #presence(data, text) {
    const { channel } = data;
    if (this.views.has(channel)) {
      let view = this.views.get(channel);
      if (!view) {
        assert.equal(data.event, 'snapshot', 'the first one');
        view = new Summed();
        this.views.set(channel, view);
      }
      view.apply(data);
      this.record(data, text, view);
    } else {
      assert.ok(this.channels.has('presence-m.*'), 'not subscribed');
      this.record(data, text, null, this);
    }
  }

  /** Resolves when `probe` is true. */
  until(probe, what) {
    const done = new Promise((resolve, reject) => {
      this.#look = () => {
        if (probe()) resolve();
        else if (this.wire.ended) reject(new Error(`${this.what}: ended before ${what}`));
      };
      this.#look();
    });
    return within(15000, done, () => `${this.what}: ${what}`);
  }

  live() {
    return this.until(() => this.synced && [...this.views.values()].every(Boolean), 'live');
  }

  op(op) {
    const ref = ++this.#ref;
    const got = new Promise((resolve) => {
      this.#replies.set(ref, resolve);
    });
    this.wire.op({ ...op, ref });
    return within(15000, got, () => `${this.what}: the reply to ${JSON.stringify(op)}`);
  }

  /** Ends it: 'close' as a browser does, 'fin', 'rst'. */
  end(how) {
    this.over = true;
    if (how === 'close' && this.transport === 'ws' && this.wire.status === 101) {
      this.wire.socket.write(frame(8, Buffer.from([3, 232])));
    }
    this.wire.cut(how === 'rst' ? 'rst' : 'fin');
  }
}
