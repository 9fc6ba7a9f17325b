// Faults below the store: tests/fault/iofault.c, preloaded into the daemon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { daemonPath } from './daemon.mjs';

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../fault/iofault.c');
const SIZE = 128;

let built;

/** The library that `make check` built beside the daemon, or one made now. */
function library() {
  if (built) return built;
  const beside = path.join(path.dirname(daemonPath()), 'tests/fault/iofault.so');
  if (existsSync(beside)) {
    built = beside;
  } else {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-iofault-'));
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
    built = path.join(dir, 'iofault.so');
    const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-fPIC', '-shared'];
    execFileSync(process.env.CC || 'cc', [...flags, '-o', built, source]);
  }
  return built;
}

/** A sanitizer's library must come first, or it refuses to run. */
function sanitizers() {
  const libs = execFileSync('ldd', [daemonPath()], { encoding: 'utf8' });
  return [...libs.matchAll(/^\s*lib(?:a|t|ub)san\.so\S* => (\S+)/gm)].map((m) => m[1]);
}

export class IoFault {
  #control;

  /** Files whose path contains `match` are concerned. */
  constructor(t, match) {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-control-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    this.#control = path.join(dir, 'control');
    writeFileSync(this.#control, Buffer.concat([Buffer.from('off'), Buffer.alloc(SIZE - 3)]));
    this.env = {
      LD_PRELOAD: [...sanitizers(), library()].join(':'),
      IOFAULT_CONTROL: this.#control,
      IOFAULT_MATCH: match,
    };
  }

  /** 'off', 'write enospc', 'all eio', 'sync slow 200', ...: from now on. */
  set(order) {
    assert.ok(order.length < 60);
    const fd = openSync(this.#control, 'r+');
    const text = Buffer.alloc(64);
    text.write(order, 'latin1');
    writeSync(fd, text, 0, 64, 0);
    closeSync(fd);
  }

  /** How many calls it has changed. */
  get hits() {
    const fd = openSync(this.#control, 'r');
    const b = Buffer.alloc(8);
    readSync(fd, b, 0, 8, 64);
    closeSync(fd);
    return Number(b.readBigUInt64LE());
  }
}
