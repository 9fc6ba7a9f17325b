// Starts the daemon under test and watches it until it has exited.
//
// FANFARE_BIN          the daemon, an absolute path (required)
// FANFARE_TIME_FACTOR  multiplies every time limit (sanitizers, valgrind)
// FANFARE_SAN_DIR      where sanitizer reports go; a report fails the test
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

export const timeFactor = Number(process.env.FANFARE_TIME_FACTOR || 1);
assert.ok(timeFactor > 0, 'FANFARE_TIME_FACTOR must be a positive number');
export const slow = process.env.FANFARE_SLOW === '1';

/** A time limit in ms, scaled. For limits only, never for waiting. */
export const scaled = (ms) => Math.ceil(ms * timeFactor);

/** Fails with `what` unless `promise` settles within `ms` (scaled). */
export function within(ms, promise, what) {
  let timer;
  const limit = scaled(ms);
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const text = typeof what === 'function' ? what() : what;
      reject(new Error(`not within ${limit} ms: ${text}`));
    }, limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function daemonPath() {
  const bin = process.env.FANFARE_BIN;
  if (!bin) throw new Error('FANFARE_BIN is not set: give the absolute path of the daemon');
  if (!path.isAbsolute(bin)) throw new Error(`FANFARE_BIN is not an absolute path: ${bin}`);
  statSync(bin);
  return bin;
}

/** The caller's environment without FANFARE_…: the daemon refuses unknown ones. */
export function cleanEnv(extra = {}) {
  const env = {};
  for (const [k, v] of Object.entries(process.env)) {
    if (!k.startsWith('FANFARE_') && !k.startsWith('NODE_TEST_')) env[k] = v;
  }
  return { ...env, ...extra };
}

let serial = 0;

function sanitizerSetup(env) {
  const dir = process.env.FANFARE_SAN_DIR;
  if (!dir) return { env, reports: () => [] };
  const prefix = `e2e.${process.pid}.${++serial}`;
  const base = path.join(dir, prefix);
  const add = (name, more) => {
    const before = env[name] ?? process.env[name];
    env[name] = [before, `log_path=${base}`, more].filter(Boolean).join(':');
  };
  add('ASAN_OPTIONS', '');
  add('LSAN_OPTIONS', '');
  add('TSAN_OPTIONS', '');
  add('UBSAN_OPTIONS', 'print_stacktrace=1');
  const reports = () => {
    return readdirSync(dir)
      .filter((f) => f.startsWith(`${prefix}.`))
      .map((f) => ({ file: path.join(dir, f), text: readFileSync(path.join(dir, f), 'utf8') }))
      .filter((r) => r.text.length > 0);
  };
  return { env, reports };
}

export class Daemon {
  /** Lines of standard output and standard error so far. */
  stdout = [];
  stderr = [];
  url;
  port;
  pid;
  /** {code, signal} once it has exited. */
  exited = null;
  #child;
  #watchers = new Set();
  #exit;
  #reports;

  constructor(bin, argv, { env, cwd, wrap = [] }) {
    const san = sanitizerSetup(cleanEnv(env));
    this.#reports = san.reports;
    const [cmd, ...args] = [...wrap, bin, ...argv];
    this.argv = argv;
    this.#child = spawn(cmd, args, { env: san.env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.pid = this.#child.pid;
    // An orphan would hold its port and its processor for ever.
    const orphan = () => {
      try {
        this.#child.kill('SIGKILL');
      } catch {
        /* gone */
      }
    };
    process.once('exit', orphan);
    this.#exit = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        process.off('exit', orphan);
        this.exited = { code, signal };
        resolve(this.exited);
        for (const w of [...this.#watchers]) w();
      });
    });
    this.#exit.catch(() => {});
    this.#lines(this.#child.stdout, this.stdout);
    this.#lines(this.#child.stderr, this.stderr);
  }

  #lines(stream, into) {
    readline.createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
      into.push(line);
      if (process.env.FANFARE_E2E_VERBOSE) console.error(`[${this.pid}] ${line}`);
      for (const w of [...this.#watchers]) w();
    });
  }

  /** Resolves to what `probe` returns once that is not undefined; it is asked
   *  again at each line of output and at exit. */
  #watch(probe) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const got = probe();
        if (got !== undefined) {
          this.#watchers.delete(check);
          resolve(got);
        } else if (this.exited) {
          this.#watchers.delete(check);
          const how = this.exited.signal ?? `code ${this.exited.code}`;
          reject(new Error(`the daemon exited (${how})\n${this.tail()}`));
        }
      };
      this.#watchers.add(check);
      check();
    });
  }

  tail(n = 30) {
    return [`argv: ${this.argv.join(' ')}`, ...this.stdout, ...this.stderr.slice(-n)].join('\n');
  }

  async waitReady(ms = 15000) {
    const ready = /^fanfare ready on (\S+)$/;
    this.url = await within(
      ms,
      this.#watch(() => this.stdout.map((l) => ready.exec(l)).find(Boolean)?.[1]),
      () => `the ready line\n${this.tail()}`,
    );
    if (/^https?:/.test(this.url)) {
      const u = new URL(this.url);
      this.port = Number(u.port);
      this.host = u.hostname.replace(/^\[|\]$/g, '');
    }
    return this;
  }

  /** The first log line that matches, from line number `from` on. */
  waitForLog(regex, { timeout = 10000, from = 0 } = {}) {
    return within(
      timeout,
      this.#watch(() => this.stderr.slice(from).find((l) => regex.test(l))),
      () => `a log line matching ${regex}\n${this.tail()}`,
    );
  }

  /** The present number of log lines: a `from` for waitForLog. */
  mark() {
    return this.stderr.length;
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  waitExit(ms = 15000) {
    return within(ms, this.#exit, () => `the exit of ${this.pid}\n${this.tail()}`);
  }

  reports() {
    return this.#reports();
  }

  /** Ends it and checks the end: exit code (0 unless `expect` says so) and no
   *  sanitizer report. Returns the exit code. Idempotent. */
  async stop(signal = 'SIGTERM', { timeout = 20000, expect = 0 } = {}) {
    if (!this.exited) this.#child.kill(signal);
    try {
      await this.waitExit(timeout);
    } catch (e) {
      this.#child.kill('SIGKILL');
      await this.#exit;
      throw e;
    }
    const reports = this.reports();
    assert.equal(
      reports.length,
      0,
      `sanitizer report\n${reports.map((r) => `${r.file}\n${r.text}`).join('\n')}`,
    );
    const { code, signal: by } = this.exited;
    assert.equal(by, null, `killed by ${by}\n${this.tail()}`);
    if (expect !== null) assert.equal(code, expect, `exit code ${code}\n${this.tail()}`);
    return code;
  }

  /** Resident memory in bytes. */
  rss() {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(kb[1]) * 1024;
  }

  /** Number of open descriptors. */
  fds() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }
}

/** Runs the daemon with exactly these arguments, without waiting for anything. */
export function spawnDaemon(argv, { env, cwd, wrap } = {}) {
  return new Daemon(daemonPath(), argv, { env, cwd, wrap });
}

/** Starts the daemon and waits until it is ready.
 *  `listen` is a list of addresses, by default one loopback port it chooses.
 *  A drain is cut to nothing unless `args` say otherwise. */
export async function startDaemon({ args = [], env, cwd, listen = ['127.0.0.1:0'], wrap } = {}) {
  const argv = listen.flatMap((a) => ['--listen', a]);
  if (!args.some((a) => /^--drain(=|$)/.test(a))) argv.push('--drain', '0');
  const d = spawnDaemon([...argv, ...args], { env, cwd, wrap });
  try {
    await d.waitReady();
  } catch (e) {
    d.kill('SIGKILL');
    throw e;
  }
  return d;
}

/** What else daemonFor cleans up after a daemon: forgotten sockets to it. */
export const atTestEnd = [];

/** startDaemon for one test: stopped, and its end checked, after it. */
export async function daemonFor(t, options) {
  const d = await startDaemon(options);
  t.after(async () => {
    try {
      await d.stop();
    } finally {
      for (const clean of atTestEnd) clean(d);
    }
  });
  return d;
}
