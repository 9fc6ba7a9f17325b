// A stream that asks for a position gets exactly what came after it, or is told
// what is missing: connected, gaps, replay, synced, live.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { assertProblem, get, post, publish } from './lib/http.mjs';
import { Sse, cursorForm, seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { listen } from './lib/wire.mjs';

const transports = ['sse', 'ws'];
const epochOf = async (d) => (await get(d, '/stats')).json.epoch;

/** Messages as their data, control events as their names. */
export const brief = (events) =>
  events.map((e) => (e.type.startsWith('fanfare.') ? e.type.slice(8) : e.data));

/** All of it up to synced; checks that positions never move back. */
async function replayOf(t, d, query) {
  const l = listen(t, d, query);
  const events = await l.upTo('fanfare.synced');
  let last = 0n;
  for (const e of events) {
    if (e.sseId !== undefined) assert.equal(e.sseId, e.cursor, e.text);
    // (A position that is none of this log is not comparable.)
    if (events.some((x) => x.data?.reason === 'epoch')) continue;
    assert.ok(seqOf(e.cursor) >= last, `the position moves back: ${e.text}`);
    last = seqOf(e.cursor);
  }
  return { l, events, brief: brief(events), connected: events[0], synced: events.at(-1) };
}

/** Lets the clock of the gateway pass a moment between two publications. */
async function tick() {
  const now = Date.now();
  await poll(() => (Date.now() > now + 4 ? true : undefined), { what: 'the clock' });
  return Date.now() - 2;
}

test('from a cursor, from the beginning, from a time, the newest N', async (t) => {
  for (const shards of ['1', '3']) {
    const d = await daemonFor(t, { args: ['--shards', shards] });
    const cursors = [];
    let middle;
    for (let i = 0; i < 10; i++) {
      if (i === 6) middle = new Date(await tick()).toISOString();
      cursors.push((await publish(d, { channel: i % 3 === 2 ? 'b' : 'a', data: i })).cursor);
      await publish(d, { channel: 'other', data: 'not for it' });
    }
    const top = (await get(d, '/stats')).json.cursor;
    const epoch = await epochOf(d);
    const forms = [
      [{ lastEventId: cursors[3] }, [4, 5, 6, 7, 8, 9]],
      [{ after: cursors[3] }, [4, 5, 6, 7, 8, 9]],
      [{ after: cursors[9] }, []],
      [{ after: top }, []],
      [{ after: `${epoch}-0` }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ after: '0-0' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ after: 'earliest' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ lastEventId: 'earliest' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ lastEventId: '0-0' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ since: middle }, [6, 7, 8, 9]],
      [{ since: '1h' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ since: '60' }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [{ since: '2030-01-01T00:00:00Z' }, []],
      [{ history: 4 }, [6, 7, 8, 9]],
      [{ history: 1 }, [9]],
      [{ history: 1000 }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ];
    for (const transport of transports) {
      for (const [position, want] of forms) {
        const what = `${transport} ${JSON.stringify(position)}`;
        const r = await replayOf(t, d, { transport, channels: ['a', 'b'], ...position });
        assert.deepEqual(r.brief, ['connected', ...want, 'synced'], what);
        assert.equal(r.connected.data.recovered, true, what);
        assert.equal(r.synced.cursor, top, what);
        assert.deepEqual(r.synced.data, {}, what);
        const asked = position.lastEventId ?? position.after;
        if (asked && !/^(0-0|earliest)$/.test(asked)) assert.equal(r.connected.cursor, asked, what);
        assert.match(r.connected.cursor, cursorForm, what);
        // Whoever is cut right after connected and comes back has lost nothing.
        const again = { transport, channels: ['a', 'b'], lastEventId: r.connected.cursor };
        assert.deepEqual((await replayOf(t, d, again)).brief, r.brief, `${what}, again`);
        r.l.close();
      }
    }
  }
});

test('a stream without a position begins at the top, as ever', async (t) => {
  const d = await daemonFor(t);
  for (let i = 0; i < 3; i++) await publish(d, { channel: 'a', data: i });
  const top = (await get(d, '/stats')).json.cursor;
  for (const transport of transports) {
    const r = await replayOf(t, d, { transport, channels: ['a'] });
    assert.deepEqual(r.brief, ['connected', 'synced']);
    assert.deepEqual([r.connected.cursor, r.synced.cursor], [top, top]);
    assert.equal(r.connected.data.recovered, false);
  }
});

test('the header wins over every parameter, and never ends a stream', async (t) => {
  const d = await daemonFor(t);
  const cursors = [];
  for (let i = 0; i < 4; i++) cursors.push((await publish(d, { channel: 'a', data: i })).cursor);
  const run = async (header, query) =>
    (
      await replayOf(t, d, {
        transport: 'sse',
        channels: ['a'],
        lastEventIdHeader: header,
        ...query,
      })
    ).brief;
  for (const query of [
    { lastEventId: cursors[0] },
    { after: '0-0' },
    { since: '1h' },
    { history: 1 },
  ]) {
    assert.deepEqual(await run(cursors[1], query), ['connected', 2, 3, 'synced']);
  }
  assert.deepEqual(await run('', { after: cursors[2] }), ['connected', 3, 'synced']);
  for (const header of ['nonsense', 'earliest!', '-1', `${cursors[1]}x`]) {
    const got = await run(header, {});
    assert.deepEqual(got.slice(0, 2), ['connected', 'gap'], header);
  }
});

test('the bytes of a replay', async (t) => {
  const d = await daemonFor(t, { args: ['--retry', '1500ms'] });
  const epoch = await epochOf(d);
  const s = await Sse.live(d, '/events?channel=a');
  await publish(d, { channel: 'a', id: 'x', type: 'order.created', data: { total: 99.9 } });
  await publish(d, { channel: 'a', id: 'y', data: 'é\u2028', source: 'shop' });
  const live = [(await s.next()).raw, (await s.next()).raw];
  const back = await Sse.open(d, '/events?channel=a', {
    headers: { 'Last-Event-ID': `${epoch}-0` },
  });
  const connected = await back.next();
  assert.match(connected.raw, /^retry: 1500\nevent: fanfare\.connected\nid: [0-9a-z]+-0\ndata: /);
  assert.deepEqual([(await back.next()).raw, (await back.next()).raw], live, 'the same bytes');
  assert.equal(
    (await back.next()).raw,
    `event: fanfare.synced\nid: ${epoch}-2\ndata: {"type":"fanfare.synced",` +
      `"cursor":"${epoch}-2","data":{}}\n\n`,
  );
  await publish(d, { channel: 'a', data: 'live' });
  assert.equal((await back.message()).id, `${epoch}-3`);
});

test('bad positions are refused, each with its code', async (t) => {
  const d = await daemonFor(t);
  const epoch = await epochOf(d);
  const cases = [
    ...['nonsense', '1', `${epoch}-01`, `${epoch}-`, 'EARLIEST', `${epoch}-1%20`].flatMap((x) => [
      [`lastEventId=${x}`, 'bad_cursor', 'lastEventId'],
      [`after=${x}`, 'bad_cursor', 'after'],
    ]),
    ...['x', '-1', '10y', '1h30m', '5%20m', '2026-13-01T00:00:00Z', '2026-01-01', '1e3'].map(
      (x) => [`since=${x}`, 'bad_since', 'since'],
    ),
    ...['0', '-1', '1001', 'all', '1.5', '99999999999999999999'].map((x) => [
      `history=${x}`,
      'bad_history',
      'history',
    ]),
    [`lastEventId=${epoch}-0&after=${epoch}-0`, 'conflicting_parameters', 'after'],
    [`after=0-0&since=1h`, 'conflicting_parameters', 'since'],
    [`since=1h&history=5`, 'conflicting_parameters', 'history'],
    [`history=5&lastEventId=${epoch}-0`, 'conflicting_parameters', 'lastEventId'],
  ];
  for (const [query, code, field] of cases) {
    const res = await get(d, `/events?channel=a&${query}`, { Accept: 'text/event-stream' });
    const p = assertProblem(res, 400, { code });
    assert.equal(p.field, field, `${query}: ${res.text}`);
    const ws = await get(d, `/ws?channel=a&${query}`, {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    });
    assertProblem(ws, 400, { code });
  }
  assert.equal((await get(d, '/stats')).json.clientCount, 0);
});

test('what is not kept any more is a gap for its channel, exact to the message', async (t) => {
  for (const shards of ['1', '2']) {
    const d = await daemonFor(t, { args: ['--history', '5', '--shards', shards] });
    const epoch = await epochOf(d);
    // a: 1 3 5 7 9 11 13 15 (kept from 7 on), b: 2 4 6; c: nothing.
    for (let i = 1; i <= 15; i++) {
      if (i % 2) await publish(d, { channel: 'a', data: i });
      else if (i <= 6) await publish(d, { channel: 'b', data: i });
      else await publish(d, { channel: 'other', data: i });
    }
    const at = (n) => `${epoch}-${n}`;
    const gap = (n) => ({ scope: 'channel', name: 'a', from: at(n), to: at(5), reason: 'evicted' });
    for (const transport of transports) {
      for (const [from, gaps, want] of [
        [0, [gap(0)], [2, 4, 6, 7, 9, 11, 13, 15]],
        [2, [gap(2)], [4, 6, 7, 9, 11, 13, 15]],
        [4, [gap(4)], [6, 7, 9, 11, 13, 15]],
        [5, [], [6, 7, 9, 11, 13, 15]],
        [6, [], [7, 9, 11, 13, 15]],
        [15, [], []],
      ]) {
        const what = `${transport} after ${from}`;
        const query = { transport, channels: ['a', 'b', 'c'], after: at(from) };
        const r = await replayOf(t, d, query);
        const names = gaps.map(() => 'gap');
        assert.deepEqual(r.brief, ['connected', ...names, ...want, 'synced'], what);
        assert.equal(r.connected.data.recovered, gaps.length === 0, what);
        const told = r.events.filter((e) => e.type === 'fanfare.gap');
        assert.deepEqual(
          told.map((e) => e.data),
          gaps,
          what,
        );
        for (const e of told) assert.equal(e.cursor, at(from), `${what}: its position`);
      }
      // Asked for all that is kept, or so much of it: no gap.
      for (const position of [{ after: '0-0' }, { after: 'earliest' }]) {
        const r = await replayOf(t, d, { transport, channels: ['a', 'b'], ...position });
        assert.deepEqual(r.brief, ['connected', 2, 4, 6, 7, 9, 11, 13, 15, 'synced']);
      }
      // Of the last hour some are gone.
      const hour = await replayOf(t, d, { transport, channels: ['a', 'b'], since: '1h' });
      assert.deepEqual(hour.brief, ['connected', 'gap', 2, 4, 6, 7, 9, 11, 13, 15, 'synced']);
      assert.equal(hour.events[1].data.to, at(5));
      const r = await replayOf(t, d, { transport, channels: ['a', 'b'], history: 1000 });
      assert.deepEqual(r.brief, ['connected', 2, 4, 6, 7, 9, 11, 13, 15, 'synced']);
      // Only the channel concerned has one.
      const b = await replayOf(t, d, { transport, channels: ['b', 'c'], after: at(0) });
      assert.deepEqual(b.brief, ['connected', 2, 4, 6, 'synced']);
    }
    const metrics = (await get(d, '/stats')).json.counters;
    assert.ok(metrics.evicted >= 3 && metrics.gaps >= 6, JSON.stringify(metrics));
  }
});

test('gaps of patterns, of the user, and of everyone', async (t) => {
  const d = await daemonFor(t, {
    args: ['--history', '2', '--user-history', '2', '--shards', '2'],
  });
  const epoch = await epochOf(d);
  const at = (n) => `${epoch}-${n}`;
  for (let i = 0; i < 4; i++) await publish(d, { channel: 'p.a', data: `p${i}` }); // 1-4
  for (let i = 0; i < 3; i++) await publish(d, { userId: 'ann', data: `u${i}` }); // 5-7
  for (let i = 0; i < 5; i++) await publish(d, { data: `e${i}` }); // 8-12
  await publish(d, { channel: 'p.b', data: 'b' }); // 13
  for (const transport of transports) {
    const query = { transport, channels: ['p.*'], user: 'ann', after: at(0) };
    const r = await replayOf(t, d, query);
    assert.deepEqual(r.brief.slice(-8), ['p2', 'p3', 'u1', 'u2', 'e3', 'e4', 'b', 'synced']);
    const gaps = r.events.filter((e) => e.type === 'fanfare.gap').map((e) => e.data);
    assert.equal(r.events.length, 1 + 3 + 8, brief(r.events).join());
    const of = (scope) => gaps.find((g) => g.scope === scope);
    assert.deepEqual(of('pattern'), {
      scope: 'pattern',
      name: 'p.*',
      from: at(0),
      to: at(2),
      reason: 'evicted',
    });
    assert.deepEqual(
      [of('user').from, of('user').to, of('user').reason],
      [at(0), at(5), 'evicted'],
    );
    const { scope, from, to, reason } = of('everyone');
    assert.deepEqual([scope, from, to, reason], ['everyone', at(0), at(10), 'evicted']);
    assert.equal(of('everyone').name, undefined);
  }
});

test('a position of another log: one gap of all, and then live', async (t) => {
  const d = await daemonFor(t);
  for (let i = 0; i < 3; i++) await publish(d, { channel: 'a', data: i });
  const top = (await get(d, '/stats')).json.cursor;
  for (const transport of transports) {
    for (const after of [
      'zzz9-77',
      'zzz9-1',
      top.replace(/\d+$/, '4'),
      top.replace(/\d+$/, '99'),
    ]) {
      const r = await replayOf(t, d, { transport, channels: ['a', 'b'], after });
      assert.deepEqual(r.brief, ['connected', 'gap', 'synced'], after);
      assert.equal(r.connected.cursor, after);
      assert.equal(r.connected.data.recovered, false);
      const gap = r.events[1];
      assert.equal(gap.cursor, after);
      assert.deepEqual(gap.data, { scope: 'all', from: after, to: top, reason: 'epoch' });
      assert.equal(r.synced.cursor, top);
      r.l.close();
    }
  }
});

test('a channel that was forgotten: the gap says that nothing is known', async (t) => {
  const d = await daemonFor(t, { args: ['--history-channels', '16', '--shards', '1'] });
  const first = (await publish(d, { channel: 'gone', data: 0 })).cursor;
  for (let i = 0; i < 60; i++) await publish(d, { channel: `c${i}`, data: i });
  await poll(
    async () => ((await get(d, '/stats')).json.counters.forgotten > 0 ? true : undefined),
    {
      what: 'channels are forgotten',
    },
  );
  for (const transport of transports) {
    const query = { transport, channels: ['gone'], after: first.replace(/\d+$/, '0') };
    const r = await replayOf(t, d, query);
    assert.deepEqual(r.brief, ['connected', 'gap', 'synced']);
    const { scope, name, reason } = r.events[1].data;
    assert.deepEqual([scope, name, reason], ['channel', 'gone', 'unknown']);
    // One that is known has none, even from before.
    const known = await replayOf(t, d, { transport, channels: ['c59'], after: query.after });
    assert.equal(known.brief.includes(59), true);
  }
});

test('ephemeral and expired messages are never replayed, and never a gap', async (t) => {
  const d = await daemonFor(t);
  const live = listen(t, d, { transport: 'ws', channels: ['a'] });
  const begin = (await live.upTo('fanfare.synced')).at(-1).cursor;
  await publish(d, { channel: 'a', data: 'kept 1' });
  await publish(d, { channel: 'a', data: 'ephemeral', ephemeral: true });
  await publish(d, { channel: 'a', data: 'short', ttl: 1 });
  await publish(d, { channel: 'a', data: 'long', ttl: 3600 });
  await publish(d, { channel: 'a', data: 'last', type: 'last' });
  const seen = brief(await live.upTo('last'));
  assert.deepEqual(seen.slice(2), ['kept 1', 'ephemeral', 'short', 'long', 'last']);
  await poll(
    async () => {
      const { messages } = (await get(d, '/channels/a/history')).json;
      return messages.some((m) => m.data === 'short') ? undefined : true;
    },
    { what: 'the end of a ttl' },
  );
  for (const transport of transports) {
    const r = await replayOf(t, d, { transport, channels: ['a'], after: begin });
    assert.deepEqual(r.brief, ['connected', 'kept 1', 'long', 'last', 'synced']);
    assert.equal(r.connected.data.recovered, true);
  }
  const { messages } = (await get(d, '/channels/a/history')).json;
  assert.deepEqual(
    messages.map((m) => m.data),
    ['kept 1', 'long', 'last'],
  );
  for (const ttl of [-1, 1.5, '5', 1e12]) {
    const res = await post(d, '/broadcast', { channel: 'a', ttl });
    assert.ok(res.status === 400 || res.status === 422, `ttl ${ttl}: ${res.status}`);
  }
});

test('nothing is kept where history is 0: what was missed is a gap', async (t) => {
  const d = await daemonFor(t, { args: ['--history', '0', '--history-for', 'k.=10'] });
  const from = (await publish(d, { channel: 'a', data: 0 })).cursor;
  const missed = (await publish(d, { channel: 'a', data: 1 })).cursor;
  await publish(d, { channel: 'k.a', data: 2 });
  for (const transport of transports) {
    const r = await replayOf(t, d, { transport, channels: ['a', 'k.a'], after: from });
    assert.deepEqual(r.brief, ['connected', 'gap', 2, 'synced']);
    const gap = r.events[1].data;
    assert.deepEqual(gap, { scope: 'channel', name: 'a', from, to: missed, reason: 'evicted' });
  }
});

test('age and bytes bound what is kept, too', async (t) => {
  const args = ['--history-age', '1s', '--history-for', 'b.=1000,16k', '--shards', '1'];
  const d = await daemonFor(t, { args });
  const from = (await publish(d, { channel: 'old', data: 0 })).cursor;
  const last = (await publish(d, { channel: 'old', data: 1 })).cursor;
  const pad = 'x'.repeat(1000);
  for (let i = 0; i < 50; i++) await publish(d, { channel: 'b.a', data: pad });
  await poll(
    async () => {
      const { history } = (await get(d, '/channels/old')).json;
      return history?.messages === 0 ? true : undefined;
    },
    { what: 'the old ones go' },
  );
  const r = await replayOf(t, d, { transport: 'sse', channels: ['old'], after: from });
  assert.deepEqual(r.brief, ['connected', 'gap', 'synced']);
  assert.equal(r.events[1].data.to, last);
  const { history } = (await get(d, '/channels/b.a')).json;
  assert.ok(history.bytes <= 16 * 1024, JSON.stringify(history));
  assert.ok(history.messages < 20, JSON.stringify(history));
});

test('SIGHUP changes nothing of what is kept', async (t) => {
  const d = await daemonFor(t, { args: ['--history', '10', '--user-history', '4'] });
  for (let i = 0; i < 30; i++) await publish(d, { channel: 'before', data: i });
  for (let round = 0; round < 3; round++) {
    const mark = d.mark();
    d.kill('SIGHUP');
    await d.waitForLog(/configuration|reload|log file/i, { from: mark });
  }
  for (let i = 0; i < 30; i++) {
    await publish(d, { channel: 'before', data: 30 + i });
    await publish(d, { channel: 'after', data: i });
    await publish(d, { userId: 'ann', data: i });
  }
  for (const [channel, last] of [
    ['before', 59],
    ['after', 29],
  ]) {
    const { messages } = (await get(d, `/channels/${channel}/history`)).json;
    const want = Array.from({ length: 10 }, (_, i) => last - 9 + i);
    assert.deepEqual(
      messages.map((m) => m.data),
      want,
    );
  }
  assert.equal((await get(d, '/users/ann')).json.queued, 4);
});
