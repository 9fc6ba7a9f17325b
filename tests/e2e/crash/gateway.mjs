// The gateway of the crash test: it is killed, and comes back on the same port
// with the same database.
import assert from 'node:assert/strict';
import { spawnDaemon, startDaemon, within } from '../lib/daemon.mjs';
import { get } from '../lib/http.mjs';

const pause = (ms) => new Promise((r) => setTimeout(r, ms));

export class Gateway {
  daemon;
  port;
  epoch;
  kills = 0;
  killedAt = [];
  early = 0;
  stops = 0;
  faults = [];
  #args;

  constructor(args) {
    this.#args = ['--drain', '0', ...args];
  }

  async start() {
    this.daemon = await startDaemon({ args: this.#args });
    this.port = this.daemon.port;
    this.epoch = (await get(this.daemon, '/stats')).json.epoch;
  }

  /** Where to connect to, also while it is down. */
  get address() {
    return { host: '127.0.0.1', port: this.port };
  }

  #spawn() {
    this.daemon = spawnDaemon(['--listen', `127.0.0.1:${this.port}`, ...this.#args]);
  }

  async #gone(signal, how) {
    this.daemon.kill(signal);
    if (signal === 'SIGKILL') this.killedAt.push(performance.now());
    await this.daemon.waitExit(60000);
    for (const r of this.daemon.reports()) this.faults.push(`${how}: ${r.text}`);
    const { code } = this.daemon.exited;
    if (signal === 'SIGTERM' && code !== 0) this.faults.push(`exit ${code}\n${this.daemon.tail()}`);
  }

  /** Ends and comes back. Killed in half of the cases once more while it starts,
   *  if `again`. */
  async restart({ signal = 'SIGKILL', away = 0, again = null }) {
    if (signal === 'SIGKILL') this.kills++;
    else this.stops++;
    await this.#gone(signal, signal);
    await pause(away);
    this.#spawn();
    if (again !== null) {
      await pause(again);
      this.kills++;
      if (!this.daemon.stdout.length) this.early++;
      await this.#gone('SIGKILL', 'killed early');
      this.#spawn();
    }
    await this.daemon.waitReady(60000);
    const { epoch } = (await get(this.daemon, '/stats')).json;
    assert.equal(epoch, this.epoch, 'the epoch after a restart');
  }

  /** The messages of a channel that history has after a position, oldest first. */
  async history(channel, after) {
    const all = [];
    let path = `/channels/${encodeURIComponent(channel)}/history?limit=1000&after=${after}`;
    for (;;) {
      const res = await get(this.daemon, path);
      assert.equal(res.status, 200, res.text);
      all.push(...res.json.messages);
      if (res.json.next === null) return all;
      path = path.replace(/after=.*$/, `after=${res.json.next}`);
    }
  }

  async end() {
    if (this.daemon && !this.daemon.exited) await within(60000, this.daemon.stop(), 'its end');
  }
}
