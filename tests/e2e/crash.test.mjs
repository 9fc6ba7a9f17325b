// The crash test itself (script/crash): a short run passes, and it bites when
// what a client got is spoilt. script/test runs it for longer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { scaled } from './lib/daemon.mjs';
import { folderFor } from './lib/disk.mjs';
import { Truth, check } from './lib/truth.mjs';

const main = path.join(path.dirname(fileURLToPath(import.meta.url)), 'crash/main.mjs');

/** Runs it: {code, text}. */
function crash(...args) {
  return new Promise((resolve, reject) => {
    const p = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: scaled(90000),
    });
    let text = '';
    p.stdout.on('data', (c) => (text += c));
    p.stderr.on('data', (c) => (text += c));
    p.on('error', reject);
    p.on('close', (code) => resolve({ code, text }));
  });
}

test('it bites: a message less, one twice, two in the wrong order', async (t) => {
  for (const [how, fault] of [
    ['drop', /^losses +1$/m],
    ['dup', /^duplicates +1$/m],
    ['swap', /^other faults +[1-9]/m],
  ]) {
    const { code, text } = await crash(
      ...['--seconds', '2', '--seed', '11', '--break', how, '--dir', folderFor(t)],
    );
    assert.equal(code, 1, text);
    assert.match(text, fault, text);
    assert.match(text, /^crash test: FAILED \(--seed 11\)$/m);
  }
});

test('a short run passes and prints its totals', async () => {
  const { code, text } = await crash('--seconds', '6', '--clients', '20');
  assert.equal(code, 0, text);
  for (const line of ['published', 'kills', 'cuts', 'delivered', 'replayed', 'gaps']) {
    assert.match(text, new RegExp(`^${line} +\\d`, 'm'), text);
  }
  assert.match(text, /^duplicates +0$/m);
  assert.match(text, /^losses +0$/m);
  assert.match(text, /^crash test: passed$/m);
  assert.equal((await crash('--seconds', '0')).code, 2);
  assert.equal((await crash('--what')).code, 2);
});

/** A truth of n messages to channel a, and a client that got those of `got`. */
function scene(n, got, gaps = [], { again = [], kills = [] } = {}) {
  const truth = new Truth();
  const message = (seq) => ({ seq, lane: 'c:a', id: `m${seq}`, n: seq, sent: seq });
  for (let seq = 1; seq <= n; seq++) truth.bySeq.set(seq, message(seq));
  const f = { name: 'f', begin: 0, gaps, again, faults: [], wants: (lane) => lane === 'c:a' };
  f.got = got.map((g) => (typeof g === 'number' ? { ...message(g), at: 1000 } : g));
  const r = check(truth, truth.sorted(), f, { to: n, keeps: () => 3, kills });
  return { ...r, faults: r.losses.length + r.duplicates.length + r.others.length };
}

test('what its check calls a fault', () => {
  const gap = { scope: 'channel', name: 'a', reason: 'evicted', at: 1000 };
  assert.equal(scene(4, [1, 2, 3, 4]).faults, 0);
  assert.equal(scene(4, [1, 2, 4]).losses.length, 1);
  assert.equal(scene(4, [1, 2, 3]).losses.length, 1, 'the last one');
  assert.equal(scene(4, [1, 2, 2, 3, 4]).duplicates.length, 1);
  assert.equal(scene(4, [1, 3, 2, 4]).others.length, 1, 'order');
  const phantom = { seq: 5, lane: 'c:a', id: 'nobody', n: 5, at: 0 };
  assert.equal(scene(4, [1, 2, 3, 4, phantom]).others.length, 1);
  const reused = { seq: 2, lane: 'c:a', id: 'other', n: 2, at: 0 };
  assert.ok(scene(4, [1, reused, 3, 4]).faults >= 1, 'a number given twice');
  // Announced and true: three are kept, and the others were missed.
  assert.equal(scene(6, [1, 4, 5, 6], [{ ...gap, from: 1, to: 3 }]).faults, 0);
  assert.equal(scene(6, [1, 4, 5, 6], [{ ...gap, from: 1, to: 3 }]).missed, 2);
  // Announced, but it was still kept; or not all of it was announced.
  assert.equal(scene(6, [1, 5, 6], [{ ...gap, from: 1, to: 4 }]).others.length, 1);
  assert.equal(scene(6, [1, 4, 5, 6], [{ ...gap, from: 2, to: 3 }]).losses.length, 1);
  assert.equal(scene(6, [1, 2, 3, 4, 5, 6], [{ ...gap, from: 1, to: 3 }]).others.length, 1);
  const other = { ...gap, name: 'b', from: 1, to: 3 };
  assert.equal(scene(6, [1, 4, 5, 6], [other]).losses.length, 2, 'a gap of another channel');
  // What waited for a user may come again after a kill, and only then.
  const again = [{ seq: 2, lane: 'c:a', id: 'm2', n: 2, at: 3000 }];
  assert.equal(scene(3, [1, 2, 3], [], { again, kills: [2000] }).faults, 0);
  for (const kills of [[], [500], [4000]]) {
    assert.equal(scene(3, [1, 2, 3], [], { again, kills }).others.length, 1);
  }
  assert.equal(scene(3, [1, 3], [], { again, kills: [2000] }).others.length, 1);
  const epoch = { ...gap, scope: 'all', reason: 'epoch', from: 1, to: 3 };
  assert.equal(scene(6, [1, 4, 5, 6], [epoch]).others.length, 2, 'no reason that may be');
});
