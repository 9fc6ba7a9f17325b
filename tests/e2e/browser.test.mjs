// A real browser: the playground page as a newcomer uses it, and a page of
// another origin. The picture is kept in artifacts/playground.png.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { daemonFor, scaled } from './lib/daemon.mjs';
import { get, publish, request } from './lib/http.mjs';
import { poll } from './lib/wait.mjs';

const artifacts = path.join(path.dirname(fileURLToPath(import.meta.url)), 'artifacts');
const executablePath = process.env.FANFARE_CHROMIUM || '/usr/bin/chromium';

async function browserFor(t) {
  const browser = await chromium.launch({
    executablePath,
    timeout: scaled(60000),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  t.after(() => browser.close());
  return browser;
}

/** A page whose every error is collected. */
async function openPage(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(scaled(15000));
  const errors = [];
  page.on('pageerror', (e) => errors.push(`page: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error') errors.push(`console: ${m.text()}`);
  });
  page.on('requestfailed', (r) => {
    if (!r.url().includes('/events')) errors.push(`failed: ${r.url()}`);
  });
  await page.goto(url);
  return { page, errors, context };
}

const connected = (page) => page.waitForSelector('[data-testid=state][data-state=open]');

test('the playground: a message travels over SSE and over WebSocket', async (t) => {
  const d = await daemonFor(t, { args: ['--demo', '--shards', '2'] });
  const browser = await browserFor(t);
  const { page, errors } = await openPage(browser, d.url, {
    viewport: { width: 1280, height: 900 },
  });
  const id = (x) => `[data-testid=${x}]`;
  const row = (x) => `${id('message')}[data-id="${x}"]`;

  // It connects by itself, by SSE, to the channel `orders`.
  await connected(page);
  assert.match(await page.textContent(id('state-transport')), /SSE/);
  const list = (await get(d, '/clients')).json.clients;
  assert.equal(list.length, 1);
  assert.equal(list[0].transport, 'sse');
  assert.deepEqual(list[0].channels, ['orders']);
  assert.match(list[0].userAgent, /Chrom/);

  // The page publishes; the message comes back.
  await page.fill(
    id('pub-data'),
    '{"status": "processing", "n": 123456789012345678901234567890, "p": 99.90}',
  );
  await page.click(id('publish-button'));
  await page.waitForSelector(id('message'));
  const data = await page.textContent(`${id('message')} ${id('message-data')}`);
  assert.match(data, /"p": 99\.90\b/);
  assert.match(data, /123456789012345678901234567890/);
  assert.match(await page.textContent(id('result')), /Sent to 1 client/);

  // A backend publishes.
  const r = await publish(d, { channel: 'orders', type: 'update', data: { text: 'é\u2028😀' } });
  await page.waitForSelector(row(r.id));
  assert.equal(await page.textContent(id('cursor')), r.cursor);

  // The same over WebSocket, with a user and one more channel.
  await page.click(`label:has(${id('transport-ws')})`);
  await page.waitForFunction(
    () =>
      /WebSocket/.test(document.querySelector('[data-testid=state-transport]').textContent) &&
      document.querySelector('[data-testid=state]').dataset.state === 'open',
  );
  await poll(
    async () => {
      const now = (await get(d, '/clients')).json.clients;
      return now.length === 1 && now[0].transport === 'websocket' ? true : undefined;
    },
    { what: 'the page is a WebSocket client now' },
  );
  await page.fill(id('channel-new'), 'news.*');
  await page.click(id('channel-add'));
  await poll(
    async () => {
      const [c] = (await get(d, '/clients')).json.clients;
      return c?.channels.includes('news.*') ? true : undefined;
    },
    { what: 'the subscription by op' },
  );
  const r2 = await publish(d, { channel: 'news.local', type: 'any.type', data: 'over ws' });
  assert.equal(r2.matched, 1);
  await page.waitForSelector(row(r2.id));
  await page.fill(id('user'), 'alice');
  await page.click(id('user-set'));
  await poll(
    async () => {
      const all = (await get(d, '/clients?user=alice')).json.clients;
      return all.length === 1 ? true : undefined;
    },
    { what: 'the page is alice' },
  );
  await connected(page);
  const r3 = await publish(d, { userId: 'alice', type: 'update', data: 'for alice' });
  await page.waitForSelector(row(r3.id));
  const r4 = await publish(d, { type: 'update', data: 'for everyone' });
  await page.waitForSelector(row(r4.id));
  assert.equal(await page.locator(id('message')).count(), 5);

  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({
    path: path.join(artifacts, 'playground.png'),
    animations: 'disabled',
  });

  // Thrown out, it comes back.
  const [{ id: client }] = (await get(d, '/clients')).json.clients;
  await request(d, { method: 'DELETE', path: `/clients/${client}` });
  await poll(
    async () => {
      const [c] = (await get(d, '/clients')).json.clients;
      return c && c.id !== client ? true : undefined;
    },
    { timeout: 20000, what: 'the page is back' },
  );

  await connected(page);
  await page.click(id('toggle'));
  await page.waitForSelector('[data-testid=state][data-state=closed]');
  await poll(async () => (await get(d, '/stats')).json.clientCount === 0 || undefined, {
    what: 'the page has left',
  });
  assert.deepEqual(errors, []);
});

test('the playground on a phone, by keyboard alone', async (t) => {
  const d = await daemonFor(t, { args: ['--demo'] });
  const browser = await browserFor(t);
  const { page, errors } = await openPage(browser, d.url, {
    viewport: { width: 375, height: 720 },
    hasTouch: true,
    isMobile: true,
  });
  await connected(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `nothing sticks out sideways: ${wide} px`);
  // Tab to the button and press it.
  const focused = () => page.evaluate(() => document.activeElement?.dataset.testid ?? '');
  for (let i = 0; i < 60 && (await focused()) !== 'publish-button'; i++)
    await page.keyboard.press('Tab');
  assert.equal(await focused(), 'publish-button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid=message]');
  assert.deepEqual(errors, []);
});

/** A page of another origin, on loopback. */
async function foreignPage(t) {
  const server = http.createServer((req, res) => {
    res.setHeader('Content-Type', 'text/html');
    res.end('<!doctype html><title>app</title>');
  });
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/`;
}

test('a page of another allowed origin: EventSource, WebSocket, fetch', async (t) => {
  const d = await daemonFor(t, { args: ['--retry', '200ms'] });
  const browser = await browserFor(t);
  const { page } = await openPage(browser, await foreignPage(t));
  await page.evaluate((base) => {
    window.got = [];
    window.es = new EventSource(`${base}/events?channel=a`, { withCredentials: true });
    for (const type of ['message', 'fanfare.connected', 'fanfare.synced', 'fanfare.gap']) {
      window.es.addEventListener(type, (e) =>
        window.got.push([type, e.lastEventId, JSON.parse(e.data)]),
      );
    }
    window.es.onerror = () => window.got.push(['error', window.es.readyState]);
    window.ws = new WebSocket(`${base.replace('http', 'ws')}/ws?channel=a`, ['fanfare.v1']);
    window.ws.onmessage = (e) => window.got.push(['ws', JSON.parse(e.data)]);
  }, d.url);
  const seen = (fn, arg) => page.waitForFunction(fn, arg).then((h) => h.jsonValue());
  await seen(
    () =>
      window.got.some((g) => g[0] === 'fanfare.synced') &&
      window.got.some((g) => g[0] === 'ws' && g[1].type === 'fanfare.synced'),
  );
  // Published by the page itself: a preflight goes before it.
  const receipt = await page.evaluate(async (base) => {
    const res = await fetch(`${base}/broadcast`, {
      method: 'POST',
      body: '{"channel":"a","data":"x"}',
      headers: { 'Content-Type': 'application/json' },
    });
    return res.json();
  }, d.url);
  assert.equal(receipt.matched, 2);
  await seen(
    (c) =>
      window.got.some((g) => g[0] === 'message' && g[1] === c) &&
      window.got.some((g) => g[0] === 'ws' && g[1].cursor === c),
    receipt.cursor,
  );
  // An error can be read, too.
  const problem = await page.evaluate(async (base) => {
    const res = await fetch(`${base}/broadcast`, {
      method: 'POST',
      body: '{',
      headers: { 'Content-Type': 'application/json' },
    });
    return [res.status, (await res.json()).code];
  }, d.url);
  assert.deepEqual(problem, [400, 'bad_json']);

  // Thrown out, the EventSource comes back with its Last-Event-ID.
  for (const c of (await get(d, '/clients')).json.clients) {
    await request(d, { method: 'DELETE', path: `/clients/${c.id}` });
  }
  await seen(() => window.got.filter((g) => g[0] === 'fanfare.connected').length === 2);
  const second = (await page.evaluate(() => window.got)).filter(
    (g) => g[0] === 'fanfare.connected',
  )[1];
  assert.equal(second[2].data.recovered, true);
  assert.equal(second[1], receipt.cursor);
  await page.evaluate(() => window.es.close());
});

test('a page of a foreign origin can neither read nor publish', async (t) => {
  const d = await daemonFor(t);
  const browser = await browserFor(t);
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(scaled(15000));
  await page.route('http://app.example/**', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>evil</title>' }),
  );
  await page.goto('http://app.example/');
  const result = await page.evaluate(async (base) => {
    const out = {};
    const attempt = async (name, run) => {
      try {
        out[name] = await run();
      } catch (e) {
        out[name] = `refused: ${e.name}`;
      }
    };
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      await attempt(type, async () => {
        await fetch(`${base}/broadcast`, {
          method: 'POST',
          mode: 'no-cors',
          body: '{"data":"evil"}',
          headers: { 'Content-Type': type },
        });
        return 'sent';
      });
    }
    await attempt('json', async () => {
      await fetch(`${base}/broadcast`, {
        method: 'POST',
        body: '{"data":"evil"}',
        headers: { 'Content-Type': 'application/json' },
      });
      return 'sent';
    });
    await attempt('read', async () => (await fetch(`${base}/stats`)).text());
    out.es = await new Promise((resolve) => {
      const es = new EventSource(`${base}/events`);
      es.onopen = () => resolve('open');
      es.onerror = () => resolve('error');
    });
    out.ws = await new Promise((resolve) => {
      const ws = new WebSocket(`${base.replace('http', 'ws')}/ws`);
      ws.onopen = () => resolve('open');
      ws.onerror = () => resolve('error');
    });
    return out;
  }, d.url);
  assert.match(result.json, /^refused/);
  assert.match(result.read, /^refused/);
  assert.equal(result.es, 'error');
  assert.equal(result.ws, 'error');
  assert.equal((await get(d, '/stats')).json.messageCount, 0, JSON.stringify(result));
});
