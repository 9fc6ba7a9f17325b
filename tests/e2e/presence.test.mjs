// Presence: who is in a channel, over both transports (docs/protocol.md, "Presence").
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from './lib/credentials.mjs';
import { daemonFor, within } from './lib/daemon.mjs';
import { assertProblem, get, post, request } from './lib/http.mjs';
import { Attendant } from './lib/presence.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const CHANNEL = 'presence-room';
const quick = ['--presence-interval', '20ms', '--shards', '2'];
const forever = [...quick, '--presence-grace', '1h'];
const atOnce = [...quick, '--presence-grace', '0'];
const transports = ['sse', 'ws'];
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const attend = (t, d, transport, user, more = {}) =>
  Attendant.live(t, d, { transport, user, channel: CHANNEL, ...more });
const page = async (d, query = '', channel = CHANNEL) => {
  const res = await get(d, `/channels/${channel}/presence${query}`);
  assert.equal(res.status, 200, res.text);
  return res.json;
};

for (const transport of transports) {
  const other = transport === 'ws' ? 'sse' : 'ws';

  test(`${transport}: a snapshot, then every change once`, async (t) => {
    const d = await daemonFor(t, { args: atOnce });
    const info = '{ "name": "Ann", "n": 1.50 }';
    const ann = await attend(t, d, transport, 'ann', { info });
    await ann.users('ann');
    const [me] = ann.view.members.values();
    assert.deepEqual(Object.keys(me), ['info', 'connections', 'since']);
    assert.deepEqual(me.info, { name: 'Ann', n: 1.5 });
    assert.equal(me.connections, 1);
    assert.match(me.since, time);
    // As it was given, without the white space.
    const raw = ann.client.events.find((e) => e.type === 'fanfare.presence').text;
    assert.ok(raw.includes('"info":{"name":"Ann","n":1.50}'), raw);

    const bob = await attend(t, d, other, 'bob');
    await Promise.all([ann.users('ann', 'bob'), bob.users('ann', 'bob')]);
    assert.equal(bob.view.members.get('bob').info, undefined);
    bob.cut('fin');
    await ann.users('ann');
    const eve = await attend(t, d, transport, 'eve', { info: '"e"' });
    await Promise.all([ann.users('ann', 'eve'), eve.users('ann', 'eve')]);
    assert.equal(ann.view.members.get('eve').info, 'e');
    assert.equal(eve.view.version, ann.view.version);
    assert.deepEqual(
      ann.told.flatMap((e) => e.changes ?? []).map((c) => `${c.change} ${c.userId}`).slice(-3),
      ['join bob', 'leave bob', 'join eve'],
    );
    // Whoever watches sees the same.
    const told = await page(d);
    assert.equal(told.version, ann.view.version);
    assert.deepEqual(told.members.map((m) => m.userId), ['ann', 'eve']);
  });

  test(`${transport}: a reload is silent, and a leave comes after the grace`, async (t) => {
    const d = await daemonFor(t, { args: [...quick, '--presence-grace', '1500ms'] });
    const watcher = await attend(t, d, other, 'watcher');
    let ann = await attend(t, d, transport, 'ann');
    await watcher.users('ann', 'watcher');
    const { version } = watcher.view;
    const { since } = watcher.view.members.get('ann');
    for (const how of ['fin', 'rst', 'fin']) {
      ann.cut(how);
      ann = await attend(t, d, transport, 'ann');
      assert.equal(ann.view.version, version, 'nothing happened');
      assert.deepEqual(ann.view.users, ['ann', 'watcher']);
    }
    const bob = await attend(t, d, other, 'bob');
    await watcher.users('ann', 'bob', 'watcher');
    assert.equal(watcher.view.version, version + 1, 'only that bob came');
    assert.equal(watcher.view.members.get('ann').since, since);
    const began = Date.now();
    ann.cut('rst');
    await poll(async () => ((await page(d)).members[0].connections === 0 ? true : undefined), {
      what: 'ann without a connection',
    });
    assert.equal((await page(d)).members[0].userId, 'ann', 'still there');
    await watcher.users('bob', 'watcher');
    const took = Date.now() - began;
    assert.ok(took >= 1400, `gone after ${took} ms`);
    assert.equal(watcher.view.version, version + 2);
    bob.cut();
  });

  test(`${transport}: who is sent away leaves at once`, async (t) => {
    const d = await daemonFor(t, { args: forever });
    const watcher = await attend(t, d, other, 'watcher');
    const ann = await attend(t, d, transport, 'ann');
    await watcher.users('ann', 'watcher');
    const { status } = await request(d, { method: 'DELETE', path: `/clients/${ann.hello.clientId}` });
    assert.equal(status, 204);
    await watcher.users('watcher');
    await attend(t, d, transport, 'ann');
    await watcher.users('ann', 'watcher');
    const gone = await request(d, { method: 'DELETE', path: '/users/ann' });
    assert.ok(gone.status < 300, gone.text);
    await watcher.users('watcher');
  });

  test(`${transport}: two tabs are one member`, async (t) => {
    const d = await daemonFor(t, { args: atOnce });
    const watcher = await attend(t, d, other, 'watcher');
    const one = await attend(t, d, transport, 'ann', { info: '1' });
    await watcher.users('ann', 'watcher');
    const { version } = watcher.view;
    const two = await attend(t, d, other, 'ann');
    assert.deepEqual(two.view.users, ['ann', 'watcher']);
    assert.equal(two.view.members.get('ann').connections, 2);
    assert.equal(two.view.members.get('ann').info, 1, 'the one without info changes nothing');
    assert.deepEqual((await page(d)).members.map((m) => [m.userId, m.connections]), [
      ['ann', 2],
      ['watcher', 1],
    ]);
    one.cut();
    await poll(async () => ((await page(d)).members[0].connections === 1 ? true : undefined), {
      what: 'one connection',
    });
    // The one that spoke last counts.
    const three = await attend(t, d, transport, 'ann', { info: '{"tab":3}' });
    await watcher.until((v) => v.version > version, 'an event');
    assert.equal(watcher.view.version, version + 1);
    assert.deepEqual(watcher.told.at(-1).changes, [
      { change: 'update', userId: 'ann', info: { tab: 3 } },
    ]);
    two.cut();
    three.cut();
    await watcher.users('watcher');
    assert.equal(watcher.view.version, version + 2);
  });

  test(`${transport}: another info is an update, the same is none`, async (t) => {
    const d = await daemonFor(t, { args: forever });
    const watcher = await attend(t, d, other, 'watcher');
    const ann = await attend(t, d, transport, 'ann', { info: '{"mood":0}' });
    await watcher.users('ann', 'watcher');
    const say = async (info) => {
      if (transport === 'ws') {
        const reply = await ann.op({ op: 'info', info });
        assert.equal(reply.ok, true, reply.text);
        assert.deepEqual(reply.data, {});
      } else {
        const res = await post(d, '/info', { info }, ann.key);
        assert.equal(`${res.status} ${res.text}`, '200 {}');
      }
    };
    const { version } = watcher.view;
    for (const [i, info] of [{ mood: 1 }, 'busy', null, [1, { a: 2 }], false, 0].entries()) {
      await say(info);
      await say(info);
      const is = () => JSON.stringify(watcher.view.members.get('ann').info);
      await watcher.until(() => is() === JSON.stringify(info), `the info ${JSON.stringify(info)}`);
      await ann.until((v) => v.version === watcher.view.version, 'the same');
      assert.equal(watcher.view.version, version + 1 + i);
      assert.deepEqual(ann.view.members.get('ann').info, info);
    }
    // Who comes later finds it.
    const late = await attend(t, d, transport, 'late');
    assert.equal(late.view.members.get('ann').info, 0);
  });

  test(`${transport}: patterns and anonymous clients watch, and are no members`, async (t) => {
    const d = await daemonFor(t, { args: atOnce });
    const channel = 'presence-a.b';
    const anonymous = await attend(t, d, transport, undefined, { channel });
    assert.deepEqual(anonymous.view.users, []);
    const pattern = listen(t, d, { transport, user: 'spy', channels: ['presence-a.*'] });
    await pattern.upTo('fanfare.synced');
    const ann = await attend(t, d, other, 'ann', { channel });
    await anonymous.users('ann');
    await ann.users('ann');
    // Without a snapshot, since it stands for any channel.
    const all = await pattern.when(
      (events) => events.some((e) => e.type === 'fanfare.presence'),
      'a change',
    );
    const [first] = all.filter((e) => e.type === 'fanfare.presence');
    assert.equal(first.data.event, 'changes');
    assert.equal(first.data.channel, channel);
    assert.deepEqual((await page(d, '', channel)).members.map((m) => m.userId), ['ann']);
    const user = (await get(d, '/users/spy')).json;
    assert.equal(user.online, true, 'but a user of the gateway');
  });

  test(`${transport}: more than presence-max are only counted`, async (t) => {
    const d = await daemonFor(t, { args: [...atOnce, '--presence-max', '4'] });
    const watcher = await attend(t, d, other, 'u0');
    const others = [];
    for (let i = 1; i <= 4; i++) others.push(await attend(t, d, transport, `u${i}`));
    await watcher.until((v) => !v.listed && v.count === 5, 'counts only');
    assert.deepEqual(watcher.told.at(-1), {
      channel: CHANNEL,
      event: 'changes',
      version: watcher.view.version,
      count: 5,
      listed: false,
    });
    const late = await attend(t, d, transport, 'u5');
    assert.deepEqual(Object.keys(late.told[0]), ['channel', 'event', 'version', 'count', 'listed']);
    assert.equal(late.told[0].listed, false);
    await watcher.until((v) => v.count === 6, 'six');
    // GET has them all the same.
    const { members, listed, count } = await page(d);
    assert.deepEqual([members.length, listed, count], [6, false, 6]);
    for (const c of [late, ...others.slice(1)]) c.cut();
    await watcher.until((v) => v.listed, 'names again', 20000);
    assert.equal(watcher.told.at(-1).event, 'snapshot');
    await watcher.users('u0', 'u1');
    others[0].cut();
    await watcher.users('u0');
  });

  test(`${transport}: many come and go at once, and all see the same`, async (t) => {
    const d = await daemonFor(t, { args: atOnce });
    const watchers = await Promise.all(
      transports.map((tr) => attend(t, d, tr, `watcher-${tr}`)),
    );
    const names = Array.from({ length: 300 }, (_, i) => `user ${i} é`);
    const clients = await Promise.all(
      names.map((n, i) => attend(t, d, transports[i % 2], n, { info: `${i}` })),
    );
    const both = ['watcher-sse', 'watcher-ws'];
    for (const w of watchers) await w.users(...names, ...both);
    for (const e of watchers[0].told) assert.ok((e.changes?.length ?? 0) <= 256);
    assert.ok(watchers[0].told.length < 300, `${watchers[0].told.length} events`);
    for (const [i, c] of clients.entries()) if (i % 3) c.cut(i % 2 ? 'fin' : 'rst');
    const left = names.filter((_, i) => i % 3 === 0);
    for (const w of watchers) await w.users(...left, ...both);
    for (const c of clients.filter((_, i) => i % 3 === 0)) {
      await c.users(...left, ...both);
    }
  });
}

// ---- ops ----------------------------------------------------------------------

test('an unsubscription leaves at once, a subscription joins with a snapshot', async (t) => {
  const d = await daemonFor(t, { args: forever });
  const watcher = await attend(t, d, 'sse', 'watcher');
  const ann = await Attendant.live(t, d, { transport: 'ws', user: 'ann', channel: 'presence-other' });
  const sub = await ann.op({ op: 'subscribe', channel: CHANNEL });
  assert.equal(sub.ok, true, sub.text);
  await watcher.users('ann', 'watcher');
  const { events } = ann.client;
  const isSnapshot = (e) => e.type === 'fanfare.presence' && e.data.channel === CHANNEL;
  await ann.client.when((all) => all.some(isSnapshot), 'the snapshot');
  assert.ok(events.findIndex(isSnapshot) > events.findIndex((e) => e.ref === sub.ref), 'behind it');
  const first = events.find(isSnapshot).data;
  assert.equal(first.event, 'snapshot');
  await ann.op({ op: 'unsubscribe', channel: CHANNEL });
  await watcher.users('watcher');
  // With a position: behind its synced.
  await ann.op({ op: 'subscribe', channel: CHANNEL, history: 5 });
  await watcher.users('ann', 'watcher');
  await ann.client.when((all) => all.filter((e) => isSnapshot(e) && e.data.event === 'snapshot').length === 2,
    'a second snapshot');
  const synced = events.findLastIndex((e) => e.type === 'fanfare.synced');
  const again = events.findLastIndex((e) => isSnapshot(e) && e.data.event === 'snapshot');
  assert.equal(events[synced].data.channel, CHANNEL);
  assert.ok(again > synced);
});

test('the op presence fits into what the stream is told', async (t) => {
  const d = await daemonFor(t, { args: atOnce });
  const ann = await attend(t, d, 'ws', 'ann');
  const churn = [];
  for (let i = 0; i < 40; i++) churn.push(await attend(t, d, 'sse', `u${i}`));
  let on = true;
  const cutting = (async () => {
    for (const c of churn) {
      c.cut();
      await new Promise((r) => setTimeout(r, 3));
    }
    on = false;
  })();
  let asked = 0;
  while (on) {
    const reply = await ann.op({ op: 'presence', channel: CHANNEL });
    assert.equal(reply.ok, true, reply.text);
    // What came before it in the stream is in it, and what comes behind it goes on from it.
    const at = ann.client.events.indexOf(reply);
    const before = ann.client.events.slice(0, at).filter((e) => e.type === 'fanfare.presence');
    assert.equal(reply.data.event, 'snapshot');
    assert.equal(reply.data.version, before.at(-1).data.version);
    assert.equal(reply.data.count, before.at(-1).data.count);
    asked++;
  }
  await cutting;
  await ann.users('ann');
  assert.ok(asked > 5, `${asked} replies`);
});

// ---- pages --------------------------------------------------------------------

test('pages by user', async (t) => {
  const d = await daemonFor(t, { args: forever });
  const names = ['a', 'b b', 'c/é', 'd&=', 'e'];
  for (const [i, n] of [...names].reverse().entries()) {
    await attend(t, d, transports[i % 2], n, { info: JSON.stringify({ n }) });
  }
  await poll(async () => ((await page(d)).count === 5 ? true : undefined), { what: 'five' });
  const all = await page(d);
  assert.deepEqual(Object.keys(all), ['channel', 'version', 'count', 'listed', 'members']);
  assert.deepEqual(all.members.map((m) => m.userId), names);
  assert.deepEqual(all.members[2].info, { n: 'c/é' });
  const got = [];
  let next;
  do {
    const p = await page(d, `?limit=2${next ? `&after=${encodeURIComponent(next)}` : ''}`);
    assert.ok(p.members.length <= 2);
    assert.equal(p.count, 5);
    got.push(...p.members.map((m) => m.userId));
    ({ next } = p);
  } while (next !== undefined);
  assert.deepEqual(got, names);
  const empty = await page(d, '', 'presence-nobody');
  assert.deepEqual([empty.count, empty.members], [0, []]);
  const after = await page(d, '?after=zzz');
  assert.deepEqual([after.count, after.members, after.next], [5, [], undefined]);
});

test('presence-for: other channels, too', async (t) => {
  const d = await daemonFor(t, { args: [...atOnce, '--presence-for', 'doc.'] });
  const ann = await Attendant.live(t, d, { transport: 'sse', user: 'ann', channel: 'doc.7' });
  await ann.users('ann');
  assert.equal((await page(d, '', 'doc.7')).count, 1);
  assertProblem(await get(d, '/channels/docs/presence'), 404, { code: 'no_presence' });
});

// ---- users --------------------------------------------------------------------

test('who is online: GET /users/{id} and fanfare.users', async (t) => {
  const d = await daemonFor(t, { args: [...quick, '--presence-grace', '600ms'] });
  const user = async (name) => {
    const { connections, online, since, lastSeen } = (await get(d, `/users/${name}`)).json;
    return { connections, online, since, lastSeen };
  };
  assert.deepEqual(await user('ann'), { connections: 0, online: false, since: null, lastSeen: null });
  const watcher = await Attendant.live(t, d, { transport: 'ws', user: 'w', channel: 'fanfare.users' });
  await watcher.users('w');
  for (const transport of transports) {
    const ann = await attend(t, d, transport, 'ann', { info: '1', channel: 'presence-x' });
    await watcher.users('ann', 'w');
    const there = await user('ann');
    assert.match(there.since, time);
    assert.deepEqual(there, { connections: 1, online: true, since: there.since, lastSeen: null });
    const gone = Date.now();
    ann.cut();
    await poll(async () => ((await user('ann')).connections === 0 ? true : undefined), {
      what: 'no connection',
    });
    assert.equal((await user('ann')).online, true, 'grace counts as online');
    await watcher.users('w');
    const later = await user('ann');
    assert.deepEqual(later, { connections: 0, online: false, since: null, lastSeen: later.lastSeen });
    assert.ok(Math.abs(Date.parse(later.lastSeen) - gone) < 2000, later.lastSeen);
  }
  const members = (await page(d, '', 'fanfare.users')).members.map((m) => m.userId);
  assert.deepEqual(members, ['w']);
  const reply = await watcher.op({ op: 'presence', channel: 'fanfare.users' });
  assert.deepEqual(reply.data.members.map((m) => m.userId), ['w']);
  // Nobody publishes there.
  const res = await post(d, '/broadcast', { channel: 'fanfare.users', data: 1 });
  assertProblem(res, 422, { code: 'reserved_name' });
});

test('--user-presence no: connections are known, and nothing else', async (t) => {
  const d = await daemonFor(t, { args: [...atOnce, '--user-presence=no'] });
  const ann = await attend(t, d, 'sse', 'ann');
  await ann.users('ann');
  const { connections, online, since, lastSeen } = (await get(d, '/users/ann')).json;
  assert.deepEqual([connections, online, since, lastSeen], [1, true, null, null]);
  assertProblem(await get(d, '/channels/fanfare.users/presence'), 404, { code: 'no_presence' });
});

// ---- credentials --------------------------------------------------------------

const SECRET = 'the secret that signs the tokens of this test';

async function keyed(t, args = []) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fanfare-presence-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const backend = key('backend', everything);
  const writer = key('writer', { publish: 'all' });
  const d = await daemonFor(t, {
    args: [...forever, '--keys', writeKeys(folder, [backend, writer]), '--anonymous',
      '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`, ...args],
  });
  return { d, backend, writer };
}
const tokenOf = (more) => token(SECRET, { sub: 'ann', exp: now() + 300, ...more });

test('fanfare.users is for those to whom it was given by name', async (t) => {
  const { d, backend, writer } = await keyed(t);
  const rows = [
    [{}, 403],
    [bearer(tokenOf()), 403],
    [bearer(tokenOf({ channels: ['>', 'presence-a.*', 'fanfare'] })), 403],
    [bearer(writer.text), 403],
    [bearer(tokenOf({ channels: ['a', 'fanfare.users'] })), 200],
    [bearer(backend.text), 200],
  ];
  for (const [headers, status] of rows) {
    const page_ = await get(d, '/channels/fanfare.users/presence', headers);
    assert.equal(page_.status, status, page_.text);
    const stream = await request(d, {
      method: 'HEAD',
      path: '/events?channel=fanfare.users',
      headers: { ...headers, Accept: 'text/event-stream' },
    });
    assert.equal(stream.status, status);
  }
  for (const name of ['fanfare.*', 'fanfare.>', 'fanfare.users.x', 'fanfare.other']) {
    assertProblem(await get(d, `/events?channel=${name}`, bearer(backend.text)), 400, {
      code: 'reserved_channel',
    });
  }
  // A list of channels that begin so is refused as a whole.
  assertProblem(await get(d, '/events', bearer(tokenOf({ channels: ['fanfare.>'] }))), 401);
  const may = await Attendant.live(t, d, {
    transport: 'ws', channel: 'fanfare.users', access_token: tokenOf({ channels: ['fanfare.users'] }),
  });
  await may.users('ann');
  const mayNot = await Attendant.live(t, d, {
    transport: 'ws', channel: 'presence-a', access_token: tokenOf({ channels: ['>', 'presence-a'] }),
  });
  const says = async (op) => (await mayNot.op(op)).error.code;
  assert.equal(await says({ op: 'subscribe', channel: 'fanfare.users' }), 'forbidden');
  assert.equal(await says({ op: 'presence', channel: 'fanfare.users' }), 'forbidden');
  assert.equal(await says({ op: 'presence', channel: 'presence-b' }), 'forbidden');
});

for (const transport of transports) {
  test(`${transport}: the credential's info goes before the client's, and is renewed`, async (t) => {
    const { d, backend } = await keyed(t);
    const channels = [CHANNEL];
    const watcher = await Attendant.live(t, d, {
      transport: 'ws', channel: CHANNEL, access_token: tokenOf({ sub: 'w', channels }),
    });
    const first = tokenOf({ channels, info: { name: 'Ann', v: 1 } });
    const ann = await Attendant.live(t, d, { transport, channel: CHANNEL, access_token: first });
    await watcher.users('ann', 'w');
    assert.deepEqual(watcher.view.members.get('ann').info, { name: 'Ann', v: 1 });

    assertProblem(await get(d, `/events?access_token=${first}&info=1`), 403, { code: 'not_permitted' });
    assertProblem(await post(d, '/info', { info: 1 }, ann.key), 403, { code: 'not_permitted' });
    const next = tokenOf({ channels, info: { name: 'Ann', v: 2 } });
    if (transport === 'ws') {
      assert.equal((await ann.op({ op: 'info', info: 1 })).error.code, 'not_permitted');
      assert.equal((await ann.op({ op: 'token', token: next })).ok, true);
    } else {
      const res = await post(d, `/clients/${ann.hello.clientId}/token`, { token: next }, ann.key);
      assert.equal(res.status, 200, res.text);
    }
    await watcher.until((v) => v.members.get('ann').info.v === 2, 'the update');
    assert.deepEqual(watcher.told.at(-1).changes, [
      { change: 'update', userId: 'ann', info: { name: 'Ann', v: 2 } },
    ]);
    // A renewal without the channel: it leaves at once.
    const less = tokenOf({ channels: ['other'] });
    const renewed = await post(d, `/clients/${ann.hello.clientId}/token`, { token: less }, ann.key);
    assert.equal(renewed.status, 200, renewed.text);
    await watcher.users('w');
    // And with the credential that is revoked.
    const bob = await Attendant.live(t, d, {
      transport, channel: CHANNEL, access_token: tokenOf({ sub: 'bob', channels }),
    });
    await watcher.users('bob', 'w');
    const gone = await request(d, { method: 'DELETE', path: '/users/bob', headers: bearer(backend.text) });
    assert.ok(gone.status < 300, gone.text);
    await watcher.users('w');
    assert.ok(bob.hello);
  });
}

// ---- peers that vanish --------------------------------------------------------

test('half-open peers leave within the stated bound', async () => {
  assert.equal(process.getuid(), 0, 'this test needs root, to make a network namespace');
  const here = path.dirname(fileURLToPath(import.meta.url));
  const helper = path.join(here, 'helpers/half-open-presence.mjs');
  const child = spawn('unshare', ['-n', process.execPath, helper], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const s of [child.stdout, child.stderr]) {
    s.on('data', (c) => {
      out += c;
    });
  }
  const code = await within(120000, new Promise((r) => child.once('close', r)), () => out)
    .finally(() => child.kill('SIGKILL'));
  assert.equal(code, 0, out);
  assert.match(out, /half-open presence: ok/);
});
