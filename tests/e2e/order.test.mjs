// One total order: across shards, transports and concurrent publishers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { Publisher, RawConn, get, publish, requestBytes } from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { Ws } from './lib/wsclient.mjs';

const publishers = 8;
const each = slow ? 60 : 300;
const perTransport = 12;

/** The envelope texts a stream gets until it has the message of that type. */
async function collectUntil(stream, type) {
  const texts = [];
  for (;;) {
    const m = await stream.message({ timeout: 60000 });
    const env = m.envelope ?? m.json;
    if (m.id !== undefined) assert.equal(m.id, env.cursor, 'id: and cursor agree');
    if (env.type === type) return texts;
    texts.push(m.data ?? m.text);
  }
}

function checkOrder(texts, what) {
  let last = 0n;
  const perPublisher = new Map();
  for (const text of texts) {
    const env = JSON.parse(text);
    const seq = seqOf(env.cursor);
    assert.ok(seq > last, `${what}: ${seq} after ${last}`);
    last = seq;
    const before = perPublisher.get(env.data.p) ?? -1;
    assert.ok(
      env.data.n > before,
      `${what}: publisher ${env.data.p}: ${env.data.n} after ${before}`,
    );
    perPublisher.set(env.data.p, env.data.n);
  }
}

for (const shards of ['1', '4']) {
  test(`every client sees the same sequence: ${shards} shard(s)`, async (t) => {
    const d = await daemonFor(t, {
      args: [
        '--shards',
        shards,
        '--client-queue-messages',
        '100000',
        '--client-queue-bytes',
        '64m',
      ],
    });
    const streams = [];
    for (let i = 0; i < perTransport; i++) {
      streams.push(await Sse.live(d, '/events?channel=o.%3E&userId=u', { name: `sse ${i}` }));
      streams.push(await Ws.live(d, '/ws?channel=o.*&userId=u', { name: `ws ${i}` }));
    }
    const collected = streams.map((s) => collectUntil(s, 'fence'));

    let total = 0;
    await Promise.all(
      Array.from({ length: publishers }, async (_, p) => {
        const pub = await Publisher.open(d);
        let lastSeq = 0n;
        for (let n = 0; n < each; n++) {
          const data = { p, n };
          const kind = n % 10;
          let message = { channel: `o.${p}`, data };
          if (kind === 3) message = { userId: 'u', data };
          if (kind === 6) message = { data };
          if (kind === 8) message = { channels: [`o.x${p}`, `o.y${p}`], data: { p: `m${p}`, n } };
          if (kind === 9) {
            const batch = await pub.publish([
              { channel: 'o.b', data: { p, n } },
              { channel: 'o.c', data: { p, n: n + 0.5 } },
            ]);
            assert.equal(batch.accepted, 2);
            total += 2;
            const [r1, r2] = batch.results;
            assert.ok(seqOf(r1.cursor) < seqOf(r2.cursor) && seqOf(r1.cursor) > lastSeq);
            lastSeq = seqOf(r2.cursor);
            continue;
          }
          const r = await pub.publish(message);
          assert.ok(seqOf(r.cursor) > lastSeq, 'a later publication has a later cursor');
          lastSeq = seqOf(r.cursor);
          if (r.targets) {
            assert.equal(
              seqOf(r.targets[1].cursor) - seqOf(r.targets[0].cursor),
              1n,
              'consecutive',
            );
            assert.equal(r.matched, 2 * streams.length);
            total += 2;
          } else {
            assert.equal(r.matched, streams.length);
            total += 1;
          }
        }
        pub.close();
      }),
    );
    await publish(d, { type: 'fence' });
    const all = await Promise.all(collected);

    assert.equal(all[0].length, total);
    // Both messages of one publication have the same data: a doubled n is theirs.
    checkOrder(
      all[0].filter((x) => !/"p":"m\d"/.test(x)),
      streams[0].inbox.name,
    );
    all[0]
      .map((x) => seqOf(JSON.parse(x).cursor))
      .reduce((a, b) => {
        assert.ok(b > a);
        return b;
      }, 0n);
    for (let i = 1; i < all.length; i++) {
      assert.equal(all[i].length, total, `stream ${i}`);
      const k = all[i].findIndex((x, j) => x !== all[0][j]);
      assert.equal(k, -1, `stream ${i} differs at ${k}: ${all[i][k]} / ${all[0][k]}`);
    }
    const st = (await get(d, '/stats')).json;
    assert.equal(st.messageCount, total + 1);
    assert.equal(st.counters.delivered, (total + 1) * streams.length);
    assert.equal(st.shards, Number(shards));
  });
}

test('a client that joins under load gets everything after its synced, once', async (t) => {
  const d = await daemonFor(t, {
    args: ['--shards', '4', '--client-queue-messages', '100000', '--client-queue-bytes', '64m'],
  });
  const first = await Sse.live(d, '/events?channel=j');
  const reference = collectUntil(first, 'fence');
  let stop = false;
  const load = Array.from({ length: 4 }, async (_, p) => {
    const pub = await Publisher.open(d);
    for (let n = 0; !stop; n++) await pub.publish({ channel: 'j', data: { p, n } });
    pub.close();
  });
  const joined = [];
  for (let i = 0; i < (slow ? 10 : 40); i++) {
    if (i % 2) {
      const s = await Sse.open(d, '/events?channel=j');
      joined.push({ from: seqOf((await s.synced()).id), texts: collectUntil(s, 'fence') });
    } else {
      const w = await Ws.live(d, '/ws');
      w.send('{"op":"subscribe","channel":"j","ref":1}');
      const reply = await w.next(() => true);
      assert.equal(reply.json.type, 'fanfare.reply', 'no message before the reply');
      joined.push({ from: seqOf(reply.json.data.cursor), texts: collectUntil(w, 'fence') });
    }
  }
  stop = true;
  await Promise.all(load);
  await publish(d, { type: 'fence' });
  const ref = await reference;
  checkOrder(ref, 'the first');
  const seqs = ref.map((x) => seqOf(JSON.parse(x).cursor));
  for (const { from, texts } of joined) {
    const got = await texts;
    const i = seqs.findIndex((s) => s > from);
    const want = i < 0 ? [] : ref.slice(i);
    const k = want.findIndex((x, j) => x !== got[j]);
    assert.equal(k, -1, `after ${from}: ${got[k]} in place of ${want[k]}`);
    assert.equal(got.length, want.length);
  }
});

test('clients that come and go do not disturb the others', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '4'] });
  const steady = [await Sse.live(d, '/events?channel=k'), await Ws.live(d, '/ws?channel=k')];
  const collected = steady.map((s) => collectUntil(s, 'fence'));
  let stop = false;
  const churn = Array.from({ length: 6 }, async (_, i) => {
    while (!stop) {
      const c = await RawConn.open(d);
      await c.write(requestBytes(d, { path: '/events?channel=k' }));
      if (i % 2) await c.more();
      if (i % 3) c.close();
      else c.reset();
    }
  });
  const n = slow ? 100 : 600;
  const pub = await Publisher.open(d);
  for (let i = 0; i < n; i++) await pub.publish({ channel: 'k', data: { p: 0, n: i } });
  stop = true;
  await Promise.all(churn);
  await publish(d, { type: 'fence' });
  for (const texts of await Promise.all(collected)) {
    assert.deepEqual(
      texts.map((x) => JSON.parse(x).data.n),
      Array.from({ length: n }, (_, i) => i),
    );
  }
});
