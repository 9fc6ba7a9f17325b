// fanfare key: what it writes, prints and refuses; and that a gateway takes it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { cleanEnv, daemonFor, daemonPath, within } from './lib/daemon.mjs';
import { get, post } from './lib/http.mjs';
import { folderFor, runTool } from './lib/tool.mjs';

const hash = (key) => `sha256:${createHash('sha256').update(key).digest('hex')}`;

class Keys {
  constructor(t) {
    this.dir = folderFor(t);
    this.file = path.join(this.dir, 'keys');
  }

  run(verb, ...args) {
    return runTool(this.dir, ['key', verb, '--file', this.file, ...args]);
  }

  /** A key, or whatever is printed, of a call that must go well. */
  ok(verb, ...args) {
    const r = this.run(verb, ...args);
    assert.equal(r.code, 0, r.err);
    return r.out.trimEnd();
  }

  /** What is said by a call that must not, and leaves the file alone. */
  refused(code, verb, ...args) {
    const before = existsSync(this.file) && this.text();
    const r = this.run(verb, ...args);
    assert.equal(r.code, code, `${args.join(' ')}: ${r.out}${r.err}`);
    assert.equal(r.out, '', 'nothing that a pipe could take for a key');
    assert.equal(existsSync(this.file) && this.text(), before);
    assert.match(r.err, /^fanfare: [^\n]+\n$/, 'one line');
    return r.err;
  }

  text() {
    return readFileSync(this.file, 'utf8');
  }

  list() {
    return JSON.parse(this.ok('list', '--json'));
  }
}

test('key new prints the key alone, and stores its hash', (t) => {
  const k = new Keys(t);
  const r = k.run('new', '--id', 'shop', '--publish', 'orders.>', '--publish=private-a', '--users');
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /^ffk_shop_[A-Za-z0-9_-]{43}\n$/);
  const key = r.out.trim();
  assert.ok(!r.err.includes(key), 'once is enough');
  assert.match(r.err, /keep it.*hash/);
  assert.match(r.err, /shop may: publish orders\.>, private-a; users/);
  assert.match(r.err, /SIGHUP/);
  assert.equal(statSync(k.file).mode & 0o777, 0o600);
  assert.ok(k.text().includes(`secret = ${hash(key)}\n`));
  assert.ok(!k.text().includes(key.slice(-43)));
  assert.deepEqual(k.list(), [
    {
      id: 'shop',
      publish: ['orders.>', 'private-a'],
      users: true,
      everyone: false,
      read: false,
      admin: false,
      tickets: false,
      secrets: 1,
      expires: null,
      expired: false,
      certificate: null,
      peer: null,
    },
  ]);
  assert.deepEqual(readdirSync(k.dir), ['keys'], 'nothing is left beside it');
});

test('each permission, and all of them', (t) => {
  const k = new Keys(t);
  const flags = ['users', 'everyone', 'read', 'admin', 'tickets'];
  for (const f of flags) k.ok('new', '--id', f, `--${f}`);
  k.ok('new', '--id', 'some', '--publish', 'all');
  k.ok('new', '--id', 'whole', '--all');
  const permitted = k.list().map((e) => [e.id, e.publish, flags.filter((f) => e[f])]);
  assert.deepEqual(permitted, [
    ...flags.map((f) => [f, [], [f]]),
    ['some', 'all', []],
    ['whole', 'all', flags],
  ]);
  const keys = new Set(flags.map((f) => k.ok('new', '--id', `x-${f}`, `--${f}`)));
  assert.equal(keys.size, flags.length, 'never the same twice');
});

test('a key needs a file, an id and something that it may do', (t) => {
  const k = new Keys(t);
  const text = k.refused(2, 'new', '--id', 'a');
  for (const flag of ['--publish', '--users', '--everyone', '--read', '--admin', '--tickets']) {
    assert.ok(text.includes(flag), `${flag} is listed: ${text}`);
  }
  k.refused(2, 'new', '--all');
  k.refused(2, 'new', '--id', 'a', '--all', '--no-secret');
  k.refused(2, 'new', '--id', 'a', '--all', '--expires', 'tomorrow');
  k.refused(2, 'new', '--id', 'a', '--all', '--expires', '2026-02-30');
  assert.match(k.refused(2, 'new', '--id', 'a', '--all', '--expires', '2020-01-01'), /already/);
  k.refused(2, 'new', '--id', 'a', '--id', 'b', '--all');
  k.refused(2, 'new', '--id', 'a', '--all=yes');
  k.refused(2, 'new', '--id', 'a', '--everything');
  k.refused(2, 'new', '--id');
  k.refused(2, 'new', 'a', '--all');
  k.refused(1, 'new', '--id', 'a b', '--all');
  k.refused(1, 'new', '--id', 'x'.repeat(41), '--all');
  k.refused(1, 'new', '--id', '', '--all');
  k.refused(1, 'new', '--id', 'a\n[b]', '--all');
  k.refused(1, 'new', '--id', 'a', '--publish', 'a..>.b');
  k.refused(1, 'new', '--id', 'a', '--publish', 'a\nadmin = yes');
  k.refused(1, 'new', '--id', 'a', '--read', '--peer', 'www-data\nadmin = yes');
  k.refused(1, 'new', '--id', 'a', '--read', '--certificate', 'x\ny');
  assert.ok(!existsSync(k.file), 'no file was made');
  for (const args of [['key', 'new', '--all', '--id', 'a'], ['key', 'mint'], ['key']]) {
    assert.equal(runTool(k.dir, args).code, 2, args.join(' '));
  }
  assert.equal(runTool(k.dir, ['key', '--help']).code, 0);

  const twice = new Keys(t);
  twice.ok('new', '--id', 'a', '--all');
  assert.match(twice.refused(1, 'new', '--id', 'a', '--read'), /"a" already/);
  assert.match(twice.refused(1, 'new', '--id', 'b', '--publish', 'a,b'), /comma/);
});

test('how long it is good', (t) => {
  const k = new Keys(t);
  const left = (id) => (Date.parse(k.list().find((e) => e.id === id).expires) - Date.now()) / 1000;
  const times = { '90s': 90, '15m': 900, '12h': 43200, '30d': 2592000, '2w': 1209600, 3600: 3600 };
  let n = 0;
  for (const [text, seconds] of Object.entries(times)) {
    const id = `k${n++}`;
    k.ok('new', '--id', id, '--all', '--expires', text);
    assert.ok(Math.abs(left(id) - seconds) < 30, text);
  }
  k.ok('new', '--id', 'day', '--all', '--expires', '2999-01-31');
  k.ok('new', '--id', 'moment', '--all', '--expires', '2999-01-31T12:30:00Z');
  k.ok('new', '--id', 'never', '--all', '--expires', 'never');
  const expires = Object.fromEntries(k.list().map((e) => [e.id, e.expires]));
  assert.equal(Date.parse(expires.day), Date.parse('2999-01-31'));
  assert.equal(Date.parse(expires.moment), Date.parse('2999-01-31T12:30:00Z'));
  assert.equal(expires.never, null);
  writeFileSync(k.file, k.text().replaceAll('2999-', '2001-'));
  const old = k.list().find((e) => e.id === 'day');
  assert.equal(old.expired, true);
  assert.match(k.ok('list'), /^day .* EXPIRED/m);
});

test('a key without a secret', (t) => {
  const k = new Keys(t);
  const r = k.run(
    ...['new', '--id', 'cert', '--read', '--no-secret'],
    ...['--certificate', 'billing.internal', '--peer', 'daemon'],
  );
  assert.equal(r.code, 0, r.err);
  assert.equal(r.out, '');
  assert.ok(!/keep it/.test(r.err));
  const [e] = k.list();
  assert.deepEqual([e.secrets, e.certificate, e.peer], [0, 'billing.internal', 'daemon']);
  // It may have a secret as well.
  assert.match(k.ok('new', '--id', 'both', '--read', '--peer', '2'), /^ffk_both_/);
});

test('rotate and revoke', (t) => {
  const k = new Keys(t);
  const first = k.ok('new', '--id', 'a', '--all');
  const other = k.ok('new', '--id', 'b', '--all');
  writeFileSync(k.file, `# ours\n${k.text()}`);
  const second = k.ok('rotate', 'a');
  assert.match(second, /^ffk_a_[A-Za-z0-9_-]{43}$/);
  assert.notEqual(second, first);
  assert.equal(k.list()[0].secrets, 2);
  for (const key of [first, second, other]) assert.ok(k.text().includes(hash(key)));

  const done = k.run('rotate', '--finish', 'a');
  assert.deepEqual([done.code, done.out], [0, ''], done.err);
  assert.match(done.err, /1 older secret of a dropped/);
  assert.ok(!k.text().includes(hash(first)));
  for (const key of [second, other]) assert.ok(k.text().includes(hash(key)));
  assert.match(k.run('rotate', 'a', '--finish').err, /0 older secrets/);

  assert.equal(k.ok('revoke', 'a'), '');
  assert.deepEqual(
    k.list().map((e) => e.id),
    ['b'],
  );
  assert.ok(k.text().startsWith('# ours\n'), 'comments stay');
  for (const verb of ['rotate', 'revoke']) {
    assert.match(k.refused(1, verb, 'a'), /no key "a"/);
    k.refused(2, verb);
    k.refused(2, verb, 'a', 'b');
  }
  k.refused(1, 'rotate', '--finish', 'a');
  k.refused(2, 'revoke', '--finish', 'b');
});

test('mode, a symbolic link, and many at once', async (t) => {
  const k = new Keys(t);
  k.ok('new', '--id', 'a', '--all');
  chmodSync(k.file, 0o640);
  const link = path.join(k.dir, 'link');
  symlinkSync('keys', link);
  assert.equal(runTool(k.dir, ['key', 'new', '--file', link, '--id', 'b', '--read']).code, 0);
  assert.equal(statSync(k.file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(k.dir).sort(), ['keys', 'link']);

  const one = (i) =>
    new Promise((resolve, reject) => {
      const args = ['key', 'new', '--file', k.file, '--id', `n${i}`, '--read'];
      const p = spawn(daemonPath(), args, { stdio: 'ignore', env: cleanEnv() });
      p.once('error', reject);
      p.once('close', resolve);
    });
  const all = Promise.all(Array.from({ length: 12 }, (_, i) => one(i)));
  assert.deepEqual(
    await within(60000, all, 'twelve keys'),
    Array.from({ length: 12 }, () => 0),
  );
  assert.equal(k.list().length, 14, 'none is lost');
});

test('files that are no such files', (t) => {
  const k = new Keys(t);
  assert.match(k.refused(1, 'list'), /keys: No such file/);
  const good = 'secret = sha256:' + 'a'.repeat(64);
  for (const [text, reason] of [
    [`[a]\n${good}\nread = perhaps\n`, /keys:3: /],
    [`[a]\n${good}\n[a]\n${good}\n`, /keys:3: /],
    [`[a]\n${good}\nwrite = yes\n`, /keys:3: /],
    ['[a]\nsecret = hunter2\n', /keys:2: /],
    ['[a]\nread = yes\n', /keys:1: |keys:2: /],
    ['\0\xff\0', /keys:1: /],
  ]) {
    writeFileSync(k.file, text, { mode: 0o600 });
    for (const args of [['list'], ['new', '--id', 'z', '--all'], ['revoke', 'a'], ['rotate', 'a']]) {
      const said = k.refused(1, ...args);
      assert.match(said, reason, args[0]);
      assert.ok(!said.includes('hunter2'), 'what stands there may be secret');
    }
  }
  writeFileSync(k.file, '', { mode: 0o600 });
  assert.deepEqual(k.list(), []);
  chmodSync(k.file, 0o666);
  assert.match(k.refused(1, 'list'), /everybody|world|writ/i);
});

test('a key that cannot be printed is not lost in silence', (t) => {
  const k = new Keys(t);
  const full = openSync('/dev/full', 'w');
  const r = runTool(k.dir, ['key', 'new', '--file', k.file, '--id', 'a', '--all'], { stdout: full });
  assert.equal(r.code, 1);
  assert.match(r.err, /shown only once.*fanfare key revoke --file .* a\)/);
  const list = runTool(k.dir, ['key', 'list', '--file', k.file], { stdout: full });
  assert.equal(list.code, 1);
  assert.match(list.err, /cannot write/);
});

test('a gateway takes the key, and at SIGHUP what has become of it', async (t) => {
  const k = new Keys(t);
  const publisher = k.ok('new', '--id', 'shop', '--publish', 'orders.>');
  const reader = k.ok('new', '--id', 'eye', '--read');
  const d = await daemonFor(t, { args: ['--keys', k.file] });
  const bearer = (key) => ({ authorization: `Bearer ${key}` });
  const send = async (key, channel) =>
    (await post(d, '/broadcast', { channel, data: 1 }, bearer(key))).status;
  const stats = async (key) => (await get(d, '/stats', bearer(key))).status;
  const reload = async () => {
    const from = d.mark();
    d.kill('SIGHUP');
    await d.waitForLog(/options reloaded/, { from });
  };
  assert.deepEqual([await send(publisher, 'orders.a'), await stats(publisher)], [200, 403]);
  assert.deepEqual([await send(reader, 'orders.a'), await stats(reader)], [403, 200]);
  assert.equal(await send(publisher, 'else'), 403);

  const second = k.ok('rotate', 'shop');
  assert.equal(await send(second, 'orders.a'), 401, 'not before it is read');
  await reload();
  assert.deepEqual([await send(publisher, 'orders.a'), await send(second, 'orders.a')], [200, 200]);
  k.ok('rotate', '--finish', 'shop');
  await reload();
  assert.deepEqual([await send(publisher, 'orders.a'), await send(second, 'orders.a')], [401, 200]);
  k.ok('revoke', 'eye');
  await reload();
  assert.deepEqual([await stats(reader), await send(second, 'orders.a')], [401, 200]);
  for (const line of [...d.stdout, ...d.stderr]) assert.doesNotMatch(line, /ffk_[a-z]+_/);
});
