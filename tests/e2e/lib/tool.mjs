// fanfare key ... and fanfare token ...: their files, and what they say.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cleanEnv, daemonPath, scaled } from './daemon.mjs';

export function folderFor(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-tool-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs a tool in `cwd`: {code, out, err}. */
export function runTool(cwd, args, { input = '', env, stdout = 'pipe' } = {}) {
  const r = spawnSync(daemonPath(), args, {
    cwd,
    input,
    encoding: 'utf8',
    env: cleanEnv(env),
    timeout: scaled(60000),
    stdio: ['pipe', stdout, 'pipe'],
  });
  if (r.error) throw r.error;
  return { code: r.status, out: r.stdout, err: r.stderr };
}
