// A store that fails while the gateway runs: full, broken, torn and slow disks,
// made by a library below SQLite. Nothing that was answered is lost, publishers
// are told, streams live on, and when the fault is gone all goes on by itself.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Disk, kept, kill9 } from './lib/disk.mjs';
import { scaled, slow } from './lib/daemon.mjs';
import { Publisher, assertProblem, get, post, publish } from './lib/http.mjs';
import { IoFault } from './lib/iofault.mjs';
import { seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const messages = (list) => list.filter((e) => !e.type.startsWith('fanfare.'));

async function daemonWithFaults(t, args = []) {
  const disk = Disk.for(t);
  const fault = new IoFault(t, 'log.db');
  const d = await disk.startLoose(args, { env: fault.env });
  return { disk, fault, d };
}

/** Publishes one after the other until an answer has that status. */
async function publishUntil(d, status, notes, what) {
  return poll(
    async () => {
      const id = `${what}-${notes.length}`;
      const res = await post(d, '/broadcast', { channel: 'a', id, data: notes.length });
      notes.push({ id, status: res.status, cursor: res.json.cursor });
      return res.status === status ? res : undefined;
    },
    { timeout: 30000, what: `an answer ${status} (${what})` },
  );
}

const acknowledged = (notes) => notes.filter((n) => n.status === 200).map((n) => n.id);

for (const order of ['write enospc', 'write eio', 'write torn', 'sync eio', 'all eio']) {
  test(`refuse: ${order}`, async (t) => {
    const { disk, fault, d } = await daemonWithFaults(t, ['--heartbeat', '1s', '--shards', '2']);
    const readers = [
      listen(t, d, { transport: 'sse', channels: ['a'] }),
      listen(t, d, { transport: 'ws', channels: ['a'] }),
    ];
    for (const r of readers) await r.take('fanfare.synced');
    const notes = [];
    for (let i = 0; i < 5; i++) await publishUntil(d, 200, notes, 'before');

    for (let round = 0; round < 2; round++) {
      fault.set(order);
      const res = await publishUntil(d, 503, notes, `fault${round}`);
      const p = assertProblem(res, 503, { code: 'store_failed' });
      assert.ok(p.detail.length > 20, p.detail);
      assert.ok(res.headers['retry-after'] !== undefined, res.head);
      assert.ok(fault.hits > 0);
      const ready = await poll(
        async () => {
          const r = await get(d, '/ready');
          return r.status === 503 ? r : undefined;
        },
        { what: '/ready is 503' },
      );
      assertProblem(ready, 503, { code: 'store_failed' });
      assert.equal((await get(d, '/health')).status, 200);
      const { store, counters } = (await get(d, '/stats')).json;
      assert.equal(store.ok, false);
      assert.ok(store.reason.length > 5, JSON.stringify(store));
      assert.ok(counters.store_failures >= 1);
      // A batch is refused, too.
      const batch = await post(d, '/broadcast', [{ channel: 'a', id: `b${round}`, data: 'batch' }]);
      const code = batch.json.code ?? batch.json.results?.[0].error?.code;
      assert.equal(code, 'store_failed', batch.text);
      // Streams live on, and new ones are let in and get their history.
      const late = listen(t, d, { transport: 'sse', channels: ['a'], after: 'earliest' });
      const all = messages(await late.upTo('fanfare.synced'));
      assert.deepEqual(
        all.map((e) => e.id),
        acknowledged(notes),
      );
      late.close();

      fault.set('off');
      await publishUntil(d, 200, notes, `after${round}`);
      await poll(async () => ((await get(d, '/ready')).status === 200 ? true : undefined), {
        what: '/ready is 200 again',
      });
      assert.equal((await get(d, '/stats')).json.store.ok, true);
      // What was refused is not remembered: the same id is published now.
      const again = notes.find((n) => n.status === 503);
      const r = await publish(d, { channel: 'a', id: again.id, data: 'again' });
      assert.equal(r.duplicate, undefined);
      Object.assign(again, { status: 'again' });
      notes.push({ id: again.id, status: 200, cursor: r.cursor });
    }
    const want = acknowledged(notes);
    const last = await publish(d, { channel: 'a', id: 'last', type: 'last' });
    for (const r of readers) {
      const got = (await r.upTo('last')).map((e) => e.id);
      assert.deepEqual(got, [...want, 'last'], 'live: what was refused was not sent');
    }
    assert.ok(
      d.stderr.some((l) => / error .*store/i.test(l)),
      d.tail(),
    );
    await kill9(d);

    const again = await disk.start();
    assert.deepEqual(
      (await kept(again, 'a')).map((m) => m.id),
      [...want, 'last'],
    );
    const next = await publish(again, { channel: 'a' });
    assert.ok(seqOf(next.cursor) > seqOf(last.cursor));
  });
}

test('refuse: killed while the disk is broken, it comes back whole', async (t) => {
  for (const order of ['write torn', 'write enospc', 'sync eio']) {
    const { disk, fault, d } = await daemonWithFaults(t);
    const notes = [];
    for (let i = 0; i < 5; i++) await publishUntil(d, 200, notes, 'before');
    fault.set(order);
    await publishUntil(d, 503, notes, 'fault');
    await kill9(d);
    const again = await disk.startLoose();
    const have = (await kept(again, 'a')).map((m) => m.id);
    const want = acknowledged(notes);
    assert.deepEqual(have.slice(0, want.length), want, order);
    // What was refused may be there only if the publisher could not know.
    assert.ok(have.length <= notes.length, order);
    await again.stop();
    const r = disk.tool('check', disk.path);
    assert.equal(r.code, 0, r.err);
  }
});

test('short writes are only slower', async (t) => {
  const { disk, fault, d } = await daemonWithFaults(t);
  fault.set('write short');
  const notes = [];
  for (let i = 0; i < 20; i++) {
    const r = await publish(d, { channel: 'a', id: `s${i}`, data: 'x'.repeat(5000) });
    notes.push(r.id);
  }
  assert.ok(fault.hits > 10);
  assert.equal((await get(d, '/ready')).status, 200);
  await kill9(d);
  const again = await disk.start();
  assert.deepEqual(
    (await kept(again, 'a')).map((m) => m.id),
    notes,
  );
});

test('a slow disk delays publishers, who share its commits, and nobody else', async (t) => {
  const { fault, d } = await daemonWithFaults(t, ['--shards', '2']);
  const reader = listen(t, d, { transport: 'ws', channels: ['a'] });
  await reader.take('fanfare.synced');
  const ms = 200;
  fault.set(`sync slow ${ms}`);
  const n = 60;
  const began = performance.now();
  let answered = 0;
  const all = Array.from({ length: n }, async (_, i) => {
    await publish(d, { channel: 'a', id: `p${i}`, data: i });
    answered++;
  });
  // Meanwhile the shards answer as ever.
  const delays = [];
  while (answered < n) {
    const at = performance.now();
    assert.equal((await get(d, '/health')).status, 200);
    delays.push(performance.now() - at);
  }
  await Promise.all(all);
  const took = performance.now() - began;
  assert.ok(took >= ms * 0.9, `answered after ${took} ms: not after the sync`);
  assert.ok(took < scaled((n * ms) / 4), `${took} ms for ${n} publications`);
  delays.sort((a, b) => a - b);
  const worst = delays[Math.floor(delays.length * 0.9)];
  assert.ok(worst < scaled(ms / 2), `a shard waited for the disk: ${worst} ms`);
  await publish(d, { channel: 'a', type: 'end' });
  assert.equal((await reader.upTo('end')).length, n + 1);
  fault.set('off');
  await d.stop();
});

test('with a store that is too slow, publications are refused instead of piling up', async (t) => {
  const { fault, d } = await daemonWithFaults(t, ['--store-queue', '64k', '--sync', 'interval']);
  const pad = 'x'.repeat(20000);
  const p = await Publisher.open(d);
  t.after(() => p.close());
  await p.publish({ channel: 'a', data: pad });
  fault.set('all slow 3000');
  const res = await poll(
    async () => {
      const r = await post(d, '/broadcast', { channel: 'a', data: pad });
      return r.status === 200 ? undefined : r;
    },
    { timeout: 30000, what: 'a refusal' },
  );
  const problem = assertProblem(res, 503);
  assert.match(problem.code, /^(overloaded|store_failed)$/, res.text);
  fault.set('off');
  await poll(
    async () => ((await post(d, '/broadcast', { channel: 'a' })).status === 200 ? true : undefined),
    { timeout: 30000, what: 'publications are taken again' },
  );
  await d.stop();
});

test('a fault at the start: it does not start, and says why', async (t) => {
  for (const order of ['write enospc', 'write eio', 'sync eio']) {
    const disk = Disk.for(t);
    const fault = new IoFault(t, 'log.db');
    fault.set(order);
    const text = await disk.refused([], { env: fault.env });
    assert.ok(text.includes(disk.path), text);
    assert.match(
      text,
      order.includes('enospc') ? /full|no space/i : /I\/O|disk|input\/output/i,
      text,
    );
    fault.set('off');
    const d = await disk.start();
    await publish(d, { channel: 'a' });
  }
});

test('memory: it goes on without the store, and says so', async (t) => {
  for (const sync of ['always', 'interval']) {
    const args = ['--store-failure', 'memory', '--sync', sync, '--sync-interval', '20ms'];
    const { disk, fault, d } = await daemonWithFaults(t, args);
    const reader = listen(t, d, { transport: 'sse', channels: ['a'] });
    await reader.take('fanfare.synced');
    const sent = [];
    for (let i = 0; i < 5; i++) sent.push(await publish(d, { channel: 'a', data: i }));
    const durable = sent.at(-1);
    if (sync === 'interval') {
      await poll(
        async () => ((await get(d, '/stats')).json.counters.store_written >= 5 ? true : undefined),
        { what: 'they are written' },
      );
    }
    const mark = d.mark();
    fault.set('all eio');
    for (let i = 5; i < 15; i++) sent.push(await publish(d, { channel: 'a', data: i }));
    const line = await d.waitForLog(/ error .*memory/i, { from: mark });
    assert.match(line, /store/i);
    for (let i = 15; i < 20; i++) sent.push(await publish(d, { channel: 'a', data: i }));
    assert.equal((await get(d, '/ready')).status, 200);
    const { store } = (await get(d, '/stats')).json;
    assert.equal(store.ok, false);
    // Live and history go on.
    await publish(d, { channel: 'a', type: 'end' });
    const live = (await reader.upTo('end')).slice(0, -1).map((e) => e.data);
    assert.deepEqual(
      live,
      sent.map((_, i) => i),
    );
    assert.equal((await kept(d, 'a')).length, 21);
    const top = (await get(d, '/stats')).json.cursor;
    await d.stop('SIGTERM', { expect: null });

    // What was only in memory is lost, and whoever could have had it hears of that.
    fault.set('off');
    const again = await disk.start(['--sync', sync]);
    const have = new Set((await kept(again, 'a')).map((m) => m.cursor));
    for (const position of [durable.cursor, sent[12].cursor, top]) {
      const l = listen(t, again, { transport: 'sse', channels: ['a'], after: position });
      const list = await l.upTo('fanfare.synced');
      const missing = sent.filter((m) => seqOf(m.cursor) > seqOf(position) && !have.has(m.cursor));
      const gaps = list.filter((e) => e.type === 'fanfare.gap').map((e) => e.data);
      assert.ok(missing.length > 0 || position === top);
      // A position of that time is one of another log now. (Before the failure is
      // noticed numbers are still the store's.)
      const reasons = ['epoch', 'unclean-stop'];
      if (position === durable.cursor) reasons.shift();
      if (position === top) reasons.pop();
      assert.equal(gaps.length, 1, JSON.stringify(gaps));
      assert.equal(gaps[0].scope, 'all');
      assert.ok(reasons.includes(gaps[0].reason), `${sync} ${position}: ${gaps[0].reason}`);
      l.close();
    }
    // And no number of that time is used again.
    const next = await publish(again, { channel: 'a' });
    assert.ok(!sent.some((m) => m.cursor === next.cursor), next.cursor);
    assert.ok(seqOf(next.cursor) > seqOf(durable.cursor));
    await again.stop();
  }
});

test('interval: what was answered and then lost is told', async (t) => {
  const args = ['--sync', 'interval', '--sync-interval', '50ms'];
  const { disk, fault, d } = await daemonWithFaults(t, args);
  const first = await publish(d, { channel: 'a', id: 'first' });
  await poll(
    async () => ((await get(d, '/stats')).json.counters.store_written >= 1 ? true : undefined),
    { what: 'it is written' },
  );
  fault.set('write enospc');
  const notes = [];
  await publishUntil(d, 503, notes, 'fault');
  const lost = notes.filter((n) => n.status === 200);
  await kill9(d);
  const again = await disk.start();
  const l = listen(t, again, { transport: 'ws', channels: ['a'], after: first.cursor });
  const list = await l.upTo('fanfare.synced');
  const got = new Set(messages(list).map((e) => e.id));
  const gaps = list.filter((e) => e.type === 'fanfare.gap').map((e) => e.data);
  for (const m of lost) {
    const told = gaps.some(
      (g) => seqOf(g.from) < seqOf(m.cursor) && seqOf(m.cursor) <= seqOf(g.to),
    );
    assert.ok(got.has(m.id) || told, `${m.id} at ${m.cursor}: ${JSON.stringify(gaps)}`);
  }
  t.diagnostic(`${lost.length} answered while the disk was full, ${gaps.length} gap(s)`);
});

test('the disk comes and goes under load: what was answered is there', async (t) => {
  const { disk, fault, d } = await daemonWithFaults(t, ['--shards', '2', '--history', '100000']);
  const reader = listen(t, d, { transport: 'sse', channels: ['a'] });
  await reader.take('fanfare.synced');
  let stop = false;
  const answered = new Set();
  const refused = new Set();
  const load = Array.from({ length: 6 }, async (_, p) => {
    for (let i = 0; !stop; i++) {
      const id = `${p}-${i}`;
      const res = await post(d, '/broadcast', { channel: 'a', id, data: i });
      if (res.status === 200) answered.add(id);
      else {
        assertProblem(res, 503, { code: 'store_failed' });
        refused.add(id);
      }
    }
  });
  for (let round = 0; round < (slow ? 3 : 8); round++) {
    const now = answered.size;
    await poll(() => answered.size > now + 20 || undefined, { timeout: 30000, what: 'answers' });
    const no = refused.size;
    fault.set(['write enospc', 'sync eio', 'write torn', 'write eio'][round % 4]);
    await poll(() => refused.size > no + 10 || undefined, { timeout: 30000, what: 'refusals' });
    fault.set('off');
  }
  stop = true;
  await Promise.all(load);
  await poll(
    async () =>
      (await post(d, '/broadcast', { channel: 'a', type: 'end' })).status === 200 ? 1 : undefined,
    { timeout: 30000, what: 'the last one' },
  );
  const live = (await reader.upTo('end', 30000)).slice(0, -1).map((e) => e.id);
  assert.equal(new Set(live).size, live.length, 'nothing twice');
  assert.deepEqual([...live].sort(), [...answered].sort(), 'live is what was answered');
  await kill9(d);
  const again = await disk.start(['--history', '100000']);
  const have = [];
  for (let after = '0-0'; after;) {
    const { json } = await get(
      again,
      `/channels/a/history?limit=1000${have.length ? `&after=${after}` : ''}`,
    );
    have.push(...json.messages.map((m) => m.id));
    after = json.next;
  }
  assert.deepEqual(have.slice(0, live.length), live, 'and so is the disk');
});

test('a clean stop answers those who wait for the disk', async (t) => {
  const { disk, fault, d } = await daemonWithFaults(t, ['--shards', '2']);
  await publish(d, { channel: 'a', id: 'first' });
  fault.set('sync slow 300');
  const n = 16;
  let settled = 0;
  const one = async (i) => {
    try {
      const p = await Publisher.open(d);
      t.after(() => p.close());
      return await p.publish({ channel: 'a', id: `p${i}`, data: i });
    } finally {
      settled++;
    }
  };
  const all = Promise.allSettled(Array.from({ length: n }, (_, i) => one(i)));
  await poll(
    async () => {
      const { counters } = (await get(d, '/stats')).json;
      return counters.store_waiting_bytes > 0 ? true : undefined;
    },
    { what: 'publications wait for the disk' },
  );
  assert.ok(settled < n);
  await d.stop();
  const answers = await all;
  const again = await disk.start();
  const have = new Map((await kept(again, 'a')).map((m) => [m.id, m.cursor]));
  const silent = answers.filter((a) => a.status === 'rejected');
  for (const [i, a] of answers.entries()) {
    if (a.status === 'fulfilled') assert.equal(have.get(`p${i}`), a.value.cursor);
  }
  // Whoever was let in is answered; one that was not is not in the store.
  const stored = answers.filter((a, i) => a.status === 'rejected' && have.has(`p${i}`));
  assert.equal(stored.length, 0, `${stored.length} stored of ${silent.length} without an answer`);
});
