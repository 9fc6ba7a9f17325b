// What becomes of messages that a client does not read, by policy and prefix.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, spawnDaemon } from './lib/daemon.mjs';
import { Publisher, get } from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { Stalled, checkTold } from './lib/stalled.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const small = ['--client-queue-bytes', '64k', '--send-buffer', '16k', '--log-level', 'debug'];
const filler = 'x'.repeat(2000);
const transports = ['sse', 'ws'];

const counters = async (d) => (await get(d, '/stats')).json.counters;

/** Publishes `next(n)` for n = 0, 1, … until `done()`; returns what was sent. */
async function publishUntil(d, next, done, { limit = 20000, onEach = () => {} } = {}) {
  const pub = await Publisher.open(d);
  const sent = [];
  for (let n = 0; ; n++) {
    assert.ok(n < limit, `nothing happened in ${limit} messages\n${d.tail()}`);
    const m = next(n);
    const { cursor } = await pub.publish({ ...m, data: { n, filler } });
    sent.push({ seq: seqOf(cursor), n, lane: `${m.channel ?? m.userId}/${m.key ?? ''}`, ...m });
    await onEach(n);
    if (n % 25 === 24 && (await done())) break;
  }
  const { cursor } = await pub.publish({ type: 'fence', key: 'fence' });
  sent.push({ seq: seqOf(cursor), lane: 'fence' });
  pub.close();
  return sent;
}

/** The newest of each lane is among what was got. */
function assertNewest(sent, got, what) {
  const newest = new Map(sent.map((s) => [s.lane, s.seq]));
  for (const [lane, seq] of newest) assert.ok(got.has(seq), `${what}: the newest of ${lane}`);
}

const both = (d, query) => Promise.all(transports.map((tr) => Stalled.open(d, tr, query)));

test('conflate: a slow reader finds the newest value of each channel and key', async (t) => {
  const d = await daemonFor(t, {
    args: [...small, '--slow-client-for', 'c.=conflate', '--shards', '2'],
  });
  const fast = await Ws.live(d, '/ws?channel=c.%3E');
  const stalled = await both(d, 'channel=c.%3E');
  const channels = ['c.a', 'c.b', 'c.c'];
  const keys = [undefined, 'eur', 'usd'];
  const sent = await publishUntil(
    d,
    (n) => ({ channel: channels[n % 3], key: keys[Math.floor(n / 3) % 3] }),
    async () => (await counters(d)).conflated > 2000,
    {
      onEach: async (n) => {
        assert.equal((await fast.message()).json.data.n, n, 'a fast client gets every value');
      },
    },
  );
  const at = await counters(d);
  assert.equal(at.slow_closed, 0);
  assert.equal(at.dropped, 0);
  assert.equal(at.clients_slow, 2);
  assert.ok(at.slow_bytes > 0 && at.slow_bytes < 1 << 20, `${at.slow_bytes} bytes held`);
  // Few wait, although the queue has room for many more.
  for (const { id } of stalled) {
    const { queue } = (await get(d, `/clients/${id}`)).json;
    assert.ok(queue.messages <= 24, `${queue.messages} wait`);
  }
  for (const s of stalled) {
    const { missed, got, gaps } = checkTold(sent, await s.readUntil('fence'), s.transport);
    assert.ok(missed.length > 900, `${missed.length} were spared`);
    assertNewest(sent, got, s.transport);
    assert.ok(gaps.length >= 1 && gaps.every((g) => g.reason === 'conflated'), s.transport);
    s.close();
  }
  await poll(async () => (await counters(d)).slow_bytes === 0 || undefined, {
    what: 'nothing is held any more',
  });
  assert.equal((await counters(d)).clients_slow, 0);
});

test('prefixes: each message is treated by the policy of its channel', async (t) => {
  const d = await daemonFor(t, {
    args: [
      ...small,
      ...['--slow-client', 'drop-oldest'],
      ...['--slow-client-for', 'c.=conflate'],
      ...['--slow-client-for', 'c.all.=disconnect'],
      ...['--slow-client-for', 'd.=disconnect'],
    ],
  });
  const stalled = await both(d, 'channel=%3E&userId=ann');
  const mix = [
    { channel: 'c.a' },
    { channel: 'c.b', key: 'k' },
    { channel: 'o.x' },
    { userId: 'ann' },
    {},
    { channel: 'other' },
  ];
  // A few that may not be lost among many that may.
  const next = (n) => {
    if (n === 150 || n === 300) return { channel: 'd.x' };
    if (n === 200) return { channel: 'c.all.x' };
    return mix[n % mix.length];
  };
  const sent = await publishUntil(d, next, async () => (await counters(d)).dropped > 600);
  assert.equal((await counters(d)).slow_closed, 0);
  assert.ok((await counters(d)).conflated > 0);
  for (const s of stalled) {
    const { missed, got, gaps } = checkTold(sent, await s.readUntil('fence'), s.transport);
    assert.ok(missed.length > 0);
    for (const m of missed) {
      assert.ok(!/^(d\.|c\.all\.)/.test(m.channel ?? ''), `${s.transport}: ${m.channel} is gone`);
    }
    const conflating = sent.filter((m) => /^c\.[ab]$/.test(m.channel ?? ''));
    assertNewest(conflating, got, s.transport);
    assert.ok(gaps.some((g) => g.reason === 'slow'), s.transport);
    s.close();
  }
});

test('prefixes: a client is closed rather than lose a message that it may not', async (t) => {
  const d = await daemonFor(t, {
    args: [...small, '--slow-client', 'conflate', '--slow-client-for', 'd.=disconnect'],
  });
  const stalled = await both(d, 'channel=d.x&channel=c');
  const closed = (s) =>
    d.stderr.some((l) => l.includes(s.id) && /^\S+ warn +slow client closed/.test(l));
  const sent = await publishUntil(
    d,
    (n) => ({ channel: n % 3 ? 'd.x' : 'c' }),
    () => stalled.every(closed),
  );
  assert.equal((await counters(d)).slow_closed, 2);
  for (const s of stalled) {
    s.conn.resume();
    await s.conn.closed(20000);
    const got = s.events().filter((e) => e.channel === 'd.x');
    const want = sent.filter((m) => m.channel === 'd.x').slice(0, got.length);
    assert.deepEqual(
      got.map((e) => e.data.n),
      want.map((m) => m.n),
      `${s.transport}: no hole before the end`,
    );
  }
});

test('conflate for all: users, everyone and single clients have their newest', async (t) => {
  const d = await daemonFor(t, { args: [...small, '--slow-client', 'conflate'] });
  const stalled = await both(d, 'userId=ann');
  const mix = [{ userId: 'ann' }, { userId: 'ann', key: 'k' }, {}, { key: 'k' }];
  const sent = await publishUntil(
    d,
    (n) => mix[n % 4],
    async () => (await counters(d)).conflated > 1000,
  );
  for (const s of stalled) {
    const { got, missed } = checkTold(sent, await s.readUntil('fence'), s.transport);
    assertNewest(sent, got, s.transport);
    assert.ok(missed.length > 400);
    s.close();
  }
});

// ---- options ---------------------------------------------------------------

function tempDir(t) {
  const dir = mkdtempSync(path.join(tmpdir(), 'fanfare-slow-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('wrong policies: exit 2 and one line with the fix', async () => {
  const fix = 'write PREFIX=POLICY, such as ticks\\.=conflate';
  const cases = [
    [['--slow-client', 'conflat'], /slow-client: "conflat".*did you mean conflate\?/],
    [['--slow-client-for', 'ticks.'], `"ticks\\.": there is no "=" and policy; ${fix}`],
    [['--slow-client-for', '=conflate'], `the prefix is missing.*; ${fix}`],
    [['--slow-client-for', 'ticks.>=conflate'], `a prefix has no wildcards; ${fix}`],
    [['--slow-client-for', 'a b=conflate'], `a byte that no channel's name may have; ${fix}`],
    [['--slow-client-for', 'a=drop-old'], /slow-client-for: "drop-old" is not .*drop-oldest\?/],
    [
      ['--slow-client-for', 'a=conflate', '--slow-client-for', 'a=disconnect'],
      /slow-client-for: a=disconnect gives a second policy to the same prefix; leave one out/,
    ],
    [['--client-queues-total', '-1'], /client-queues-total/],
    [['--client-queues-total', '65g'], /client-queues-total: 65g is outside .* 0 to 64g/],
  ];
  for (const [argv, message] of cases) {
    const d = spawnDaemon(['--check-config', ...argv]);
    const { code } = await d.waitExit();
    const what = `${argv.join(' ')}\n${d.stderr.join('\n')}`;
    assert.equal(code, 2, what);
    assert.equal(d.stderr.length, 1, what);
    assert.match(d.stderr[0], new RegExp(message), what);
  }
  const env = { FANFARE_SLOW_CLIENT_FOR: 'a.=conflate b.=drop-oldest c=d=disconnect' };
  const d = spawnDaemon(['--check-config'], { env });
  assert.equal((await d.waitExit()).code, 0, d.stderr.join('\n'));
});

test('SIGHUP: policies are read again, and a mistake changes nothing', async (t) => {
  const conf = path.join(tempDir(t), 'fanfare.conf');
  const common =
    'client-queue-bytes = 64k\nsend-buffer = 16k\nlog-level = debug\nclient-queues-total = 4m\n';
  writeFileSync(conf, `${common}slow-client = disconnect\n`);
  const d = await daemonFor(t, { args: ['--config', conf, '--shards', '2'] });
  const reload = async (text, regex) => {
    const from = d.mark();
    writeFileSync(conf, common + text);
    d.kill('SIGHUP');
    await d.waitForLog(regex, { from });
  };

  await reload(
    'slow-client-for = o.=drop-oldest\nslow-client-for = c.=conflate\n',
    /options reloaded/,
  );
  let stalled = await both(d, 'channel=%3E');
  let sent = await publishUntil(
    d,
    (n) => ({ channel: n % 2 ? 'o.x' : 'c.x' }),
    async () => {
      const at = await counters(d);
      return at.dropped > 500 && at.conflated > 500;
    },
  );
  for (const s of stalled) {
    checkTold(sent, await s.readUntil('fence'), s.transport);
    s.close();
  }
  await reload('slow-client-for = c.conflate\n', /slow-client-for.*there is no "=" and policy/);
  await reload(
    'slow-client-for = o.=drop-oldest\nslow-client-for = o.=conflate\n',
    /slow-client-for.*second policy/,
  );
  assert.equal((await counters(d)).slow_closed, 0);
  stalled = await both(d, 'channel=%3E');
  const before = await counters(d);
  sent = await publishUntil(
    d,
    () => ({ channel: 'o.x' }),
    async () => (await counters(d)).dropped > before.dropped + 500,
  );
  for (const s of stalled) {
    checkTold(sent, await s.readUntil('fence'), s.transport);
    s.close();
  }
  // And back: what may not be dropped ends the client.
  await reload('', /options reloaded/);
  stalled = await both(d, 'channel=%3E');
  await publishUntil(
    d,
    () => ({ channel: 'o.x' }),
    async () => (await counters(d)).slow_closed === 2,
  );
});

// ---- peers that take nothing ------------------------------------------------

test('a client that takes nothing for --user-timeout is closed', async (t) => {
  const socket = path.join(tempDir(t), 's.sock');
  const d = await daemonFor(t, {
    listen: ['127.0.0.1:0', `unix:${socket}`],
    args: [
      ...['--send-buffer', '16k', '--log-level', 'debug'],
      ...['--user-timeout', '1s', '--heartbeat', '1s', '--pong-timeout', '1s'],
    ],
  });
  const over = await Promise.all([
    Stalled.open(d, 'sse', 'channel=s'),
    Stalled.open({ path: socket }, 'sse', 'channel=s'),
    Stalled.open({ path: socket }, 'ws', 'channel=s'),
  ]);
  const quick = await Sse.live(d, '/events?channel=s');
  const from = d.mark();
  const pub = await Publisher.open(d);
  // More than the sockets take, and far less than their queues.
  for (let n = 0; n < 4; n++) {
    await pub.publish({ channel: 's', data: 'x'.repeat(200000) });
    await quick.message();
  }
  pub.close();
  for (const s of over) {
    await d.waitForLog(new RegExp(`debug client disconnected client=${s.id}`), {
      from,
      timeout: 60000,
    });
    s.close();
  }
  assert.equal((await get(d, '/stats')).json.clientCount, 1);
  assert.match(
    d.stderr.find((l) => l.includes(over[1].id) && l.includes('slow client closed')),
    / because=user-timeout$/,
  );
});
