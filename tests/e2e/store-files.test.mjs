// Databases that cannot be used, and the tools for those that no gateway uses.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { spawnDaemon, within } from './lib/daemon.mjs';
import { Disk, kept, kill9 } from './lib/disk.mjs';
import { get, post, publish } from './lib/http.mjs';
import { seqOf } from './lib/sse.mjs';
import { listen } from './lib/wire.mjs';

/** Without the right to write where the permission bits forbid it: root, too. */
const unprivileged =
  process.getuid() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

async function filled(disk, n = 30) {
  const d = await disk.startLoose();
  for (let i = 0; i < n; i++) await publish(d, { channel: 'a', id: `m${i}`, data: i });
  const { epoch, cursor } = (await get(d, '/stats')).json;
  await d.stop();
  return { epoch, top: cursor };
}

/** What it says names the file and has a reason. */
function says(disk, text, reason) {
  assert.ok(text.includes(disk.path) || text.includes(disk.dir), text);
  assert.match(text, reason, text);
}

test('a second gateway on the same database does not start, and disturbs nobody', async (t) => {
  const disk = Disk.for(t);
  const d = await disk.start();
  await publish(d, { channel: 'a', data: 1 });
  says(disk, await disk.refused(), /in use|another (process|gateway)|locked/i);
  await publish(d, { channel: 'a', data: 2 });
  assert.equal((await kept(d, 'a')).length, 2);
  const r = disk.tool('check', disk.path);
  assert.equal(r.code, 1, 'nor do the tools');
  assert.match(r.err, /in use|another (process|gateway)|locked/i);
});

test('what is no database, or a broken one', async (t) => {
  const cases = {
    text: [
      () => 'this is no database, but a text that is long enough\n'.repeat(40),
      /not a database|no database|not an SQLite/i,
    ],
    'a head and nothing more': [
      (b) => b.subarray(0, 512),
      /corrupt|damaged|malformed|not a database/i,
    ],
    'zeros in the middle': [
      (b) => {
        const c = Buffer.from(b);
        c.fill(0, 4096, Math.min(c.length, 5 * 4096));
        return c;
      },
      /corrupt|damaged|malformed/i,
    ],
    'another head': [
      (b) => {
        const c = Buffer.from(b);
        c.write('Not SQLite ', 0);
        return c;
      },
      /not a database|no database|not an SQLite/i,
    ],
  };
  for (const [what, [spoil, reason]] of Object.entries(cases)) {
    const disk = Disk.for(t);
    await filled(disk);
    writeFileSync(disk.path, spoil(readFileSync(disk.path)));
    const before = readFileSync(disk.path);
    says(disk, await disk.refused(), reason);
    assert.deepEqual(readFileSync(disk.path), before, `${what}: it is left as it is`);
    const r = disk.tool('check', disk.path);
    assert.equal(r.code, 1, `${what}: ${r.out}${r.err}`);
    assert.match(r.err + r.out, reason, what);
  }
});

test('a database of something else is left alone', async (t) => {
  const disk = Disk.for(t);
  disk.sql('create table customers (name text)');
  const before = readFileSync(disk.path);
  says(disk, await disk.refused(), /fanfare|store|another program|schema/i);
  assert.deepEqual(readFileSync(disk.path), before);
});

test('a newer schema', async (t) => {
  const disk = Disk.for(t);
  await filled(disk);
  disk.sql("update meta set value = 999 where key = 'schema'");
  says(disk, await disk.refused(), /newer|version|schema/i);
  assert.equal(disk.sql("select value from meta where key = 'schema'"), '999');
  const r = disk.tool('check', disk.path);
  assert.equal(r.code, 1);
  assert.match(r.err, /newer|version|schema/i);
});

test('no such folder, a folder in its place, no permission, read only', async (t) => {
  const missing = Disk.for(t);
  missing.path = path.join(missing.dir, 'none', 'log.db');
  says(missing, await missing.refused(), /there is no folder/);

  const folder = Disk.for(t);
  mkdirSync(folder.path);
  says(folder, await folder.refused(), /director|folder|open/i);

  const readOnly = Disk.for(t);
  await filled(readOnly);
  chmodSync(readOnly.path, 0o444);
  const text = await readOnly.refused([], { wrap: unprivileged });
  says(readOnly, text, /read-?only|permission|not writable/i);

  const closed = Disk.for(t);
  await filled(closed);
  chmodSync(closed.path, 0o000);
  says(closed, await closed.refused([], { wrap: unprivileged }), /permission/i);

  const noFolder = Disk.for(t);
  chmodSync(noFolder.dir, 0o555);
  says(noFolder, await noFolder.refused([], { wrap: unprivileged }), /permission|read-?only/i);
  chmodSync(noFolder.dir, 0o755);
});

test('another program holds a lock', async (t) => {
  const disk = Disk.for(t);
  await filled(disk);
  const program =
    'import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n' +
    'c.execute("begin immediate")\nprint("held", flush=True)\nsys.stdin.read()';
  const p = spawn('python3', ['-c', program, disk.path], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => p.kill('SIGKILL'));
  await within(10000, new Promise((r) => p.stdout.once('data', r)), 'the lock');
  says(disk, await disk.refused(), /locked|in use/i);
  p.stdin.end();
  await within(10000, new Promise((r) => p.once('close', r)), 'the end of the lock');
  const d = await disk.start();
  assert.equal((await kept(d, 'a')).length, 30);
});

test('options that do not go together are said before anything happens', async (t) => {
  const disk = Disk.for(t);
  for (const args of [
    ['--store', 'sqlite:'],
    ['--store', 'redis:x'],
    ['--store', `sqlite:${disk.path}`, '--sync', 'sometimes'],
    ['--store', `sqlite:${disk.path}`, '--store-failure', 'ignore'],
  ]) {
    const d = spawnDaemon(['--listen', '127.0.0.1:0', ...args]);
    await d.waitExit();
    assert.equal(d.exited.code, 2, `${args.join(' ')}\n${d.tail()}`);
  }
});

test('store check: a report of what is there', async (t) => {
  const disk = Disk.for(t);
  const { epoch } = await filled(disk);
  let r = disk.tool('check', disk.path);
  assert.equal(r.code, 0, r.err);
  assert.ok(r.out.includes(epoch), r.out);
  assert.match(r.out, /\b30\b/, 'the number of messages');
  assert.match(r.out, /clean/i);
  const d = await disk.startLoose();
  await publish(d, { channel: 'a', data: 'x' });
  await kill9(d);
  r = disk.tool('check', disk.path);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /\b31\b/);
  // It changes nothing: the gateway still finds an unclean stop, and all messages.
  const again = await disk.start();
  assert.equal((await kept(again, 'a')).length, 31);

  for (const args of [[], ['check'], ['frobnicate', disk.path], ['check', disk.path, 'more']]) {
    assert.equal(disk.tool(...args).code, 2, args.join(' '));
  }
  r = disk.tool('check', path.join(disk.dir, 'none.db'));
  assert.equal(r.code, 1);
  assert.match(r.err, /none\.db/);
});

test('store compact gives room back', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose(['--history', '10000', '--history-bytes', '64m']);
  const pad = 'x'.repeat(4000);
  for (let k = 0; k < 4; k++) {
    const batch = Array.from({ length: 500 }, () => ({ channel: 'a', data: pad }));
    assert.equal((await post(d1, '/broadcast', batch)).json.accepted, 500);
  }
  await d1.stop();
  const d2 = await disk.startLoose(['--history', '10']);
  await publish(d2, { channel: 'a', data: 'last' });
  await d2.stop();
  const before = statSync(disk.path).size;
  assert.ok(before > 4e6, `${before} bytes`);
  const r = disk.tool('compact', disk.path);
  assert.equal(r.code, 0, r.err);
  const after = statSync(disk.path).size;
  assert.ok(after < before / 4, `${before} -> ${after}`);
  const d3 = await disk.start(['--history', '10']);
  assert.equal((await kept(d3, 'a')).length, 10);
});

test('store export and import: there and back', async (t) => {
  const disk = Disk.for(t);
  const d1 = await disk.startLoose();
  for (let i = 0; i < 40; i++) {
    const odd = { type: 'тип', data: { n: 99.99, text: 'é\u2028\\"😀' }, source: 'shop' };
    await publish(d1, { channel: i % 2 ? 'a' : 'b', id: `m${i}`, ...(i % 5 ? {} : odd) });
  }
  await publish(d1, { channel: 'a', ttl: 3600, data: 'ttl' });
  await publish(d1, { userId: 'ann', data: 'queued' });
  await publish(d1, { userId: 'ann', requireAck: true, id: 'ack', data: 'unacked' });
  await publish(d1, { data: 'everyone' });
  const was = {
    stats: (await get(d1, '/stats')).json,
    a: (await get(d1, '/channels/a/history')).text,
    b: (await get(d1, '/channels/b/history')).text,
    ann: (await get(d1, '/users/ann')).json,
  };
  await d1.stop();

  const file = path.join(disk.dir, 'log.ndjson');
  let r = disk.tool('export', disk.path, file);
  assert.equal(r.code, 0, r.err);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  for (const line of lines) JSON.parse(line);
  assert.ok(lines.length > 44, `${lines.length} lines`);
  assert.equal(disk.tool('export', disk.path, '-').out, readFileSync(file, 'utf8'));
  r = disk.tool('export', disk.path, file);
  assert.equal(r.code, 1, 'a file that exists is not overwritten');

  // Into another one, and out of it again: the same text.
  const copy = Disk.for(t);
  r = copy.tool('import', copy.path, file);
  assert.equal(r.code, 0, r.err);
  assert.equal(copy.tool('import', copy.path, file).code, 1, 'nor is a database');
  const text = copy.tool('export', copy.path, '-').out.split('\n');
  assert.deepEqual(text.slice(1), readFileSync(file, 'utf8').split('\n').slice(1));

  const d2 = await copy.startLoose();
  const stats = (await get(d2, '/stats')).json;
  assert.equal(stats.epoch, was.stats.epoch);
  assert.ok(seqOf(stats.cursor) >= seqOf(was.stats.cursor));
  for (const c of ['a', 'b']) {
    const now = (await get(d2, `/channels/${c}/history`)).json.messages;
    assert.deepEqual(now, JSON.parse(was[c]).messages);
  }
  const ann = (await get(d2, '/users/ann')).json;
  assert.deepEqual([ann.queued, ann.pendingCount], [was.ann.queued, 1]);
  assert.equal((await publish(d2, { channel: 'b', id: 'm2' })).duplicate, true);
  const mine = await listen(t, d2, { transport: 'ws', user: 'ann' }).upTo('fanfare.synced');
  assert.deepEqual(
    mine.slice(1, -1).map((e) => e.data),
    ['queued', 'unacked'],
  );
  await d2.stop();

  // From standard input, under a new epoch: positions of the old one are foreign.
  const fresh = Disk.for(t);
  fresh.input = readFileSync(file);
  r = fresh.tool('import', '--new-epoch', fresh.path, '-');
  assert.equal(r.code, 0, r.err);
  const d3 = await fresh.start();
  assert.notEqual((await get(d3, '/stats')).json.epoch, was.stats.epoch);
  assert.equal((await kept(d3, 'a')).length, 21);
  const list = await listen(t, d3, {
    transport: 'sse',
    channels: ['a'],
    after: was.stats.cursor,
  }).upTo('fanfare.synced');
  assert.equal(list[1].data.reason, 'epoch');
});

test('store import takes all or nothing', async (t) => {
  const disk = Disk.for(t);
  await filled(disk);
  const whole = disk.tool('export', disk.path, '-').out;
  const lines = whole.split('\n');
  const cases = {
    'cut off': whole.slice(0, whole.length - 40),
    'a line that is no JSON': [...lines.slice(0, 5), 'nonsense', ...lines.slice(5)].join('\n'),
    'no head': lines.slice(1).join('\n'),
    nothing: '',
    'two heads': [lines[0], whole].join('\n'),
    bytes: 'a\0b\xff\n'.repeat(10),
  };
  for (const [what, input] of Object.entries(cases)) {
    const copy = Disk.for(t);
    copy.input = Buffer.from(input, 'latin1');
    const r = copy.tool('import', copy.path, '-');
    assert.equal(r.code, 1, `${what}: ${r.out}${r.err}`);
    assert.ok(r.err.length > 10, what);
    copy.input = undefined;
    assert.throws(() => statSync(copy.path), `${what}: no database is left`);
  }
});

test('a database that was cut short while nobody looked', async (t) => {
  const disk = Disk.for(t);
  await filled(disk, 300);
  truncateSync(disk.path, Math.floor(statSync(disk.path).size / 2));
  const r = disk.tool('check', disk.path);
  assert.equal(r.code, 1, r.out);
  says(disk, await disk.refused(), /corrupt|damaged|malformed/i);
});
