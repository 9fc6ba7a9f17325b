// GET /channels/{c}/history: pages in both orders, the position to go on from,
// and a page that renders first and resumes then.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor, slow } from './lib/daemon.mjs';
import { Publisher, assertProblem, get, publish, request } from './lib/http.mjs';
import { listen } from './lib/wire.mjs';

const epochOf = async (d) => (await get(d, '/stats')).json.epoch;

/** All pages from one on, following the Link header. */
async function pages(d, path) {
  const all = [];
  for (let next = path; next;) {
    const res = await get(d, next);
    assert.equal(res.status, 200, res.text);
    all.push(res);
    const link = res.headers.link;
    assert.equal(link === undefined, res.json.next === null, `${link} / ${res.json.next}`);
    next = undefined;
    if (link) {
      const m = /^<(\/channels\/[^>]+)>; rel="next"$/.exec(link);
      assert.ok(m, link);
      assert.ok(m[1].includes(`after=${res.json.next}`), link);
      next = m[1];
    }
  }
  return all;
}

test('pages in both orders', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const epoch = await epochOf(d);
  const sent = [];
  for (let i = 0; i < 25; i++) {
    sent.push(await publish(d, { channel: 'a', data: i, type: i % 2 ? 'odd' : undefined }));
    await publish(d, { channel: 'b', data: 'other' });
  }
  const top = (await get(d, '/stats')).json.cursor;
  const up = Array.from({ length: 25 }, (_, i) => i);
  for (const [query, want] of [
    ['?limit=10', up],
    ['?limit=10&order=asc', up],
    ['?limit=25', up],
    ['?limit=1', up],
    ['?limit=1000&order=desc', [...up].reverse()],
    ['?limit=7&order=desc', [...up].reverse()],
    [`?limit=4&after=${sent[11].cursor}`, up.slice(12)],
    [`?limit=4&order=desc&after=${sent[11].cursor}`, up.slice(0, 11).reverse()],
    [`?after=${epoch}-0`, up],
    [`?after=${top}`, []],
  ]) {
    const list = await pages(d, `/channels/a/history${query}`);
    assert.deepEqual(
      list.flatMap((r) => r.json.messages.map((m) => m.data)),
      want,
      query,
    );
    const limit = Number(/limit=(\d+)/.exec(query)?.[1] ?? 100);
    list.slice(0, -1).forEach((r) => assert.equal(r.json.messages.length, limit, query));
    for (const { json, headers } of list) {
      assert.deepEqual(Object.keys(json), ['channel', 'messages', 'cursor', 'next', 'gap']);
      assert.equal(json.channel, 'a');
      assert.equal(json.cursor, top);
      assert.equal(headers['fanfare-cursor'], top);
      assert.equal(json.gap, null);
      if (json.next) assert.equal(json.next, json.messages.at(-1).cursor);
    }
  }
  // The envelopes are those of the streams, byte for byte.
  const l = listen(t, d, { transport: 'ws', channels: ['a'], after: '0-0' });
  const texts = (await l.upTo('fanfare.synced')).slice(1, -1).map((e) => e.text);
  const { text } = await get(d, '/channels/a/history');
  assert.ok(text.includes(`"messages":[${texts.join(',')}]`), text.slice(0, 500));
});

test('an empty channel, a bad query, and what is not a channel', async (t) => {
  const d = await daemonFor(t);
  const empty = (await get(d, '/channels/none/history')).json;
  const epoch = await epochOf(d);
  assert.deepEqual(empty, {
    channel: 'none',
    messages: [],
    cursor: `${epoch}-0`,
    next: null,
    gap: null,
  });
  await publish(d, { channel: 'a', data: 1 });
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'order=up', 'after=x']) {
    const p = assertProblem(await get(d, `/channels/a/history?${query}`), 400);
    assert.equal(p.field, query.split('=')[0], query);
  }
  const desc = await get(d, '/channels/a/history?order=desc&after=zzz9-1');
  assertProblem(desc, 400, { code: 'bad_cursor' });
  assertProblem(await get(d, '/channels/a*b/history'), 400);
  const posted = await request(d, { method: 'POST', path: '/channels/a/history', body: '{}' });
  assertProblem(posted, 405);
  // A name that needs escaping, in the path and in Link.
  for (let i = 0; i < 3; i++) await publish(d, { channel: 'a/b;c=d@e', data: i });
  const list = await pages(d, '/channels/a%2Fb%3Bc%3Dd%40e/history?limit=1');
  assert.deepEqual(
    list.flatMap((r) => r.json.messages.map((m) => m.data)),
    [0, 1, 2],
  );
});

test('what is missing is said, and a foreign position is no error', async (t) => {
  const d = await daemonFor(t, { args: ['--history', '5'] });
  const epoch = await epochOf(d);
  for (let i = 1; i <= 12; i++) await publish(d, { channel: 'a', data: i });
  const page = async (q) => (await get(d, `/channels/a/history?${q}`)).json;
  let p = await page(`after=${epoch}-3`);
  assert.deepEqual(
    p.messages.map((m) => m.data),
    [8, 9, 10, 11, 12],
  );
  assert.deepEqual(p.gap, { from: `${epoch}-3`, to: `${epoch}-7`, reason: 'evicted' });
  p = await page(`after=${epoch}-7`);
  assert.equal(p.gap, null);
  p = await page('limit=100');
  assert.equal(p.gap, null, 'all that is kept was asked for');
  p = await page('after=zzz9-3&limit=2');
  assert.deepEqual(
    p.messages.map((m) => m.data),
    [8, 9],
  );
  assert.equal(p.gap.reason, 'epoch');
  assert.equal(p.gap.from, 'zzz9-3');
  const { history } = (await get(d, '/channels/a')).json;
  assert.deepEqual(
    [history.messages, history.first, history.last, history.evicted],
    [5, `${epoch}-8`, `${epoch}-12`, `${epoch}-7`],
  );
  assert.ok(history.bytes > 0);
  const none = (await get(d, '/channels/none')).json.history;
  assert.deepEqual(none, { messages: 0, bytes: 0, first: null, last: null, evicted: null });
  const stats = (await get(d, '/stats')).json;
  assert.equal(stats.history.messages, 5);
  assert.ok(stats.history.bytes > 0 && stats.history.channels >= 1, JSON.stringify(stats.history));
  assert.equal(stats.counters.history_messages ?? 5, 5);
  assert.equal(stats.store.kind, 'memory');
});

test('a page of another origin can read the position', async (t) => {
  const d = await daemonFor(t, { args: ['--allow-origin', 'https://app.example'] });
  for (let i = 0; i < 3; i++) await publish(d, { channel: 'a', data: i });
  const res = await get(d, '/channels/a/history?limit=1', { Origin: 'https://app.example' });
  assert.equal(res.headers['access-control-allow-origin'], 'https://app.example');
  const exposed = res.headers['access-control-expose-headers'].toLowerCase().split(/, */);
  for (const h of ['link', 'fanfare-cursor']) assert.ok(exposed.includes(h), `${h} of ${exposed}`);
});

test('render, then resume: nothing twice and nothing missing', async (t) => {
  const d = await daemonFor(t, {
    args: ['--history', '1000000', '--history-bytes', '1g', '--shards', '3'],
  });
  let stop = false;
  let n = 0;
  const load = (async () => {
    const p = await Publisher.open(d);
    for (; !stop; n++) await p.publish({ channel: 'a', data: n });
    p.close();
  })();
  const readers = [];
  for (let i = 0; i < (slow ? 10 : 60); i++) {
    const desc = i % 3 === 2;
    const query = desc ? 'order=desc&limit=1000' : 'limit=1000';
    const first = await get(d, `/channels/a/history?${query}`);
    // Forwards all pages; backwards the newest one, as a chat would.
    const messages = [...first.json.messages];
    let position = first.headers['fanfare-cursor'];
    assert.equal(position, first.json.cursor);
    for (let page = first; !desc && page.json.next;) {
      page = await get(d, `/channels/a/history?${query}&after=${page.json.next}`);
      messages.push(...page.json.messages);
      position = page.json.cursor;
    }
    const rendered = messages.map((m) => m.data);
    if (desc) rendered.reverse();
    const transport = i % 2 ? 'ws' : 'sse';
    readers.push({ rendered, l: listen(t, d, { transport, channels: ['a'], after: position }) });
  }
  stop = true;
  await load;
  await publish(d, { channel: 'a', type: 'end' });
  for (const { rendered, l } of readers) {
    const events = await l.upTo('end');
    assert.ok(!events.some((e) => e.type === 'fanfare.gap'));
    const all = [...rendered, ...events.filter((e) => e.type === 'message').map((e) => e.data)];
    const from = all[0];
    assert.deepEqual(
      all,
      Array.from({ length: n - from }, (_, i) => from + i),
    );
  }
});

test('reading history while it changes: pages have no holes and nothing twice', async (t) => {
  const d = await daemonFor(t, { args: ['--history', '300', '--shards', '2'] });
  let stop = false;
  const load = (async () => {
    const p = await Publisher.open(d);
    for (let n = 0; !stop; n++) await p.publish({ channel: 'a', data: n });
    p.close();
  })();
  for (let i = 0; i < (slow ? 10 : 40); i++) {
    let path = '/channels/a/history?limit=50';
    let last;
    for (let k = 0; k < 8 && path; k++) {
      const { json } = await get(d, path);
      for (const m of json.messages) {
        if (last !== undefined && !json.gap) assert.equal(m.data, last + 1);
        if (last !== undefined && json.gap) assert.ok(m.data > last);
        json.gap = null;
        last = m.data;
      }
      path = json.next && `/channels/a/history?limit=50&after=${json.next}`;
    }
  }
  stop = true;
  await load;
});
