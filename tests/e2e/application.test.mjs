// The application is asked who may connect, subscribe and publish (docs/protocol.md, "Asking your
// application"): what it is asked, what its answers do, and what happens without any.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application } from './lib/application.mjs';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor, startDaemon } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, post, request, requestBytes } from './lib/http.mjs';
import { counter, refusedStream } from './lib/limited.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const APP_SECRET = 'the secret that signs what the application is asked';
const ORIGIN = 'https://app.example';
const BACKEND = key('backend', everything);
const POOR = key('poor', {});
const AUTH = bearer(BACKEND.text);

let folder, app, d;
const argsFor = (url, ...more) => ['--keys', join(folder, 'keys'),
  '--token-key', `HS256=${join(folder, 'token')}`, '--auth-url', url,
  '--auth-secret-file', join(folder, 'secret'), '--allow-origin', ORIGIN,
  '--auth-failure-rate', '0', ...more];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-application-'));
  writeKeys(folder, [BACKEND, POOR]);
  writeSecret(folder, 'token', SECRET);
  writeSecret(folder, 'secret', APP_SECRET);
  app = await Application.start(APP_SECRET);
  d = await startDaemon({ args: argsFor(app.url, '--shards', '2', '--publish-for', 'closed-=nobody',
    '--subscribe-for', 'closed-=nobody') });
});
after(async () => {
  await d?.stop();
  await app?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  app.answer = () => ({ allow: true });
  app.inbox.items.length = 0;
  app.asked.length = 0;
});

let users = 0;
const someone = () => `user${(users += 1)}`;
const tokenFor = (claims) => bearer(token(SECRET, { exp: now() + 300, ...claims }));
const publish = async (message, to = d) => {
  const res = await post(to, '/broadcast', message, AUTH);
  assert.equal(res.status, 200, res.text);
  return res.json;
};
const cookie = (text) => ({ Cookie: text, Origin: ORIGIN });

const TRANSPORTS = {
  SSE: (path, headers, to = d) => Sse.open(to, `/events?${path}`, { headers }),
  WebSocket: (path, headers, to = d) => Ws.open(to, `/ws?${path}`, { headers }),
};
/** The data of a control event or message of either transport. */
const nextOf = async (s, name) => {
  const e = name ? await s.control(name) : await s.message();
  return (e.envelope ?? e.json).data;
};
const close = (s) => (s.terminate ? s.terminate() : s.close());

const userOf = async (connected, to = d) =>
  (await get(to, `/clients/${connected.clientId}`, AUTH)).json.user ?? null;

const HANDSHAKE = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
const refused = {
  SSE: (path, headers, to = d) => get(to, `/events?${path}`, headers),
  WebSocket: (path, headers, to = d) => request(to, { path: `/ws?${path}`,
    headers: { ...headers, ...HANDSHAKE } }),
};

for (const [name, open] of Object.entries(TRANSPORTS)) {
  describe(`connecting by ${name}`, () => {
    test('the application says who it is', async () => {
      const user = someone();
      app.answer = ({ event }) => (event === 'connect' ? { allow: true, userId: user,
        channels: ['news', 'private-x'], meta: { a: 1 }, expiresIn: 600 } : { allow: false });
      const s = await open('channel=news&channel=private-x', cookie('sid=abc; b=c'));
      const connected = await nextOf(s, 'connected');
      assert.deepEqual([...connected.channels].sort(), ['news', 'private-x']);
      assert.deepEqual(app.asked.map(({ address, ...q }) => q), [{ event: 'connect', origin: ORIGIN,
        headers: { cookie: 'sid=abc; b=c' } }]);
      assert.equal(app.asked[0].address, '127.0.0.1');
      await publish({ channel: 'private-x', data: 7 });
      assert.equal(await nextOf(s), 7);
      const res = await get(d, `/clients/${connected.clientId}`, AUTH);
      assert.equal(res.json.user, user);
      assert.deepEqual(res.json.meta, { a: 1 });
      assert.ok(Math.abs(Date.parse(res.json.expiresAt) - Date.now() - 600000) < 60000, res.text);
      close(s);
    });
    test('without a user it may have public channels', async () => {
      const s = await open('channel=news', {});
      const connected = await nextOf(s, 'connected');
      assert.equal(await userOf(connected), null);
      assert.deepEqual(app.asked.map(({ event, headers }) => [event, headers]), [['connect', {}]]);
      close(s);
    });
    test('denied', async () => {
      app.answer = () => ({ allow: false, reason: 'the account is closed' });
      const p = assertProblem(await refused[name]('', {}), 403, { code: 'forbidden' });
      assert.equal(p.detail, 'the account is closed');
      app.answer = () => ({ status: 403, text: 'no' });
      assertProblem(await refused[name]('', {}), 403, { code: 'forbidden' });
    });
    test('not known to the application', async () => {
      app.answer = () => ({ status: 401, text: 'log in' });
      const res = await refused[name]('', {});
      assertProblem(res, 401, { code: 'missing_credential' });
      assert.equal(res.headers['www-authenticate'], 'Bearer');
    });
    test('a token is not shown to the application', async () => {
      const s = await open('channel=news', tokenFor({ sub: someone() }));
      await s.control('connected');
      assert.deepEqual(app.asked, []);
      close(s);
      assertProblem(await refused[name]('', bearer('a.b.c')), 401, { code: 'bad_token' });
      assert.deepEqual(app.asked, []);
    });
    test('cookies of another page are not shown to it', async () => {
      assertProblem(await refused[name]('', { Cookie: 'sid=1', Origin: 'https://evil.example' }), 403,
        { code: 'forbidden_origin' });
      assert.deepEqual(app.asked, []);
    });
    test('channels that a token does not list', async () => {
      const user = someone();
      app.answer = ({ channels }) => ({ allow: !channels.includes('private-no'), reason: 'no' });
      const headers = tokenFor({ sub: user, channels: ['news'] });
      const s = await open('channel=news&channel=private-a&channel=team.*', headers);
      assert.deepEqual([...(await nextOf(s, 'connected')).channels].sort(),
        ['news', 'private-a', 'team.*']);
      assert.deepEqual(app.asked.map(({ address, ...q }) => q),
        [{ event: 'subscribe', userId: user, channels: ['private-a', 'team.*'] }]);
      await publish({ channel: 'team.x', data: 1 });
      assert.equal(await nextOf(s), 1);
      close(s);
      const p = assertProblem(await refused[name]('channel=private-no', headers), 403,
        { code: 'forbidden_channel' });
      assert.equal(p.detail, 'no');
    });
    test('a yes is for the channels that were asked about alone', async () => {
      app.answer = ({ channels }) => ({ allow: !channels.includes('private-no') });
      const headers = tokenFor({ sub: someone(), channels: [] });
      const again = 'channel=private-yes&'.repeat(120);
      assertProblem(await refused[name](`${again}channel=private-no`, headers), 403,
        { code: 'forbidden_channel' });
      assert.deepEqual(app.asked.map((q) => q.channels), [['private-yes', 'private-no']]);
      const many = Array.from({ length: 101 }, (_, i) => `channel=private-${i}`).join('&');
      assertProblem(await refused[name](many, headers), 403, { code: 'forbidden_channel' });
      assert.equal(app.asked.length, 1);
    });
    test('what a rule leaves to nobody is not asked about', async () => {
      assertProblem(await refused[name]('channel=closed-x', tokenFor({ sub: someone() })), 403,
        { code: 'forbidden_channel' });
      assertProblem(await refused[name]('channel=news', bearer(POOR.text)), 403,
        { code: 'forbidden_channel' });
      assert.deepEqual(app.asked, []);
    });
  });
}

describe('subscribing on a WebSocket', () => {
  const live = (claims, path = '') => Ws.live(d, `/ws?${path}`, { headers: tokenFor(claims) });

  test('permitted, refused, and asked with everything known', async () => {
    const user = someone();
    const ws = await live({ sub: user });
    app.answer = ({ channels: [c] }) => ({ allow: c === 'private-yes', reason: 'not this one' });
    const yes = await ws.op({ op: 'subscribe', channel: 'private-yes' });
    assert.equal(yes.ok, true, JSON.stringify(yes));
    assert.equal(yes.data.channel, 'private-yes');
    const q = app.asked[0];
    assert.equal(q.event, 'subscribe');
    assert.equal(q.userId, user);
    assert.match(q.clientId, /^[0-9a-f]{16}$/);
    const no = await ws.op({ op: 'subscribe', channel: 'private-no' });
    assert.deepEqual([no.ok, no.error.code, no.error.message ?? no.error.detail],
      [false, 'forbidden', 'not this one']);
    await publish({ channel: 'private-yes', data: 'x' });
    assert.equal(await nextOf(ws), 'x');
    ws.terminate();
  });
  test('others go on meanwhile, and the client itself too', async () => {
    const ws = await live({ sub: someone() }, 'channel=news');
    app.hold();
    const asked = ws.op({ op: 'subscribe', channel: 'private-a' });
    await app.question();
    assert.equal((await ws.op({ op: 'ping' })).ok, true);
    await publish({ channel: 'news', data: 'meanwhile' });
    assert.equal(await nextOf(ws), 'meanwhile');
    app.release();
    assert.equal((await asked).ok, true);
    ws.terminate();
  });
  test('unsubscribed while it is asked', async () => {
    const ws = await live({ sub: someone() });
    app.hold();
    const asked = ws.op({ op: 'subscribe', channel: 'private-a' });
    await app.question();
    assert.equal((await ws.op({ op: 'unsubscribe', channel: 'private-a' })).ok, true);
    app.release();
    assert.equal((await asked).error.code, 'cancelled');
    ws.terminate();
  });
  test('unsubscribed while it is asked, and asked for again', async () => {
    const ws = await live({ sub: someone() });
    app.hold();
    const first = ws.op({ op: 'subscribe', channel: 'private-a' });
    await app.question();
    assert.equal((await ws.op({ op: 'unsubscribe', channel: 'private-a' })).ok, true);
    const again = ws.op({ op: 'unsubscribe', channel: 'private-a' });
    assert.equal((await again).error.code, 'not_subscribed');
    const second = ws.op({ op: 'subscribe', channel: 'private-a' });
    await ws.op({ op: 'ping' });
    app.release();
    assert.equal((await first).error.code, 'cancelled');
    assert.equal((await second).ok, true);
    assert.equal(app.asked.length, 1, 'the same question');
    ws.terminate();
  });
  test('the client leaves while it is asked', async () => {
    const ws = await live({ sub: someone() });
    app.hold();
    ws.send(JSON.stringify({ op: 'subscribe', channel: 'private-a', ref: 'x' }));
    await app.question();
    ws.terminate();
    const other = await live({ sub: someone() }, 'channel=news');
    app.release();
    await publish({ channel: 'news', data: 1 });
    assert.equal(await nextOf(other), 1);
    other.terminate();
  });
  test('too many questions of one client at once', async () => {
    const ws = await live({ sub: someone() });
    app.hold();
    const ops = Array.from({ length: 17 }, (_, i) =>
      ws.op({ op: 'subscribe', channel: `private-${i}` }));
    const seventeenth = await ops[16];
    assert.equal(seventeenth.error.code, 'rate_limited');
    app.release();
    for (const r of await Promise.all(ops.slice(0, 16))) assert.equal(r.ok, true);
    ws.terminate();
  });
});

describe('history and publishing', () => {
  test('history of a channel that a token does not list', async () => {
    await publish({ channel: 'private-h', data: 1 });
    const headers = tokenFor({ sub: someone(), channels: [] });
    const res = await get(d, '/channels/private-h/history', headers);
    assert.equal(res.status, 200, res.text);
    assert.equal(res.json.messages.length, 1);
    app.answer = () => ({ allow: false });
    assertProblem(await get(d, '/channels/private-h/history', headers), 403,
      { code: 'forbidden_channel' });
    assert.equal(app.asked.length, 2);
  });
  test('publishing with a token', async () => {
    const user = someone();
    const headers = tokenFor({ sub: user, publish: ['chat'] });
    app.answer = ({ channels }) => ({ allow: !channels.includes('no'), reason: 'read only' });
    const send = (message) => post(d, '/broadcast', message, headers);
    assert.equal((await send({ channel: 'chat', data: 1 })).status, 200);
    assert.deepEqual(app.asked, []);
    assert.equal((await send({ channels: ['chat', 'a', 'b'], data: 1 })).status, 200);
    assert.deepEqual(app.asked.map(({ address, ...q }) => q),
      [{ event: 'publish', userId: user, channels: ['a', 'b'] }]);
    const p = assertProblem(await send({ channel: 'no', data: 1 }), 403,
      { code: 'forbidden_channel' });
    assert.equal(p.detail, 'read only');
    const n = app.asked.length;
    assertProblem(await send({ channel: 'closed-x', data: 1 }), 403, { code: 'forbidden_channel' });
    assertProblem(await send({ data: 1 }), 403, { code: 'not_permitted' });
    const batch = await send([{ channel: 'chat', data: 1 }, { channel: 'a', data: 1 }]);
    assert.equal(batch.json.accepted, 1);
    assert.equal(batch.json.results[1].error.code, 'forbidden_channel');
    assert.equal(app.asked.length, n, 'nothing of that was asked');
  });
});

describe('remembering', () => {
  test('an answer with ttl is not asked for again', async () => {
    const user = someone();
    app.answer = () => ({ allow: true, userId: user, ttl: 60 });
    const before = await counter(d, 'application_cached', AUTH);
    for (let i = 0; i < 3; i++) {
      const s = await Sse.open(d, '/events', { headers: cookie('sid=remembered') });
      assert.equal(await userOf(await nextOf(s, 'connected')), user);
      s.close();
    }
    assert.equal(app.asked.length, 1);
    assert.equal(await counter(d, 'application_cached', AUTH), before + 2);
    // Revoked, it counts no more, though it is remembered.
    await request(d, { method: 'DELETE', path: `/users/${user}`, headers: AUTH });
    const gone = await get(d, '/events', cookie('sid=remembered'));
    assert.equal(gone.status, 204);
    assertProblem(await refused.WebSocket('', cookie('sid=remembered')), 403, { code: 'revoked' });
  });
  test('a yes to a channel is forgotten with the user', async () => {
    const user = someone();
    app.answer = ({ event }) => ({ allow: event === 'subscribe', ttl: 60 });
    const open = (iat) => get(d, '/channels/private-forgotten/history', tokenFor({ sub: user, iat }));
    assert.equal((await open()).status, 200);
    assert.equal((await open()).status, 200);
    assert.equal(app.asked.length, 1);
    await request(d, { method: 'DELETE', path: `/users/${user}`, headers: AUTH });
    app.answer = () => ({ allow: false });
    assertProblem(await open(now() + 1), 403, {}); // a new token, for which it is asked again
    assert.equal(app.asked.length, 2);
  });
  test('what is being asked while the user is forgotten', async () => {
    const user = someone();
    let asked = 0;
    app.answer = () => ({ allow: (asked += 1) === 1, ttl: 60 });
    app.hold();
    const ask = (iat) => get(d, '/channels/private-late/history', tokenFor({ sub: user, iat }));
    const before = ask();
    await app.question();
    await request(d, { method: 'DELETE', path: `/users/${user}`, headers: AUTH });
    const behind = ask(now() + 1); // the same question, which does not share the answer
    await app.question();
    app.release();
    await before;
    assertProblem(await behind, 403, {});
    assertProblem(await ask(now() + 1), 403, {});
  });
  test('several that ask the same at once', async () => {
    app.answer = () => ({ allow: true, userId: 'twin' });
    app.hold();
    const before = await counter(d, 'accepted', AUTH);
    const streams = [1, 2, 3].map(() => Sse.open(d, '/events', { headers: cookie('sid=twin') }));
    await app.question();
    // The counter's own connections count too: all have come when there are no others left.
    for (let n = 1; await counter(d, 'accepted', AUTH) < before + 3 + n; n++);
    app.release();
    for (const s of await Promise.all(streams)) {
      assert.equal(await userOf(await nextOf(s, 'connected')), 'twin');
      s.close();
    }
    assert.ok(app.asked.length < 3, `asked ${app.asked.length} times`);
  });
});

describe('without an answer', () => {
  const startFor = async (t, ...more) => {
    const own = await Application.start(APP_SECRET);
    t.after(() => own.stop());
    const g = await daemonFor(t, { args: argsFor(own.url, '--shards', '1', '--anonymous', ...more) });
    return { own, g };
  };

  for (const what of ['is not there', 'answers with 500', 'answers with nonsense', 'hangs']) {
    test(`it ${what}: refused for now, and never anonymous`, async (t) => {
      const { own, g } = await startFor(t, '--auth-failures', '1000', '--auth-timeout', '300ms');
      if (what === 'is not there') await own.stop();
      if (what === 'hangs') own.hold();
      own.answer = () => (what === 'answers with 500' ? { status: 500, text: '' }
        : { text: '<html>' });
      await refusedStream(g, '/events?channel=news', 'auth_unavailable');
      const res = await refused.WebSocket('channel=news', {}, g);
      assertProblem(res, 503, { code: 'auth_unavailable' });
      assert.match(res.headers['retry-after'], /^[1-9]\d*$/);
      const headers = tokenFor({ sub: someone(), channels: ['news'], publish: ['x'] });
      assertProblem(await get(g, '/channels/private-x/history', headers), 503,
        { code: 'auth_unavailable' });
      assertProblem(await post(g, '/broadcast', { channel: 'y', data: 1 }, headers), 503,
        { code: 'auth_unavailable' });
      const ws = await Ws.live(g, '/ws?channel=news', { headers });
      const reply = await ws.op({ op: 'subscribe', channel: 'private-x' });
      assert.equal(reply.error.code, 'auth_unavailable');
      assert.ok(reply.error.data?.retryAfter ?? reply.data?.retryAfter, JSON.stringify(reply));
      ws.terminate();
      assert.ok(await counter(g, 'application_failed', AUTH) >= 5);
      await g.waitForLog(/the application did not say who may/);
    });
  }
  test('a ticket is good again', async (t) => {
    const { own, g } = await startFor(t, '--auth-failures', '1000');
    own.answer = () => ({ status: 500, text: '' });
    const { ticket } = (await post(g, '/tickets', { userId: 'ann', channels: ['news'] }, AUTH)).json;
    await refusedStream(g, `/events?channel=private-x&ticket=${ticket}`, 'auth_unavailable');
    own.answer = () => ({ allow: true });
    const s = await Sse.open(g, `/events?channel=private-x&ticket=${ticket}`);
    assert.deepEqual((await nextOf(s, 'connected')).channels, ['private-x']);
    s.close();
  });
  test('it is left alone, tried, and back', async (t) => {
    const { own, g } = await startFor(t, '--auth-failures', '2', '--auth-pause', '500ms');
    own.answer = () => ({ status: 500, text: '' });
    for (let i = 0; i < 2; i++) await refusedStream(g, '/events', 'auth_unavailable');
    await g.waitForLog(/the application is left alone for a while/);
    assert.equal(await counter(g, 'application_paused', AUTH), 1);
    await refusedStream(g, '/events', 'auth_unavailable');
    assert.equal(own.asked.length, 2);
    assert.equal(await counter(g, 'application_skipped', AUTH), 1);
    own.answer = () => ({ allow: true });
    const s = await poll(async () => {
      const one = await Sse.open(g, '/events');
      const e = await one.next();
      if (e.event === 'fanfare.connected') return one;
      assert.equal(JSON.parse(e.data).data.code, 'auth_unavailable');
      one.close();
      return undefined;
    });
    s.close();
    await g.waitForLog(/the application answers again/);
    assert.equal(await counter(g, 'application_paused', AUTH), 0);
  });
  test('a client that opens questions without end, and others', async (t) => {
    const { own, g } = await startFor(t, '--auth-timeout', '60s', '--auth-waiting', '64',
      '--trusted-proxy', '127.0.0.1');
    const from = (ip, sid, path = '/events') => ({ path, headers: { ...cookie(`sid=${sid}`),
      'X-Forwarded-For': ip } });
    const begin = async (opts) => {
      const c = await RawConn.open(g);
      await c.write(requestBytes(g, opts));
      return c;
    };
    own.hold();
    const refusedFrom = (ip, sid) => refusedStream(g, '/events', 'auth_unavailable',
      from(ip, sid));
    const greedy = [];
    for (let i = 0; i < 8; i++) {
      greedy.push(await begin(from('2001:db8::1', `a${i}`)));
      await own.question();
    }
    // An eighth: what comes now from the same network is refused unasked, for all others not.
    for (let i = 0; i < 20; i++) await refusedFrom(`2001:db8::${i + 2}`, `b${i}`);
    assert.equal(own.asked.length, 8);
    assert.equal(await counter(g, 'application_skipped', AUTH), 20);
    await g.waitForLog(/warn .*too many questions of one address.* address=2001:db8::( |$)/m);
    // A question that is asked already takes no place.
    const same = await begin(from('2001:db8::1', 'a0'));
    // Hanging up gives none back: the question is still on its way.
    for (const c of greedy.splice(1)) c.close();
    await refusedFrom('2001:db8::1', 'c');
    const others = [];
    for (let i = 1; i < 30; i++) {
      others.push(await begin(from(`192.0.2.${i}`, 'good')));
      await own.question();
    }
    own.release();
    for (const c of [same, ...greedy, ...others]) {
      assert.equal((await c.readHead()).status, 200);
      c.close();
    }
    // The places are free again.
    const s = await Sse.live(g, '/events', from('2001:db8::1', 'd'));
    s.close();
  });
  test('a WebSocket client takes of the share of its address', async (t) => {
    const { own, g } = await startFor(t, '--auth-timeout', '60s', '--auth-waiting', '16');
    const s = await Ws.live(g, '/ws', { headers: tokenFor({ sub: 'x' }) });
    const ops = [];
    own.hold();
    for (let i = 0; i < 2; i++) {
      ops.push(s.op({ op: 'subscribe', channel: `private-${i}` }));
      await own.question();
    }
    const third = await s.op({ op: 'subscribe', channel: 'private-2' });
    assert.equal(third.error.code, 'auth_unavailable');
    await refusedStream(g, '/events', 'auth_unavailable', { headers: cookie('sid=a') });
    own.release();
    for (const op of ops) assert.equal((await op).ok, true);
    s.terminate();
  });
  test('two hundred connect while it hangs; the others are not disturbed', async (t) => {
    const { own, g } = await startFor(t, '--auth-timeout', '2s', '--auth-waiting', '1600');
    const threads = () => readdirSync(`/proc/${g.pid}/task`).length;
    const reader = await Sse.live(g, '/events?channel=news', { headers: tokenFor({ sub: 'r' }) });
    const fds = g.fds();
    const tasks = threads();
    own.hold();
    const began = Date.now();
    const waiting = Array.from({ length: 200 }, (_, i) =>
      refusedStream(g, '/events', 'auth_unavailable', { headers: cookie(`sid=${i}`) }));
    await own.question();
    const late = [];
    for (let i = 0; i < 50; i++) {
      const at = performance.now();
      await publish({ channel: 'news', data: i }, g);
      assert.equal(await nextOf(reader), i);
      late.push(performance.now() - at);
    }
    await Promise.all(waiting);
    const took = Date.now() - began;
    late.sort((a, b) => a - b);
    t.diagnostic(`refused after ${took} ms; a message took ${late[25].toFixed(1)} ms, at most ${late[49].toFixed(1)} ms`);
    assert.ok(took < 15000, `${took} ms`);
    // A few more are put when the first of 64 are over, until it is left alone.
    assert.ok(own.asked.length < 64 + 5, `${own.asked.length} questions`);
    own.release();
    reader.close();
    await poll(() => (g.fds() <= fds && threads() <= tasks) || undefined,
      { what: `${fds} descriptors and ${tasks} threads` });
  });
  test('SIGTERM while questions wait', async (t) => {
    const { own, g } = await startFor(t, '--auth-timeout', '60s');
    own.hold();
    const streams = [1, 2, 3].map((i) => get(g, '/events', cookie(`sid=${i}`)).catch((e) => e));
    const ws = await Ws.live(g, '/ws', { headers: tokenFor({ sub: 'x' }) });
    ws.send(JSON.stringify({ op: 'subscribe', channel: 'private-a', ref: 'x' }));
    for (let i = 0; i < 4; i++) await own.question();
    const began = Date.now();
    await g.stop();
    assert.ok(Date.now() - began < 15000, 'it does not wait for the application');
    await Promise.all(streams);
  });
  test('the client leaves while it is asked', async (t) => {
    const { own, g } = await startFor(t);
    const fds = g.fds();
    own.hold();
    for (const path of ['/events', '/channels/news/history']) {
      const conn = await RawConn.open(g);
      conn.write(requestBytes(g, { path, headers: cookie(`sid=${path}`) }));
      await own.question();
      conn.close();
    }
    own.release();
    // The connections to the application stay open for a while, for the next questions.
    await poll(() => g.fds() <= fds + 3 || undefined, { what: `${fds} descriptors` });
    own.answer = () => ({ allow: true });
    const s = await Sse.open(g, '/events');
    await s.control('connected');
    s.close();
  });
  test('HEAD', async (t) => {
    const { own, g } = await startFor(t);
    const res = await request(g, { method: 'HEAD', path: '/events' });
    assert.equal(res.status, 200);
    own.answer = () => ({ allow: false });
    assert.equal((await request(g, { method: 'HEAD', path: '/events' })).status, 403);
    assert.equal(own.asked.length, 2);
  });
});
