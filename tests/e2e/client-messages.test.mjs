// Messages that clients publish (docs/protocol.md, "Client messages"): the op `publish` over
// WebSocket and POST /publish with the client key, alike in all that they permit and answer.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application } from './lib/application.mjs';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor, startDaemon } from './lib/daemon.mjs';
import { Disk, kept, kill9 } from './lib/disk.mjs';
import { assertProblem, get, post, publish, request } from './lib/http.mjs';
import { IoFault } from './lib/iofault.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { queryOf } from './lib/wire.mjs';
import { Ws } from './lib/wsclient.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const APP_SECRET = 'the secret that signs what the application is asked';
const BACKEND = key('backend', everything);
const tokenFor = (claims) => bearer(token(SECRET, { exp: now() + 300, ...claims }));
const TRANSPORTS = ['sse', 'ws'];

const postAs = (d, clientKey, body) =>
  post(d, '/publish', body, clientKey ? { 'Fanfare-Client-Key': clientKey } : {});

/** A client that can publish, of either transport: say() answers {ok, status, code, field, …}. */
async function talker(d, transport, { headers = {}, ...query } = {}) {
  const kind = transport === 'ws' ? Ws : Sse;
  const c = await kind.open(d, `${transport === 'ws' ? '/ws' : '/events'}?${queryOf(query)}`, {
    headers, name: `${transport} ${query.user ?? ''}` });
  const hello = await c.control('connected');
  await c.synced();
  const { data } = hello.envelope ?? hello.json;
  c.id = data.clientId;
  c.key = data.clientKey;
  c.shard = parseInt(c.id.slice(0, 2), 16);
  c.got = async (opts) => {
    const m = await c.message(opts);
    return m.envelope ?? m.json;
  };
  c.say = async (message) => {
    if (transport === 'sse') {
      const res = await postAs(d, c.key, message);
      if (res.status === 200) return { ok: true, data: res.json };
      const { code, detail, status } = res.json;
      return { ok: false, status, code, text: detail,
        retry: Number(res.headers['retry-after'] ?? 0) * 1000 };
    }
    const r = await c.op({ op: 'publish', ...message });
    return r.ok ? r : { ok: false, code: r.error.code, text: r.error.message,
      retry: r.data?.retryAfter ?? r.error.retryAfter ?? 0 };
  };
  c.must = async (message) => {
    const r = await c.say(message);
    assert.equal(r.ok, true, JSON.stringify(r));
    return r.data;
  };
  c.mayNot = async (message, code) => {
    const r = await c.say(message);
    assert.equal(r.ok, false, `${JSON.stringify(message)} was taken`);
    assert.equal(r.code, code, JSON.stringify(r));
    return r;
  };
  c.leave = () => (transport === 'ws' ? c.terminate() : c.conn.close());
  return c;
}

/** Talkers on different shards. */
async function onShards(d, transport, n, options) {
  const found = new Map();
  for (let i = 0; found.size < n; i++) {
    assert.ok(i < 100, 'clients on all shards');
    const c = await talker(d, transport, options);
    if (found.has(c.shard)) c.leave();
    else found.set(c.shard, c);
  }
  return [...found.values()];
}

for (const transport of TRANSPORTS) {
  describe(`${transport}: in open mode`, () => {
    let d;
    before(async () => {
      d = await startDaemon({ args: ['--shards', '2', '--history', '1000'] });
    });
    after(() => d?.stop());

    test('everybody is told who it was, on all shards and transports, live and later', async () => {
      const others = [...await onShards(d, 'ws', 2, { channels: ['room'] }),
        ...await onShards(d, 'sse', 2, { channels: ['room'] })];
      const talkers = await onShards(d, transport, 2, { user: 'ann', channels: ['room'] });
      for (const c of talkers) {
        const r = await c.must({ channel: 'room', type: 'chat', data: { text: 'hé', n: 1.50 } });
        assert.deepEqual(Object.keys(r), ['id', 'cursor', 'matched']);
        assert.ok(r.matched >= 5, JSON.stringify(r));
        const seen = await Promise.all([...talkers, ...others].map((o) => o.got()));
        for (const m of seen) {
          assert.deepEqual(Object.keys(m),
            ['type', 'channel', 'id', 'cursor', 'timestamp', 'sender', 'data']);
          assert.deepEqual(m.sender, { userId: 'ann', clientId: c.id });
          assert.equal(m.id, r.id);
          assert.equal(m.cursor, r.cursor);
          assert.deepEqual(m.data, { text: 'hé', n: 1.5 });
        }
        const { messages } = (await get(d, '/channels/room/history')).json;
        assert.deepEqual(messages.at(-1), seen[0]);
        const late = await Sse.open(d, '/events?channel=room&history=1');
        assert.deepEqual((await late.message()).envelope, seen[0]);
        late.conn.close();
      }
      for (const o of [...talkers, ...others]) o.leave();
    });

    test('without a user the sender is its connection', async () => {
      const c = await talker(d, transport, { channels: ['anon'] });
      await c.must({ channel: 'anon' });
      const m = await c.got();
      assert.deepEqual(m.sender, { clientId: c.id });
      assert.equal(m.type, 'message');
      assert.equal(m.data, null);
      c.leave();
    });

    test('backends have no sender', async () => {
      const c = await talker(d, transport, { channels: ['plain'] });
      await publish(d, { channel: 'plain', source: 'shop' });
      assert.equal('sender' in (await c.got()), false);
      c.leave();
    });

    test('nobody says who it is, and clients say less than backends', async () => {
      const c = await talker(d, transport, { user: 'eve', channels: ['room2'] });
      const forged = { userId: 'ann', clientId: '0123456789abcdef' };
      for (const [more, code] of [
        [{ sender: forged }, 'unknown_field'],
        [{ userId: 'ann' }, 'not_permitted'],
        [{ userIds: ['ann'] }, 'not_permitted'],
        [{ channels: ['room2'] }, 'not_permitted'],
        [{ except: c.id }, 'not_permitted'],
        [{ source: 'bank' }, 'not_permitted'],
        [{ timestamp: '2026-01-01T00:00:00Z' }, 'not_permitted'],
        [{ requireAck: true }, 'not_permitted'],
        [{ ifLast: '0-0' }, 'not_permitted'],
        [{ everyone: true }, 'unknown_field'],
        [{ chanel: 'room2' }, 'unknown_field'],
        [{ echo: 'no' }, 'wrong_type'],
        [{ ttl: -1 }, 'bad_value'],
        [{ type: 'fanfare.presence' }, 'reserved_name'],
        [{ type: 'a\nb' }, 'bad_name'],
        [{ channel: 'fanfare.x' }, 'reserved_name'],
        [{ channel: 'a b' }, 'bad_name'],
        [{ channel: 7 }, 'wrong_type'],
        [{ channel: undefined }, 'missing_value'],
        [{ id: '' }, 'bad_name'],
      ]) {
        const r = await c.mayNot({ channel: 'room2', data: 1, ...more }, code);
        assert.ok(r.text.length > 10 && r.retry === 0, JSON.stringify(r));
      }
      // The data may say what it likes.
      await c.must({ channel: 'room2', data: { sender: forged } });
      assert.deepEqual((await c.got()).sender, { userId: 'eve', clientId: c.id });
      // POST /broadcast takes neither.
      for (const more of [{ sender: forged }, { echo: false }]) {
        assertProblem(await post(d, '/broadcast', { channel: 'room2', ...more }), 400,
          { code: 'unknown_field' });
      }
      c.leave();
    });

    test('echo: false: all but the own connection', async () => {
      const c = await talker(d, transport, { user: 'bob', channels: ['echo'] });
      const same = await talker(d, transport, { user: 'bob', channels: ['echo'] });
      await c.must({ channel: 'echo', data: 1, echo: false });
      await c.must({ channel: 'echo', data: 2, echo: true });
      await c.must({ channel: 'echo', data: 3 });
      for (const want of [1, 2, 3]) assert.equal((await same.got()).data, want);
      for (const want of [2, 3]) assert.equal((await c.got()).data, want);
      c.leave();
      same.leave();
    });

    test('ephemeral, and one that lives for a while', async () => {
      const c = await talker(d, transport, { channels: ['brief'] });
      await c.must({ channel: 'brief', data: 'gone', ephemeral: true });
      await c.must({ channel: 'brief', data: 'stays', ttl: 1000 });
      assert.equal((await c.got()).data, 'gone');
      assert.equal((await c.got()).data, 'stays');
      const { messages } = (await get(d, '/channels/brief/history')).json;
      assert.deepEqual(messages.map((m) => m.data), ['stays']);
      c.leave();
    });

    test('one id is one message, also without an echo and from the next connection', async () => {
      const options = { user: 'cat', channels: [`once-${transport}`] };
      const message = { channel: `once-${transport}`, id: `m-${transport}`, data: 1, echo: false };
      let c = await talker(d, transport, options);
      const first = await c.must(message);
      c.leave();
      c = await talker(d, transport, options);
      const again = await c.must({ ...message, data: 1 });
      assert.deepEqual(again, { ...first, duplicate: true });
      await c.mayNot({ ...message, data: 2 }, 'id_conflict');
      await c.mayNot({ ...message, echo: true }, 'id_conflict');
      assert.equal((await kept(d, `once-${transport}`)).length, 1);
      c.leave();
    });

    test('in the order in which they were said', async () => {
      const reader = await talker(d, 'ws', { channels: ['many'] });
      const c = await talker(d, transport, { user: 'fast', channels: ['other'] });
      const n = transport === 'ws' ? 300 : 50;
      const answers = [];
      for (let i = 0; i < n; i++) {
        const r = c.must({ channel: 'many', data: i });
        if (transport === 'sse') await r;
        answers.push(r);
      }
      const cursors = (await Promise.all(answers)).map((a) => a.cursor);
      for (let i = 0; i < n; i++) {
        const m = await reader.got();
        assert.equal(m.data, i);
        assert.equal(m.cursor, cursors[i]);
      }
      c.leave();
      reader.leave();
    });
  });

  test(`${transport}: durable before the answer`, async (t) => {
    const disk = Disk.for(t);
    const fault = new IoFault(t, 'log.db');
    const d = await disk.startLoose(['--sync', 'always', '--shards', '2'], { env: fault.env });
    const [one, two] = await onShards(d, transport, 2, { user: 'ann', channels: ['a'] });
    const ids = [];
    for (const c of [one, two, one, two]) ids.push((await c.must({ channel: 'a', data: 1 })).id);
    const some = await Promise.all([1, 2, 3].map(() => one.must({ channel: 'a', data: 2 })));
    const sender = (await one.got()).sender;
    assert.deepEqual(sender, { userId: 'ann', clientId: one.id });
    // The answer waits for the disk, and so does everybody else's sight of it.
    fault.set('sync slow 500');
    const began = Date.now();
    await two.must({ channel: 'a', data: 'slow' });
    assert.ok(Date.now() - began >= 500, `${Date.now() - began} ms`);
    fault.set('sync eio');
    const r = await one.mayNot({ channel: 'a', id: 'x', data: 3 }, 'store_failed');
    assert.ok(r.retry > 0, JSON.stringify(r));
    await one.mayNot({ channel: 'a', data: 3 }, 'store_failed');
    fault.set('off');
    await poll(async () => ((await one.say({ channel: 'a', id: 'x', data: 3 })).ok ? true
      : undefined), { what: 'the store works again' });
    await kill9(d);
    const again = await disk.start([]);
    const all = await kept(again, 'a');
    assert.deepEqual(all.slice(0, 4).map((m) => m.id), ids);
    assert.deepEqual(all.slice(4, 7).map((m) => m.id).sort(), some.map((s) => s.id).sort());
    assert.deepEqual(all.at(-1).data, 3);
    assert.deepEqual(all[0].sender, sender);
    assert.deepEqual(all.map((m) => m.sender.userId), all.map(() => 'ann'));
    const c = await Sse.open(again, '/events?channel=a&history=1');
    assert.equal((await c.message()).envelope.sender.userId, 'ann');
    c.conn.close();
  });
}

describe('with keys', () => {
  let folder, app, d;
  const argsFor = (...more) => ['--keys', join(folder, 'keys'),
    '--token-key', `HS256=${join(folder, 'token')}`, '--auth-failure-rate', '0', ...more];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fanfare-client-messages-'));
    writeKeys(folder, [BACKEND]);
    writeSecret(folder, 'token', SECRET);
    writeSecret(folder, 'secret', APP_SECRET);
    app = await Application.start(APP_SECRET);
    d = await startDaemon({ args: argsFor('--shards', '2', '--publish-for', 'closed-=nobody') });
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

  for (const transport of TRANSPORTS) {
    test(`${transport}: what the token lists, and no more`, async () => {
      const claims = { sub: 'ann', channels: ['room', 'other'], publish: ['room', 'closed-room'] };
      const headers = tokenFor(claims);
      const talkers = await onShards(d, transport, 2, { headers, channels: ['room'] });
      for (const c of talkers) {
        await c.must({ channel: 'room', data: 1 });
        for (const o of talkers) {
          assert.deepEqual((await o.got()).sender, { userId: 'ann', clientId: c.id });
        }
        for (const channel of ['other', 'closed-room', 'private-x']) {
          await c.mayNot({ channel, data: 1 }, 'forbidden_channel');
        }
      }
      for (const c of talkers) c.leave();
      const reader = await talker(d, transport, { headers: tokenFor({ sub: 'bob' }) });
      await reader.mayNot({ channel: 'room', data: 1 }, 'forbidden_channel');
      reader.leave();
    });

    test(`${transport}: a renewed token counts at once`, async () => {
      const headers = tokenFor({ sub: 'ann', publish: ['one'] });
      const c = await talker(d, transport, { headers });
      const next = token(SECRET, { sub: 'ann', exp: now() + 300, publish: ['two'] });
      if (transport === 'ws') {
        assert.equal((await c.op({ op: 'token', token: next })).ok, true);
      } else {
        const res = await post(d, `/clients/${c.id}/token`, { token: next },
          { 'Fanfare-Client-Key': c.key });
        assert.equal(res.status, 200, res.text);
      }
      await c.must({ channel: 'two' });
      await c.mayNot({ channel: 'one' }, 'forbidden_channel');
      c.leave();
    });

    test(`${transport}: a backend's stream publishes without a sender`, async () => {
      const c = await talker(d, transport, { headers: bearer(BACKEND.text), channels: ['back'] });
      await c.must({ channel: 'back' });
      assert.equal('sender' in (await c.got()), false);
      c.leave();
    });

    test(`${transport}: ids need an identity`, async () => {
      const c = await talker(d, transport, { headers: tokenFor({ publish: ['ids'] }) });
      await c.mayNot({ channel: 'ids', id: 'x' }, 'id_needs_identity');
      await c.must({ channel: 'ids' });
      c.leave();
    });
  }

  test('POST /broadcast: the user of a client\'s token, nobody for a backend', async () => {
    const c = await talker(d, 'ws', { headers: bearer(BACKEND.text), channels: ['room'] });
    const say = (headers) => post(d, '/broadcast', { channel: 'room', data: 1 }, headers);
    assert.equal((await say(tokenFor({ sub: 'zoe', publish: ['room'] }))).status, 200);
    assert.deepEqual((await c.got()).sender, { userId: 'zoe' });
    assert.equal((await say(tokenFor({ jti: 'x', publish: ['room'] }))).status, 200);
    assert.equal('sender' in (await c.got()), false);
    assert.equal((await say(bearer(BACKEND.text))).status, 200);
    assert.equal('sender' in (await c.got()), false);
    c.leave();
  });

  test('POST /publish is for who shows the key of a connection', async () => {
    const headers = tokenFor({ sub: 'ann', publish: ['room'] });
    const c = await talker(d, 'sse', { headers });
    const wrong = `${c.key.slice(0, -1)}${c.key.endsWith('A') ? 'B' : 'A'}`;
    for (const k of [undefined, '', 'x', wrong, c.id]) {
      const p = assertProblem(await postAs(d, k, { channel: 'room' }), 401,
        { code: 'bad_client_key' });
      assert.ok(p.detail.length > 10);
    }
    // A credential beside it, or in its place, changes nothing.
    for (const h of [headers, bearer(BACKEND.text)]) {
      assertProblem(await post(d, '/publish', { channel: 'room' }, h), 401,
        { code: 'bad_client_key' });
      assertProblem(await post(d, '/publish', { channel: 'other' },
        { ...h, 'Fanfare-Client-Key': c.key }), 403, { code: 'forbidden_channel' });
    }
    for (const [body, status] of [['', 400], ['[{"channel":"room"}]', 400], ['{', 400]]) {
      assertProblem(await postAs(d, c.key, body), status);
    }
    assertProblem(await request(d, { path: '/publish' }), 405);
    assertProblem(await post(d, '/publish?x=1', { channel: 'room' },
      { 'Fanfare-Client-Key': c.key }), 400);
    assert.equal((await postAs(d, c.key, { channel: 'room' })).status, 200);
    c.leave();
    await poll(async () => ((await postAs(d, c.key, { channel: 'room' })).status === 401 ? true
      : undefined), { what: 'the key is worth nothing without its connection' });
  });

  test('a revoked user publishes nothing more', async () => {
    for (const transport of TRANSPORTS) {
      const sub = `revoked-${transport}`;
      const c = await talker(d, transport, { headers: tokenFor({ sub, publish: ['room'] }) });
      await c.must({ channel: 'room' });
      const res = await post(d, '/revocations', { userId: sub }, bearer(BACKEND.text));
      assert.ok(res.status < 300, res.text);
      await c.control('closing');
      assertProblem(await postAs(d, c.key, { channel: 'room' }), 401, { code: 'bad_client_key' });
      c.leave();
    }
  });

  test('rates count together, wherever a user publishes', async (t) => {
    const g = await daemonFor(t, { args: argsFor('--publish-rate', '1', '--rate-window', '3s',
      '--shards', '2') });
    const headers = tokenFor({ sub: 'ann', publish: ['*'] });
    const ws = await talker(g, 'ws', { headers });
    const sse = await talker(g, 'sse', { headers });
    await ws.must({ channel: 'a' });
    await sse.must({ channel: 'a' });
    const res = await post(g, '/broadcast', { channel: 'a' }, headers);
    assert.equal(res.status, 200, res.text);
    for (const c of [ws, sse]) {
      const r = await c.mayNot({ channel: 'a' }, 'rate_limited');
      assert.ok(r.retry > 0 && r.retry <= 3000, JSON.stringify(r));
      assert.match(r.text, /publish-rate/);
    }
    const other = await talker(g, 'ws', { headers: tokenFor({ sub: 'bob', publish: ['a'] }) });
    await other.must({ channel: 'a' });
  });

  test('op-rate holds a WebSocket client back, and loses nothing', async (t) => {
    const g = await daemonFor(t, { args: argsFor('--op-rate', '20') });
    const c = await talker(g, 'ws', { headers: tokenFor({ sub: 'ann', publish: ['a'] }),
      channels: ['a'] });
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) =>
      c.must({ channel: 'a', data: i })));
    assert.equal(all.length, 40);
    for (let i = 0; i < 40; i++) assert.equal((await c.got()).data, i);
  });

  for (const transport of TRANSPORTS) {
    describe(`${transport}: the application is asked`, () => {
      let g;
      before(async () => {
        g = await startDaemon({ args: argsFor('--auth-url', app.url, '--auth-secret-file',
          join(folder, 'secret'), '--auth-ask', 'publish', '--shards', '2') });
      });
      after(() => g?.stop());

      test('and its word counts', async () => {
        const c = await talker(g, transport, { headers: tokenFor({ sub: 'ann', publish: ['mine'] }),
          channels: ['asked'] });
        await c.must({ channel: 'mine' });
        assert.equal(app.asked.length, 0, 'what the token lists is not asked');
        await c.must({ channel: 'asked', data: 1 });
        assert.deepEqual((await c.got()).sender, { userId: 'ann', clientId: c.id });
        assert.deepEqual(app.asked.map(({ address, ...q }) => q), [
          { event: 'publish', userId: 'ann', clientId: c.id, channels: ['asked'] }]);
        app.answer = () => ({ allow: false, reason: 'not today' });
        const r = await c.mayNot({ channel: 'asked2' }, 'forbidden_channel');
        assert.equal(r.text, 'not today');
        app.answer = () => ({ status: 500, text: '' });
        const later = await c.mayNot({ channel: 'asked3' }, 'auth_unavailable');
        assert.ok(later.retry > 0);
        c.leave();
      });

      test('what else is wrong is said without asking', async () => {
        const c = await talker(g, transport, { headers: tokenFor({ sub: 'ann' }) });
        await c.mayNot({ channel: 'x', sender: {} }, 'unknown_field');
        assert.equal(app.asked.length, 0);
        c.leave();
      });
    });
  }

  test('ws: while the application is asked, later ones wait behind', async (t) => {
    const g = await daemonFor(t, { args: argsFor('--auth-url', app.url, '--auth-secret-file',
      join(folder, 'secret'), '--auth-ask', 'publish', '--shards', '2') });
    const reader = await talker(g, 'ws', { headers: bearer(BACKEND.text),
      channels: ['mine', 'x1', 'x2', 'x3'] });
    const c = await talker(g, 'ws', { headers: tokenFor({ sub: 'ann', publish: ['mine'] }) });
    const other = await talker(g, 'ws', { headers: tokenFor({ sub: 'bob', publish: ['mine'] }) });
    app.answer = ({ channels: [name] }) => ({ allow: name !== 'x2' });
    app.hold();
    const answers = ['x1', 'mine', 'x2', 'mine', 'x3'].map((channel, i) =>
      c.say({ channel, data: i }));
    await app.question((q) => q.channels[0] === 'x1');
    await other.must({ channel: 'mine', data: 'bob' });
    assert.equal((await reader.got()).data, 'bob', 'others do not wait');
    app.release();
    const got = await Promise.all(answers);
    assert.deepEqual(got.map((r) => r.ok), [true, true, false, true, true]);
    assert.equal(got[2].code, 'forbidden_channel');
    for (const want of [0, 1, 3, 4]) assert.equal((await reader.got()).data, want);

    // No more than 16 wait, and they end with their connection.
    app.asked.length = 0;
    app.inbox.items.length = 0;
    app.hold();
    const many = Array.from({ length: 17 }, (_, i) => c.say({ channel: `y${i}` }));
    many.slice(0, 16).forEach((p) => p.catch(() => {}));
    const last = await many[16];
    assert.equal(last.code, 'rate_limited', JSON.stringify(last));
    await app.question((q) => q.channels[0] === 'y0');
    c.leave();
    await poll(async () => ((await get(g, `/clients/${c.id}`, bearer(BACKEND.text))).status === 404
      ? true : undefined), { what: 'the client is gone' });
    app.release();
    await other.must({ channel: 'mine', data: 'end' });
    assert.equal((await reader.got()).data, 'end');
    assert.deepEqual(app.asked.map((q) => q.channels[0]), ['y0']);
  });
});
