// Peers that vanish without a word: the network goes away under them. Needs a
// network namespace, so root and ip(8); fails without them.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { within } from './lib/daemon.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

test(
  'half-open peers are found and closed',
  async () => {
    assert.equal(process.getuid(), 0, 'this test needs root, to make a network namespace');
    for (const [cmd, arg] of [
      ['ip', '-V'],
      ['unshare', '--version'],
    ]) {
      assert.equal(spawnSync(cmd, [arg]).error, undefined, `this test needs ${cmd}`);
    }
    const probe = spawnSync('unshare', ['-n', 'true'], { encoding: 'utf8' });
    assert.equal(probe.status, 0, `unshare -n does not work here: ${probe.stderr}`);
    const child = spawn(
      'unshare',
      ['-n', process.execPath, path.join(here, 'helpers/half-open.mjs')],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let out = '';
    child.stdout.on('data', (c) => {
      out += c;
    });
    child.stderr.on('data', (c) => {
      out += c;
    });
    const code = await within(
      120000,
      new Promise((r) => child.once('close', r)),
      () => out,
    ).finally(() => child.kill('SIGKILL'));
    assert.equal(code, 0, out);
    assert.match(out, /half-open: ok/);
  },
);
