// Clients that are cut again and again while others publish all the time: each
// of them gets each message exactly once. Raw clients, EventSource libraries, a
// real browser; and a backlog so large that it must be replayed in slices.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import http from 'node:http';
import test from 'node:test';
import * as eventsource3 from 'eventsource3';
import { chromium } from 'playwright-core';
import * as undici from 'undici';
import { rngOf } from './crash/rng.mjs';
import { daemonFor, scaled, slow } from './lib/daemon.mjs';
import { Follower, number } from './lib/follower.mjs';
import { Publisher, get, post, publish, request } from './lib/http.mjs';
import { proxyFor } from './lib/proxy.mjs';
import { Truth, check } from './lib/truth.mjs';
import { poll } from './lib/wait.mjs';
import { Wire, listen, queryOf } from './lib/wire.mjs';

const EventSource2 = createRequire(import.meta.url)('eventsource2');
process.on('warning', () => {}); // undici: EventSource is experimental

const keepAll = ['--history', '1000000', '--history-bytes', '1g', '--history-total', '2g'];

/** Publishes numbers to a channel, one after the other, until it is stopped. */
class Numbers {
  n = 0;
  #stop = false;
  #run;

  constructor(d, channel, more = {}) {
    this.#run = (async () => {
      const p = await Publisher.open(d);
      while (!this.#stop) {
        await p.publish({ channel, data: this.n, ...more });
        this.n++;
        if (this.n % 5 === 0) await new Promise((r) => setTimeout(r, 1));
      }
      p.close();
    })();
    this.#run.catch(() => {});
  }

  async stop() {
    this.#stop = true;
    await this.#run;
    return this.n;
  }
}

/** Resolves when so many more have been published. */
const further = (numbers, n) => {
  const at = numbers.n + n;
  return poll(() => (numbers.n >= at ? true : undefined), { timeout: 30000, what: 'publications' });
};

for (const shards of ['1', '3']) {
  test(`raw clients on ${shards} shards: every message once, in order`, async (t) => {
    const d = await daemonFor(t, { args: ['--shards', shards, ...keepAll, '--retry', '100ms'] });
    const rng = rngOf(7);
    const truth = new Truth();
    const names = ['a', 'b', 'c', 'x.1', 'x.2', 'x.y.3', 'quiet'];
    const followers = Array.from({ length: 16 }, (_, i) => {
      const f = new Follower(() => d, {
        name: `client ${i}`,
        transport: i % 2 ? 'ws' : 'sse',
        channels:
          i % 4 < 2 ? rng.some(names, rng.int(1, 6)) : ['x.*', 'x.>', ...rng.some(names, 2)],
        user: i % 3 ? 'ann' : undefined,
        delay: () => rng.int(0, 80),
      });
      f.connect();
      return f;
    });
    t.after(() => followers.forEach((f) => f.stop()));
    await poll(() => followers.every((f) => f.begin !== undefined) || undefined, { what: 'all' });
    let stop = false;
    let n = 0;
    const targets = [...names.map((channel) => ({ channel })), { userId: 'ann' }, {}];
    targets.push({ channels: ['a', 'x.1', 'b'] });
    const publishing = Array.from({ length: 4 }, async (_, p) => {
      const mine = rngOf(p);
      const pub = await Publisher.open(d);
      while (!stop) {
        const m = { ...mine.pick(targets), id: `${p}-${n}`, data: { n: n++ } };
        const sent = performance.now();
        truth.acknowledged(m, await pub.publish(m), sent);
        if (n % 7 === 0) await new Promise((r) => setTimeout(r, 1));
      }
      pub.close();
    });
    const cuts = slow ? 60 : 300;
    for (let i = 0; i < cuts; i++) {
      rng.pick(followers).cut(rng.pick(['rst', 'fin', 'mid']));
      if (i % 3 === 0) {
        const now = truth.bySeq.size;
        await poll(() => truth.bySeq.size > now + 4 || undefined, { what: 'publications' });
      }
    }
    stop = true;
    await Promise.all(publishing);
    const end = await publish(d, { id: 'end', data: { n } });
    truth.acknowledged({ id: 'end', data: { n } }, end, performance.now());
    await poll(() => followers.every((f) => f.got.at(-1)?.id === 'end') || undefined, {
      timeout: 30000,
      what: () =>
        `the end at ${followers.filter((f) => f.got.at(-1)?.id !== 'end').map((f) => f.name)}`,
    });
    const sorted = truth.sorted();
    let expected = 0;
    for (const f of followers) {
      const r = check(truth, sorted, f, { to: number(end.cursor) });
      const wrong = [...r.losses, ...r.duplicates, ...r.others];
      assert.deepEqual(wrong.slice(0, 5), [], `${f.name}: ${wrong.length} faults`);
      assert.equal(f.gaps.length, 0);
      expected += r.expected;
    }
    const replayed = followers.reduce((sum, f) => sum + f.replayed, 0);
    assert.ok(replayed > 0 && expected > truth.bySeq.size, `${replayed} of ${expected} replayed`);
    const { counters } = (await get(d, '/stats')).json;
    assert.ok(counters.resumes > 10, JSON.stringify(counters));
    assert.equal(counters.gaps, 0);
    t.diagnostic(`${truth.bySeq.size} published, ${expected} delivered, ${replayed} replayed`);
  });
}

const libraries = {
  'eventsource 2': (url) => new EventSource2(url),
  'eventsource 3': (url) => new eventsource3.EventSource(url),
  'undici EventSource': (url) => new undici.EventSource(url),
};

test('EventSource libraries that are cut get the exact sequence', async (t) => {
  const d = await daemonFor(t, { args: [...keepAll, '--retry', '100ms', '--shards', '2'] });
  // eventsource 2 takes the id of an event that never became complete for its
  // position, and so would lose it: it is cut between events only.
  const proxies = { mid: await proxyFor(t, d), reset: await proxyFor(t, d) };
  const clients = Object.entries(libraries).map(([name, create]) => {
    const proxy = proxies[name === 'eventsource 2' ? 'reset' : 'mid'];
    const es = create(`${proxy.url}/events?channel=a&channel=b.*`);
    t.after(() => es.close());
    const c = { name, got: [], gaps: 0, stands: false };
    es.onmessage = (e) => c.got.push(JSON.parse(e.data).data);
    es.addEventListener('fanfare.gap', () => c.gaps++);
    es.addEventListener('fanfare.synced', () => {
      c.stands = true;
    });
    es.onerror = () => {};
    return c;
  });
  await poll(() => clients.every((c) => c.stands) || undefined, { what: 'all libraries stand' });
  const numbers = new Numbers(d, 'a');
  for (let i = 0; i < (slow ? 3 : 8); i++) {
    await further(numbers, 60);
    for (const c of clients) c.stands = false;
    proxies.reset.cut('reset');
    proxies.mid.cut(i % 2 ? 'mid' : 'reset');
    await poll(() => clients.every((c) => c.stands) || undefined, {
      timeout: 30000,
      what: 'the libraries are back',
    });
  }
  const n = await numbers.stop();
  await poll(() => clients.every((c) => c.got.at(-1) >= n - 1) || undefined, {
    timeout: 30000,
    what: () => {
      const have = clients.map((c) => `${c.name} has ${c.got.at(-1)} of ${n - 1}`).join();
      return `${have}; ${proxies.mid.open + proxies.reset.open} connections`;
    },
  });
  for (const c of clients) {
    assert.deepEqual(
      c.got,
      Array.from({ length: n }, (_, i) => i),
      c.name,
    );
    assert.equal(c.gaps, 0, c.name);
  }
});

test('a page in Chromium whose EventSource is cut gets the exact sequence', async (t) => {
  const d = await daemonFor(t, { args: [...keepAll, '--retry', '200ms'] });
  const proxy = await proxyFor(t, d);
  const server = http.createServer((_, res) => {
    res.setHeader('Content-Type', 'text/html');
    res.end('<!doctype html><title>app</title>');
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const browser = await chromium.launch({
    executablePath: process.env.FANFARE_CHROMIUM || '/usr/bin/chromium',
    timeout: scaled(60000),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  t.after(() => browser.close());
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(scaled(30000));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate((base) => {
    window.got = [];
    window.connects = [];
    window.gaps = 0;
    window.es = new EventSource(`${base}/events?channel=a&channel=news.%3E`);
    window.es.onmessage = (e) => window.got.push([JSON.parse(e.data).data, e.lastEventId]);
    window.es.addEventListener('fanfare.gap', () => window.gaps++);
    window.es.addEventListener('fanfare.synced', (e) => window.connects.push(e.lastEventId));
  }, proxy.url);
  const back = (n) => page.waitForFunction((k) => window.connects.length >= k, n);
  await back(1);
  const numbers = new Numbers(d, 'a');
  for (let i = 1; i <= (slow ? 3 : 6); i++) {
    await further(numbers, 50);
    if (i % 3 === 0) {
      for (const c of (await get(d, '/clients')).json.clients) {
        await request(d, { method: 'DELETE', path: `/clients/${c.id}` });
      }
    } else {
      proxy.cut(i % 3 === 1 ? 'reset' : 'mid');
    }
    await back(i + 1);
  }
  const n = await numbers.stop();
  await page.waitForFunction((k) => window.got.length >= k, n);
  const { got, gaps } = await page.evaluate(() => ({ got: window.got, gaps: window.gaps }));
  assert.deepEqual(
    got.map((g) => g[0]),
    Array.from({ length: n }, (_, i) => i),
  );
  assert.equal(gaps, 0);
  await page.evaluate(() => window.es.close());
});

test('publishers never stop, and clients that come late have it all', async (t) => {
  // History goes away behind readers while they read: what they then miss they
  // are told, and what they were not told they have.
  const d = await daemonFor(t, { args: ['--history', '2000', '--shards', '2'] });
  const numbers = new Numbers(d, 'a');
  await further(numbers, 500);
  const late = [];
  for (let i = 0; i < 20; i++) {
    const l = listen(t, d, { transport: i % 2 ? 'ws' : 'sse', channels: ['a'], after: 'earliest' });
    late.push(l);
    await further(numbers, 5);
  }
  const n = await numbers.stop();
  await publish(d, { channel: 'a', type: 'end' });
  for (const l of late) {
    const got = (await l.upTo('end')).filter((e) => e.type === 'message').map((e) => e.data);
    const first = got[0];
    assert.deepEqual(
      got,
      Array.from({ length: n - first }, (_, i) => first + i),
    );
    assert.ok(first === 0 || n > 2000, `begins with ${first}`);
  }
});

test('a huge backlog to a slow reader delays nobody and takes no memory', async (t) => {
  const n = slow ? 20000 : 200000;
  const d = await daemonFor(t, { args: [...keepAll, '--shards', '1', '--send-buffer', '64k'] });
  const pad = 'x'.repeat(100);
  for (let from = 0; from < n; from += 10000) {
    const batch = Array.from({ length: 10000 }, (_, i) => ({
      channel: 'big',
      data: { n: from + i, pad },
    }));
    assert.equal((await post(d, '/broadcast', batch)).json.accepted, 10000);
  }
  const quick = listen(t, d, { transport: 'ws', channels: ['quick'] });
  await quick.take('fanfare.synced');
  const before = d.rss();
  let most = before;
  const readers = ['sse', 'ws'].map((transport) => {
    const r = { next: 0, synced: false, wrong: null };
    r.wire = new Wire(d, {
      transport,
      query: queryOf({ channels: ['big'], after: 'earliest' }),
      onEvent: (e) => {
        if (e.type === 'fanfare.synced') r.synced = true;
        else if (e.type === 'fanfare.gap') r.wrong ??= 'a gap';
        else if (e.type === 'message' && e.data.n !== r.next++) r.wrong ??= `${e.data.n}`;
        // It reads a little, and then not for a while.
        if (r.next % 2000 === 0 && r.next < n) {
          r.wire.pause();
          setTimeout(() => r.wire.resume(), 10);
        }
      },
    });
    t.after(() => r.wire.cut('rst'));
    return r;
  });
  const delays = [];
  const pub = await Publisher.open(d);
  t.after(() => pub.close());
  while (!readers.every((r) => r.synced || r.wrong || r.wire.ended)) {
    const began = performance.now();
    await pub.publish({ channel: 'quick', type: 'ping' });
    await quick.take('ping');
    delays.push(performance.now() - began);
    if (delays.length % 20 === 0) most = Math.max(most, d.rss());
  }
  for (const r of readers) {
    assert.deepEqual([r.wrong, r.wire.ended, r.next], [null, null, n]);
  }
  delays.sort((a, b) => a - b);
  const median = delays[Math.floor(delays.length / 2)];
  const worst = delays[Math.floor(delays.length * 0.99)];
  t.diagnostic(
    `${delays.length} messages meanwhile: median ${median.toFixed(1)} ms, ` +
      `p99 ${worst.toFixed(1)} ms; memory +${((most - before) / 1048576).toFixed(1)} MiB`,
  );
  assert.ok(delays.length >= 20, `only ${delays.length} messages meanwhile`);
  assert.ok(median < scaled(50), `median ${median} ms`);
  assert.ok(worst < scaled(500), `p99 ${worst} ms`);
  assert.ok(most - before < 24 * 1048576, `memory grew from ${before} to ${most}`);
  const { counters } = (await get(d, '/stats')).json;
  assert.equal(counters.slow_closed, 0);
  assert.equal(counters.replayed, 2 * n);
});
