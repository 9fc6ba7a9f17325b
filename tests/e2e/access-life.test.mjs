// What becomes of a stream when its credential does: tickets, expiry, renewal, revocation,
// keys that go (docs/protocol.md, "Credentials").
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as eventsource3 from 'eventsource3';
import { WebSocket } from 'undici';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { startDaemon } from './lib/daemon.mjs';
import { assertProblem, post, request } from './lib/http.mjs';
import { RawWs, closeAll, text as wsText } from './lib/rawws.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const BACKEND = key('backend', everything);
const AUTH = bearer(BACKEND.text);
const WARNING = 2;

let folder, daemon, args;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-life-'));
  args = ['--keys', writeKeys(folder, [BACKEND]),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`,
    '--token-leeway', '0', '--auth-failure-rate', '0', '--token-warning', `${WARNING}s`, '--ticket-ttl', '1s', '--shards', '2'];
  daemon = await startDaemon({ args });
});
after(async () => {
  closeAll();
  await daemon?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function reload(d, said = /options reloaded/) {
  const from = d.mark();
  d.kill('SIGHUP');
  await d.waitForLog(said, { from });
}

let users = 0;
const someone = () => `user${(users += 1)}`;
const tokenFor = (claims) => token(SECRET, claims);
const publish = async (message, target = daemon) => {
  const res = await post(target, '/broadcast', message, AUTH);
  assert.equal(res.status, 200, res.text);
  return res.json;
};

// ---- a stream of either transport, with the same face --------------------------

async function openSse(claims, query = '', target = daemon) {
  const s = await Sse.open(target, `/events?${query}`, { headers: bearer(tokenFor(claims)) });
  const connected = JSON.parse((await s.control('connected')).data);
  return {
    id: connected.data.clientId,
    next: async (type) => {
      const e = await s.inbox.take(() => true);
      const m = JSON.parse(e.data);
      assert.equal(m.type, type, e.raw);
      return m;
    },
    async renew(text) {
      const res = await post(target, `/clients/${this.id}/token`, { token: text },
        { 'Fanfare-Client-Key': connected.data.clientKey });
      return { ok: res.status === 200, code: res.json.code, data: res.json, status: res.status };
    },
    ended: async () => { await s.ended(); },
    close: () => s.close(),
  };
}

async function openWs(claims, query = '', target = daemon) {
  const ws = await RawWs.open(target.port, { path: `/ws?${query}`, headers: bearer(tokenFor(claims)) });
  const connected = await ws.nextJson('connected');
  assert.equal(connected.type, 'fanfare.connected');
  let ref = 0;
  return {
    id: connected.data.clientId,
    ws,
    next: async (type) => {
      const m = await ws.nextJson(type);
      assert.equal(m.type, type, JSON.stringify(m));
      return m;
    },
    async renew(text) {
      const once = async () => {
        ws.send(wsText(JSON.stringify({ op: 'token', token: text, ref: (ref += 1) })));
        const m = await ws.nextJson('reply');
        assert.equal(m.type, 'fanfare.reply');
        return m;
      };
      // Only a few are taken in a second.
      const m = await poll(async () => {
        const answer = await once();
        return answer.error?.code === 'rate_limited' ? undefined : answer;
      });
      return { ok: m.ok, code: m.error?.code, data: m.data };
    },
    ended: async (code) => { await ws.expectClose(code); },
    close: () => ws.destroy(),
  };
}

const TRANSPORTS = { SSE: openSse, WebSocket: openWs };

for (const [name, open] of Object.entries(TRANSPORTS)) {
  describe(name, () => {
    test('it is told before, told at the end, and ended', async () => {
      const exp = now() + WARNING + 2;
      const s = await open({ sub: someone(), exp }, 'channel=a');
      await s.next('fanfare.synced');
      const warned = await s.next('fanfare.auth_expiring');
      assert.equal(Date.parse(warned.data.expiresAt), exp * 1000);
      assert.ok(Date.now() < exp * 1000, 'the warning comes before');
      const closing = await s.next('fanfare.closing');
      assert.deepEqual(closing.data, { code: 'expired', reconnect: true });
      assert.ok(Date.now() >= exp * 1000 - 50, 'not before its time');
      await s.ended(4401);
    });
    test('one that is about to expire is told after the greeting', async () => {
      const s = await open({ sub: someone(), exp: now() + 1 });
      await s.next('fanfare.synced');
      await s.next('fanfare.auth_expiring');
      await s.next('fanfare.closing');
      await s.ended(4401);
    });
    test('renewed, it goes on', async () => {
      const sub = someone();
      const s = await open({ sub, exp: now() + WARNING + 1 }, 'channel=renewed');
      await s.next('fanfare.synced');
      await s.next('fanfare.auth_expiring');
      const exp = now() + 3600;
      const renewed = await s.renew(tokenFor({ sub, exp }));
      assert.ok(renewed.ok, JSON.stringify(renewed));
      assert.equal(Date.parse(renewed.data.expiresAt), exp * 1000);
      // Past the first token's end:
      await poll(() => now() > exp - 3600 + WARNING + 1 || undefined, { what: 'its time' });
      await publish({ channel: 'renewed', data: 1 });
      assert.equal((await s.next('message')).data, 1);
      const never = await s.renew(tokenFor({ sub }));
      assert.equal(never.data.expiresAt, null);
      s.close();
    });
    test('a renewal that is refused leaves it as it was', async () => {
      const sub = someone();
      const s = await open({ sub, exp: now() + 3600 }, 'channel=kept');
      await s.next('fanfare.synced');
      for (const [text, code] of [
        [tokenFor({ sub: `${sub}x` }), 'other_user'], [tokenFor({}), 'other_user'],
        [tokenFor({ sub, exp: now() - 9 }), 'token_expired'],
        [token('another secret that is long enough', { sub }), 'bad_token'], ['x', 'bad_token'],
        ['', 'bad_token'], [BACKEND.text, /bad_token|other_user/],
      ]) {
        const r = await s.renew(text);
        assert.ok(!r.ok);
        assert.match(r.code, code instanceof RegExp ? code : new RegExp(`^${code}$`), text);
      }
      await publish({ channel: 'kept', data: 2 });
      assert.equal((await s.next('message')).data, 2);
      s.close();
    });
    test('what a new token does not permit ends before the next message', async () => {
      const sub = someone();
      const s = await open({ sub, channels: ['one.>', 'two.>'] }, 'channel=one.a&channel=two.a');
      await s.next('fanfare.synced');
      const renewal = s.renew(tokenFor({ sub, channels: ['one.>'] }));
      if (name === 'SSE') assert.ok((await renewal).ok);
      const gone = await s.next(name === 'SSE' ? 'fanfare.unsubscribed' : 'fanfare.unsubscribed')
        .catch((e) => e);
      if (!(gone instanceof Error)) {
        assert.deepEqual(gone.data, { channel: 'two.a', reason: 'forbidden' });
      }
      if (name !== 'SSE') await renewal.catch(() => {});
      assert.equal((await publish({ channel: 'two.a' })).matched, 0);
      assert.equal((await publish({ channel: 'one.a', data: 3 })).matched, 1);
      s.close();
    });
    test('DELETE /users/{id} ends all of the user\'s streams, and no others', async () => {
      const sub = someone();
      const other = await open({ sub: someone() }, 'channel=b');
      const all = [await openSse({ sub, iat: now() - 1 }), await openWs({ sub }),
        await open({ sub, exp: now() + 99 }, 'channel=b')];
      for (const s of all) await s.next('fanfare.synced');
      await other.next('fanfare.synced');
      const res = await request(daemon, { method: 'DELETE', path: `/users/${sub}`, headers: AUTH });
      assert.equal(res.status, 200, res.text);
      assert.equal(res.json.disconnected, 3);
      for (const s of all) {
        assert.deepEqual((await s.next('fanfare.closing')).data, { code: 'revoked', reconnect: false });
        await s.ended(4403);
      }
      // The same credential is no good any more; one that is made later is.
      const again = bearer(tokenFor({ sub, iat: now() - 1 }));
      assert.equal((await request(daemon, { path: '/events', headers: again })).status, 204);
      assertProblem(await request(daemon, { path: '/channels/x/history', headers: again }), 403,
        { code: 'revoked' });
      await poll(async () => (await request(daemon, { method: 'HEAD', path: '/events',
        headers: bearer(tokenFor({ sub, iat: now() })) })).status === 200 || undefined,
      { what: 'a token of later' });
      await publish({ channel: 'b', data: 4 });
      assert.equal((await other.next('message')).data, 4);
      other.close();
    });
    test('DELETE /users/{id} counts for a token whose iat is ahead of the clock', async (t) => {
      const file = join(folder, `revocations-${name}`);
      const opts = { args: [...args.filter((a, i) => a !== '--token-leeway' && args[i - 1] !== '--token-leeway'),
        '--token-leeway', '60', '--revocations', file] };
      let d = await startDaemon(opts);
      t.after(() => d.stop());
      const sub = someone();
      const ahead = now() + 30;
      const streams = [];
      for (const iat of [ahead - 9, ahead, ahead - 20, now() - 5]) {
        streams.push(await open({ sub, iat }, 'channel=b', d));
      }
      for (const s of streams) await s.next('fanfare.synced');
      const tries = (iat) => request(d, { path: '/channels/x/history',
        headers: bearer(tokenFor({ sub, iat })) });
      const res = await request(d, { method: 'DELETE', path: `/users/${sub}`, headers: AUTH });
      assert.equal(res.status, 200, res.text);
      assert.equal(res.json.disconnected, 4);
      assert.equal(res.json.issuedUntil, ahead);
      for (const s of streams) {
        await s.next('fanfare.closing');
        await s.ended(4403);
      }
      for (let round = 0; round < 2; round++) {
        assertProblem(await tries(ahead), 403, { code: 'revoked' });
        assertProblem(await tries(now()), 403, { code: 'revoked' });
        assert.equal((await tries(ahead + 1)).status, 200, 'who logged in again');
        assert.equal((await request(d, { path: '/events',
          headers: bearer(tokenFor({ sub, iat: ahead })) })).status, 204);
        await d.stop();
        d = await startDaemon(opts);
      }
      const list = await request(d, { path: '/revocations', headers: AUTH });
      assert.equal(Date.parse(list.json.revocations.find((r) => r.userId === sub).since), ahead * 1000);
      const other = someone();
      const before = now();
      const none = await post(d, '/revocations', { userId: other }, AUTH);
      assert.equal(none.json.disconnected, 0);
      assert.ok(none.json.issuedUntil >= before && none.json.issuedUntil <= now(), none.text);
      const jti = await post(d, '/revocations', { jti: `${other}-1` }, AUTH);
      assert.ok(!('issuedUntil' in jti.json), jti.text);
    });
    test('a revoked token id', async () => {
      const sub = someone();
      const jti = `${sub}-1`;
      const s = await open({ sub, jti });
      const same = await open({ sub, jti: `${sub}-2` });
      await s.next('fanfare.synced');
      await same.next('fanfare.synced');
      const res = await post(daemon, '/revocations', { jti, for: 600 }, AUTH);
      assert.equal(res.status, 201, res.text);
      assert.equal(res.json.disconnected, 1);
      await s.next('fanfare.closing');
      await s.ended(4403);
      assert.equal((await request(daemon, { path: '/events',
        headers: bearer(tokenFor({ sub, jti })) })).status, 204);
      const list = await request(daemon, { path: '/revocations', headers: AUTH });
      assert.ok(list.json.revocations.some((r) => r.jti === jti), list.text);
      const gone = await request(daemon, { method: 'DELETE', path: `/revocations?jti=${jti}`,
        headers: AUTH });
      assert.equal(gone.status, 204);
      assert.equal((await request(daemon, { method: 'HEAD', path: '/events',
        headers: bearer(tokenFor({ sub, jti })) })).status, 200);
      same.close();
    });
  });
}

test('whoever comes back while a revocation goes round is not forgotten', async (t) => {
  const d = await startDaemon({ args: [...args.slice(0, args.indexOf('--token-leeway')),
    '--token-leeway', '60', '--auth-failure-rate', '0', '--shards', '2'] });
  t.after(() => d.stop());
  for (let round = 0; round < 10; round++) {
    const sub = someone();
    const headers = bearer(tokenFor({ sub, iat: now() + 30 }));
    const inside = await Sse.open(d, '/events?channel=b', { headers });
    await inside.control('connected');
    let over = false;
    const storm = Array.from({ length: 8 }, async () => {
      while (!over) {
        const res = await request(d, { method: 'HEAD', path: '/events', headers });
        if (res.status === 204) return;
        const s = await Sse.open(d, '/events?channel=b', { headers }).catch(() => undefined);
        if (s) await s.ended();
      }
    });
    const res = await request(d, { method: 'DELETE', path: `/users/${sub}`, headers: AUTH });
    assert.equal(res.status, 200, res.text);
    const left = await request(d, { path: `/clients?user=${sub}`, headers: AUTH });
    assert.deepEqual(left.json.clients, [], left.text);
    over = true;
    await Promise.all(storm);
    await inside.ended();
  }
});

describe('tickets', () => {
  const make = async (body) => {
    const res = await post(daemon, '/tickets', body, AUTH);
    assert.equal(res.status, 201, res.text);
    assert.match(res.json.ticket, /^fft_[A-Za-z0-9_-]{43}$/);
    return res.json.ticket;
  };
  test('one opens one stream', async () => {
    const sub = someone();
    const ticket = await make({ userId: sub, channels: ['private-t.>'], meta: { a: 1 } });
    const s = await Sse.live(daemon, `/events?channel=private-t.x&ticket=${ticket}`);
    assert.equal((await publish({ userId: sub, data: 5 })).matched, 1);
    const again = await request(daemon, { path: `/events?ticket=${ticket}` });
    assertProblem(again, 401, { code: 'unknown_credential' });
    s.close();
  });
  test('of a hundred that come at once, one gets in', async () => {
    const ticket = await make({ userId: someone() });
    const all = await Promise.all(Array.from({ length: 100 }, () =>
      request(daemon, { method: 'HEAD', path: `/events?ticket=${ticket}` })));
    assert.equal(all.filter((r) => r.status === 200).length, 1);
    assert.equal(all.filter((r) => r.status === 401).length, 99);
  });
  test('it is bound to its user and channels', async () => {
    const sub = someone();
    assert.equal((await request(daemon, {
      path: `/events?userId=other&ticket=${await make({ userId: sub })}` })).status, 403);
    assert.equal((await request(daemon, {
      path: `/events?channel=b&ticket=${await make({ channels: ['a'] })}` })).status, 403);
  });
  test('it is good for a moment only', async () => {
    const ticket = await make({ userId: someone() });
    const until = Date.now() + 1100;
    await poll(() => Date.now() > until || undefined);
    assertProblem(await request(daemon, { path: `/events?ticket=${ticket}` }), 401);
  });
  test('the stream lives as long as it says', async () => {
    const ticket = await make({ userId: someone(), expiresIn: 1 });
    const s = await Sse.live(daemon, `/events?ticket=${ticket}`);
    await s.control('auth_expiring');
    await s.control('closing');
    await s.ended();
  });
  test('a bad request for one', async () => {
    for (const [body, code] of [[{ userid: 'x' }, 'unknown_field'], [{ userId: 1 }, 'wrong_type'],
      [{ channels: 'a' }, 'wrong_type'], [{ channels: ['a b'] }, 'bad_value'],
      [{ channels: [1] }, 'bad_value'], [{ expiresIn: 0 }, 'bad_value'],
      [{ expiresIn: 1.5 }, 'bad_value'], [{ meta: [] }, 'wrong_type'], ['[]', 'wrong_type'],
      ['{', 'bad_json'], [{ userId: '' }, 'bad_user']]) {
      assertProblem(await post(daemon, '/tickets', body, AUTH), 400, { code });
    }
  });
  test('a WebSocket in a browser, and an EventSource', async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${daemon.port}/ws?ticket=${await make({ userId: someone() })}`);
    await new Promise((resolve, reject) => { ws.onmessage = resolve; ws.onerror = reject; });
    ws.close();
    const es = new eventsource3.EventSource(`http://127.0.0.1:${daemon.port}/events?ticket=${await make({ userId: someone() })}`);
    await new Promise((resolve, reject) => {
      es.addEventListener('fanfare.synced', resolve);
      es.onerror = reject;
    });
    es.close();
  });
});

describe('SIGHUP', () => {
  test('keys come and go; streams of those that go end', async (t) => {
    const a = key('a', everything);
    const b = key('b', everything);
    const file = writeKeys(folder, [a], 'rotating');
    const d = await startDaemon({ args: ['--keys', file, '--shards', '2'] });
    t.after(() => d.stop());
    const s = await Sse.live(d, '/events?channel=x', { headers: bearer(a.text) });
    assert.equal((await post(d, '/broadcast', {}, bearer(b.text))).status, 401);
    writeKeys(folder, [a, b], 'rotating');
    await reload(d);
    assert.equal((await post(d, '/broadcast', {}, bearer(b.text))).status, 200);
    assert.equal((await post(d, '/broadcast', {}, bearer(a.text))).status, 200);
    writeKeys(folder, [b], 'rotating');
    await reload(d);
    assert.equal((await post(d, '/broadcast', {}, bearer(a.text))).status, 401);
    await s.control('closing');
    await s.ended();
    // A file with a mistake changes nothing.
    writeKeys(folder, [{ entry: '[c]\nsecret = nonsense' }], 'rotating');
    await reload(d, /options not reloaded/);
    assert.equal((await post(d, '/broadcast', {}, bearer(b.text))).status, 200);
  });
});
