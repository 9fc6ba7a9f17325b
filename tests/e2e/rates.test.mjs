// How much of something may come a second, and of whom how much there may be at once: what is
// over it is refused in a way that says so and when to come back; others do not notice.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor } from './lib/daemon.mjs';
import { RawConn, get, requestBytes } from './lib/http.mjs';
import { ask, assertLimited, counter, eventually, refusedHandshake, refusedStream, send }
  from './lib/limited.mjs';
import { Sse } from './lib/sse.mjs';
import { Ws } from './lib/wsclient.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const rates = (...args) => ({ args: ['--shards', '2', '--rate-window', '2s', ...args] });

/** A gateway with keys and tokens. */
async function keyed(t, keys, ...args) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-rates-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { args: all } = rates('--keys', writeKeys(folder, keys),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`, ...args);
  const d = await daemonFor(t, { args: all, listen: ['127.0.0.1:0', `unix:${join(folder, 's')}`] });
  d.unix = { path: join(folder, 's') };
  return d;
}

const user = (sub, more) => bearer(token(SECRET, { sub, exp: now() + 300, ...more }));

// ---- publications -------------------------------------------------------------

test('--publish-rate: by address, each publication of a batch in its place', async (t) => {
  const d = await daemonFor(t, rates('--publish-rate', '2'));
  for (let i = 0; i < 3; i++) assert.equal((await send(d, { channel: 'a' })).status, 200);
  const batch = (await send(d, [{ channel: 'a' }, { channel: 'a' }, { channel: 'b' }])).json;
  assert.equal(batch.accepted + batch.refused, 3);
  assert.ok(batch.accepted >= 1, 'the fourth of a window of 2 s at 2 a second');
  assert.ok(batch.refused >= 1);
  const { error } = batch.results.at(-1);
  assert.equal(error.status, 429);
  assert.equal(error.code, 'rate_limited');
  assert.match(error.detail, /publish-rate/);
  const lines = (await send(d, [{ channel: 'a' }, { channel: 'a' }, { channel: 'a' }],
    { ndjson: true })).json;
  assert.ok(lines.refused >= 2);
  assert.equal(lines.results.at(-1).error.line, 3);
  assertLimited(await send(d, { channel: 'a' }), 'publish-rate');
  assert.equal((await send(d, { channel: 'a' }, { from: '127.0.0.2' })).status, 200,
    'another address has a rate of its own');
  await d.waitForLog(/warn .*request over a limit limit=publish-rate peer=127\.0\.0\.1:\d+/);
  assert.ok(await counter(d, 'limited_publish') >= 4);
  await eventually(async () => assert.equal((await send(d, { channel: 'a' })).status, 200),
    'a publication again');
});

test('several targets count each', async (t) => {
  const d = await daemonFor(t, rates('--publish-rate', '2'));
  assert.equal((await send(d, { channels: ['a', 'b', 'c', 'd'] })).status, 200);
  assertLimited(await send(d, { channels: ['a', 'b'] }), 'publish-rate');
});

test('--publish-bytes', async (t) => {
  const d = await daemonFor(t, rates('--publish-bytes', '1000'));
  const data = 'x'.repeat(1800);
  assert.equal((await send(d, { channel: 'a', data })).status, 200);
  assertLimited(await send(d, { channel: 'a', data }), 'publish-bytes');
  assert.equal((await send(d, { channel: 'a', data }, { from: '127.0.0.2' })).status, 200);
  // One that is larger than all that comes in the window: not never, but when nothing is owed.
  await eventually(async () => {
    const res = await send(d, { channel: 'a', data: 'x'.repeat(2500) });
    assert.equal(res.status, 200, res.text);
  }, 'a publication that is larger than the window');
});

test('--rate-for: all to a prefix together, whoever publishes', async (t) => {
  const d = await daemonFor(t,
    rates('--rate-for', 'chat.=2', '--rate-for', 'chat.loud.=1,100k', '--publish-rate', '1000'));
  assert.equal((await send(d, { channel: 'chat.loud.x' })).status, 200);
  assert.equal((await send(d, { channel: 'chat.loud.y' }, { from: '127.0.0.2' })).status, 200);
  assertLimited(await send(d, { channel: 'chat.loud.x' }, { from: '127.0.0.3' }), 'rate-for');
  // What one prefix refused took nothing from the other.
  for (let i = 0; i < 2; i++) assert.equal((await send(d, { channel: 'chat.a' })).status, 200);
  assertLimited(await send(d, { channels: ['news', 'chat.a', 'chat.b'] }), 'rate-for');
  for (let i = 0; i < 20; i++) assert.equal((await send(d, { channel: 'news' })).status, 200);
  assert.equal((await send(d, { userId: 'chat.a' })).status, 200, 'users are no channels');
  await d.waitForLog(/limit=rate-for peer=127\.0\.0\.\d:\d+ who=chat\.loud\./);
});

test('publish-rate by key and by user', async (t) => {
  const shop = key('shop', everything), blog = key('blog', everything);
  const d = await keyed(t, [shop, blog], '--publish-rate', '1');
  const as = (who) => send(d, { channel: 'a' }, { headers: who });
  const ann = user('ann', { publish: ['a'] }), eve = user('eve', { publish: ['a'] });
  for (const who of [bearer(shop.text), bearer(blog.text), ann, eve]) {
    for (let i = 0; i < 2; i++) assert.equal((await as(who)).status, 200);
    assertLimited(await as(who), 'publish-rate');
  }
  assertLimited(await as(user('ann', { publish: ['a'], jti: 'another token' })), 'publish-rate');
  // What is not permitted takes nothing.
  assert.equal((await send(d, { channel: 'x' }, { headers: user('bob', { publish: ['a'] }) })).status,
    403);
  assert.equal((await as(user('bob', { publish: ['a'] }))).status, 200);
  assert.equal((await as(user('bob', { publish: ['a'] }))).status, 200);
});

// ---- connections --------------------------------------------------------------

test('--connect-rate', async (t) => {
  const d = await daemonFor(t, rates('--connect-rate', '3'));
  for (let i = 0; i < 6; i++) assert.equal((await get(d, '/health')).status, 200);
  assertLimited(await get(d, '/health'), 'connect-rate');
  assert.ok(await refusedStream(d, '/events', 'rate_limited') >= 2000);
  await refusedHandshake(d, '/ws', 'connect-rate', 'rate_limited');
  assert.equal((await ask(d, { path: '/health' }, '127.0.0.2')).status, 200, 'another address');
  await d.waitForLog(/warn .*connection over a limit limit=connect-rate peer=127\.0\.0\.1:\d+/);
  const more = await eventually(async () => {
    const c = await RawConn.open(d);
    c.write(requestBytes(d, { path: '/health' }));
    assert.equal((await c.readResponse()).status, 200);
    return c;
  }, 'a connection again');
  // A connection that is there is not limited.
  for (let i = 0; i < 20; i++) {
    more.value.write(requestBytes(d, { path: '/health' }));
    assert.equal((await more.value.readResponse()).status, 200);
  }
});

// ---- users --------------------------------------------------------------------

test('--max-connections-per-user, over shards and transports', async (t) => {
  const d = await daemonFor(t, rates('--max-connections-per-user', '3'));
  const open = [
    await Sse.live(d, '/events?userId=ann&channel=a'),
    await Ws.live(d, '/ws?userId=ann&channel=a'),
    await Sse.live(d, '/events?userId=ann&history=5&channel=a'),
  ];
  await refusedStream(d, '/events?userId=ann', 'too_many_streams');
  await refusedHandshake(d, '/ws?userId=ann', 'max-connections-per-user', 'too_many_streams');
  const head = await ask(d, { path: '/events?userId=ann' });
  assertLimited(head, 'max-connections-per-user', 'too_many_streams');
  const others = [await Sse.live(d, '/events?userId=eve'), await Sse.live(d, '/events')];
  await d.waitForLog(/limit=max-connections-per-user peer=127\.0\.0\.1:\d+ who=ann/);
  assert.equal(await counter(d, 'limited_users'), 3);
  for (const c of open) {
    c.close();
    const again = await eventually(async () => {
      const res = await ask(d, { method: 'HEAD', path: '/events?userId=ann' });
      assert.equal(res.status, 200, 'a place again');
    }, 'a place of the user');
    assert.ok(again);
    await Ws.live(d, '/ws?userId=ann');
    await refusedStream(d, '/events?userId=ann', 'too_many_streams');
  }
  others.forEach((s) => s.close());
});

test('--user-connect-rate', async (t) => {
  const d = await daemonFor(t, rates('--user-connect-rate', '1'));
  for (let i = 0; i < 2; i++) (await Sse.live(d, '/events?userId=ann')).close();
  assert.ok(await refusedStream(d, '/events?userId=ann', 'rate_limited') > 0);
  await refusedHandshake(d, '/ws?userId=ann', 'user-connect-rate', 'rate_limited');
  (await Sse.live(d, '/events?userId=eve')).close();
  for (let i = 0; i < 5; i++) (await Sse.live(d, '/events')).close();
  await eventually(() => Ws.live(d, '/ws?userId=ann').catch(() => assert.fail('refused')),
    'a stream of the user again');
});

test('--max-channels-per-user: of all streams together', async (t) => {
  const d = await daemonFor(t, rates('--max-channels-per-user', '5'));
  const a = await Ws.live(d, '/ws?userId=ann&channel=a&channel=b');
  const b = await Ws.live(d, '/ws?userId=ann&channel=a');
  await refusedStream(d, '/events?userId=ann&channel=1&channel=2&channel=3', 'too_many_channels');
  const c = await Sse.live(d, '/events?userId=ann&channel=c');
  const sub = (w, channel, more) => w.op({ op: 'subscribe', channel, ...more });
  assert.equal((await sub(a, 'd.>')).ok, true);
  const refused = await sub(b, 'e');
  assert.equal(refused.ok, false, JSON.stringify(refused));
  assert.equal(refused.error.code, 'too_many_channels');
  assert.match(refused.error.message ?? refused.error.detail, /max-channels-per-user/);
  assert.equal((await sub(a, 'a')).ok, true, 'what it has already is no more');
  assert.equal((await sub(b, 'f', { history: 5 })).ok, false);
  // An unsubscription, and the end of a stream, make room.
  assert.equal((await a.op({ op: 'unsubscribe', channel: 'd.>' })).ok, true);
  assert.equal((await sub(b, 'f', { history: 5 })).ok, true);
  assert.equal((await sub(b, 'g')).ok, false);
  c.close();
  await eventually(async () => assert.equal((await sub(b, 'g')).ok, true), 'room again');
  assert.equal((await sub(b, 'h')).ok, false);
  const eve = await Ws.live(d, '/ws?userId=eve&channel=a&channel=b&channel=c&channel=d&channel=e');
  assert.equal((await sub(eve, 'f')).ok, false);
  assert.equal((await sub(await Ws.live(d, '/ws'), 'f')).ok, true, 'nobody in particular');
});

test('streams of a key, and of a token without a user, count as those of a user do', async (t) => {
  const shop = key('shop', everything), blog = key('blog', everything);
  const d = await keyed(t, [shop, blog], '--max-connections-per-user', '2',
    '--max-channels-per-user', '3', '--anonymous', '--log-level', 'debug');
  const nameless = (jti) => bearer(token(SECRET, { exp: now() + 300, jti }));
  for (const [who, other] of [[bearer(shop.text), bearer(blog.text)],
    [nameless('one'), nameless('two')], [nameless('shop'), nameless('blog')]]) {
    const a = await Ws.live(d, '/ws?channel=a&channel=b', { headers: who });
    assert.equal((await a.op({ op: 'subscribe', channel: 'c' })).ok, true);
    assert.equal((await a.op({ op: 'subscribe', channel: 'd' })).error.code, 'too_many_channels');
    await Ws.live(d, '/ws', { headers: who });
    await refusedStream(d, '/events', 'too_many_streams', { headers: who });
    (await Sse.live(d, '/events', { headers: other })).close();
    a.close();
    await eventually(() => Sse.live(d, '/events', { headers: who }).catch(() => assert.fail('full')),
      'a place again');
  }
  // Nobody at all is told apart by the address alone.
  for (let i = 0; i < 4; i++) await Ws.live(d, '/ws?channel=a');
  const jti = token(SECRET, { exp: now() + 300 });
  for (let i = 0; i < 4; i++) await Ws.live(d, '/ws?channel=a', { headers: bearer(jti) });
  await d.waitForLog(/limit=max-connections-per-user peer=\S+ who=shop/);
});

test('a stream counts for the token that it began with, whatever renews it', async (t) => {
  const d = await keyed(t, [key('shop', everything)], '--max-connections-per-user', '1');
  const nameless = (jti) => token(SECRET, { exp: now() + 300, jti });
  const a = await Ws.live(d, '/ws', { headers: bearer(nameless('one')) });
  assert.equal((await a.op({ op: 'token', token: nameless('two') })).ok, true);
  const b = await Ws.live(d, '/ws', { headers: bearer(nameless('two')) });
  await refusedStream(d, '/events', 'too_many_streams', { headers: bearer(nameless('one')) });
  a.close();
  await eventually(async () => (await Ws.live(d, '/ws', { headers: bearer(nameless('one')) })
    .catch(() => assert.fail('full'))).close(), 'a place again');
  b.close();
});

test('--user-connect-rate by key', async (t) => {
  const shop = key('shop', everything), blog = key('blog', everything);
  const d = await keyed(t, [shop, blog], '--user-connect-rate', '1');
  const as = (k) => ({ headers: bearer(k.text) });
  for (let i = 0; i < 2; i++) (await Sse.live(d, '/events', as(shop))).close();
  await refusedStream(d, '/events', 'rate_limited', as(shop));
  (await Sse.live(d, '/events', as(blog))).close();
  (await Sse.live(d, '/events?userId=ann', as(shop))).close();
});

// ---- reading ------------------------------------------------------------------

const history = '/channels/a/history';

test('--read-rate: by user and by address; keys and streams are free', async (t) => {
  const shop = key('shop', everything);
  const d = await keyed(t, [shop], '--read-rate', '1', '--anonymous');
  const at = (headers, from) => ask(d, { path: history, headers }, from);
  for (const who of [user('ann'), user('eve'), {}]) {
    for (let i = 0; i < 2; i++) assert.equal((await at(who)).status, 200);
    assertLimited(await at(who), 'read-rate');
    assertLimited(await ask(d, { path: `${history}?limit=1`, headers: who }), 'read-rate');
  }
  assertLimited(await at(user('ann', { jti: 'another token' }), '127.0.0.2'), 'read-rate');
  assertLimited(await at(bearer(token(SECRET, { exp: now() + 300 }))), 'read-rate');
  assert.equal((await at({}, '127.0.0.2')).status, 200, 'another address');
  for (let i = 0; i < 10; i++) assert.equal((await at(bearer(shop.text))).status, 200);
  (await Sse.live(d, '/events?channel=a&history=5', { headers: user('ann') })).close();
  await d.waitForLog(/warn .*request over a limit limit=read-rate peer=\S+ who=ann/);
  assert.ok(await counter(d, 'limited_reads', bearer(shop.text)) >= 8);
  await eventually(async () => assert.equal((await at(user('ann'))).status, 200), 'a page again');
});

test('--read-rate: nobody is limited in open mode', async (t) => {
  const d = await daemonFor(t, rates('--read-rate', '1', '--read-bytes', '1'));
  for (let i = 0; i < 10; i++) assert.equal((await get(d, history)).status, 200);
});

test('--read-rate: a ticket that it refused is good afterwards', async (t) => {
  const shop = key('shop', everything);
  const d = await keyed(t, [shop], '--read-rate', '1');
  for (let i = 0; i < 2; i++) assert.equal((await ask(d, { path: history, headers: user('ann') })).status, 200);
  const made = await ask(d, { method: 'POST', path: '/tickets', headers: { ...bearer(shop.text),
    'Content-Type': 'application/json' }, body: '{"userId":"ann"}' });
  assert.equal(made.status, 201, made.text);
  const path = `${history}?ticket=${made.json.ticket}`;
  assertLimited(await ask(d, { path }), 'read-rate');
  await eventually(async () => assert.equal((await ask(d, { path })).status, 200), 'the page');
  assert.equal((await ask(d, { path })).status, 401);
});

test('--read-bytes: the last page may be one too much, which is then waited for', async (t) => {
  const shop = key('shop', everything);
  const d = await keyed(t, [shop], '--read-bytes', '20000');
  for (let i = 0; i < 30; i++) {
    assert.equal((await send(d, { channel: 'a', data: 'x'.repeat(1000) },
      { headers: bearer(shop.text) })).status, 200);
  }
  const at = (who, query) => ask(d, { path: history + query, headers: who });
  assert.equal((await at(user('ann'), '?limit=30')).status, 200);
  assert.equal((await at(user('ann'), '?limit=30')).status, 200, '40000 are allowed at once');
  const since = Date.now();
  assertLimited(await at(user('ann'), '?limit=1'), 'read-bytes');
  assert.equal((await at(user('eve'), '?limit=30')).status, 200);
  await d.waitForLog(/limit=read-bytes peer=\S+ who=ann/);
  await eventually(async () => assert.equal((await at(user('ann'), '?limit=1')).status, 200),
    'a page again');
  assert.ok(Date.now() - since > 800, 'what was too much is waited for');
});

// ---- revocations --------------------------------------------------------------

test('--max-revocations: counted, and logged', async (t) => {
  const shop = key('shop', everything);
  const d = await keyed(t, [shop], '--max-revocations', '16');
  const revoke = (jti) => ask(d, { method: 'POST', path: '/revocations', headers: {
    ...bearer(shop.text), 'Content-Type': 'application/json' }, body: JSON.stringify({ jti }) });
  for (let i = 0; i < 16; i++) assert.equal((await revoke(`t${i}`)).status, 201);
  const res = await revoke('one-more');
  assert.equal(res.status, 503, res.text);
  assert.equal(res.json.code, 'too_many_revocations');
  assert.equal((await revoke('t3')).status, 201, 'one that is there');
  await d.waitForLog(/warn .*request over a limit limit=max-revocations peer=127\.0\.0\.1:\d+/);
  assert.equal(await counter(d, 'limited_revocations', bearer(shop.text)), 1);
});

// ---- channels -----------------------------------------------------------------

test('--max-subscribers-for', async (t) => {
  const d = await daemonFor(t,
    rates('--max-subscribers-for', 'room.=2', '--max-subscribers-for', 'room.big.=3'));
  const a = await Sse.live(d, '/events?channel=room.1');
  const b = await Ws.live(d, '/ws?channel=room.1');
  await refusedStream(d, '/events?channel=room.1', 'channel_full');
  await refusedStream(d, '/events?channel=lobby&channel=room.1', 'channel_full');
  await refusedHandshake(d, '/ws?channel=room.1', 'max-subscribers-for', 'channel_full');
  const c = await Ws.live(d, '/ws?channel=room.2');
  const full = await c.op({ op: 'subscribe', channel: 'room.1' });
  assert.equal(full.ok, false);
  assert.equal(full.error.code, 'channel_full');
  assert.ok(full.data?.retryAfter > 0 || full.error.retryAfter > 0, JSON.stringify(full));
  assert.equal((await b.op({ op: 'subscribe', channel: 'room.1' })).ok, true, 'is in it');
  for (let i = 0; i < 3; i++) await Ws.live(d, '/ws?channel=room.big.1&channel=lobby');
  await refusedStream(d, '/events?channel=room.big.1', 'channel_full');
  a.close();
  await eventually(async () => {
    assert.equal((await c.op({ op: 'subscribe', channel: 'room.1' })).ok, true);
  }, 'room in the channel');
  await refusedStream(d, '/events?channel=room.1', 'channel_full');
  await d.waitForLog(/limit=max-subscribers-for peer=/);
  assert.ok(await counter(d, 'limited_channels') >= 6);
});

// ---- WebSocket messages -------------------------------------------------------

test('--op-rate: read more slowly, and closed if it goes on', async (t) => {
  const d = await daemonFor(t, rates('--op-rate', '20'));
  const flood = await Ws.live(d, '/ws?channel=a');
  const calm = await Ws.live(d, '/ws?channel=a');
  for (let i = 0; i < 3000; i++) flood.send('{"op":"ping"}');
  for (let i = 0; i < 15; i++) assert.equal((await calm.op({ op: 'ping' })).ok, true);
  assert.equal((await send(d, { channel: 'a', data: 1 })).json.matched, 2);
  await flood.message();
  const since = Date.now();
  const { code } = await flood.waitClosed(20000);
  assert.equal(code, 4029);
  assert.ok(Date.now() - since < 20000);
  const answered = flood.inbox.items.filter((m) => m.json.type === 'fanfare.reply').length;
  assert.ok(answered >= 40 && answered < 1000, `${answered} of 3000 were answered`);
  assert.equal((await calm.op({ op: 'ping' })).ok, true);
  assert.equal(await counter(d, 'floods_closed'), 1);
  assert.ok(await counter(d, 'limited_ops') >= 1);
  await d.waitForLog(/client is read more slowly .*limit=op-rate/);
});

test('--op-rate: a burst waits, and nothing is lost', async (t) => {
  const d = await daemonFor(t, rates('--op-rate', '50', '--rate-window', '1s'));
  const c = await Ws.live(d, '/ws');
  const refs = Array.from({ length: 70 }, (_, i) => `n${i}`);
  for (const ref of refs) c.send(JSON.stringify({ op: 'ping', ref }));
  const replies = await c.inbox.count(70, (m) => m.json.type === 'fanfare.reply');
  assert.deepEqual(replies.map((m) => m.json.ref), refs);
  for (let i = 0; i < 30; i++) assert.equal((await c.op({ op: 'ping' })).ok, true);
  assert.equal(c.closed, null);
  assert.equal(await counter(d, 'floods_closed'), 0);
});

test('--op-bytes', async (t) => {
  const d = await daemonFor(t, rates('--op-bytes', '4000'));
  const c = await Ws.live(d, '/ws');
  const calm = await Ws.live(d, '/ws');
  const text = (n) => JSON.stringify({ op: 'meta', meta: { x: 'y'.repeat(n) }, ref: n });
  c.send(text(500));
  assert.equal((await c.next((j) => j.ref === 500)).json.ok, true);
  c.send(text(200000));
  assert.equal((await calm.op({ op: 'ping' })).ok, true);
  assert.equal((await c.waitClosed(20000)).code, 4029);
  await d.waitForLog(/limit=op-bytes/);
});

// ---- credentials --------------------------------------------------------------

test('--auth-failure-rate', async (t) => {
  const all = key('all', everything);
  const d = await keyed(t, [all], '--auth-failure-rate', '2');
  const good = bearer(all.text), bad = bearer('ffk_all_wrong');
  // What was good once is no guess.
  const old = bearer(token(SECRET, { sub: 'ann', exp: now() - 300 }));
  for (let i = 0; i < 10; i++) assert.equal((await get(d, '/stats', old)).status, 401);
  for (let i = 0; i < 10; i++) assert.equal((await get(d, '/stats')).status, 401);
  for (let i = 0; i < 4; i++) assert.equal((await get(d, '/stats', bad)).status, 401);
  assertLimited(await get(d, '/stats', bad), 'auth-failure-rate', 'too_many_failures');
  // A token would cost a signature to be checked, also a good one; a key costs next to nothing,
  // so a backend is never kept out by others of its address.
  const fresh = bearer(token(SECRET, { sub: 'ann', exp: now() + 300 }));
  assertLimited(await get(d, '/channels/a/history', fresh), 'auth-failure-rate',
    'too_many_failures');
  assert.ok(await refusedStream(d, '/events', 'too_many_failures', { headers: fresh }) > 0);
  assert.equal((await get(d, '/health')).status, 200, 'needs no credential');
  assert.equal((await get(d, '/stats')).status, 401, 'none is no bad one');
  assert.equal((await get(d, '/stats', good)).status, 200);
  assert.equal((await ask(d, { path: '/channels/a/history', headers: fresh }, '127.0.0.2')).status,
    200);
  // Programs at a unix socket have no address to be told apart by.
  for (let i = 0; i < 10; i++) assert.equal((await get(d.unix, '/stats', bad)).status, 401);
  assert.equal((await get(d.unix, '/stats', good)).status, 200);
  await d.waitForLog(/limit=auth-failure-rate peer=127\.0\.0\.1:\d+/);
  await eventually(async () =>
    assert.equal((await get(d, '/channels/a/history', fresh)).status, 200), 'tokens are read again');
  assert.ok(await counter(d, 'limited_failures', good) >= 3);
});

test('--auth-failure-rate: tokens shown on a stream count like others', async (t) => {
  const all = key('all', everything);
  const d = await keyed(t, [all], '--auth-failure-rate', '2');
  const good = token(SECRET, { sub: 'ann', exp: now() + 300 });
  const forged = token('another secret than that of this test', { sub: 'ann' });
  const old = token(SECRET, { sub: 'ann', exp: now() - 300 });
  const ws = await Ws.live(d, '/ws', { headers: bearer(good) });
  const show = async (text) => (await ws.op({ op: 'token', token: text })).error ?? {};
  const sse = await Sse.open(d, '/events', { headers: bearer(good) });
  const { data } = JSON.parse((await sse.control('connected')).data);
  const renew = (text) => ask(d, { method: 'POST', path: `/clients/${data.clientId}/token`,
    headers: { 'Content-Type': 'application/json', 'Fanfare-Client-Key': data.clientKey },
    body: JSON.stringify({ token: text }) });
  for (let i = 0; i < 6; i++) assert.equal((await show(old)).code, 'token_expired');
  assert.equal((await show(forged)).code, 'bad_token');
  assert.equal((await renew(forged)).status, 401);
  await eventually(async () => assert.equal((await show(forged)).code, 'too_many_failures'), 'over');
  assert.equal((await show(good)).code, 'too_many_failures', 'would cost a signature to be checked');
  assertLimited(await renew(good), 'auth-failure-rate', 'too_many_failures');
  assertLimited(await get(d, '/channels/a/history', bearer(good)), 'auth-failure-rate',
    'too_many_failures');
  assert.equal((await get(d, '/stats', bearer(all.text))).status, 200);
  await d.waitForLog(/limit=auth-failure-rate peer=127\.0\.0\.1:\d+/);
  await eventually(async () => assert.deepEqual(await show(good), {}), 'taken again');
  assert.equal((await renew(good)).status, 200);
  assert.ok(await counter(d, 'limited_failures', bearer(all.text)) >= 3);
  ws.close();
  sse.close();
});

test('--auth-failure-rate never keeps the key of --api-key-file out, whatever it looks like', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-rates-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const api = 'one.with.dots.in.it.and.of.enough.characters';
  const d = await daemonFor(t, rates('--auth-failure-rate', '2',
    '--api-key-file', writeSecret(folder, 'api', api),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`));
  const forged = bearer(token('another secret than that of this test', { sub: 'ann' }));
  await eventually(async () =>
    assertLimited(await get(d, '/stats', forged), 'auth-failure-rate', 'too_many_failures'),
  'too many');
  for (let i = 0; i < 5; i++) assert.equal((await get(d, '/stats', bearer(api))).status, 200);
  assertLimited(await get(d, '/stats', bearer(`${api}x`)), 'auth-failure-rate', 'too_many_failures');
  assertLimited(await get(d, '/stats', bearer('no-dots-in-it')), 'auth-failure-rate',
    'too_many_failures');
  assertLimited(await get(d, '/stats', forged), 'auth-failure-rate', 'too_many_failures');
});

test('--op-rate: requests with the client key too', async (t) => {
  const d = await daemonFor(t, rates('--op-rate', '3'));
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(async (who) => {
    const sse = await Sse.open(d, `/events?channel=room&userId=${who}`);
    t.after(() => sse.close());
    return JSON.parse((await sse.control('connected')).data).data.clientKey;
  }));
  const say = (key, path, body) => ask(d, { method: 'POST', path, body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'Fanfare-Client-Key': key } });
  const acts = [['/typing', { channel: 'room', typing: true }], ['/publish', { channel: 'room' }],
    ['/info', { info: 1 }], ['/ack', { id: 'x' }]];
  let over;
  for (let i = 0; i < 40 && over?.status !== 429; i++) over = await say(ann, ...acts[i % 4]);
  assertLimited(over, 'op-rate');
  for (const act of acts) {
    assert.notEqual((await say(bob, ...act)).status, 429, 'another client of the same address');
  }
  await d.waitForLog(/limit=op-rate peer=127\.0\.0\.1:\d+/);
  assert.ok(await counter(d, 'limited_ops') >= 1);
  await eventually(async () => assert.equal((await say(ann, ...acts[0])).status, 200), 'again');
});

test('--read-rate: presence, read positions and what is unread', async (t) => {
  const d = await keyed(t, [key('all', everything)], '--read-rate', '1');
  const paths = ['/channels/presence-a/presence', '/channels/a/reads', '/users/ann/unread?channel=a'];
  let over;
  for (let i = 0; i < 30 && over?.status !== 429; i++) {
    over = await get(d, paths[i % 3], user('ann', { channels: ['>', 'presence-a'] }));
  }
  assertLimited(over, 'read-rate');
});

test('--idle-unauthenticated', async (t) => {
  const all = key('all', everything);
  const d = await keyed(t, [all], '--idle-unauthenticated', '300ms');
  const stranger = await RawConn.open(d), known = await RawConn.open(d);
  const once = async (c, path, headers) => {
    c.write(requestBytes(d, { path, headers }));
    return (await c.readResponse()).status;
  };
  assert.equal(await once(known, '/stats', bearer(all.text)), 200);
  assert.equal(await once(stranger, '/health'), 200);
  assert.equal(await once(stranger, '/stats', bearer('wrong')), 401);
  const second = await RawConn.open(d);
  await stranger.closed();
  assert.equal(stranger.peek().length, 0, 'without a word');
  // It came later than the one that was closed, and idles.
  assert.equal(await once(second, '/health'), 200);
  await second.closed();
  assert.equal(await once(known, '/health'), 200, 'it was idle longer than both');
  assert.equal(await counter(d, 'unauthenticated_closed', bearer(all.text)), 2);
});
