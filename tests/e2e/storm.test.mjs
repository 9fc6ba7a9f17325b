// Thousands at once: clients that come and go, messages, heartbeats. Whoever
// is refused is told why, /ready says what is true, and those who were there
// before lose nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { daemonFor, slow, startDaemon } from './lib/daemon.mjs';
import { Herd } from './lib/herd.mjs';
import { RawConn, assertProblem, get, post, publish, requestBytes } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';

const many = slow ? 300 : 3000;

const ready = (d, status) =>
  poll(async () => ((await get(d, '/ready')).status === status ? true : undefined), {
    what: `/ready is ${status}`,
  });

async function counter(d, name) {
  const { text } = await get(d, '/metrics');
  return Number(new RegExp(`^fanfare_${name} (\\d+)$`, 'm').exec(text)[1]);
}

const subscribers = async (d, channel) => (await get(d, `/channels/${channel}`)).json.subscribers;

/** Publishes numbers to a channel, one after the other, until it is stopped. */
class Steady {
  n = 0;
  #stop = false;
  #run;

  constructor(d, channel) {
    this.#run = (async () => {
      const c = await RawConn.open(d);
      while (!this.#stop) {
        const body = `{"channel":"${channel}","data":${this.n}}`;
        const headers = { 'Content-Type': 'application/json' };
        c.write(requestBytes(d, { method: 'POST', path: '/broadcast', headers, body }));
        const res = await c.readResponse({ timeout: 20000 });
        assert.equal(res.status, 200, res.text);
        this.n++;
      }
      c.close();
    })();
    this.#run.catch(() => {});
  }

  /** The number of the last message. */
  async stop() {
    this.#stop = true;
    await this.#run;
    return this.n - 1;
  }
}

test(`${many} clients come, go, and come back at once`, async (t) => {
  for (const shards of ['1', '3']) {
    const d = await daemonFor(t, { args: ['--shards', shards] });
    const before = d.fds();
    const bystanders = await Herd.of(d, 10, { path: '?channel=steady' });
    const steady = new Steady(d, 'steady');
    const herd = new Herd(d);
    for (const reset of [false, true, false]) {
      await herd.come(many);
      assert.deepEqual(herd.refusals(), {});
      assert.equal(herd.in('stands').length, many);
      assert.equal(await subscribers(d, 'a'), many);
      assert.equal((await get(d, '/ready')).status, 200);
      // One message for the whole channel, and its clients get it once.
      assert.equal((await publish(d, { channel: 'a', data: 0 })).matched, many);
      await herd.upTo(0);
      herd.go({ reset });
    }
    // The last ones are still leaving while these arrive.
    await herd.come(many);
    assert.equal(herd.in('stands').length, many);
    herd.go();
    await poll(async () => ((await subscribers(d, 'a')) === 0 ? true : undefined), {
      timeout: 30000,
      what: 'an empty channel',
    });
    await bystanders.upTo(await steady.stop());
    bystanders.go();
    await poll(() => (d.fds() <= before ? true : undefined), { what: 'all descriptors back' });
    assert.equal(await counter(d, 'accept_refused_total'), 0);
    assert.equal(await counter(d, 'disconnects_total'), 4 * many + 10);
  }
});

test(`${many} clients come to a gateway with places for a third`, async (t) => {
  const places = many / 3;
  const d = await daemonFor(t, { args: ['--max-connections', String(places), '--shards', '1'] });
  const bystanders = await Herd.of(d, 10, { path: '?channel=steady' });
  const herd = new Herd(d);
  await herd.come(many);
  assert.equal(herd.in('stands').length, places - 10);
  assert.deepEqual(herd.refusals(), { too_many_connections: many - places + 10 });
  assertProblem(await get(d, '/ready'), 503, { code: 'too_many_connections' });
  assert.equal((await get(d, '/health')).status, 200);
  assert.equal(await counter(d, 'streams_refused_total'), many - places + 10);
  for (const line of d.stderr.filter((l) => l.includes('warn') && l.includes('connection'))) {
    assert.match(line, /connection over a limit limit=max-connections peer=127\.0\.0\.1:\d+/);
  }
  // Those inside are served, also by a publisher that comes now.
  assert.equal((await publish(d, { channel: 'a', data: 0 })).matched, places - 10);
  await herd.upTo(0);
  assert.equal((await publish(d, { channel: 'steady', data: 0 })).matched, 10);
  await bystanders.upTo(0);
  // The places are given again, to exactly as many.
  herd.go();
  await ready(d, 200);
  await poll(async () => ((await subscribers(d, 'a')) === 0 ? true : undefined), {
    what: 'an empty channel',
  });
  await herd.come(places - 10);
  assert.deepEqual(herd.refusals(), {});
  await ready(d, 503);
});

test('no descriptors: whoever comes is told, and those inside do not notice', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1'] });
  const soft = (n) => execFileSync('prlimit', ['--pid', String(d.pid), `--nofile=${n}:`]);
  const limit = /^Max open files +(\d+)/m.exec(
    execFileSync('cat', [`/proc/${d.pid}/limits`]).toString(),
  )[1];
  const herd = await Herd.of(d, 20);
  soft(d.fds() + 20);
  await herd.come(100);
  const told = herd.refusals();
  for (const code of Object.keys(told)) assert.match(code, /^(no_descriptors|1013)$/);
  assert.equal(herd.in('stands').length + herd.in('refused').length, 120);
  // One by one they find those that are left.
  while ((await herd.come(1))[0].state === 'stands');
  assert.ok(herd.in('stands').length > 20);
  herd.refusals();
  assertProblem(await get(d, '/ready'), 503, { code: 'no_descriptors' });
  assert.equal((await get(d, '/health')).status, 200);
  const n = herd.in('stands').length;
  assert.equal((await publish(d, { channel: 'a', data: 0 })).matched, n);
  await herd.upTo(0);
  assert.ok(d.stderr.some((l) => /no descriptor|limit="open files"|cannot accept/.test(l)));
  soft(limit);
  await ready(d, 200);
  await herd.come(50);
  assert.equal(herd.in('stands').length, n + 50);
  assert.equal((await publish(d, { channel: 'a', data: 1 })).matched, n + 50);
  await herd.upTo(1);
});

/** Publishes `count` numbers over `conns` connections, pipelined; returns how
 *  many answers there were of each status. */
async function burst(d, count, conns) {
  const statuses = {};
  const headers = { 'Content-Type': 'application/json' };
  const one = async (i) => {
    const c = await RawConn.open(d);
    const all = [];
    for (let k = i; k < count; k += conns) {
      const body = JSON.stringify({ channel: 'a', data: k });
      all.push(requestBytes(d, { method: 'POST', path: '/broadcast', headers, body }));
    }
    c.write(Buffer.concat(all));
    let rest = '';
    for (let left = all.length; left > 0;) {
      const chunk = await c.more(60000);
      assert.ok(chunk.length > 0, `closed, ${left} answers are missing`);
      const heads = (rest + chunk.toString('latin1')).split('HTTP/1.1 ');
      for (const head of heads.slice(1, -1)) {
        const status = head.slice(0, 3);
        statuses[status] = (statuses[status] ?? 0) + 1;
        left--;
      }
      rest = heads.length > 1 ? `HTTP/1.1 ${heads.at(-1)}` : heads[0];
      if (/^HTTP\/1\.1 \d{3}[^]*\r\n\r\n\{[^]*\}$/.test(rest)) {
        const status = rest.slice(9, 12);
        statuses[status] = (statuses[status] ?? 0) + 1;
        left--;
        rest = '';
      }
    }
    c.close();
  };
  await Promise.all(Array.from({ length: conns }, (_, i) => one(i)));
  return statuses;
}

test('a burst of publications: everyone gets all of them, in one order', async (t) => {
  const count = slow ? 1000 : 10000;
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const herd = await Herd.of(d, 40);
  assert.deepEqual(await burst(d, count, 1), { 200: count });
  await herd.upTo(count - 1);
  assert.equal(herd.in('stands').length, 40);
  // From many connections the order is the log's, the same for all.
  const one = await Sse.live(d, '/events?channel=a');
  const two = await Sse.live(d, '/events?channel=a');
  assert.deepEqual(await burst(d, 500, 50), { 200: 500 });
  const order = [];
  for (let i = 0; i < 500; i++) {
    const e = await one.message();
    order.push(e.envelope.data);
    assert.equal((await two.message()).id, e.id);
  }
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 500 }, (_, i) => i),
  );
  assert.equal(await counter(d, 'slow_closed_total'), 0);
  assert.equal(await counter(d, 'overloaded_total'), 0);
  assert.equal((await get(d, '/ready')).status, 200);
});

test('more than max-backlog: 503 with the reason, and not ready meanwhile', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1', '--max-backlog', '64'] });
  const herd = await Herd.of(d, 4);
  // One request is served in one go, so that nothing is delivered meanwhile.
  const batch = Array.from({ length: 1000 }, (_, i) => `{"channel":"a","data":${i}}`);
  const res = await post(d, '/broadcast', `[${batch}]`);
  assert.equal(res.status, 200);
  assert.deepEqual([res.json.accepted, res.json.refused], [64, 936]);
  for (const r of res.json.results.slice(64)) {
    assert.equal(r.error.status, 503);
    assert.equal(r.error.code, 'overloaded');
    assert.match(r.error.detail, /max-backlog/);
  }
  const now = await get(d, '/ready');
  assertProblem(now, 503, { code: 'overloaded' });
  assert.match(now.headers['retry-after'], /^[1-9]\d*$/);
  await herd.upTo(63);
  assert.equal(await counter(d, 'overloaded_total'), 936);
  assert.ok(
    d.stderr.some((l) =>
      /warn +refused: too much waits already limit="max-backlog, max-backlog-bytes or store-queue" peer=/.test(
        l,
      ),
    ),
    d.tail(),
  );
  // It passes by itself, and what was refused can be published again.
  await ready(d, 200);
  const again = await post(d, '/broadcast', `[${batch.slice(64, 128)}]`);
  assert.equal(again.json.accepted, 64);
  await herd.upTo(127);
});

test('heartbeats that are all due at the same moment', async (t) => {
  const n = slow ? 200 : 2000;
  const d = await daemonFor(t, { args: ['--shards', '1', '--heartbeat', '1s'] });
  const herd = await Herd.of(d, n);
  // It is held for longer than that, and is asked for something meanwhile.
  d.kill('SIGSTOP');
  const until = Date.now() + 1200;
  await poll(() => (Date.now() >= until ? true : undefined), { what: 'the time of a heartbeat' });
  const held = Promise.all([publish(d, { channel: 'a', data: 0 }), get(d, '/health')]);
  d.kill('SIGCONT');
  const [receipt, health] = await held;
  assert.equal(receipt.matched, n);
  assert.equal(health.status, 200);
  await herd.upTo(0);
  await poll(() => (herd.in('stands').every((c) => c.beats > 0) ? true : undefined), {
    timeout: 20000,
    what: 'a heartbeat for everyone',
  });
  assert.equal(herd.in('stands').length, n);
  assert.equal(await counter(d, 'ping_timeouts_total'), 0);
});

test('a drain of a herd: each is told once, they leave by and by', async (t) => {
  const n = slow ? 200 : 2000;
  const d = await startDaemon({ args: ['--shards', '2', '--drain', '3s'] });
  t.after(() => d.kill('SIGKILL'));
  const herd = await Herd.of(d, n);
  d.kill('SIGTERM');
  await herd.when(
    () => herd.clients.every((c) => c.controls.get('fanfare.draining') === 1),
    20000,
    'fanfare.draining for everyone',
  );
  assert.ok(herd.in('stands').length > n / 4, 'not all are closed at once');
  await herd.when(() => herd.in('gone').length === n, 20000, 'everyone has left');
  for (const c of herd.clients) {
    assert.equal(c.controls.get('fanfare.draining'), 1);
    assert.ok(c.closeCode === undefined || c.closeCode === 1012, `code ${c.closeCode}`);
  }
  await d.waitExit();
  assert.equal(await d.stop(), 0);
});
