// What the application is told (docs/webhooks.md): each event and its members, the order, an
// application that is away, what is given up, and the end.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor, spawnDaemon } from './lib/daemon.mjs';
import { get, post } from './lib/http.mjs';
import { counter } from './lib/limited.mjs';
import { Receiver } from './lib/receiver.mjs';
import { Sse } from './lib/sse.mjs';
import { Certificates } from './lib/tls.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const SECRET = 'the secret that signs what the application is told';
const TOKENS = 'the secret that signs the tokens of this test';
const BACKEND = key('backend', everything);
const ALL = ['client.connected', 'client.disconnected', 'client.subscribed', 'client.unsubscribed',
  'message.received', 'channel.occupied', 'channel.vacated', 'member.joined', 'member.left',
  'member.updated', 'user.online', 'user.offline'];

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-webhooks-'));
  writeKeys(folder, [BACKEND]);
  writeSecret(folder, 'token', TOKENS);
  writeSecret(folder, 'secret', SECRET);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function receiverFor(t, options) {
  const r = await Receiver.start(SECRET, options);
  t.after(() => r.down().catch(() => {}));
  return r;
}

const choose = (...events) => events.flatMap((e) => ['--webhook-events', e]);
/** A gateway in open mode that tells `r`. */
const telling = (t, r, ...more) => daemonFor(t, {
  args: ['--webhook-url', r.url, '--webhook-secret-file', join(folder, 'secret'), '--shards', '2',
    ...more] });
const tokenFor = (claims) => bearer(token(TOKENS, { exp: now() + 300, ...claims }));

function assertWhole(told) {
  told.forEach((e, i) => {
    assert.equal(e.seq, i + 1);
    assert.match(e.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(e.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(e.at) - Date.now()) < 120000, e.at);
  });
  assert.equal(new Set(told.map((e) => e.id)).size, told.length);
}

/** The event without what is in each. */
function rest({ seq, id, event, at, ...members }) {
  return members;
}

test('clients and channels', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r, ...choose(...ALL));
  const ws = await Ws.open(d, '/ws?channel=a&channel=b.*&userId=ann');
  const { clientId } = (await ws.control('connected')).json.data;
  assert.deepEqual(rest(await r.event('channel.occupied')), { channel: 'a' });
  const { peer, ...connected } = rest(await r.event('client.connected'));
  assert.deepEqual(connected,
    { clientId, userId: 'ann', transport: 'websocket', channels: ['a', 'b.*'] });
  assert.match(peer, /^127\.0\.0\.1:\d+$/);
  const who = { clientId, userId: 'ann' };
  assert.deepEqual(rest(await r.event('client.subscribed')), { ...who, channel: 'a' });
  assert.deepEqual(rest(await r.event('client.subscribed')), { ...who, channel: 'b.*' });
  await ws.op({ op: 'subscribe', channel: 'c' });
  assert.deepEqual(rest(await r.event('channel.occupied')), { channel: 'c' });
  assert.deepEqual(rest(await r.event('client.subscribed')), { ...who, channel: 'c' });
  await ws.op({ op: 'unsubscribe', channel: 'a' });
  assert.deepEqual(rest(await r.event('channel.vacated')), { channel: 'a' });
  assert.deepEqual(rest(await r.event('client.unsubscribed')), { ...who, channel: 'a' });
  await ws.close();
  const gone = { ...who, reason: 'disconnected' };
  assert.deepEqual(rest(await r.event('client.unsubscribed')), { ...gone, channel: 'b.*' });
  assert.deepEqual(rest(await r.event('client.unsubscribed')), { ...gone, channel: 'c' });
  assert.deepEqual(rest(await r.event('client.disconnected')),
    { ...who, transport: 'websocket', reason: 'closed by client' });
  assert.deepEqual(rest(await r.event('channel.vacated')), { channel: 'c' });
  const sse = await Sse.open(d, '/events?channel=a');
  const anonymous = await r.event('client.connected');
  assert.equal(anonymous.transport, 'sse');
  assert.equal(anonymous.userId, undefined);
  sse.close();
  await r.event('client.disconnected', (e) => e.clientId === anonymous.clientId);
  assertWhole(r.told);
});

test('members and users', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r, '--presence-grace', '200ms', '--presence-interval', '10ms');
  const at = '/ws?channel=presence-x&userId=ann';
  const one = await Ws.live(d, `${at}&info=${encodeURIComponent('{"name":"Ann"}')}`);
  assert.deepEqual(rest(await r.event('user.online')), { userId: 'ann' });
  assert.deepEqual(rest(await r.event('member.joined')),
    { channel: 'presence-x', userId: 'ann', info: { name: 'Ann' } });
  const two = await Ws.live(d, at); // the same user once more: nothing new
  await one.op({ op: 'info', info: { name: 'Ann B.' } });
  assert.deepEqual(rest(await r.event('member.updated')),
    { channel: 'presence-x', userId: 'ann', info: { name: 'Ann B.' } });
  await one.close();
  await two.close();
  assert.deepEqual(rest(await r.event('member.left')), { channel: 'presence-x', userId: 'ann' });
  assert.deepEqual(rest(await r.event('user.offline')), { userId: 'ann' });
  const names = r.told.map((e) => e.event);
  assert.equal(names.filter((n) => n === 'user.online').length, 1);
  assert.equal(names.filter((n) => n === 'member.joined').length, 1);
  assert.ok(!names.includes('client.subscribed'), 'not without being asked for');
  assertWhole(r.told);
});

test('online and offline of a user take turns, whatever its connections do', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r, '--presence-grace', '0', '--shards', '3',
    ...choose('user.online', 'user.offline', 'member.joined', 'member.left'));
  const flap = async (u) => {
    for (let i = 0; i < 15; i += 1) {
      const path = `channel=presence-x&userId=u${u}`;
      const c = i % 2 ? await Ws.live(d, `/ws?${path}`) : await Sse.live(d, `/events?${path}`);
      if (i % 3) c.close();
      else (c.terminate ? c.terminate() : c.conn.reset());
    }
  };
  await Promise.all([0, 1, 0, 1, 0, 2].map(flap)); // some with several connections at once
  const users = ['u0', 'u1', 'u2'];
  const of = (u, kind) => r.told.filter((e) => e.userId === u && e.event.startsWith(kind));
  await r.inbox.when(() => (users.every((u) => of(u, 'user').at(-1)?.event === 'user.offline' &&
    of(u, 'member').at(-1)?.event === 'member.left') ? true : undefined), { what: 'all offline' });
  for (const u of users) {
    of(u, 'user').forEach((e, i) => {
      assert.equal(e.event, i % 2 ? 'user.offline' : 'user.online');
    });
    of(u, 'member').forEach((e, i) => {
      assert.equal(e.event, i % 2 ? 'member.left' : 'member.joined');
    });
  }
  assertWhole(r.told);
});

test('messages of clients, and of nobody else', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r, '--keys', join(folder, 'keys'), '--token-key',
    `HS256=${join(folder, 'token')}`, ...choose('message.received'));
  const headers = tokenFor({ sub: 'ann', channels: ['room'], publish: ['room'] });
  const ws = await Ws.open(d, '/ws?channel=room', { headers });
  const { clientId } = (await ws.control('connected')).json.data;
  const sent = await ws.op({ op: 'publish', channel: 'room', type: 'chat', data: { text: 'Grüße' } });
  assert.equal(sent.ok, true, JSON.stringify(sent));
  assert.deepEqual(rest(await r.event('message.received')), { clientId, userId: 'ann',
    channel: 'room', messageId: sent.data.id, cursor: sent.data.cursor, type: 'chat',
    data: { text: 'Grüße' } });
  await post(d, '/broadcast', { channel: 'room', data: 1 }, bearer(BACKEND.text));
  const plain = await post(d, '/broadcast', { channel: 'room', data: [2], id: 'once' }, headers);
  assert.equal(plain.status, 200, plain.text);
  const got = rest(await r.event('message.received'));
  assert.deepEqual(got, { userId: 'ann', channel: 'room', messageId: 'once', cursor: plain.json.cursor,
    type: 'message', data: [2] });
  await post(d, '/broadcast', { channel: 'room', data: [2], id: 'once' }, headers); // a repetition
  await ws.op({ op: 'publish', channel: 'room', data: 3 });
  assert.equal((await r.event('message.received')).data, 3);
  assert.equal(r.told.length, 3);
});

test('away for a while: everything comes, in its order, and what comes twice says so', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r, '--webhook-batch', '7',
    ...choose('client.connected', 'client.disconnected', 'channel.occupied', 'channel.vacated'));
  await r.down();
  const users = Array.from({ length: 12 }, (_, i) => `user${i}`);
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(users.map(async (u) => {
      const ws = await Ws.live(d, `/ws?channel=of-${u}&userId=${u}`);
      await ws.close();
    }));
  }
  await poll(async () => ((await counter(d, 'webhook_failed')) > 0 ? true : undefined));
  // Back, it fails in all ways at first: after it has read the events.
  const moods = [500, 0];
  r.answer = () => moods.shift() ?? 204;
  await r.up();
  await r.count(3 * 12 * 4, { timeout: 60000 });
  assertWhole(r.told);
  for (const u of users) {
    const of = r.told.filter((e) => e.userId === u).map((e) => e.event);
    assert.deepEqual(of, Array(3).fill(['client.connected', 'client.disconnected']).flat());
    const channel = r.told.filter((e) => e.channel === `of-${u}`).map((e) => e.event);
    assert.deepEqual(channel, Array(3).fill(['channel.occupied', 'channel.vacated']).flat());
  }
  const refused = r.requests.slice(0, 2);
  assert.deepEqual(refused.map((q) => q.status), [500, 0]);
  for (const q of refused) assert.deepEqual(q.events, r.requests[2].events, 'the very same again');
  assert.ok(r.requests.every((q) => q.events.length <= 7));
  assert.equal(await counter(d, 'webhook_dead_letters'), 0);
  assert.equal(await counter(d, 'webhook_sent'), r.told.length);
});

test('what is given up is counted, and its numbers are missing', async (t) => {
  const r = await receiverFor(t);
  r.answer = () => 500;
  const d = await telling(t, r, '--webhook-retry', '100ms', ...choose('channel.occupied'));
  const first = await Ws.live(d, '/ws?channel=lost');
  await poll(async () => ((await counter(d, 'webhook_dead_letters')) === 1 ? true : undefined),
    { timeout: 30000 });
  await d.waitForLog(/events are lost.*events=1.*its answer is 500/);
  r.answer = () => 200;
  const second = await Ws.live(d, '/ws?channel=found');
  const found = await r.event('channel.occupied', undefined, { timeout: 30000 });
  assert.equal(found.channel, 'found');
  assert.equal(found.seq, 2);
  await poll(async () => ((await counter(d, 'webhook_queued')) === 0 ? true : undefined));
  const { webhooks } = (await get(d, '/stats')).json;
  assert.deepEqual({ ...webhooks, failed: webhooks.failed > 1, lag: 0 },
    { queued: 0, sent: 1, failed: true, deadLetters: 1, lag: 0 });
  first.terminate();
  second.terminate();
});

test('a full queue loses the newest', async (t) => {
  const r = await receiverFor(t);
  let go;
  const held = new Promise((resolve) => { go = resolve; });
  r.answer = () => held.then(() => 200);
  const d = await telling(t, r, '--webhook-queue', '5', '--webhook-timeout', '60s',
    ...choose('channel.occupied'));
  const ws = await Ws.live(d, '/ws');
  for (let i = 1; i <= 9; i += 1) await ws.op({ op: 'subscribe', channel: `c${i}` });
  assert.equal(await counter(d, 'webhook_dead_letters'), 4);
  assert.equal(await counter(d, 'webhook_queued'), 5);
  go();
  await r.count(5);
  await poll(async () => ((await counter(d, 'webhook_queued')) === 0 ? true : undefined));
  await ws.op({ op: 'subscribe', channel: 'c10' });
  await r.count(6);
  assert.deepEqual(r.told.map((e) => [e.seq, e.channel]),
    [...[1, 2, 3, 4, 5].map((i) => [i, `c${i}`]), [10, 'c10']]);
  ws.terminate();
});

test('the last events come at the end', async (t) => {
  const r = await receiverFor(t);
  const d = await telling(t, r);
  const clients = await Promise.all([1, 2, 3].map((i) => Ws.live(d, `/ws?channel=c&userId=u${i}`)));
  await r.count(7);
  await d.stop();
  assert.equal(r.told.filter((e) => e.event === 'client.disconnected').length, 3);
  assert.equal(r.told.filter((e) => e.event === 'channel.vacated').length, 1);
  assertWhole(r.told);
  clients.forEach((c) => c.terminate());
});

test('an application that hangs does not hold up the end', async (t) => {
  const r = await receiverFor(t);
  r.answer = () => new Promise(() => {});
  const d = await telling(t, r);
  await Ws.live(d, '/ws?channel=c');
  await poll(() => (r.requests.length ? true : undefined));
  const before_ = Date.now();
  await d.stop();
  assert.ok(Date.now() - before_ < 10000);
  assert.ok(d.stderr.some((l) => /events are lost.*the gateway stops/.test(l)), d.tail());
});

test('https, and only to whom the certificate is from', async (t) => {
  const certs = new Certificates(t);
  const { crt } = certs.ca('ca');
  const { options } = certs.issue('ca', 'app', { san: ['DNS:localhost', 'IP:127.0.0.1'] });
  const r = await receiverFor(t, { tls: options });
  const good = await telling(t, r, '--webhook-ca', crt, ...choose('channel.occupied'));
  const bad = await telling(t, r, ...choose('channel.occupied'));
  const lost = await Ws.live(bad, '/ws?channel=not-told');
  await bad.waitForLog(/does not take webhooks.*because=.*certificate/i);
  const told = await Ws.live(good, '/ws?channel=told');
  assert.equal((await r.event('channel.occupied')).channel, 'told');
  assert.equal(await counter(good, 'webhook_failed'), 0);
  lost.terminate();
  told.terminate();
  await bad.stop();
  assert.equal(r.requests.length, 1);
});

test('no webhooks: null in /stats', async (t) => {
  const d = await daemonFor(t, {});
  assert.equal((await get(d, '/stats')).json.webhooks, null);
});

test('what is wrong is said at the start', async () => {
  const cases = [
    [['--webhook-url', 'app.example'], /webhook-url: "app\.example" is not of the form/],
    [['--webhook-events', 'user.online'], /webhook-events: without webhook-url nobody is told/],
    [['--webhook-url', 'http://127.0.0.1:1/', '--webhook-events', 'user.onlin'],
      /did you mean user\.online\?/],
    [['--webhook-url', 'https://127.0.0.1:1/', '--webhook-ca', '/nonexistent'],
      /webhook-ca: \/nonexistent/],
    [['--webhook-url', 'http://127.0.0.1:1/', '--webhook-secret-file', '/nonexistent'],
      /\/nonexistent/],
  ];
  for (const [args, says] of cases) {
    const d = spawnDaemon(['--listen', '127.0.0.1:0', ...args]);
    const { code } = await d.waitExit();
    assert.notEqual(code, 0, args.join(' '));
    assert.match(d.tail(), says);
  }
});
