// What must be so of who is in a channel, from what was done and what came of it. The network and
// the daemon's threads leave some of it open for a while, and then it is known what may be.
import assert from 'node:assert/strict';

export const NOBODY = 'none'; // says nothing of itself

/** A user in a channel. Times are of performance.now(). */
class Entry {
  /** Connections that the server has confirmed, and those that are on their way. */
  live = 0;
  coming = 0;
  /** Connections that went silent: connection -> until when the server may count it. */
  lost = new Map();
  /** Without a connection it may be gone from, and must be gone from, then. */
  earliest = -Infinity;
  latest = -Infinity;
  /** Leaves that may have happened before the user was back. */
  owed = 0;
  /** May it have joined since it left last? */
  begun = false;
  /** Nobody has it, and no connection of it could still arrive. */
  absent = true;
  /** What it may be shown with (JSON texts). */
  infos = new Set([NOBODY]);

  /** When nothing more can come of what is over. */
  get over() {
    return Math.max(this.latest, ...this.lost.values());
  }
}

export class Truth {
  /** grace: ms. bounds: {sse, ws}: how long a lost peer may go unnoticed (ms). */
  constructor({ grace, bounds, channels }) {
    this.grace = grace;
    this.bounds = bounds;
    this.entries = new Map(channels.map((c) => [c, new Map()]));
  }

  at(channel, user) {
    const users = this.entries.get(channel);
    if (!users.has(user)) users.set(user, new Entry());
    return users.get(user);
  }

  // ---- what is done ----

  /** A connection of the user is about to join the channel. */
  coming(channel, user) {
    const e = this.at(channel, user);
    const fresh = e.absent;
    if (fresh) e.infos = new Set([NOBODY]);
    e.coming++;
    e.begun = true;
    e.absent = false;
    return fresh;
  }

  /** It has. `fresh` is what coming() said, `info` what the connection says. */
  came(channel, user, fresh, info) {
    const e = this.at(channel, user);
    e.coming--;
    const back = !fresh && e.live === 0 && performance.now() >= e.earliest;
    if (back) e.owed++;
    e.live++;
    if (info !== NOBODY) e.infos = new Set([info]);
    else if (fresh) e.infos = new Set([NOBODY]);
    else if (back) e.infos.add(NOBODY);
  }

  /** A connection that is in the channel says this. */
  says(channel, user, info) {
    this.at(channel, user).infos = new Set([info]);
  }

  /** To be called before a connection of the user ends or unsubscribes; with `ended`, what it
   *  returns, again when that is over. */
  ending(channel, user, atOnce) {
    const e = this.at(channel, user);
    e.live--;
    assert.ok(e.live >= 0);
    this.#mayGo(e, atOnce ? 0 : this.grace);
    return e;
  }

  #mayGo(e, wait) {
    const now = performance.now();
    if (e.live === 0) e.earliest = now + wait;
    e.latest = Math.max(e.latest, now + wait);
  }

  /** It was given up on its way, and may have been there. It says nothing of itself. */
  aborted(channel, user, connection) {
    const e = this.at(channel, user);
    e.coming--;
    if (performance.now() >= e.earliest) e.infos.add(NOBODY);
    e.lost.set(connection, performance.now() + this.grace + 500);
  }

  /** A connection hears and says nothing any more. */
  losing(channel, user, connection, transport) {
    const e = this.ending(channel, user, false);
    e.lost.set(connection, performance.now() + this.bounds[transport] + this.grace);
  }

  /** The user is sent away by DELETE /users/{id}. */
  dismissed(channel, user) {
    const e = this.at(channel, user);
    e.earliest = Math.min(e.earliest, performance.now());
  }

  // ---- what subscribers are told ----

  check(channel, data) {
    for (const { change, userId, info } of data.changes ?? []) {
      const e = this.at(channel, userId);
      const what = `${channel} ${data.version}: ${change} of ${userId}`;
      assert.ok(e.begun, `${what}, who never came`);
      if (change === 'leave') this.#left(e, what);
      else if (info !== undefined) assert.equal(info.u, userId, what);
    }
  }

  #left(e, what) {
    const now = performance.now();
    if (e.live === 0 && now >= e.earliest - 2) { // the daemon's clock has whole ms
      e.begun = e.coming > 0 || e.lost.size > 0;
      return;
    }
    const why = `live ${e.live}, within the grace by ${(e.earliest - now).toFixed(0)} ms`;
    assert.ok(e.owed > 0, `${what} too early: ${why}`);
    e.owed--;
  }

  /** The server's page of a channel, asked for at `t0`. Returns what is not so yet, or null; throws
   *  if it never may be so. `quiet`: nothing may be open any more. */
  compare(channel, page, t0, quiet, slack) {
    const there = new Map(page.members.map((m) => [m.userId, m]));
    for (const [user, e] of this.entries.get(channel)) {
      const m = there.get(user);
      const open = e.live === 0 && e.over >= t0;
      if (m) {
        const late = e.live === 0 && t0 > e.over + slack;
        assert.ok(!late, `${channel}: ${user} is still there: ${JSON.stringify(m)}`);
      }
      if (Boolean(m) !== e.live > 0 && (quiet || !open)) {
        return `${user}: ${JSON.stringify(m)}, but live ${e.live}, over ${(e.over - t0).toFixed(0)}`;
      }
      if (!m) continue;
      const most = e.live + (t0 > e.over + slack ? 0 : e.lost.size);
      if (m.connections < e.live || m.connections > most) {
        return `${user}: ${m.connections} connections, but ${e.live} to ${most}`;
      }
      const info = m.info === undefined ? NOBODY : JSON.stringify(m.info);
      if (!e.infos.has(info)) return `${user}: ${info}, not ${[...e.infos].join(' or ')}`;
    }
    for (const user of there.keys()) {
      assert.ok(this.entries.get(channel).has(user), `${channel}: ${user} never came`);
    }
    return null;
  }

  /** The page was right, and everybody has been told. */
  settled(channel, page, t0) {
    const there = new Map(page.members.map((m) => [m.userId, m]));
    for (const [user, e] of this.entries.get(channel)) {
      for (const [c, until] of e.lost) if (t0 > until) e.lost.delete(c);
      const m = there.get(user);
      if (e.live + e.coming + e.lost.size > 0) {
        if (e.live > 0) e.owed = 0;
      } else if (!m) {
        e.owed = 0;
        e.begun = false;
        e.absent = true;
      }
      if (m && e.infos.size > 1 && e.coming + e.lost.size === 0) {
        e.infos = new Set([m.info === undefined ? NOBODY : JSON.stringify(m.info)]);
      }
    }
  }
}
