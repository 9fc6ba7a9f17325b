// Databases for the tests of the store: each test has a folder of its own.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cleanEnv, daemonFor, daemonPath, scaled, spawnDaemon, startDaemon } from './daemon.mjs';
import { get } from './http.mjs';

export function folderFor(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-store-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export class Disk {
  static for(t) {
    const d = new Disk();
    d.t = t;
    d.dir = folderFor(t);
    d.path = path.join(d.dir, 'log.db');
    return d;
  }

  argv(args = []) {
    return ['--store', `sqlite:${this.path}`, ...args];
  }

  /** A gateway on this database, stopped after the test unless it has ended. */
  async start(args = [], options = {}) {
    return daemonFor(this.t, { ...options, args: this.argv(args) });
  }

  /** One that the test ends itself, with kill9 or stop. */
  async startLoose(args = [], options = {}) {
    const d = await startDaemon({ ...options, args: this.argv(args) });
    this.t.after(() => d.exited || d.kill('SIGKILL'));
    return d;
  }

  /** Must not start: the exit code and what it says. */
  async refused(args = [], options = {}) {
    const d = spawnDaemon(['--listen', '127.0.0.1:0', ...this.argv(args)], options);
    this.t.after(() => d.exited || d.kill('SIGKILL'));
    await d.waitExit();
    assert.deepEqual(d.exited, { code: 1, signal: null }, d.tail());
    assert.deepEqual(d.stdout, [], 'no ready line');
    assert.deepEqual(d.reports(), []);
    return d.stderr.join('\n');
  }

  /** fanfare store ...: {code, out, err}. */
  tool(...args) {
    const r = spawnSync(daemonPath(), ['store', ...args], {
      encoding: 'utf8',
      env: cleanEnv(),
      timeout: scaled(60000),
      maxBuffer: 1 << 28,
      input: this.input,
    });
    return { code: r.status, out: r.stdout, err: r.stderr };
  }

  /** Runs SQL in the file, with Python's module. */
  sql(text, file = this.path) {
    const program =
      'import sqlite3, sys\n' +
      'c = sqlite3.connect(sys.argv[1], isolation_level=None)\n' +
      'r = c.execute(sys.argv[2]).fetchall()\n' +
      'print(r[0][0] if r else "")';
    return execFileSync('python3', ['-c', program, file, text], { encoding: 'utf8' }).trim();
  }
}

/** The end without a word. */
export async function kill9(d) {
  d.kill('SIGKILL');
  await d.waitExit();
  assert.deepEqual(d.reports(), []);
}

/** Messages of a channel's history. */
export async function kept(d, channel, query = 'limit=1000') {
  const res = await get(d, `/channels/${channel}/history?${query}`);
  assert.equal(res.status, 200, res.text);
  return res.json.messages;
}
