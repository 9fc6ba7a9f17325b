// Pages of other origins: what a browser is told it may do, and what it then does.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { scaled, startDaemon } from './lib/daemon.mjs';
import { post, request } from './lib/http.mjs';
import { proxyFor } from './lib/proxy.mjs';
import { poll } from './lib/wait.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const BACKEND = key('backend', everything);
const LISTED = 'https://app.example';
const EVIL = 'https://evil.example';

let folder, args, daemon, anyone;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-cors-'));
  args = ['--keys', writeKeys(folder, [BACKEND]),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`, '--token-cookie', 'session'];
  daemon = await startDaemon({ args: [...args, '--allow-origin', LISTED] });
  anyone = await startDaemon({ args: [...args, '--allow-origin', '*', '--allow-origin', LISTED] });
});
after(async () => {
  await daemon?.stop();
  await anyone?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const good = () => token(SECRET, { sub: 'ann', exp: now() + 300 });

describe('what is answered', () => {
  const cors = (res) => ({ origin: res.headers['access-control-allow-origin'],
    credentials: res.headers['access-control-allow-credentials'], vary: res.headers.vary });
  test('a listed origin: by name, with credentials, refusals too', async () => {
    for (const headers of [bearer(good()), {}, bearer('x')]) {
      const res = await request(daemon, { method: 'HEAD', path: '/events',
        headers: { Origin: LISTED, ...headers } });
      assert.deepEqual(cors(res), { origin: LISTED, credentials: 'true', vary: 'Origin' });
    }
  });
  test('the gateway\'s own', async () => {
    const origin = `http://127.0.0.1:${daemon.port}`;
    const res = await request(daemon, { path: '/health', headers: { Origin: origin } });
    assert.equal(cors(res).origin, origin);
  });
  test('a foreign one: refused, and told nothing', async () => {
    for (const origin of [EVIL, 'null', 'http://localhost:1', `${LISTED}:8443`, `${LISTED}.evil`,
      'http://app.example', 'garbage']) {
      const res = await request(daemon, { path: '/events',
        headers: { Origin: origin, ...bearer(good()) } });
      assert.equal(res.status, 403, origin);
      assert.equal(res.json.code, 'forbidden_origin');
      assert.equal(cors(res).origin, undefined);
    }
  });
  test('any origin: without credentials, and cookies do not count', async () => {
    const res = await request(anyone, { method: 'HEAD', path: '/events',
      headers: { Origin: EVIL, ...bearer(good()) } });
    assert.equal(res.status, 200);
    assert.equal(cors(res).origin, '*');
    assert.equal(cors(res).credentials, undefined);
    const cookie = (origin) => request(anyone, { method: 'HEAD', path: '/events',
      headers: { Origin: origin, Cookie: `session=${good()}` } });
    assert.equal((await cookie(EVIL)).status, 403);
    assert.equal((await cookie(LISTED)).status, 200);
    assert.equal(cors(await cookie(LISTED)).credentials, 'true');
  });
  test('preflights need no credential, and name what is needed', async () => {
    for (const [path, method] of [['/events', 'GET'], ['/broadcast', 'POST'], ['/ack', 'POST'],
      ['/clients/0000000000000000/token', 'POST'], ['/channels/a/history', 'GET']]) {
      const res = await request(daemon, { method: 'OPTIONS', path, headers: { Origin: LISTED,
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': 'authorization,last-event-id,content-type' } });
      assert.equal(res.status, 204, path);
      assert.ok(res.headers['access-control-allow-methods'].split(', ').includes(method));
      const allowed = res.headers['access-control-allow-headers'].toLowerCase().split(', ');
      for (const h of ['authorization', 'last-event-id', 'content-type', 'fanfare-client-key']) {
        assert.ok(allowed.includes(h), h);
      }
      assert.equal(cors(res).origin, LISTED);
    }
    const foreign = await request(daemon, { method: 'OPTIONS', path: '/events',
      headers: { Origin: EVIL, 'Access-Control-Request-Method': 'GET' } });
    assert.equal(foreign.status, 403);
    assert.equal(cors(foreign).origin, undefined);
  });
});

describe('what a browser does', () => {
  let browser, site, origin;
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.FANFARE_CHROMIUM || '/usr/bin/chromium',
      timeout: scaled(60000), args: ['--no-sandbox', '--disable-dev-shm-usage'] });
    site = http.createServer((q, s) => s.setHeader('Content-Type', 'text/html').end('<p>page'));
    await new Promise((resolve) => { site.listen(0, '127.0.0.1', resolve); });
    origin = `http://127.0.0.1:${site.address().port}`;
  });
  after(async () => {
    await browser?.close();
    site?.close();
  });

  // The page listens over both transports; everything it hears is in `heard`.
  const listen = (page, url, options) => page.evaluate(([base, o]) => {
    window.heard = [];
    window.errors = 0;
    const es = new EventSource(`${base}/events?channel=a${o.query ?? ''}`,
      { withCredentials: o.withCredentials });
    window.es = es;
    for (const type of ['message', 'fanfare.connected', 'fanfare.synced', 'fanfare.closing']) {
      es.addEventListener(type, (e) => window.heard.push([type, JSON.parse(e.data).data]));
    }
    es.onerror = () => { window.errors += 1; };
  }, [url, options]);
  const heard = (page, type) => poll(async () => {
    const all = await page.evaluate(() => window.heard);
    return all.some(([t]) => t === type) ? all : undefined;
  }, { timeout: scaled(15000), what: type });
  const openPage = async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    await page.goto(origin);
    return { page, context };
  };

  test('a cookie on an EventSource of another origin, cut off, comes back and resumes', async (t) => {
    const d = await startDaemon({ args: [...args, '--allow-origin', origin, '--retry', '100ms'] });
    t.after(() => d.stop());
    const proxy = await proxyFor(t, d);
    const { page, context } = await openPage(t);
    await context.addCookies([{ name: 'session', value: good(), domain: '127.0.0.1', path: '/',
      httpOnly: true, sameSite: 'Lax' }]);
    await listen(page, `http://127.0.0.1:${proxy.port}`, { withCredentials: true });
    await heard(page, 'fanfare.synced');
    const say = async (data) => assert.equal((await post(d, '/broadcast',
      { channel: 'a', data }, bearer(BACKEND.text))).status, 200);
    await say(1);
    await heard(page, 'message');
    proxy.cut();
    await say(2);
    const all = await poll(async () => {
      const list = (await page.evaluate(() => window.heard)).filter(([type]) => type === 'message');
      return list.length >= 2 ? list : undefined;
    }, { timeout: scaled(15000), what: 'what was missed' });
    assert.deepEqual(all.map(([, data]) => data), [1, 2]);
    const [client] = (await request(d, { path: '/clients', headers: bearer(BACKEND.text) })).json.clients;
    assert.equal(client.user, 'ann', 'it is still who it was');
    // Without the cookie there is nobody: a clear end, and no anonymous stream.
    await context.clearCookies();
    proxy.cut();
    await poll(async () => await page.evaluate(() => window.es.readyState) === 2 || undefined,
      { timeout: scaled(15000), what: 'the end of the EventSource' });
  });

  test('a page of a foreign origin gets nothing, cookie or not', async (t) => {
    const { page, context } = await openPage(t);
    await context.addCookies([{ name: 'session', value: good(), domain: '127.0.0.1', path: '/' }]);
    await listen(page, `http://127.0.0.1:${daemon.port}`, { withCredentials: true });
    await poll(async () => await page.evaluate(() => window.es.readyState) === 2 || undefined,
      { timeout: scaled(15000), what: 'the end of the EventSource' });
    assert.deepEqual(await page.evaluate(() => window.heard), []);
    const closed = await page.evaluate((url) => new Promise((resolve) => {
      const ws = new WebSocket(url);
      ws.onopen = () => resolve('open');
      ws.onclose = (e) => resolve(e.code);
    }), `ws://127.0.0.1:${daemon.port}/ws`);
    assert.equal(closed, 1006);
    const posted = await page.evaluate(async (url) => {
      try {
        await fetch(url, { method: 'POST', credentials: 'include', body: '{}' });
        return 'sent';
      } catch { return 'refused'; }
    }, `http://127.0.0.1:${daemon.port}/broadcast`);
    assert.equal(posted, 'refused');
  });

  test('fetch with a token, and a WebSocket with one as its subprotocol', async (t) => {
    const d = await startDaemon({ args: [...args, '--allow-origin', '*'] });
    t.after(() => d.stop());
    const { page } = await openPage(t);
    const status = await page.evaluate(async ([url, auth]) => {
      const res = await fetch(url, { headers: { Authorization: auth } });
      return [res.status, res.headers.get('Fanfare-Cursor') !== null];
    }, [`http://127.0.0.1:${d.port}/channels/a/history`, `Bearer ${good()}`]);
    assert.deepEqual(status, [200, true]);
    const protocol = await page.evaluate(([url, jwt]) => new Promise((resolve) => {
      const ws = new WebSocket(url, ['fanfare.v1', `fanfare.token.${jwt}`]);
      ws.onopen = () => resolve(ws.protocol);
      ws.onclose = (e) => resolve(e.code);
    }), [`ws://127.0.0.1:${d.port}/ws`, good()]);
    assert.equal(protocol, 'fanfare.v1');
  });
});
