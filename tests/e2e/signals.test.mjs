// Starting, stopping, reloading: exit codes, messages, drain.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, scaled, spawnDaemon, startDaemon, within } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, publish, request } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

function tempDir(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-e2e-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs it to its end. */
async function run(argv, opts) {
  const d = spawnDaemon(argv, opts);
  try {
    await d.waitExit();
  } catch (e) {
    d.kill('SIGKILL');
    throw e;
  }
  const code = await d.stop('SIGTERM', { expect: null });
  return { code, out: d.stdout, err: d.stderr, text: [...d.stdout, ...d.stderr].join('\n') };
}

test('SIGTERM: everyone is asked to leave, spread, and the exit code is 0', async (t) => {
  const d = await startDaemon({ args: ['--drain', '4s', '--shards', '2'] });
  t.after(() => d.kill('SIGKILL'));
  const n = 16;
  const sse = [];
  const ws = [];
  for (let i = 0; i < n; i++) {
    sse.push(await Sse.live(d, '/events?channel=a'));
    ws.push(await Ws.live(d, '/ws?channel=a'));
  }
  const idle = await RawConn.open(d);
  const last = await publish(d, { channel: 'a', data: 'last' });
  const began = Date.now();
  d.kill('SIGTERM');

  const times = [];
  const waits = [];
  const each = async (stream, control, end) => {
    assert.equal((await stream.message()).id ?? last.cursor, last.cursor);
    const e = await control();
    waits.push(e);
    await end();
    times.push(Date.now() - began);
  };
  const all = Promise.all([
    ...sse.map((s) =>
      each(
        s,
        async () => {
          const e = await s.control('draining', { timeout: 20000 });
          assert.equal(e.id, last.cursor);
          assert.deepEqual(Object.keys(e.envelope.data), ['reconnectAfter']);
          assert.ok(Number.isInteger(e.envelope.data.reconnectAfter));
          assert.equal(e.retry, String(e.envelope.data.reconnectAfter), 'retry in the same block');
          return e.envelope.data.reconnectAfter;
        },
        () => s.ended(20000),
      ),
    ),
    ...ws.map((w) =>
      each(
        w,
        async () => {
          const e = await w.control('draining', { timeout: 20000 });
          assert.equal(e.json.cursor, last.cursor);
          return e.json.data.reconnectAfter;
        },
        async () => {
          assert.equal((await w.waitClosed(20000)).code, 1012);
        },
      ),
    ),
  ]);

  // While it drains it says so, lives, and takes no new stream.
  const notReady = await poll(
    async () => {
      const res = await get(d, '/ready');
      return res.status === 200 ? undefined : res;
    },
    { what: 'not ready' },
  );
  assertProblem(notReady, 503, { code: 'draining' });
  assert.match(notReady.headers['retry-after'] ?? '1', /^\d+$/);
  assert.equal((await get(d, '/health')).status, 200);
  const refusedEs = await RawConn.open(d);
  await refusedEs.write(
    `GET /events?channel=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
  );
  const text = (await refusedEs.rest()).toString();
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.match(
    text,
    new RegExp(
      '\\r\\n\\r\\nretry: (\\d+)\\nevent: fanfare\\.refused\\ndata: ' +
        '\\{"type":"fanfare\\.refused","data":\\{"code":"draining","retryAfter":\\1\\}\\}\\n\\n$',
    ),
  );
  const refused = await get(d, '/events?channel=a');
  assertProblem(refused, 503, { code: 'draining' });
  assert.match(refused.headers['retry-after'], /^[1-9]\d*$/);
  const refusedWs = await request(d, {
    path: '/ws',
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  });
  assert.equal(refusedWs.status, 503);
  assert.match(refusedWs.headers['retry-after'], /^[1-9]\d*$/);

  await all;
  assert.ok(new Set(waits).size > waits.length / 2, `reconnect times are spread: ${waits}`);
  times.sort((x, y) => x - y);
  const spread = times.at(-1) - times[0];
  assert.ok(spread > 800, `closes are spread over the drain time: ${times}`);
  assert.ok(times.at(-1) < 4000 + scaled(3000), `within the drain time: ${times}`);
  assert.equal(await d.stop('SIGCONT', { timeout: 10000 }), 0, 'it ends by itself');
  idle.close();
});

test('SIGINT drains too; without clients the end comes at once', async () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const d = await startDaemon({ args: ['--drain', '300s'] });
    await get(d, '/health');
    const began = Date.now();
    assert.equal(await d.stop(signal, { timeout: 10000 }), 0);
    assert.ok(Date.now() - began < scaled(8000));
  }
});

test('a second SIGTERM ends it at once', async (t) => {
  const d = await startDaemon({ args: ['--drain', '300s'] });
  t.after(() => d.kill('SIGKILL'));
  const s = await Sse.live(d, '/events');
  const w = await Ws.live(d, '/ws');
  d.kill('SIGTERM');
  await poll(async () => ((await get(d, '/ready')).status === 503 ? true : undefined));
  const began = Date.now();
  await d.stop('SIGTERM', { timeout: 8000, expect: null });
  assert.ok(Date.now() - began < scaled(8000));
  await s.ended();
  await w.waitClosed();
});

test('--drain 0: everything ends at once, exit code 0', async (t) => {
  const d = await startDaemon({ args: ['--drain', '0'] });
  t.after(() => d.kill('SIGKILL'));
  const s = await Sse.live(d, '/events');
  const w = await Ws.live(d, '/ws');
  assert.equal(await d.stop(), 0);
  await s.ended();
  assert.ok([1001, 1012].includes((await w.waitClosed()).code), `close code ${w.closed.code}`);
});

test('SIGHUP: live options are read again, others are named', async (t) => {
  const dir = tempDir(t);
  const conf = path.join(dir, 'fanfare.conf');
  const log = path.join(dir, 'fanfare.log');
  writeFileSync(
    conf,
    `# first\nheartbeat = 1h\nretry = 3s\nlog-level = info\nlog-file = ${log}\nmax-message = 1k\n`,
  );
  const d = await daemonFor(t, { args: ['--config', conf] });
  const lines = () =>
    [`${log}.1`, log]
      .flatMap((f) => (existsSync(f) ? readFileSync(f, 'utf8').split('\n').filter(Boolean) : []))
      .concat(d.stderr);
  const logged = (regex) =>
    poll(() => lines().find((l) => regex.test(l)), {
      what: `a line matching ${regex} in the log file`,
    });

  const s = await Sse.live(d, '/events');
  assert.ok(s.raw.startsWith('retry: 3000\n'));
  assert.equal(
    (
      await request(d, {
        method: 'POST',
        path: '/broadcast',
        body: `{"data":"${'x'.repeat(1100)}"}`,
      })
    ).status,
    413,
  );

  // Rotate the log, and change what can change and what cannot.
  renameSync(log, `${log}.1`);
  writeFileSync(
    conf,
    `heartbeat = 1s\nretry = 5s\nlog-level = debug\nlog-file = ${log}\n` +
      'max-message = 2k\nshards = 7\n',
  );
  d.kill('SIGHUP');
  // By name, and only that one: the line "started" has a field shards= too.
  await logged(/^\S+ warn +some changed options need a restart options=shards$/);
  await poll(() => existsSync(log) || undefined, { what: 'a new log file' });
  await logged(/^\S+ info +options reloaded/); // by the last shard
  const t2 = await Sse.live(d, '/events');
  assert.ok(t2.raw.startsWith('retry: 5000\n'), t2.raw);
  await t2.comment({ timeout: 20000 });
  assert.equal(
    (
      await request(d, {
        method: 'POST',
        path: '/broadcast',
        body: `{"data":"${'x'.repeat(1100)}"}`,
      })
    ).status,
    200,
  );
  await s.message();
  await t2.message();
  await get(d, '/nope');
  await poll(
    () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .find((l) => /^\S+ debug /.test(l)),
    { what: 'a debug line in the new file' },
  );
  assert.notEqual((await get(d, '/stats')).json.shards, 7);

  // A file with a mistake changes nothing, and is said.
  writeFileSync(conf, 'retry = 9s\nheartbeet = 1s\n');
  d.kill('SIGHUP');
  await logged(/heartbeet.*heartbeat/);
  const t3 = await Sse.live(d, '/events');
  assert.ok(t3.raw.startsWith('retry: 5000\n'), t3.raw);
  rmSync(conf);
  d.kill('SIGHUP');
  await logged(/fanfare\.conf(?!:2)/);
  assert.equal((await get(d, '/health')).status, 200);
  // What was connected all the while still is.
  await publish(d, { data: 'still' });
  for (const x of [s, t2, t3]) assert.equal((await x.message()).envelope.data, 'still');
});

test('SIGHUP without a config file, and SIGPIPE, do no harm', async (t) => {
  const d = await daemonFor(t);
  const s = await Sse.live(d, '/events');
  for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGHUP']) {
    d.kill(signal);
    await publish(d, { data: signal });
    assert.equal((await s.message()).envelope.data, signal);
  }
});

test('a port in use: exit 1 and a clear message', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const s = await Sse.live(d, '/events?channel=a');
  const again = await run(['--listen', `127.0.0.1:${d.port}`]);
  assert.equal(again.code, 1, again.text);
  assert.match(
    again.err.join('\n'),
    new RegExp(`127\\.0\\.0\\.1:${d.port}.*in use|in use.*127\\.0\\.0\\.1:${d.port}`),
  );
  assert.deepEqual(again.out, []);
  // Nothing was taken from the one that is there.
  for (let i = 0; i < 20; i++) {
    await publish(d, { channel: 'a', data: i });
    assert.equal((await s.message()).envelope.data, i);
  }
  // Another program's port, without SO_REUSEPORT.
  const other = net.createServer();
  await new Promise((r) => other.listen(0, '127.0.0.1', r));
  t.after(() => other.close());
  const taken = await run(['--listen', `127.0.0.1:${other.address().port}`]);
  assert.equal(taken.code, 1, taken.text);
  assert.match(taken.err.join('\n'), /in use/);
  // One good listener beside it does not make it start.
  const both = await run(['--listen', '127.0.0.1:0', '--listen', `127.0.0.1:${d.port}`]);
  assert.equal(both.code, 1, both.text);
  assert.deepEqual(both.out, []);
});

test('the port is free again at once after the end', async () => {
  const d = await startDaemon();
  const s = await Sse.live(d, '/events');
  await d.stop();
  await s.ended();
  const again = await startDaemon({ listen: [`127.0.0.1:${d.port}`] });
  assert.equal(again.port, d.port);
  await again.stop();
  s.close();
});

test('wrong options: exit 2 and one line that names them', async (t) => {
  const dir = tempDir(t);
  const conf = (text) => {
    const file = path.join(dir, `f${Math.random().toString(36).slice(2)}.conf`);
    writeFileSync(file, text);
    return file;
  };
  const cases = [
    [['--heartbeet', '5s'], /heartbeet.*heartbeat/],
    [['--max-boddy=1k'], /max-boddy.*max-body/],
    [['--heartbeat', 'abc'], /heartbeat.*abc|abc.*heartbeat/],
    [['--heartbeat', '0'], /heartbeat/],
    [['--heartbeat', '2h'], /heartbeat/],
    [['--heartbeat', '-5s'], /heartbeat/],
    [['--heartbeat', '5 s x'], /heartbeat/],
    [['--heartbeat', '99999999999999999999s'], /heartbeat/],
    [['--heartbeat'], /heartbeat/],
    [['--shards', '65'], /shards.*64/],
    [['--shards', '1.5'], /shards/],
    [['--shards', ''], /shards/],
    [['--max-body', '1q'], /max-body/],
    [['--max-body', '1'], /max-body.*1024|max-body.*1k/i],
    [['--max-message', '8m'], /max-message.*max-body|max-body.*max-message/],
    [['--slow-client', 'drop-oldst'], /drop-oldst.*drop-oldest/],
    [['--log-level', 'verbose'], /log-level/],
    [['--log-format', 'xml'], /log-format/],
    [['--ws-path', 'ws'], /ws-path/],
    [['--unix-mode', '9'], /unix-mode/],
    [['--listen', '127.0.0.1'], /listen|127\.0\.0\.1/],
    [['--listen', '127.0.0.1:99999'], /99999/],
    [['--listen', '[::1:80'], /listen|::1/],
    [['--listen', 'unix:'], /unix/],
    [['--allow-origin', 'example'], /allow-origin|example/],
    [['--demo=maybe'], /demo/],
    [['stray'], /stray/],
    [['-x'], /x/],
    [['--config', path.join(dir, 'none.conf')], /none\.conf/],
    [['--config', conf('heartbeet = 5s\n')], /f\w+\.conf.*1.*heartbeet.*heartbeat/],
    [['--config', conf('# ok\n\nheartbeat = never\n')], /f\w+\.conf.*3.*heartbeat/],
    [['--config', conf('just text\n')], /f\w+\.conf.*1/],
    [['--config', conf('config = x\n')], /config/],
    [['--config', dir], new RegExp(path.basename(dir))],
  ];
  for (const [argv, message] of cases) {
    const r = await run(['--check-config', ...argv]);
    const what = `${argv.join(' ')}\n${r.text}`;
    assert.equal(r.code, 2, what);
    assert.equal(r.err.length, 1, `one line: ${what}`);
    assert.match(r.err[0], message, what);
    assert.deepEqual(r.out, [], what);
    // The same without --check-config.
    const r2 = await run(['--listen', '127.0.0.1:0', ...argv]);
    assert.equal(r2.code, 2, what);
  }
  const env = await run(['--check-config'], { env: { FANFARE_MAX_BODDY: '1k' } });
  assert.equal(env.code, 2, env.text);
  assert.match(env.text, /FANFARE_MAX_BODDY.*MAX_BODY|FANFARE_MAX_BODDY.*max-body/);
  const val = await run(['--check-config'], { env: { FANFARE_HEARTBEAT: 'x' } });
  assert.equal(val.code, 2, val.text);
  assert.match(val.text, /heartbeat/i);
});

test('--check-config, --version, --help', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'ok.conf');
  writeFileSync(
    file,
    '; a comment\nlisten = 127.0.0.1:0\nlisten = [::1]:0\nheartbeat=15\n\n' +
      'slow-client = drop-oldest\ndemo = yes\nmax-body = 8M\n',
  );
  const ok = await run(['--check-config', '--config', file, '--shards', '2']);
  assert.equal(ok.code, 0, ok.text);
  assert.deepEqual(ok.err, []);
  const v = await run(['--version']);
  assert.equal(v.code, 0, v.text);
  assert.match(v.out.join('\n'), /^fanfare \d+\.\d+\.\d+/);
  assert.deepEqual(v.err, []);
  const h = await run(['--help']);
  assert.equal(h.code, 0, h.text);
  assert.deepEqual(h.err, []);
  for (const o of [
    '--listen',
    '--shards',
    '--heartbeat',
    '--retry',
    '--ws-path',
    '--max-connections',
    '--max-connections-per-address',
    '--max-body',
    '--max-header',
    '--max-channels-per-client',
    '--max-message',
    '--client-queue-bytes',
    '--client-queue-messages',
    '--slow-client',
    '--drain',
    '--log-level',
    '--log-format',
    '--config',
    '--check-config',
    '--version',
    '--demo',
  ]) {
    assert.ok(h.out.join('\n').includes(o), o);
  }
  assert.ok(!h.out.join('\n').includes('test-ws-echo'), 'hidden options are hidden');
});

test('flags win over the environment, which wins over the file', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.conf');
  writeFileSync(
    file,
    'retry = 1s\nheartbeat = 77s\nmax-channels-per-client = 5\nws-path = /file\n',
  );
  const d = await daemonFor(t, {
    args: ['--ws-path', '/flag', '--config', file],
    env: { FANFARE_RETRY: '6s', FANFARE_WS_PATH: '/env' },
  });
  const s = await Sse.live(d, '/events?channel=a&channel=b&channel=c&channel=d&channel=e');
  assert.ok(s.raw.startsWith('retry: 6000\n'), s.raw);
  await Ws.live(d, '/flag');
  assert.equal((await get(d, '/env')).status, 404);
  assert.equal((await get(d, '/ws')).status, 404);
  assertProblem(
    await get(d, '/events?channel=a&channel=b&channel=c&channel=d&channel=e&channel=f'),
    400,
    { code: 'too_many_channels' },
  );
});

test('open mode: other addresses than loopback need --insecure-open', async () => {
  for (const addr of ['0.0.0.0:0', '[::]:0']) {
    const r = await run(['--listen', addr]);
    assert.ok([1, 2].includes(r.code), r.text);
    assert.match(r.err.join('\n'), /insecure-open/);
    assert.deepEqual(r.out, []);
  }
});

test('JSON logs are JSON, line by line', async (t) => {
  const d = await daemonFor(t, { args: ['--log-format', 'json', '--log-level', 'debug'] });
  const s = await Sse.live(d, '/events?userId=a%22b%20%3D%20c', {
    headers: { 'User-Agent': 'x"y\\z é' },
  });
  s.close();
  await get(d, '/nope%22');
  await d.waitForLog(/^\{/);
  await within(10000, d.stop(), 'the end');
  assert.ok(d.stderr.length > 0);
  for (const line of d.stderr) {
    const o = JSON.parse(line);
    assert.match(o.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(['error', 'warn', 'info', 'debug'].includes(o.level), line);
    assert.equal(typeof o.msg, 'string');
  }
});
