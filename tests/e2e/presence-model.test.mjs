// Presence against a model of who is there (model/main.mjs): random comings, cuts, reloads, lost
// peers and updates. FANFARE_MODEL_SECONDS runs it longer, FANFARE_MODEL_SEED repeats a run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { scaled, slow } from './lib/daemon.mjs';

const main = path.join(path.dirname(fileURLToPath(import.meta.url)), 'model/main.mjs');
const seconds = Number(process.env.FANFARE_MODEL_SECONDS || (slow ? 3 : 6));
const seed = process.env.FANFARE_MODEL_SEED;

/** Runs it in a network namespace of its own: {code, text}. */
function model(...args) {
  assert.equal(process.getuid(), 0, 'this test needs root, to make a network namespace');
  return new Promise((resolve, reject) => {
    const p = spawn('unshare', ['-n', process.execPath, main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: scaled(seconds * 1000 + 90000),
    });
    let text = '';
    p.stdout.on('data', (c) => (text += c));
    p.stderr.on('data', (c) => (text += c));
    p.on('error', reject);
    p.on('close', (code) => resolve({ code, text }));
  });
}

for (const [what, max] of [['all are listed', 1000], ['many are only counted', 12]]) {
  test(`everybody is told what is true: ${what}`, async () => {
    const { code, text } = await model('--seconds', `${seconds}`, '--presence-max', `${max}`,
      ...(seed ? ['--seed', seed] : []));
    console.log(text.trim());
    assert.equal(code, 0, text);
    assert.match(text, /^presence model: ok/m);
  });
}

test('it bites: an event less, one twice', async () => {
  for (const [how, fault] of [
    ['drop', /AssertionError.*after \d+: \{"channel"/],
    ['dup', /AssertionError.*after \d+: \{"channel"/],
  ]) {
    const { code, text } = await model('--seconds', '4', '--seed', '11', '--break', how);
    assert.equal(code, 1, text);
    assert.match(text, /^presence model: FAILED \(--seed 11/m);
    assert.match(text, fault);
  }
});
