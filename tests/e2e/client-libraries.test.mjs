// The client libraries people use, as they use them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import * as eventsource3 from 'eventsource3';
import * as undici from 'undici';
import WebSocket from 'ws';
import { daemonFor } from './lib/daemon.mjs';
import { get, publish, request } from './lib/http.mjs';
import { poll, Inbox } from './lib/wait.mjs';

const require = createRequire(import.meta.url);
const EventSource2 = require('eventsource2');

const eventSources = {
  'eventsource 2': (url) => new EventSource2(url),
  'eventsource 3': (url) => new eventsource3.EventSource(url),
  'undici EventSource': (url) => new undici.EventSource(url),
};

process.on('warning', () => {}); // undici: EventSource is experimental

async function kickAll(d) {
  for (const c of (await get(d, '/clients')).json.clients) {
    assert.equal((await request(d, { method: 'DELETE', path: `/clients/${c.id}` })).status, 204);
  }
}

const webSockets = {
  'npm ws': (url) => new WebSocket(url, ['fanfare.v1']),
  'npm ws, with its default offer of compression': (url) => new WebSocket(url),
  'undici WebSocket': (url) => new undici.WebSocket(url, ['fanfare.v1']),
};

// Mostly they wait for heartbeats and reconnections: all at once.
describe('client libraries', { concurrency: 16 }, () => {
  for (const [name, create] of Object.entries(eventSources)) {
    test(name, async (t) => {
      const d = await daemonFor(t, { args: ['--retry', '1s', '--heartbeat', '1s'] });
      const es = create(`${d.url}/events?channel=orders&channel=news.*&userId=ann`);
      t.after(() => es.close());
      const inbox = new Inbox(name);
      const log = (type) => (e) => inbox.push({ type, data: e.data, id: e.lastEventId });
      es.onopen = () => inbox.push({ type: 'open' });
      es.onmessage = log('message');
      for (const type of ['order.created', 'fanfare.connected', 'fanfare.synced', 'fanfare.gap']) {
        es.addEventListener(type, log(type));
      }
      es.onerror = () => inbox.push({ type: 'error' });

      await inbox.take((e) => e.type === 'open');
      const connected = await inbox.take((e) => e.type === 'fanfare.connected');
      assert.equal(JSON.parse(connected.data).data.recovered, false);
      await inbox.take((e) => e.type === 'fanfare.synced');

      const r1 = await publish(d, { channel: 'orders', data: { text: 'é\u2028😀', n: 99.99 } });
      const m1 = await inbox.take((e) => e.type === 'message');
      assert.equal(m1.id, r1.cursor);
      assert.deepEqual(JSON.parse(m1.data).data, { text: 'é\u2028😀', n: 99.99 });
      const r2 = await publish(d, { channel: 'news.x', type: 'order.created', data: 2 });
      const m2 = await inbox.take((e) => e.type === 'order.created');
      assert.equal(m2.id, r2.cursor);
      await publish(d, { userId: 'ann', data: 3 });
      assert.equal(JSON.parse((await inbox.take((e) => e.type === 'message')).data).data, 3);
      await publish(d, { data: 4 });
      assert.equal(JSON.parse((await inbox.take((e) => e.type === 'message')).data).data, 4);

      // A heartbeat is on the wire and reaches nobody.
      const beats = (await get(d, '/stats')).json.counters.heartbeats;
      await poll(
        async () => (await get(d, '/stats')).json.counters.heartbeats > beats + 1 || undefined,
        { timeout: 20000, what: 'heartbeats' },
      );
      assert.deepEqual(inbox.items, [], 'nothing but what was published');

      // Thrown out, it comes back by itself with its position.
      await kickAll(d);
      await inbox.take((e) => e.type === 'error');
      const again = await inbox.take((e) => e.type === 'fanfare.connected', { timeout: 20000 });
      assert.equal(JSON.parse(again.data).data.recovered, true, again.data);
      await inbox.take((e) => e.type === 'fanfare.synced');
      await publish(d, { channel: 'orders', data: 'again' });
      assert.equal(JSON.parse((await inbox.take((e) => e.type === 'message')).data).data, 'again');

      // And if it missed something it gets that.
      await kickAll(d);
      await poll(async () => (await get(d, '/stats')).json.clientCount === 0 || undefined, {
        what: 'the client is out',
      });
      const lost = await publish(d, { channel: 'orders', data: 'lost' });
      assert.equal(lost.matched, 0);
      const late = await inbox.take((e) => e.type === 'message', { timeout: 20000 });
      assert.equal(late.id, lost.cursor);
      assert.equal(JSON.parse(late.data).data, 'lost');
      const synced = await inbox.take((e) => e.type === 'fanfare.synced');
      assert.equal(synced.id, lost.cursor);
      assert.ok(!inbox.items.some((e) => e.type === 'fanfare.gap'));

      es.close();
      await poll(async () => (await get(d, '/stats')).json.clientCount === 0 || undefined, {
        what: 'the client is gone',
      });
    });
  }

  test('an EventSource outlives a restart of the gateway', async (t) => {
    const d1 = await daemonFor(t, { args: ['--retry', '200ms'] });
    const es = new eventsource3.EventSource(`${d1.url}/events?channel=a`);
    t.after(() => es.close());
    const inbox = new Inbox('restart');
    for (const type of ['fanfare.synced', 'fanfare.gap', 'message']) {
      es.addEventListener(type, (e) => inbox.push({ type, data: e.data }));
    }
    await inbox.take((e) => e.type === 'fanfare.synced');
    await d1.stop();
    const d2 = await daemonFor(t, { listen: [`127.0.0.1:${d1.port}`] });
    const gap = await inbox.take((e) => e.type === 'fanfare.gap', { timeout: 30000 });
    assert.equal(JSON.parse(gap.data).data.reason, 'epoch');
    await inbox.take((e) => e.type === 'fanfare.synced');
    await publish(d2, { channel: 'a', data: 'new life' });
    assert.equal(JSON.parse((await inbox.take((e) => e.type === 'message')).data).data, 'new life');
  });

  test('@microsoft/fetch-event-source', async (t) => {
    const d = await daemonFor(t, { args: ['--retry', '200ms', '--heartbeat', '1s'] });
    // It is written for browsers.
    globalThis.window ??= globalThis;
    globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = require('@microsoft/fetch-event-source');
    const inbox = new Inbox('fetch-event-source');
    const abort = new AbortController();
    t.after(() => abort.abort());
    const done = fetchEventSource(`${d.url}/events?channel=orders`, {
      signal: abort.signal,
      openWhenHidden: true,
      headers: { Authorization: 'Bearer none' },
      onopen: async (res) => inbox.push({ event: 'open', type: res.headers.get('content-type') }),
      onmessage: (m) => inbox.push(m),
      onerror: (e) => {
        throw e;
      },
    });
    await inbox.take((m) => m.event === 'open' && /^text\/event-stream/.test(m.type));
    await inbox.take((m) => m.event === 'fanfare.connected' && m.id !== '');
    await inbox.take((m) => m.event === 'fanfare.synced');
    const r = await publish(d, {
      channel: 'orders',
      type: 'update',
      data: { status: 'processing' },
    });
    const m = await inbox.take((x) => x.event === 'update');
    assert.equal(m.id, r.cursor);
    assert.deepEqual(JSON.parse(m.data).data, { status: 'processing' });
    // Its onmessage fires for a comment that a blank line ends; ours has none.
    await poll(async () => (await get(d, '/stats')).json.counters.heartbeats > 1 || undefined, {
      timeout: 20000,
      what: 'heartbeats',
    });
    await publish(d, { channel: 'orders', data: 'after the heartbeats' });
    await inbox.take((x) => x.event === '');
    assert.deepEqual(inbox.items, []);
    abort.abort();
    await done;
  });

  for (const [name, create] of Object.entries(webSockets)) {
    test(name, async (t) => {
      const d = await daemonFor(t, { args: ['--heartbeat', '1s', '--pong-timeout', '30s'] });
      const ws = create(`${d.url.replace('http', 'ws')}/ws?channel=orders&userId=ann`);
      const inbox = new Inbox(name);
      ws.onmessage = (e) => inbox.push(JSON.parse(e.data));
      ws.onclose = (e) => inbox.push({ type: 'closed', code: e.code, wasClean: e.wasClean });
      ws.onerror = (e) => inbox.push({ type: 'failed', message: e.message });
      ws.onopen = () =>
        inbox.push({ type: 'opened', protocol: ws.protocol, extensions: ws.extensions });
      const opened = await inbox.take((m) => m.type === 'opened');
      assert.equal(opened.protocol, /default/.test(name) ? '' : 'fanfare.v1');
      assert.equal(opened.extensions, '');
      await inbox.take((m) => m.type === 'fanfare.connected');
      await inbox.take((m) => m.type === 'fanfare.synced');

      const sizes = [0, 1, 100, 125, 126, 1000, 65000, 65535, 65536, 200000];
      for (const n of sizes) {
        await publish(d, { channel: 'orders', type: 't', data: 'é'.repeat(n / 2) });
        const m = await inbox.take((x) => x.type === 't');
        assert.equal(m.data.length, Math.floor(n / 2));
      }
      ws.send('{"op":"subscribe","channel":"more.*","ref":1}');
      const reply = await inbox.take((m) => m.type === 'fanfare.reply');
      assert.deepEqual([reply.ref, reply.ok, reply.data.channel], [1, true, 'more.*']);
      await publish(d, { channel: 'more.x', type: 't', data: 5 });
      assert.equal((await inbox.take((m) => m.type === 't')).channel, 'more.x');
      await publish(d, { userId: 'ann', type: 't' });
      assert.equal((await inbox.take((m) => m.type === 't')).userId, 'ann');

      // Pings are answered by the library; the connection stays.
      const before = (await get(d, '/stats')).json.counters.heartbeats;
      await poll(
        async () => (await get(d, '/stats')).json.counters.heartbeats > before + 1 || undefined,
        { timeout: 20000, what: 'pings' },
      );
      assert.deepEqual(inbox.items, []);
      ws.close(1000, 'bye');
      const closed = await inbox.take((m) => m.type === 'closed');
      assert.deepEqual([closed.code, closed.wasClean], [1000, true]);
      await poll(async () => (await get(d, '/stats')).json.clientCount === 0 || undefined, {
        what: 'the client is gone',
      });
    });
  }
});
