// The room of the playground in a real browser: two people, one by SSE and one by WebSocket, side
// by side. The picture of both is kept in artifacts/people.png.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { now, token, writeSecret } from './lib/credentials.mjs';
import { daemonFor, scaled, startDaemon } from './lib/daemon.mjs';
import { get, publish } from './lib/http.mjs';
import { Proxy } from './lib/proxy.mjs';
import { poll } from './lib/wait.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const artifacts = path.join(here, 'artifacts');
const executablePath = process.env.FANFARE_CHROMIUM || '/usr/bin/chromium';
const ROOM = 'presence-demo';
const GRACE = scaled(3000);
const id = (x) => `[data-testid=${x}]`;

async function browserFor(t) {
  const browser = await chromium.launch({
    executablePath,
    timeout: scaled(60000),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  t.after(() => browser.close());
  return browser;
}

/** A window of its own browser profile, with what the tests ask of it. */
class Window {
  errors = [];

  static async open(browser, url, query, options = {}) {
    const w = new Window();
    w.context = await browser.newContext({ viewport: { width: 660, height: 720 }, ...options });
    w.page = await w.context.newPage();
    w.page.setDefaultTimeout(scaled(15000));
    w.page.on('pageerror', (e) => w.errors.push(`page: ${e.message}`));
    w.page.on('console', (m) => {
      if (m.type() === 'error') w.errors.push(`console: ${m.text()}`);
    });
    await w.page.goto(`${url}/room?${new URLSearchParams(query)}`);
    return w;
  }

  /** As somebody of the room, from when the stream is live and the members are known. */
  static async enter(browser, url, query, options) {
    const w = await Window.open(browser, url, query, options);
    await w.live();
    await w.page.waitForSelector(`${id('member')}[data-user="${query.user}"]`);
    return w;
  }

  live() {
    return this.page.waitForSelector(`${id('state')}[data-state=open]`);
  }

  until(probe, arg) {
    return this.page.waitForFunction(probe, arg);
  }

  members() {
    return this.page.$$eval(id('member'), (rows) => rows.map((r) => r.dataset.user).sort());
  }

  membersAre(...names) {
    return this.until(
      (want) =>
        [...document.querySelectorAll('[data-testid=member]')]
          .map((r) => r.dataset.user).sort().join() === want,
      names.sort().join(),
    );
  }

  memberState(user) {
    return this.page.textContent(`${id('member')}[data-user="${user}"] ${id('member-state')}`);
  }

  memberStateIs(user, text) {
    return this.until(
      ([u, want]) => {
        const row = document.querySelector(`.member[data-user="${u}"]`);
        return row && new RegExp(want).test(row.querySelector('small').textContent);
      },
      [user, text.source ?? `^${text}$`],
    );
  }

  typingIs(text) {
    return this.until(
      (want) => document.querySelector('[data-testid=typing]').textContent === want,
      text,
    );
  }

  version() {
    return this.page.$eval(id('members'), (e) => Number(e.dataset.version));
  }

  events() {
    return this.page.$$eval(id('event'), (rows) => rows.map((r) => r.textContent.split(' · ')[0]));
  }

  press(text) {
    return this.page.locator(id('text')).pressSequentially(text);
  }

  async say(text) {
    await this.page.fill(id('text'), text);
    await this.page.press(id('text'), 'Enter');
  }

  /** Its texts as they stand, also those that are still on their way. */
  texts() {
    return this.page.$$eval(id('message-text'), (rows) => rows.map((r) => r.textContent));
  }

  shows(text) {
    return this.until(
      (want) =>
        [...document.querySelectorAll('.message:not(.waiting) [data-testid=message-text]')].some(
          (r) => r.textContent === want,
        ),
      text,
    );
  }

  /** The receipt beneath the message with this text. */
  receiptIs(text, receipt) {
    return this.until(
      ([said, want]) =>
        [...document.querySelectorAll('[data-testid=message]')].some(
          (r) =>
            r.querySelector('[data-testid=message-text]').textContent === said &&
            (r.querySelector('[data-testid=seen] span:last-child')?.textContent ?? '') === want,
        ),
      [text, receipt],
    );
  }
}

/** Both windows in one picture. */
async function picture(browser, windows, name) {
  const page = await browser.newPage({ viewport: { width: 1340, height: 730 } });
  const shots = [];
  for (const w of windows) {
    const png = await w.page.screenshot({ animations: 'disabled', caret: 'hide' });
    shots.push(png.toString('base64'));
  }
  await page.setContent(
    `<style>body { margin: 0; display: flex; align-items: start; gap: 10px; padding: 5px;
      background: #b9b0a6 }</style>
    ${shots.map((s) => `<img src="data:image/png;base64,${s}">`).join('')}`,
  );
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: path.join(artifacts, name) });
  await page.close();
}

test('two windows: presence, typing, messages, receipts', async (t) => {
  const d = await daemonFor(t, {
    args: ['--demo', '--shards', '2', '--presence-grace', `${GRACE}ms`,
      '--typing-timeout', `${scaled(3000)}ms`],
  });
  const browser = await browserFor(t);
  const ann = await Window.enter(browser, d.url, { user: 'ann', room: ROOM, transport: 'sse' });
  const bob = await Window.enter(browser, d.url, { user: 'bob', room: ROOM, transport: 'ws' });
  await ann.membersAre('ann', 'bob');
  await bob.membersAre('ann', 'bob');
  const clients = (await get(d, '/clients')).json.clients.map((c) => [c.user, c.transport]);
  assert.deepEqual(clients.sort(), [['ann', 'sse'], ['bob', 'websocket']]);
  assert.deepEqual(await ann.events(), ['bob came in']);

  // ann types: bob sees it, and it goes away by itself.
  await ann.press('Hello b');
  await Promise.all([bob.typingIs('ann is typing'), bob.memberStateIs('ann', 'typing…')]);
  assert.equal(await ann.page.textContent(id('typing')), '');
  await bob.typingIs('');
  assert.match(await bob.memberState('ann'), /^since \d\d:\d\d$/);

  // It arrives with its sender, and ends the typing before the time.
  await ann.press('ob, shall we start?');
  await bob.typingIs('ann is typing');
  await ann.page.press(id('text'), 'Enter');
  await bob.shows('Hello bob, shall we start?');
  await bob.typingIs('');
  const row = bob.page.locator(id('message'));
  assert.equal(await row.count(), 1);
  assert.equal(await row.locator(id('sender')).textContent(), 'ann');
  const [m] = (await get(d, `/channels/${ROOM}/history`)).json.messages;
  assert.equal(m.sender.userId, 'ann');
  // bob has read it.
  await ann.receiptIs('Hello bob, shall we start?', 'Read by bob');

  // The other way round, and by the other transport.
  await bob.press('Yes, I');
  await ann.typingIs('bob is typing');
  await bob.say('Yes, I have the numbers of last week here.');
  await ann.shows('Yes, I have the numbers of last week here.');
  await bob.receiptIs('Yes, I have the numbers of last week here.', 'Read by ann');
  await ann.receiptIs('Hello bob, shall we start?', 'Read by bob');

  // Away is an update and neither a leave nor a join; who is away does not read.
  const before = await ann.version();
  await bob.page.check(id('status-away'), { force: true });
  await ann.memberStateIs('bob', 'away');
  assert.equal(await ann.version(), before + 1);
  assert.deepEqual(await ann.events(), ['bob came in']);
  await ann.say('Great. Send me the link?');
  await ann.say('Then I put it into the minutes.');
  await bob.until(() => document.querySelector('[data-testid=unread]').textContent === '2 unread');
  assert.match(await bob.page.title(), /^\(2\) /);
  assert.equal(await bob.page.locator(id('divider')).count(), 1);
  await ann.receiptIs('Then I put it into the minutes.', '');
  const count = async () =>
    (await get(d, `/users/bob/unread?channel=${ROOM}`)).json.channels[0].unread;
  assert.equal(await count(), 2);

  await ann.press('Or by mail');
  await bob.typingIs('ann is typing');
  await picture(browser, [ann, bob], 'people.png');

  // Back again, all is read.
  await bob.page.click(id('unread'));
  await ann.receiptIs('Then I put it into the minutes.', 'Read by bob');
  await ann.memberStateIs('bob', /^since/);
  await bob.page.waitForSelector(id('unread'), { state: 'hidden' });
  assert.equal(await count(), 0);

  // A reload is silent: no change of any kind, though her connection is another one.
  const [version, seen] = [await bob.version(), await bob.events()];
  await ann.page.reload();
  await ann.live();
  await ann.membersAre('ann', 'bob');
  await ann.receiptIs('Then I put it into the minutes.', 'Read by bob');
  assert.deepEqual(await ann.texts(), await bob.texts());
  // What is published after the time in which she would have left comes behind any change.
  const gone = Date.now() + GRACE * 1.5;
  await poll(async () => (Date.now() > gone ? true : undefined), { timeout: GRACE * 3 });
  await ann.say('still here');
  await bob.shows('still here');
  assert.equal(await bob.version(), version);
  assert.deepEqual(await bob.events(), seen);

  // A changed name is an update.
  await ann.page.click('summary:has-text("Name and colour")');
  await ann.page.fill(id('name'), 'Ann Lee');
  await ann.page.press(id('name'), 'Enter');
  await bob.page.getByRole('list', { name: 'Here' }).getByText('Ann Lee (ann)').waitFor();

  // She closes the window: she leaves when the grace is over, not before.
  const closed = Date.now();
  await ann.context.close();
  await bob.membersAre('bob');
  assert.ok(Date.now() - closed >= GRACE * 0.9, `after ${Date.now() - closed} ms`);
  assert.deepEqual((await bob.events()).slice(seen.length), ['Ann Lee left']);
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

for (const transport of ['sse', 'ws']) {
  test(`${transport}: cut off, nothing is lost and nothing comes twice`, async (t) => {
    const d = await daemonFor(t, { args: ['--demo', '--retry', '300ms'] });
    const proxy = await Proxy.to(d);
    t.after(() => proxy.close());
    const browser = await browserFor(t);
    const ann = await Window.enter(browser, proxy.url, { user: 'ann', room: ROOM, transport });
    const bob = await Window.enter(browser, d.url, { user: 'bob', room: ROOM, transport: 'ws' });
    const said = [];
    for (let round = 0; round < 5; round++) {
      proxy.cut();
      // What each says while ann's connection is cut, or is coming back.
      for (const [w, name] of [[ann, 'ann'], [bob, 'bob']]) {
        said.push(`${name} ${round}`);
        await w.say(`${name} ${round}`);
      }
      await ann.shows(`bob ${round}`);
      await ann.shows(`ann ${round}`);
      await bob.shows(`ann ${round}`);
      await ann.live();
    }
    // Her stream is another one, and she has never left.
    await ann.membersAre('ann', 'bob');
    assert.deepEqual(await bob.events(), []);
    const { messages } = (await get(d, `/channels/${ROOM}/history`)).json;
    const log = messages.map((m) => m.data.text);
    assert.deepEqual([...log].sort(), said.sort());
    assert.deepEqual(await ann.texts(), log);
    assert.deepEqual(await bob.texts(), log);
    assert.deepEqual(bob.errors.concat(ann.errors.filter((e) => e.startsWith('page:'))), []);
  });
}

test('the gateway is restarted with nothing kept: the room goes on', async (t) => {
  const d = await startDaemon({ args: ['--demo', '--retry', '300ms'] });
  t.after(() => d.exited ?? d.stop());
  const browser = await browserFor(t);
  const ann = await Window.enter(browser, d.url, { user: 'ann', room: ROOM, transport: 'sse' });
  const bob = await Window.enter(browser, d.url, { user: 'bob', room: ROOM, transport: 'ws' });
  await ann.say('one');
  await ann.receiptIs('one', 'Read by bob');
  await d.stop();
  for (const w of [ann, bob]) {
    await w.page.waitForSelector(`${id('state')}[data-state=reconnecting]`);
  }
  await ann.say('two'); // waits
  await daemonFor(t, { args: ['--demo', '--retry', '300ms'], listen: [`127.0.0.1:${d.port}`] });
  await bob.shows('two');
  await ann.receiptIs('two', 'Read by bob');
  await bob.say('three');
  await bob.receiptIs('three', 'Read by ann');
  for (const w of [ann, bob]) {
    await w.membersAre('ann', 'bob');
    assert.deepEqual(await w.texts(), ['one', 'two', 'three']);
    assert.deepEqual(w.errors.filter((e) => e.startsWith('page:')), []);
  }
  // Nobody can know that there are none.
  await ann.page.getByText('Messages may be missing here').waitFor();
});

test('what was said before: a page of it, and the earlier ones on request', async (t) => {
  const d = await daemonFor(t, { args: ['--demo'] });
  const want = [];
  for (let i = 0; i < 45; i++) {
    want.push(`message ${i}`);
    await publish(d, { channel: ROOM, source: 'history', data: { text: `message ${i}` } });
  }
  await publish(d, { channel: ROOM, data: { order: 7 } }); // not of this page's kind
  want.push('{"order":7}');
  const browser = await browserFor(t);
  const ann = await Window.enter(browser, d.url, { user: 'ann', room: ROOM });
  assert.deepEqual(await ann.texts(), want.slice(-30));
  await ann.page.click(id('earlier-button'));
  await ann.shows('message 0');
  assert.deepEqual(await ann.texts(), want);
  await ann.page.waitForSelector(id('earlier-button'), { state: 'hidden' });
  assert.deepEqual(ann.errors, []);
});

test('by keyboard, on a phone, and for who does not see it', async (t) => {
  const d = await daemonFor(t, { args: ['--demo'] });
  const browser = await browserFor(t);
  const ann = await Window.open(browser, d.url, {}, {
    viewport: { width: 375, height: 720 }, hasTouch: true, isMobile: true });
  const { page } = ann;
  await page.getByRole('textbox', { name: 'You are' }).focus();
  await page.keyboard.type('ann');
  await page.keyboard.press('Tab');
  assert.equal(await page.inputValue(id('join-room')), ROOM);
  await page.keyboard.press('Enter');
  await ann.membersAre('ann');
  assert.match(page.url(), /\?user=ann&room=presence-demo&transport=sse$/);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `nothing sticks out sideways: ${wide} px`);
  await page.getByRole('textbox', { name: 'Your message' }).focus();
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Enter');
  await ann.shows('by keyboard');
  const log = page.getByRole('log', { name: 'Messages' });
  assert.match(await log.textContent(), /by keyboard/);
  assert.equal(await page.getByRole('list', { name: 'Here' }).getByRole('listitem').count(), 1);
  for (const name of ['Status', 'Transport']) await page.getByRole('group', { name }).waitFor();

  // Another transport is another connection, and nobody leaves.
  const version = await ann.version();
  await page.getByRole('radio', { name: 'WebSocket' }).check({ force: true });
  await page.waitForSelector(`${id('state')}[data-state=open][data-transport=ws]`);
  await poll(async () => {
    const all = (await get(d, '/clients')).json.clients;
    return all.length === 1 && all[0].transport === 'websocket' ? true : undefined;
  });
  assert.equal(await ann.version(), version);
  assert.deepEqual(await ann.texts(), ['by keyboard']);

  // In a channel that does not tell who is there all else goes on.
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.getByRole('textbox', { name: 'Room' }).fill('lobby');
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.getByText('does not tell who is here').waitFor();
  await ann.say('anybody?');
  await ann.shows('anybody?');

  await page.getByRole('button', { name: 'Leave' }).click();
  await poll(async () => ((await get(d, '/stats')).json.clientCount === 0 ? true : undefined));
  assert.deepEqual(ann.errors, []);
});

test('with a token: what it permits, and what is refused', async (t) => {
  const SECRET = 'the secret that signs the tokens of this test';
  const folder = mkdtempSync(path.join(tmpdir(), 'fanfare-room-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const d = await daemonFor(t, {
    args: ['--demo', '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`],
  });
  const browser = await browserFor(t);
  const claims = { exp: now() + 300, sub: 'ann', channels: [ROOM] };
  for (const transport of ['sse', 'ws']) {
    // Without one the page says why, and asks for it.
    const ann = await Window.open(browser, d.url, { user: 'ann', room: ROOM, transport });
    await ann.page.waitForSelector(id('join'));
    assert.notEqual(await ann.page.textContent(id('why')), '');
    await ann.page.fill(id('token'), token(SECRET, claims));
    await ann.page.click(id('enter'));
    await ann.membersAre('ann');
    // It may listen, not speak: the page says so at the message.
    await ann.say('may I?');
    await ann.page.locator(id('fate'), { hasText: /^Not sent: / }).waitFor();
    await ann.page.click(id('leave'));
    const good = token(SECRET, { ...claims, publish: [ROOM] });
    await ann.page.fill(id('token'), good);
    await ann.page.click(id('enter'));
    await ann.membersAre('ann');
    await ann.say(`I may, by ${transport}`);
    await ann.shows(`I may, by ${transport}`);
    assert.ok(!(await ann.page.content()).includes(good), 'the token is shown nowhere');
    assert.doesNotMatch(ann.page.url(), /token/);
    assert.deepEqual(ann.errors.filter((e) => e.startsWith('page:')), []);
    await ann.context.close();
  }
});

test('README: the page that needs no library', async (t) => {
  const readme = readFileSync(path.join(here, '../../README.md'), 'utf8');
  const code = [...readme.matchAll(/```js\n([^]*?)```/g)].map((m) => m[1])
    .find((b) => b.includes('Fanfare-Client-Key'));
  const [setup, deeds] = code.split(/\/\/ later.*\n/);
  const d = await daemonFor(t, { args: ['--demo'] });
  const browser = await browserFor(t);
  const pages = {};
  for (const user of ['ann', 'bob']) {
    const page = await browser.newPage();
    page.lines = [];
    page.on('console', (m) => page.lines.push(m.text()));
    await page.goto(`${d.url}/health`);
    await page.evaluate(`${setup.replace('userId=ann', `userId=${user}`)}
      window.deeds = () => { ${deeds} };
      window.has = () => Boolean(key);`);
    await page.waitForFunction(() => window.has());
    pages[user] = page;
  }
  const { ann, bob } = pages;
  const logged = (page, want) =>
    poll(async () => (page.lines.some((l) => want.test(l)) ? true : undefined),
      { what: `${want} in what the page logs` });
  await logged(ann, /event: changes/);
  await logged(bob, /event: snapshot/);
  await ann.evaluate(() => window.deeds());
  await logged(bob, /^ann true$/);
  await logged(bob, /^ann \{text: hello\}$/);
  await logged(ann, /^bob has read up to /);
});
