// The SSE stream byte by byte, and what surrounds it: positions, heartbeats,
// HTTP forms, CORS.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import {
  RawConn,
  assertProblem,
  get,
  hostHeader,
  post,
  publish,
  request,
  requestBytes,
} from './lib/http.mjs';
import { Sse, seqOf } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';

const epochOf = async (d) => (await get(d, '/stats')).json.epoch;

test('headers and first bytes of a stream', async (t) => {
  const d = await daemonFor(t);
  const epoch = await epochOf(d);
  const s = await Sse.live(d, '/events?channel=orders&channel=news.%3E&channel=orders&userId=u');
  assert.equal(s.head.version, '1.1');
  assert.equal(s.head.status, 200);
  const h = s.head.headers;
  assert.match(h['content-type'], /^text\/event-stream(;\s*charset=utf-8)?$/i);
  assert.equal(h['cache-control'], 'no-store, no-transform');
  assert.equal(h['x-accel-buffering'], 'no');
  assert.equal(h['x-content-type-options'], 'nosniff');
  assert.equal(h.connection?.toLowerCase(), 'close');
  assert.equal(h['content-length'], undefined);
  assert.equal(h['transfer-encoding'], undefined);

  const m = new RegExp(
    '^retry: 2000\\nevent: fanfare\\.connected\\nid: (\\S+)\\n' +
      'data: \\{"type":"fanfare\\.connected","cursor":"(\\S+?)","data":\\{' +
      '"clientId":"([A-Za-z0-9_-]{1,64})","clientKey":"([^"\\\\]{16,})","userId":"u",' +
      '"channels":\\["orders","news\\.>"\\],"recovered":false\\}\\}\\n\\n' +
      'event: fanfare\\.synced\\nid: (\\S+)\\n' +
      'data: \\{"type":"fanfare\\.synced","cursor":"(\\S+)","data":\\{\\}\\}\\n\\n$',
  ).exec(s.raw);
  assert.ok(m, JSON.stringify(s.raw));
  for (const i of [1, 2, 5, 6]) assert.equal(m[i], `${epoch}-0`);

  const other = await Sse.open(d, '/events');
  const c = await other.control('connected');
  assert.deepEqual(c.envelope.data.channels, []);
  assert.notEqual(c.envelope.data.clientId, m[3]);
  assert.notEqual(c.envelope.data.clientKey, m[4]);
});

test('--retry', async (t) => {
  const d = await daemonFor(t, { args: ['--retry', '4500ms'] });
  const s = await Sse.live(d, '/events');
  assert.ok(s.raw.startsWith('retry: 4500\nevent: fanfare.connected\n'), s.raw);
});

test('every message has an id, ids never go back, a new stream begins at the top', async (t) => {
  const d = await daemonFor(t);
  const epoch = await epochOf(d);
  const s = await Sse.live(d, '/events?channel=a');
  await publish(d, { channel: 'a' });
  await publish(d, { channel: 'nobody' });
  await publish(d, { channel: 'a', type: 't' });
  await publish(d, {});
  assert.deepEqual(
    [(await s.message()).id, (await s.message()).id, (await s.message()).id],
    [`${epoch}-1`, `${epoch}-3`, `${epoch}-4`],
  );
  const late = await Sse.open(d, '/events?channel=a');
  const connected = await late.control('connected');
  assert.equal(connected.id, `${epoch}-4`);
  assert.equal((await late.synced()).id, `${epoch}-4`);
});

test('a stream that asks for a position', async (t) => {
  const d = await daemonFor(t);
  const epoch = await epochOf(d);
  for (let i = 0; i < 5; i++) await publish(d, { channel: 'a', data: i });
  const top = `${epoch}-5`;
  const cases = [
    // query, header, recovered, requested position, reason of the gap
    [top, undefined, true, top, null],
    [undefined, top, true, top, null],
    [`${epoch}-2`, undefined, true, `${epoch}-2`, null],
    [`${epoch}-0`, undefined, true, `${epoch}-0`, null],
    [undefined, `${epoch}-4`, true, `${epoch}-4`, null],
    [`${epoch}-2`, top, true, top, null],
    ['zzz9-77', undefined, false, 'zzz9-77', 'epoch'],
    [undefined, 'zzz9-77', false, 'zzz9-77', 'epoch'],
    ['0-0', undefined, true, `${epoch}-0`, null],
    ['earliest', undefined, true, `${epoch}-0`, null],
    [undefined, '0-0', true, `${epoch}-0`, null],
    [undefined, 'not a cursor', false, undefined, 'epoch'],
    [undefined, `${epoch}-05`, false, undefined, 'epoch'],
    [top, '{bad}', false, undefined, 'epoch'],
    ['', undefined, false, null, null],
    ['', '', false, null, null],
    [top, '', true, top, null],
  ];
  for (const [query, header, recovered, position, reason] of cases) {
    const what = JSON.stringify({ query, header });
    const path = `/events?channel=a${query === undefined ? '' : `&lastEventId=${query}`}`;
    const s = await Sse.open(d, path, {
      headers: header === undefined ? {} : { 'Last-Event-ID': header },
    });
    const connected = await s.next();
    assert.equal(connected.event, 'fanfare.connected', what);
    const env = JSON.parse(connected.data);
    assert.equal(env.data.recovered, recovered, what);
    // What is no cursor is no position to come back to either.
    const at = position === null ? top : position;
    assert.equal(connected.id, at, what);
    assert.equal(env.cursor, at, what);
    let e = await s.next();
    if (reason) {
      assert.equal(e.event, 'fanfare.gap', what);
      assert.equal(e.id, position, what);
      assert.equal(
        e.data,
        `{"type":"fanfare.gap",${position ? `"cursor":"${position}",` : ''}"data":` +
          `{"scope":"all","from":"${position ?? '0-0'}","to":"${top}","reason":"${reason}"}}`,
      );
      e = await s.next();
    }
    // Whatever is kept after the position, in order.
    for (let n = reason ? 6n : seqOf(at) + 1n; n <= 5n; n++) {
      assert.equal(e.id, `${epoch}-${n}`, what);
      e = await s.next();
    }
    assert.equal(e.event, 'fanfare.synced', what);
    assert.equal(e.id, top, what);
    s.close();
  }
  for (const bad of [
    'nonsense',
    `${epoch}-`,
    `-5`,
    `${epoch}-05`,
    `${epoch}-99999999999999999999999`,
    'ABC-1',
    `${epoch}-1%20`,
  ]) {
    const res = await get(d, `/events?lastEventId=${bad}`, { Accept: 'text/event-stream' });
    assertProblem(res, 400, { code: 'bad_cursor' });
  }
  const live = await Sse.live(d, `/events?channel=a&lastEventId=${epoch}-5`);
  await publish(d, { channel: 'a', data: 'live' });
  const m = await live.message();
  assert.equal(m.envelope.data, 'live');
  assert.equal(seqOf(m.id), 6n);
});

test('heartbeats: `:` and one LF after silence, none while there is data', async (t) => {
  const d = await daemonFor(t, { args: ['--heartbeat', '1s', '--shards', '1'] });
  const quiet = await RawConn.open(d);
  await quiet.write(requestBytes(d, { path: '/events?channel=quiet' }));
  await quiet.readHead();
  await quiet.until('event: fanfare.synced\n');
  await quiet.until('\n\n');
  const began = Date.now();
  const beats = quiet.bytes(4, 20000);

  // Meanwhile another stream gets data all the time.
  const busy = await Sse.live(d, '/events?channel=busy');
  let longest = 0;
  let last = Date.now();
  let over = false;
  beats
    .finally(() => {
      over = true;
    })
    .catch(() => {});
  while (!over) {
    await publish(d, { channel: 'busy' });
    await busy.message();
    longest = Math.max(longest, Date.now() - last);
    last = Date.now();
  }
  assert.equal((await beats).toString(), ':\n:\n');
  assert.ok(Date.now() - began >= 1500, `two heartbeats within ${Date.now() - began} ms`);
  if (longest < 700) assert.deepEqual(busy.comments, [], 'a heartbeat on a stream with data');
  assert.equal((await get(d, '/stats')).json.counters.heartbeats >= 2, true);
});

test('HEAD answers with the headers and makes no client', async (t) => {
  const d = await daemonFor(t);
  const conn = await RawConn.open(d);
  await conn.write(
    requestBytes(d, {
      method: 'HEAD',
      path: '/events?channel=a',
      headers: { Accept: 'text/event-stream' },
    }),
  );
  const res = await conn.readResponse({ method: 'HEAD' });
  assert.equal(res.status, 200);
  assert.match(res.headers['content-type'], /^text\/event-stream/);
  assert.equal(res.headers['cache-control'], 'no-store, no-transform');
  assert.equal(res.headers['x-accel-buffering'], 'no');
  const st = (await get(d, '/stats')).json;
  assert.equal(st.clientCount, 0);
  assert.equal(st.counters.connects_sse, 0);
  // Nothing but the headers comes, whether the connection stays or not.
  if (/close/i.test(res.headers.connection ?? '')) {
    assert.equal((await conn.rest()).length, 0);
  } else {
    await conn.write(requestBytes(d, { path: '/health' }));
    assert.equal((await conn.readResponse()).status, 200);
  }
  const bad = await request(d, { method: 'HEAD', path: '/events?channel=a%20b' });
  assert.equal(bad.status, 400);
});

test('an HTTP/1.0 client', async (t) => {
  const d = await daemonFor(t);
  const s = await Sse.live(d, '/events?channel=a', { version: '1.0' });
  assert.equal(s.head.headers['transfer-encoding'], undefined);
  await publish(d, { channel: 'a', data: 'old' });
  assert.equal((await s.message()).envelope.data, 'old');
  const res = await request(d, {
    path: '/health',
    version: '1.0',
    headers: { Connection: undefined },
  });
  assert.equal(res.status, 200);
  assert.equal(res.headers['transfer-encoding'], undefined);
});

test('a stream after other requests on one connection', async (t) => {
  const d = await daemonFor(t);
  const body = '{"channel":"other"}';
  const forms = {
    'one segment': async (c) =>
      c.write(
        Buffer.concat([
          requestBytes(d, { path: '/health' }),
          requestBytes(d, { path: '/events?channel=a' }),
        ]),
      ),
    'one after the other': async (c) => {
      await c.write(requestBytes(d, { path: '/health' }));
    },
    'after a body': async (c) =>
      c.write(
        Buffer.concat([
          requestBytes(d, {
            method: 'POST',
            path: '/broadcast',
            body,
            headers: { 'Content-Type': 'application/json' },
          }),
          requestBytes(d, { path: '/events?channel=a' }),
        ]),
      ),
    'split in the second request': async (c) => {
      const all = Buffer.concat([
        requestBytes(d, { path: '/health' }),
        requestBytes(d, { path: '/events?channel=a' }),
      ]);
      await c.writePieces([all.subarray(0, all.length - 9), all.subarray(all.length - 9)]);
    },
  };
  for (const [name, send] of Object.entries(forms)) {
    const c = await RawConn.open(d);
    await send(c);
    assert.equal((await c.readResponse()).status, 200, name);
    if (name === 'one after the other')
      await c.write(requestBytes(d, { path: '/events?channel=a' }));
    const head = await c.readHead();
    assert.match(head.headers['content-type'], /^text\/event-stream/, name);
    await c.until('event: fanfare.synced\n');
    await c.until('\n\n');
    await publish(d, { channel: 'a', data: name });
    assert.match((await c.until('\n\n')).toString(), new RegExp(`"data":"${name}"\\}\\n\\n$`));
    c.close();
  }
  // What a client sends after its GET /events is no further request.
  const c = await RawConn.open(d);
  await c.write(
    Buffer.concat([
      requestBytes(d, { path: '/events?channel=z' }),
      requestBytes(d, {
        method: 'POST',
        path: '/broadcast',
        body: '{"channel":"z","data":"smuggled"}',
        headers: { 'Content-Type': 'application/json' },
      }),
    ]),
  );
  await c.readHead();
  await c.until('event: fanfare.synced\n');
  await c.until('\n\n');
  await publish(d, { channel: 'z', data: 'fence' });
  const got = (await c.until('\n\n')).toString();
  assert.match(got, /"data":"fence"/);
});

test('a request in single bytes, and many streams at once', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '2'] });
  const c = await RawConn.open(d);
  const bytes = requestBytes(d, {
    path: '/events?channel=a',
    headers: { Accept: 'text/event-stream' },
  });
  await c.writePieces([...bytes].map((b) => Buffer.of(b)));
  await c.readHead();
  await c.until('event: fanfare.synced\n');
  const all = await Promise.all(
    Array.from({ length: 200 }, () => Sse.live(d, '/events?channel=a')),
  );
  const r = await publish(d, { channel: 'a', data: 'many' });
  assert.equal(r.matched, 201);
  const got = await Promise.all(all.map((s) => s.next()));
  assert.equal(new Set(got.map((e) => e.raw)).size, 1);
});

test('a client that closes is gone from the books, by FIN and by RST', async (t) => {
  const d = await daemonFor(t);
  const count = async () => (await get(d, '/stats')).json.clientCount;
  for (const how of ['close', 'reset', 'half']) {
    const s = await Sse.live(d, '/events?channel=a');
    assert.equal(await count(), 1);
    if (how === 'close') s.close();
    if (how === 'reset') s.conn.reset();
    if (how === 'half') s.conn.finish();
    await poll(async () => ((await count()) === 0 ? true : undefined), { what: `gone by ${how}` });
    assert.equal((await publish(d, { channel: 'a' })).matched, 0);
  }
  // Before anything was answered, too.
  for (const how of ['close', 'reset']) {
    const c = await RawConn.open(d);
    await c.write(requestBytes(d, { path: '/events?channel=a' }));
    c[how]();
  }
  await poll(async () => ((await count()) === 0 ? true : undefined), { what: 'all gone' });
});

test('CORS: allowed origins', async (t) => {
  const d = await daemonFor(t, {
    args: ['--allow-origin', 'https://app.example', '--allow-origin', 'http://b.example:8443'],
  });
  const own = `http://${hostHeader(d)}`;
  const origins = [
    own,
    'http://localhost:3000',
    'https://localhost',
    'http://127.0.0.1:1',
    'http://[::1]:3000',
    'http://sub.localhost',
    'https://app.example',
    'http://b.example:8443',
    'https://APP.example',
    'https://app.example:443',
  ];
  for (const origin of origins) {
    const s = await Sse.open(d, '/events?channel=a', { headers: { Origin: origin } });
    assert.equal(s.head.headers['access-control-allow-origin'], origin);
    assert.equal(s.head.headers['access-control-allow-credentials'], 'true');
    assert.match(s.head.headers.vary ?? '', /\bOrigin\b/i);
    s.close();
    for (const path of ['/health', '/nope', '/stats', '/events?channel=a%20b']) {
      const res = await get(d, path, { Origin: origin });
      assert.equal(res.headers['access-control-allow-origin'], origin, path);
      assert.equal(res.headers['access-control-allow-credentials'], 'true', path);
      assert.match(res.headers.vary ?? '', /\bOrigin\b/i, path);
    }
    const pub = await post(d, '/broadcast', '{"channel":"a"}', { Origin: origin });
    assert.equal(pub.status, 200);
    assert.equal(pub.headers['access-control-allow-origin'], origin);
  }
  const plain = await get(d, '/health');
  assert.equal(plain.headers['access-control-allow-origin'], undefined);
});

test('CORS: preflight', async (t) => {
  const d = await daemonFor(t);
  const methods = {
    '/events?channel=a': ['GET', 'HEAD'],
    '/broadcast': ['POST'],
    '/stats': ['GET', 'HEAD'],
    '/clients/x': ['GET', 'HEAD', 'DELETE'],
    '/clients/x/messages': ['POST'],
  };
  for (const [path, allowed] of Object.entries(methods)) {
    const res = await request(d, {
      method: 'OPTIONS',
      path,
      headers: {
        Origin: 'http://localhost:3000',
        'Access-Control-Request-Method': allowed[0],
        'Access-Control-Request-Headers': 'last-event-id',
      },
    });
    assert.equal(res.status, 204, path);
    assert.equal(res.body.length, 0);
    assert.equal(res.headers['access-control-allow-origin'], 'http://localhost:3000');
    assert.equal(res.headers['access-control-allow-credentials'], 'true');
    const list = (name) => (res.headers[name] ?? '').split(/\s*,\s*/);
    for (const m of allowed) {
      assert.ok(list('access-control-allow-methods').includes(m), `${path} ${m}: ${res.head}`);
    }
    const headers = list('access-control-allow-headers').map((h) => h.toLowerCase());
    for (const h of [
      'content-type',
      'last-event-id',
      'cache-control',
      'authorization',
      'fanfare-client-key',
    ]) {
      assert.ok(headers.includes(h), `${h}: ${res.head}`);
    }
  }
});

test('foreign Origin and foreign Host are refused', async (t) => {
  const d = await daemonFor(t);
  const origins = [
    'http://evil.example',
    'null',
    'https://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'http://evil.example:' + d.port,
    'file://',
    'garbage',
    `http://${hostHeader(d)}/`,
    'http://a b',
    'http://localhost@evil.example',
  ];
  const paths = ['/events?channel=a', '/health', '/stats', '/clients', '/broadcast', '/nope'];
  for (const origin of origins) {
    for (const path of paths) {
      const res =
        path === '/broadcast'
          ? await post(d, path, '{"channel":"a"}', { Origin: origin })
          : await get(d, path, { Origin: origin });
      assertProblem(res, 403, { code: 'forbidden_origin' });
      assert.notEqual(res.headers['access-control-allow-origin'], origin);
    }
    const pre = await request(d, {
      method: 'OPTIONS',
      path: '/broadcast',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });
    assert.equal(pre.status, 403);
  }
  for (const host of [
    'evil.example',
    `evil.example:${d.port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '192.0.2.1',
    '[2001:db8::1]',
  ]) {
    for (const path of ['/events', '/health']) {
      assertProblem(await get(d, path, { Host: host }), 403, { code: 'forbidden_host' });
    }
    assertProblem(await post(d, '/broadcast', '{}', { Host: host }), 403, {
      code: 'forbidden_host',
    });
  }
  for (const host of [
    'localhost',
    `localhost:${d.port}`,
    'LOCALHOST',
    'a.b.localhost',
    '127.0.0.1',
    '127.1.2.3:9',
    '[::1]',
    '[::1]:80',
  ]) {
    assert.equal((await get(d, '/health', { Host: host })).status, 200, host);
  }
  assert.equal((await get(d, '/stats')).json.messageCount, 0);
});

test('--insecure-open takes any Host', async (t) => {
  const d = await daemonFor(t, { args: ['--insecure-open'], listen: ['0.0.0.0:0'] });
  d.host = '127.0.0.1';
  const res = await get(d, '/health', { Host: 'gateway.example' });
  assert.equal(res.status, 200);
});

test('--no-detach: the same stream from inside libmicrohttpd', async (t) => {
  const d = await daemonFor(t, { args: ['--no-detach', '--heartbeat', '1s', '--shards', '2'] });
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => Sse.live(d, '/events?channel=a')),
  );
  assert.equal(streams[0].head.headers['transfer-encoding'], undefined);
  for (let i = 0; i < 50; i++) await publish(d, { channel: 'a', data: i });
  for (const s of streams) {
    for (let i = 0; i < 50; i++) assert.equal((await s.message()).envelope.data, i);
  }
  await streams[0].comment({ timeout: 20000 });
  streams.slice(0, 10).forEach((s, i) => (i % 2 ? s.close() : s.conn.reset()));
  await poll(async () => ((await get(d, '/stats')).json.clientCount === 10 ? true : undefined), {
    what: 'ten clients left',
  });
  assert.equal((await publish(d, { channel: 'a', data: 'x' })).matched, 10);
  for (const s of streams.slice(10)) assert.equal((await s.message()).envelope.data, 'x');
});
