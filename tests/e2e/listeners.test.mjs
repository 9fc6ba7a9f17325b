// Where it listens: IPv4, IPv6, unix sockets, several at once.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, spawnDaemon, startDaemon } from './lib/daemon.mjs';
import { get, publish } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { Ws } from './lib/wsclient.mjs';

function tempDir(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-e2e-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const hasIpv6 = /^0{31}1 /m.test(
  existsSync('/proc/net/if_inet6') ? readFileSync('/proc/net/if_inet6', 'utf8') : '',
);

test('a unix socket', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.sock');
  const d = await daemonFor(t, { listen: [`unix:${file}`], args: ['--shards', '3'] });
  assert.deepEqual(d.stdout, [`fanfare ready on unix:${file}`]);
  assert.equal(statSync(file).mode & 0o777, 0o660);
  const streams = [];
  for (let i = 0; i < 12; i++) {
    streams.push(await Sse.live(d, '/events?channel=a'));
    streams.push(await Ws.live(d, '/ws?channel=a'));
  }
  for (let i = 0; i < 20; i++)
    assert.equal((await publish(d, { channel: 'a', data: i })).matched, 24);
  for (const s of streams) {
    for (let i = 0; i < 20; i++) {
      const m = await s.message();
      assert.equal((m.envelope ?? m.json).data, i);
    }
  }
  for (const c of (await get(d, '/clients')).json.clients) assert.equal(c.peer, 'unix');
  // Its own noise about TCP options on such a socket stays out of the log.
  assert.ok(!d.stderr.some((l) => /TCP_|setsockopt/i.test(l)), d.tail());

  // A second one on the same path: refused, and the first keeps its socket.
  const second = spawnDaemon(['--listen', `unix:${file}`]);
  await second.waitExit();
  assert.equal(second.exited.code, 1, second.tail());
  assert.match(second.stderr.join('\n'), /in use/);
  assert.equal((await get(d, '/health')).status, 200);
});

test('--unix-mode, and a socket file left behind', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.sock');
  const first = await startDaemon({ listen: [`unix:${file}`], args: ['--unix-mode', '600'] });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  first.kill('SIGKILL');
  await first.waitExit();
  assert.ok(existsSync(file));
  const d = await daemonFor(t, { listen: [`unix:${file}`] });
  assert.equal((await get(d, '/health')).status, 200);

  // A file that is no socket is not touched.
  const plain = path.join(dir, 'plain');
  writeFileSync(plain, 'precious');
  const bad = spawnDaemon(['--listen', `unix:${plain}`]);
  await bad.waitExit();
  assert.equal(bad.exited.code, 1, bad.tail());
  assert.equal(readFileSync(plain, 'utf8'), 'precious');
  const deep = spawnDaemon(['--listen', `unix:${path.join(dir, 'no', 'such', 'dir.sock')}`]);
  await deep.waitExit();
  assert.equal(deep.exited.code, 1, deep.tail());
});

test('IPv6', { skip: !hasIpv6 && 'this machine has no ::1' }, async (t) => {
  const d = await daemonFor(t, { listen: ['[::1]:0'], args: ['--shards', '2'] });
  assert.match(d.url, /^http:\/\/\[::1\]:[1-9]\d*$/);
  const s = await Sse.live(d, '/events?channel=a');
  const w = await Ws.live(d, '/ws?channel=a');
  await publish(d, { channel: 'a', data: 6 });
  assert.equal((await s.message()).envelope.data, 6);
  assert.equal((await w.message()).json.data, 6);
  const peers = (await get(d, '/clients')).json.clients.map((c) => c.peer);
  for (const p of peers) assert.match(p, /^\[::1\]:\d+$/);
  assert.ok(peers.includes(`[::1]:${s.conn.localPort}`));
});

test('several listeners are one gateway; the ready line names the first', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.sock');
  const listen = ['127.0.0.1:0', `unix:${file}`, 'localhost:0'];
  if (hasIpv6) listen.push('[::1]:0');
  const d = await daemonFor(t, { listen, args: ['--shards', '2'] });
  assert.equal(d.stdout.length, 1);
  assert.match(d.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const unix = { path: file };
  const a = await Sse.live(d, '/events?channel=x');
  const b = await Sse.live(unix, '/events?channel=x');
  const c = await Ws.live(unix, '/ws?channel=x');
  const r1 = await publish(unix, { channel: 'x', data: 1 });
  const r2 = await publish(d, { channel: 'x', data: 2 });
  assert.deepEqual([r1.matched, r2.matched], [3, 3]);
  for (const s of [a, b, c]) {
    for (const want of [1, 2]) {
      const m = await s.message();
      assert.equal((m.envelope ?? m.json).data, want);
    }
  }
  assert.equal(d.stdout.length, 1);
});
