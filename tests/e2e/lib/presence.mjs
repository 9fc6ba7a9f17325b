// What a subscriber of a channel with presence knows: the snapshot, and the changes applied to
// it. Strict: a version that is missing or comes twice fails, and so does a change that does not
// fit (docs/protocol.md, "Presence").
import assert from 'node:assert/strict';
import { listen } from './wire.mjs';

export class View {
  version = null;
  count = 0;
  listed = true;
  /** userId -> {info, connections, since} */
  members = new Map();

  get users() {
    return [...this.members.keys()].sort();
  }

  apply(data) {
    if (data.event === 'snapshot') {
      // The first one of a subscription, or the end of counts only, which is a version like others.
      this.listed = data.listed ?? true;
      this.members = new Map();
      for (const { userId, ...m } of data.members ?? []) {
        assert.ok(!this.members.has(userId), `${userId} twice in a snapshot`);
        this.members.set(userId, m);
      }
    } else {
      assert.equal(data.event, 'changes');
      assert.equal(data.version, this.version + 1, `after ${this.version}: ${JSON.stringify(data)}`);
      this.listed = data.listed ?? true;
      if (!this.listed) this.members = new Map();
      for (const c of data.changes ?? []) this.#change(c);
    }
    this.version = data.version;
    this.count = data.count;
    if (this.listed) assert.equal(this.members.size, this.count, JSON.stringify(data));
    else assert.equal(data.members ?? data.changes, undefined);
  }

  #change({ change, userId, ...m }) {
    assert.equal(this.members.has(userId), change !== 'join', `${change} of ${userId}`);
    if (change === 'join') this.members.set(userId, m);
    else if (change === 'leave') this.members.delete(userId);
    else {
      assert.equal(change, 'update');
      this.members.get(userId).info = m.info;
    }
  }
}

/** A client of a channel, and its view. `user` undefined: it is anonymous. */
export class Attendant {
  view = new View();
  /** The data of all fanfare.presence of the channel, in order. */
  told = [];
  #seen = 0;

  constructor(t, d, { channel, ...query }) {
    this.channel = channel;
    this.client = listen(t, d, { channels: [channel], ...query });
  }

  /** Live, with its snapshot. */
  static async live(t, d, options) {
    const a = new Attendant(t, d, options);
    await a.client.upTo('fanfare.synced');
    a.hello = a.client.events[0].data;
    await a.until((v) => v.version !== null, 'a snapshot');
    return a;
  }

  #look(events) {
    for (; this.#seen < events.length; this.#seen++) {
      const e = events[this.#seen];
      if (e.type !== 'fanfare.presence' || e.data.channel !== this.channel) continue;
      assert.equal(e.cursor, undefined, e.text);
      assert.equal(e.sseId, undefined, e.text);
      if (this.told.length === 0) assert.equal(e.data.event, 'snapshot', e.text);
      this.told.push(e.data);
      this.view.apply(e.data);
    }
    return this.view;
  }

  /** Resolves when the view, and all that was told, is so. */
  async until(probe, what, ms) {
    await this.client.when((events) => probe(this.#look(events), this.told), what, ms);
    return this.view;
  }

  /** Until exactly these users are there. */
  users(...names) {
    const all = names.sort().join();
    return this.until((v) => v.users.join() === all, `the members ${all}`);
  }

  get key() {
    return { 'Fanfare-Client-Key': this.hello.clientKey };
  }

  async op(op) {
    const ref = `r${Math.random()}`;
    this.client.wire.op({ ...op, ref });
    await this.client.when((all) => all.some((e) => e.ref === ref), `the reply to ${op.op}`);
    return this.client.events.find((e) => e.ref === ref);
  }

  cut(how = 'rst') {
    this.client.wire.cut(how);
  }
}
