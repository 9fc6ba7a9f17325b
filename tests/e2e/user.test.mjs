// --user: what is left of root's rights. These tests need root, and fail without it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { Daemon, daemonFor, daemonPath, spawnDaemon } from './lib/daemon.mjs';
import { get, publish } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';

const name = 'nobody';
const idOf = (...args) => execFileSync('id', [...args, name], { encoding: 'utf8' }).trim();

function asRoot() {
  assert.equal(process.getuid(), 0, '--user can only be tested as root: run this file as root');
  return { uid: Number(idOf('-u')), gid: Number(idOf('-g')) };
}

/** A folder that everybody may enter, with one in it that is the user's. */
function folders(t) {
  const { uid, gid } = asRoot();
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-user-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  chmodSync(dir, 0o755);
  const own = path.join(dir, 'own');
  mkdirSync(own, { mode: 0o750 });
  chownSync(own, uid, gid);
  return { uid, gid, dir, own };
}

/** The fields of /proc/PID/task/TID/status, of every thread. */
function threads(pid) {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const lines = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8').trim().split('\n');
    return Object.fromEntries(lines.map((l) => [l.split(':')[0], l.split(/:\s*/)[1].trim()]));
  });
}

const four = (id) => [id, id, id, id].join('\t');
const sorted = (text) => text.split(/\s+/).map(Number).sort();

function assertBelongs(pid, uid, gid, groups) {
  const all = threads(pid);
  assert.ok(all.length >= 2, 'there are shards');
  for (const s of all) {
    assert.equal(s.Uid, four(uid));
    assert.equal(s.Gid, four(gid));
    assert.deepEqual(sorted(s.Groups), sorted(groups));
    assert.equal(s.NoNewPrivs, '1');
    for (const set of ['CapPrm', 'CapEff', 'CapAmb']) assert.match(s[set], /^0+$/, set);
  }
}

const as = (uid, gid) => ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];

/** What the daemon says that does not start. */
async function refused(argv, code, options) {
  const d = spawnDaemon(argv, options);
  await d.waitExit();
  assert.deepEqual(d.exited, { code, signal: null }, d.tail());
  assert.deepEqual(d.stdout, [], 'no ready line');
  assert.deepEqual(d.reports(), []);
  return d.stderr.join('\n');
}

/** A free port below 1024, or 0 where this machine lets root have none. */
async function lowPort() {
  for (let port = 1023; port > 600; port--) {
    const code = await new Promise((resolve) => {
      const s = net.createServer();
      s.once('error', (e) => resolve(e.code));
      s.listen(port, '127.0.0.1', () => s.close(() => resolve('free')));
    });
    if (code === 'free') return port;
    if (code === 'EACCES') return 0;
  }
  return 0;
}

test('every thread is the user, for good, and can have no more', async (t) => {
  const { uid, gid } = asRoot();
  const port = await lowPort();
  const d = await daemonFor(t, {
    listen: [`127.0.0.1:${port}`],
    args: ['--user', name, '--shards', '3'],
  });
  if (port) assert.equal(d.port, port);
  assertBelongs(d.pid, uid, gid, idOf('-G'));
  const s = await Sse.live(d, '/events?channel=a');
  assert.equal((await publish(d, { channel: 'a', data: 1 })).matched, 1);
  assert.equal((await s.message()).envelope.data, 1);

  // Others of that user do not get at its memory, where keys are.
  const peek = (file) => spawnSync(...cut([...as(uid, gid), 'cat', `/proc/${d.pid}/${file}`]));
  assert.equal(peek('status').status, 0);
  for (const file of ['environ', 'maps']) {
    const r = peek(file);
    assert.notEqual(r.status, 0, file);
    assert.match(r.stderr.toString(), /denied|permitted/i);
  }
});

const cut = ([cmd, ...args]) => [cmd, args];

test('a group of its own choice; numbers', async (t) => {
  const { uid } = asRoot();
  const d = await daemonFor(t, { args: ['--user', `${name}:daemon`] });
  const gid = Number(execFileSync('getent', ['group', 'daemon'], { encoding: 'utf8' }).split(':')[2]);
  const groups = sorted(idOf('-G')).filter((g) => g !== Number(idOf('-g')));
  assertBelongs(d.pid, uid, gid, [gid, ...groups].join(' '));

  const numbers = await daemonFor(t, { args: ['--user', '54321:54322'] });
  assertBelongs(numbers.pid, 54321, 54322, '54322');
});

test('SIGHUP reads the configuration and opens the log again, as the user', async (t) => {
  const { uid, gid, dir, own } = folders(t);
  const conf = path.join(dir, 'fanfare.conf');
  const log = path.join(own, 'log');
  writeFileSync(conf, `user = ${name}\nlog-file = ${log}\nmax-message = 2k\nmax-body = 1m\n`);
  chmodSync(conf, 0o644);
  const d = await daemonFor(t, { args: ['--config', conf] });
  assertBelongs(d.pid, uid, gid, idOf('-G'));
  assert.deepEqual([statSync(log).uid, statSync(log).gid], [uid, gid]);
  const big = { channel: 'a', data: 'x'.repeat(4000) };
  await assert.rejects(publish(d, big));

  renameSync(log, `${log}.1`);
  writeFileSync(conf, `user = ${name}\nlog-file = ${log}\nmax-message = 8k\nmax-body = 1m\n`);
  d.kill('SIGHUP');
  const lines = () => [`${log}.1`, log].map((f) => readFileSync(f, 'utf8')).join('');
  await poll(() => (existsSync(log) && lines().includes('options reloaded')) || undefined);
  assert.equal(statSync(log).uid, uid);
  await publish(d, big);
  assert.doesNotMatch(lines(), / error |restart/);

  // A file that only root may read could be read at the start; not any more.
  chmodSync(conf, 0o600);
  d.kill('SIGHUP');
  const line = await d.waitForLog(/not reloaded/);
  assert.match(line, /fanfare\.conf.*[Pp]ermission/);
  await publish(d, big);
});

test('a unix socket and a store belong to the user', async (t) => {
  const { uid, gid, dir, own } = folders(t);
  const socket = path.join(dir, 'f.sock'); // where only root may make one
  const db = path.join(own, 'log.db');
  const options = {
    listen: [`unix:${socket}`, '127.0.0.1:0'],
    args: ['--user', name, '--store', `sqlite:${db}`, '--unix-mode', '600'],
  };
  const first = await daemonFor(t, options);
  const s = statSync(socket);
  assert.deepEqual([s.uid, s.gid, s.mode & 0o777], [uid, gid, 0o600]);
  await publish(first, { channel: 'a', data: 'kept' });
  for (const file of readdirSync(own)) {
    const f = statSync(path.join(own, file));
    assert.deepEqual([f.uid, f.gid, f.mode & 0o777], [uid, gid, 0o640], file);
  }
  await first.stop();
  assert.ok(statSync(db).size > 0);

  // The user could not remove the socket from root's folder: the next start does.
  const second = await daemonFor(t, options);
  const { messages } = (await get(second, '/channels/a/history')).json;
  assert.deepEqual(
    messages.map((m) => m.data),
    ['kept'],
  );
  await publish(second, { channel: 'a', data: 'more' });
});

test('what the user may not write is said before anybody is served', async (t) => {
  const { dir } = folders(t);
  const base = ['--listen', '127.0.0.1:0', '--user', name];
  let text = await refused([...base, '--log-file', path.join(dir, 'log')], 1);
  assert.match(text, /log file .*[Pp]ermission.*--user/);
  assert.ok(!existsSync(path.join(dir, 'log')), 'root has not made it either');
  text = await refused([...base, '--store', `sqlite:${path.join(dir, 'log.db')}`], 1);
  assert.match(text, /log\.db.*permission/);
  assert.deepEqual(readdirSync(dir), ['own']);
});

test('users and groups that are not there, and root', async () => {
  asRoot();
  const base = ['--listen', '127.0.0.1:0', '--user'];
  assert.match(await refused([...base, 'no-such-user'], 2), /no user "no-such-user"/);
  assert.match(await refused([...base, `${name}:no-such-group`], 2), /no group "no-such-group"/);
  assert.match(await refused([...base, `${name}:`], 2), /USER:GROUP/);
  assert.match(await refused([...base, 'root'], 2), /name another user/);
  assert.match(await refused([...base, '0'], 2), /name another user/);
  assert.match(await refused([...base, '54321'], 2), /54321:GROUP/);
  assert.match(await refused([...base, '4294967295:1'], 2), /no user/);
  assert.match(await refused([...base, 'no-such-user', '--check-config'], 2), /no user/);
});

test('who is not root can only stay who it is', async (t) => {
  const { uid, gid, dir } = folders(t);
  // Where the daemon was built others may have no business.
  const bin = path.join(dir, 'fanfare');
  copyFileSync(daemonPath(), bin);
  chmodSync(bin, 0o755);
  const start = (user) => {
    const argv = ['--listen', '127.0.0.1:0', '--drain', '0', '--user', user];
    const d = new Daemon(bin, argv, { wrap: as(uid, gid) });
    t.after(() => d.exited || d.kill('SIGKILL'));
    return d;
  };
  for (const user of ['daemon', `${name}:daemon`]) {
    const d = start(user);
    await d.waitExit();
    assert.equal(d.exited.code, 1, d.tail());
    assert.match(d.stderr.join('\n'), new RegExp(`only root .* user ${uid}, group ${gid}`));
  }
  const same = start(name);
  await same.waitReady();
  const all = threads(same.pid);
  for (const s of all) {
    assert.equal(s.Uid, four(uid));
    assert.equal(s.NoNewPrivs, '1');
  }
  await same.stop();
});
