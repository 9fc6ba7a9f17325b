// Who is typing: told once when it begins and once when it ends, whatever ends it
// (docs/protocol.md, "Typing").
import assert from 'node:assert/strict';
import test from 'node:test';
import { now, token, writeSecret } from './lib/credentials.mjs';
import { folderFor } from './lib/disk.mjs';
import { daemonFor } from './lib/daemon.mjs';
import { get } from './lib/http.mjs';
import { Person, settled } from './lib/person.mjs';
import { poll } from './lib/wait.mjs';

const transports = ['sse', 'ws'];
const TYPING = 'fanfare.typing';
const args = ['--shards', '2'];
const room = (t, d, transport, user, more = {}) =>
  Person.live(t, d, { transport, user, channels: ['room'], ...more });
const types = (p, typing = true, channel = 'room') => p.did('typing', { channel, typing });
const seen = (p) => p.told(TYPING).map((n) => `${n.userId} ${n.typing} ${n.channel}`);

for (const transport of transports) {
  test(`${transport}: N keystrokes are one event for each of the others`, async (t) => {
    const d = await daemonFor(t, { args });
    const ann = await room(t, d, transport, 'ann');
    const tab = await room(t, d, 'ws', 'ann');
    const bob = await room(t, d, 'sse', 'bob');
    const anonymous = await room(t, d, 'ws');
    const watcher = await Person.live(t, d, { transport: 'ws', channels: ['*'] });
    const elsewhere = await Person.live(t, d, { transport, user: 'eve', channels: ['other'] });
    for (let i = 0; i < 50; i++) assert.deepEqual(await types(ann), {});
    await settled(d, 'room', ann, tab, bob, anonymous, watcher);
    for (const p of [tab, bob, anonymous, watcher]) assert.deepEqual(seen(p), ['ann true room']);
    assert.deepEqual(seen(ann), [], 'not to the connection itself');
    assert.deepEqual(await types(ann, false), {});
    assert.deepEqual(await types(ann, false), {});
    await settled(d, 'room', ann, bob);
    assert.deepEqual(seen(bob), ['ann true room', 'ann false room']);
    assert.deepEqual(seen(ann), []);
    await settled(d, 'other', elsewhere);
    assert.deepEqual(seen(elsewhere), []);
    // A notice has no place in the log.
    const notice = bob.client.events.find((e) => e.type === TYPING);
    assert.deepEqual(Object.keys(JSON.parse(notice.text)), ['type', 'data']);
    assert.equal(notice.sseId, undefined);
    const history = (await get(d, '/channels/room/history')).json.messages;
    assert.deepEqual(history.map((m) => m.type), ['mark', 'mark']);
  });

  test(`${transport}: it stops by itself`, async (t) => {
    const d = await daemonFor(t, { args: [...args, '--typing-timeout', '1s'] });
    const ann = await room(t, d, transport, 'ann');
    const bob = await room(t, d, 'ws', 'bob');
    const began = Date.now();
    await types(ann);
    // As long as keys are pressed it goes on.
    await poll(async () => (await types(ann), Date.now() - began > 2500) || undefined);
    assert.deepEqual(seen(bob), ['ann true room']);
    const last = Date.now();
    await bob.toldOf(TYPING, 2);
    assert.deepEqual(seen(bob), ['ann true room', 'ann false room']);
    assert.ok(Date.now() - last >= 500, `after ${Date.now() - last} ms`);
  });

  for (const how of ['rst', 'fin']) {
    test(`${transport}: it stops with its connection (${how})`, async (t) => {
      const d = await daemonFor(t, { args: [...args, '--typing-timeout', '60s'] });
      const ann = await room(t, d, transport, 'ann');
      const bob = await room(t, d, 'ws', 'bob');
      await types(ann);
      await bob.toldOf(TYPING, 1);
      ann.cut(how);
      await bob.toldOf(TYPING, 2);
      assert.deepEqual(seen(bob), ['ann true room', 'ann false room']);
    });
  }

  test(`${transport}: with the connection that said so last`, async (t) => {
    const d = await daemonFor(t, { args: [...args, '--typing-timeout', '60s'] });
    const a = await room(t, d, transport, 'ann');
    const b = await room(t, d, 'sse', 'ann');
    const bob = await room(t, d, 'ws', 'bob');
    await types(a);
    await types(b);
    a.cut();
    await poll(async () => (await get(d, '/users/ann')).json.connections === 1 || undefined);
    await settled(d, 'room', bob);
    assert.deepEqual(seen(bob), ['ann true room']);
    b.cut();
    await bob.toldOf(TYPING, 2);
    assert.deepEqual(seen(bob), ['ann true room', 'ann false room']);
  });

  test(`${transport}: who comes later is told`, async (t) => {
    const d = await daemonFor(t, { args: [...args, '--typing-timeout', '60s'] });
    const ann = await room(t, d, 'ws', 'ann', { channels: ['room', 'other'] });
    const bob = await room(t, d, 'sse', 'bob');
    await types(ann);
    await types(ann, true, 'other');
    await types(bob);
    const late = await room(t, d, transport, 'eve');
    assert.deepEqual((await late.toldOf(TYPING, 2)).map((n) => n.userId).sort(), ['ann', 'bob']);
    await settled(d, 'room', late);
    assert.equal(seen(late).length, 2);
    const order = late.client.events.map((e) => e.type);
    assert.ok(order.indexOf(TYPING) > 0, 'behind the greeting');
    // With messages that it missed, too.
    const mark = late.client.events.find((e) => e.type === 'mark');
    const again = await room(t, d, transport, 'eve', { after: mark.cursor });
    await again.toldOf(TYPING, 2);
    if (transport === 'ws') {
      await again.op({ op: 'subscribe', channel: 'other' });
      await again.toldOf(TYPING, 3);
      assert.equal(seen(again)[2], 'ann true other');
    }
  });
}

test('unsubscribing stops it, and a message does not', async (t) => {
  const d = await daemonFor(t, { args: [...args, '--typing-timeout', '60s'] });
  const ann = await room(t, d, 'ws', 'ann');
  const bob = await room(t, d, 'sse', 'bob');
  await types(ann);
  assert.ok((await ann.op({ op: 'publish', channel: 'room', data: 'hi' })).ok);
  await settled(d, 'room', bob);
  assert.deepEqual(seen(bob), ['ann true room']);
  assert.ok((await ann.op({ op: 'unsubscribe', channel: 'room' })).ok);
  await bob.toldOf(TYPING, 2);
  assert.deepEqual(seen(bob), ['ann true room', 'ann false room']);
  assert.equal((await ann.act('typing', { channel: 'room', typing: true })).code, 'not_subscribed');
});

test('who may', async (t) => {
  const folder = folderFor(t);
  const secret = 'a secret of at least thirty-two bytes';
  const d = await daemonFor(t, {
    args: [...args, '--token-key', `HS256=${writeSecret(folder, 'secret', secret)}`],
  });
  const claims = { sub: 'ann', exp: now() + 60, channels: ['room', '*'], publish: ['room'] };
  const may = await Person.live(t, d, {
    transport: 'ws', channels: ['room', 'read-only'], access_token: token(secret, claims),
  });
  const pattern = await Person.live(t, d, {
    transport: 'ws', channels: ['*'], access_token: token(secret, { ...claims, sub: 'bob' }),
  });
  const code = async (p, channel) => (await p.act('typing', { channel, typing: true })).code;
  assert.equal(await code(may, 'room'), undefined);
  assert.equal(await code(may, 'read-only'), 'forbidden_channel');
  assert.equal(await code(pattern, 'room'), 'not_subscribed');
});

for (const transport of transports) {
  test(`${transport}: nobody without a name, and not in too many channels`, async (t) => {
    const d = await daemonFor(t, { args: [...args, '--typing-timeout', '60s'] });
    const nobody = await room(t, d, transport);
    assert.equal((await nobody.act('typing', { channel: 'room', typing: true })).code, 'no_user');
    const channels = Array.from({ length: 17 }, (_, i) => `c${i}`);
    const ann = await Person.live(t, d, { transport, user: 'ann', channels });
    for (const c of channels.slice(0, 16)) await types(ann, true, c);
    const r = await ann.act('typing', { channel: 'c16', typing: true });
    assert.equal(r.code, 'rate_limited');
    await types(ann, false, 'c3');
    await types(ann, true, 'c16');
  });
}

test('--max-typing', async (t) => {
  const d = await daemonFor(t, {
    args: [...args, '--typing-timeout', '60s', '--max-typing', '16'],
  });
  const people = [];
  for (let i = 0; i < 17; i++) people.push(await room(t, d, i % 2 ? 'ws' : 'sse', `u${i}`));
  for (const p of people.slice(0, 16)) await types(p);
  const r = await people[16].act('typing', { channel: 'room', typing: true });
  assert.equal(r.code, 'rate_limited');
  people[0].cut();
  await people[16].toldOf(TYPING, 16);
  const again = async () => people[16].act('typing', { channel: 'room', typing: true });
  await poll(async () => (await again()).ok || undefined, { what: 'room for one' });
});

// Whoever listens is left with nobody typing.
test('many at once', async (t) => {
  const d = await daemonFor(t, { args: [...args, '--typing-timeout', '1s'] });
  const bob = await room(t, d, 'sse', 'bob');
  const people = await Promise.all(
    Array.from({ length: 100 }, (_, i) => room(t, d, i % 2 ? 'ws' : 'sse', `u${i}`)),
  );
  await Promise.all(people.map((p) => types(p)));
  people.slice(0, 50).forEach((p, i) => p.cut(i % 3 ? 'rst' : 'fin'));
  await bob.toldOf(TYPING, 200);
  await settled(d, 'room', bob);
  const typing = new Set();
  for (const n of bob.told(TYPING)) {
    assert.equal(typing.has(n.userId), !n.typing, JSON.stringify(n));
    if (n.typing) typing.add(n.userId);
    else typing.delete(n.userId);
  }
  assert.equal(typing.size, 0);
});
