// Kills the gateway again and again while others publish and listen, and then
// checks what each client got against what was acknowledged.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { daemonPath, scaled } from '../lib/daemon.mjs';
import { number } from '../lib/follower.mjs';
import { PersistentPublisher } from '../lib/persistent.mjs';
import { Truth, check } from '../lib/truth.mjs';
import { poll } from '../lib/wait.mjs';
import { Gateway } from './gateway.mjs';
import { rngOf } from './rng.mjs';
import { SHORT, Source, channels, keeps, makeFollowers } from './traffic.mjs';

const pause = (ms) => new Promise((r) => setTimeout(r, ms));
const CUTS = ['rst', 'fin', 'mid', 'stall'];
const sum = (list, of) => list.reduce((n, x) => n + of(x), 0);

export class CrashTest {
  totals = { expected: 0, delivered: 0, missed: 0, gaps: 0, again: 0, rounds: 0 };
  cuts = { rst: 0, fin: 0, mid: 0, stall: 0 };
  faults = { losses: [], duplicates: [], others: [] };
  truth = new Truth();
  #n = 0;
  #chaos = false;
  #begin = 0;

  constructor({ seconds, seed, clients = 30, sources = 4, rate = 400, dir, sabotage }) {
    Object.assign(this, { seconds, seed, rate, sabotage });
    this.rng = rngOf(seed);
    this.dir = dir ?? mkdtempSync(path.join(os.tmpdir(), 'fanfare-crash-'));
    this.gateway = new Gateway([
      ...['--store', `sqlite:${path.join(this.dir, 'log.db')}`, '--sync', 'always'],
      ...['--history', '1000000', '--history-bytes', '256m', '--history-total', '2g'],
      ...['--user-history', '1000000', '--user-history-bytes', '256m'],
      ...['--history-for', `s.=${SHORT}`, '--shards', String(this.rng.int(1, 3))],
      ...['--client-queue-bytes', '128k', '--send-buffer', '16k', '--retry', '100ms'],
    ]);
    this.followers = makeFollowers(clients, this.gateway, rngOf(seed + 1));
    this.sources = Array.from(
      { length: sources },
      (_, i) =>
        new Source(
          `p${i}`,
          this.gateway,
          rngOf(seed + 2 + i),
          () => this.truth,
          () => ++this.#n,
        ),
    );
    this.stalls = new Map();
  }

  /** Cuts and stalls clients until the round is over. */
  async #rough(rng) {
    while (this.#chaos) {
      await pause(rng.int(10, 100));
      const f = rng.pick(this.followers);
      const how = rng.pick(CUTS);
      if (!f.wire || f.wire.ended || this.stalls.has(f)) continue;
      this.cuts[how]++;
      if (how !== 'stall') {
        f.cut(how);
        continue;
      }
      const { wire } = f;
      wire.pause();
      const on = setTimeout(
        () => {
          this.stalls.delete(f);
          wire.resume();
        },
        rng.chance(0.2) ? rng.int(2000, 6000) : rng.int(50, 1500),
      );
      this.stalls.set(f, { on, wire });
    }
    for (const { on, wire } of this.stalls.values()) {
      clearTimeout(on);
      wire.resume();
    }
    this.stalls.clear();
  }

  /** Kills the gateway until the round is over. */
  async #killer(rng, until) {
    for (;;) {
      const next = performance.now() + rng.int(2000, 6000);
      while (performance.now() < Math.min(next, until)) await pause(20);
      if (performance.now() >= until) return;
      await this.gateway.restart({
        signal: rng.chance(0.85) ? 'SIGKILL' : 'SIGTERM',
        away: rng.chance(0.2) ? rng.int(100, 1000) : 0,
        again: rng.chance(0.2) ? rng.int(0, 60) : null,
      });
    }
  }

  async #round(seconds) {
    this.#chaos = true;
    const seed = this.seed + 1000 * (1 + this.totals.rounds);
    const rough = this.#rough(rngOf(seed));
    const publishing = this.sources.map((s) => s.run((1000 * this.sources.length) / this.rate));
    await this.#killer(rngOf(seed + 1), performance.now() + seconds * 1000);
    for (const s of this.sources) s.stop();
    this.#chaos = false;
    await rough;
    await Promise.all(publishing);
    await this.#catchUp();
    await this.#check();
    this.totals.rounds++;
  }

  /** A last message to everyone comes behind all others. */
  async #catchUp() {
    const id = `end-${this.totals.rounds}`;
    const last = new PersistentPublisher(() => this.gateway.address);
    const message = { id, data: { n: ++this.#n } };
    const receipt = await last.publish(message);
    last.stop();
    assert.ok(receipt, `the last message: ${last.faults}`);
    this.truth.acknowledged(message, receipt, performance.now());
    this.end = number(receipt.cursor);
    const behind = () => this.followers.filter((f) => f.got.at(-1)?.id !== id);
    await poll(() => (behind().length === 0 ? true : undefined), {
      timeout: 60000,
      what: () => {
        const list = behind().map((f) => `${f.name} at ${f.cursor} (${f.wire?.ended ?? 'open'})`);
        return `all clients at ${receipt.cursor}; not there: ${list.join(', ')}`;
      },
    });
  }

  #sabotage() {
    if (!this.sabotage) return;
    const f = this.followers.reduce((a, b) => (a.got.length > b.got.length ? a : b));
    const at = Math.floor(f.got.length / 2);
    if (this.sabotage === 'drop') f.got.splice(at, 1);
    else if (this.sabotage === 'dup') f.got.splice(at, 0, f.got[at]);
    else f.got.splice(at, 2, f.got[at + 1], f.got[at]);
  }

  async #check() {
    this.#sabotage();
    this.truth.settle(this.followers);
    const sorted = this.truth.sorted();
    for (const f of this.followers) {
      const r = check(this.truth, sorted, f, {
        from: this.#begin,
        to: this.end,
        keeps,
        kills: this.gateway.killedAt,
      });
      for (const kind of Object.keys(this.faults)) this.faults[kind].push(...r[kind]);
      this.totals.expected += r.expected;
      this.totals.delivered += r.delivered;
      this.totals.missed += r.missed;
      this.totals.gaps += f.gaps.length;
      this.totals.again += f.again.length;
      f.got = [];
      f.again = [];
      f.gaps = [];
      f.faults = [];
    }
    await this.#checkHistory(sorted);
    const { others } = this.faults;
    others.push(...this.truth.faults, ...this.gateway.faults.splice(0));
    for (const s of this.sources) others.push(...s.publisher.faults.splice(0));
    this.#begin = this.end;
    this.truth = new Truth();
  }

  /** What the gateway still has is what was acknowledged, no more and no less. */
  async #checkHistory(sorted) {
    for (const c of channels) {
      const truth = sorted.filter((m) => m.lane === `c:${c}`);
      const kept = await this.gateway.history(c, `${this.gateway.epoch}-${this.#begin}`);
      const want = truth.slice(-keeps(`c:${c}`)).map((m) => `${m.seq} ${m.id}`);
      const have = kept.map((m) => `${number(m.cursor)} ${m.id}`);
      // An unknown one that nobody listened to may be there.
      const open = (x) => this.truth.open.has(`${x.slice(x.indexOf(' ') + 1)} c:${c}`);
      const sure = have.filter((x) => !open(x));
      const from = want.length - sure.length;
      const same = from >= 0 && sure.every((x, i) => x === want[from + i]);
      if (!same || (from > 0 && have.length < Math.min(keeps(`c:${c}`), truth.length))) {
        const i = want.findIndex((x) => !sure.includes(x));
        const text = `history of ${c}: ${have.length} kept, ${want.length} expected; ${want[i]}`;
        this.faults.losses.push(text);
      }
    }
  }

  async run() {
    await this.gateway.start();
    for (const f of this.followers) f.connect();
    await poll(() => this.followers.every((f) => f.begin !== undefined) || undefined, {
      timeout: 30000,
      what: 'all clients stand',
    });
    // Longer runs are checked minute by minute, so that memory stays bounded.
    for (let left = this.seconds; left > 0; left -= 60) await this.#round(Math.min(left, 60));
    for (const f of this.followers) f.stop();
    for (const s of this.sources) s.publisher.stop();
    this.stats = (await this.#stats()).counters;
    await this.gateway.end();
    this.faults.others.push(...this.gateway.faults);
    const db = path.join(this.dir, 'log.db');
    execFileSync(daemonPath(), ['store', 'check', db], { timeout: scaled(60000), stdio: 'pipe' });
  }

  async #stats() {
    const res = await fetch(`${this.gateway.daemon.url}/stats`);
    return res.json();
  }

  /** After a failure in between: nothing stays behind. */
  abandon() {
    this.#chaos = false;
    for (const f of this.followers) f.stop();
    for (const s of this.sources) {
      s.stop();
      s.publisher.stop();
    }
    this.gateway.daemon?.kill('SIGKILL');
  }

  get ok() {
    return Object.values(this.faults).every((list) => list.length === 0);
  }

  clean() {
    rmSync(this.dir, { recursive: true, force: true });
  }

  report() {
    const { gateway: g, totals: x, sources, followers } = this;
    const cuts = CUTS.map((k) => `${this.cuts[k]} ${k}`).join(', ');
    return [
      `published    ${sum(sources, (s) => s.acknowledged) + x.rounds} messages acknowledged`,
      `             ${sum(sources, (s) => s.publisher.attempts)} requests, ` +
        `${sum(sources, (s) => s.duplicates)} publications repeated after they had been stored, ` +
        `${sum(sources, (s) => s.unknown)} of unknown outcome`,
      `kills        ${g.kills} (${g.early} before it was ready), and ${g.stops} clean stops`,
      `cuts         ${sum(Object.values(this.cuts), (n) => n)} (${cuts})`,
      `clients      ${followers.length}, ${sum(followers, (f) => f.connects)} connections, ` +
        `${sum(followers, (f) => f.resumes)} with a position`,
      `delivered    ${x.delivered} of ${x.expected} expected`,
      `replayed     ${sum(followers, (f) => f.replayed)}`,
      `gaps         ${x.gaps} announced and true, with ${x.missed} messages`,
      `queued again ${x.again} messages that waited for a user, after a kill`,
      `duplicates   ${this.faults.duplicates.length}`,
      `losses       ${this.faults.losses.length}`,
      `other faults ${this.faults.others.length}`,
    ].join('\n');
  }
}
