// Limits: each says what it is, and what stays below it is not touched.
import assert from 'node:assert/strict';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { RawConn, assertProblem, get, post, publish, request, requestBytes } from './lib/http.mjs';
import { SAMPLE_KEY } from './lib/rawws.mjs';
import { Bystander, Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

async function sseAtLimit(d, localAddress) {
  const c = await RawConn.open(d, { localAddress });
  try {
    await c.write(
      requestBytes(d, { path: '/events?channel=a', headers: { Accept: 'text/event-stream' } }),
    );
    const all = (await c.rest()).toString();
    if (all === '') return 'closed';
    const [head, body] = [
      all.slice(0, all.indexOf('\r\n\r\n')),
      all.slice(all.indexOf('\r\n\r\n') + 4),
    ];
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, /^content-type: text\/event-stream/im);
    assert.match(head, /^cache-control: no-store, no-transform$/im);
    const m = new RegExp(
      '^retry: (\\d+)\\nevent: fanfare\\.refused\\ndata: \\{"type":"fanfare\\.refused",' +
        '"data":\\{"code":"too_many_connections","retryAfter":(\\d+)\\}\\}\\n\\n$',
    ).exec(body);
    assert.ok(m, body);
    assert.equal(m[1], m[2]);
    return 'refused';
  } finally {
    c.close();
  }
}

const HANDSHAKE = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': SAMPLE_KEY,
};

async function plainAtLimit(d, path, localAddress) {
  const c = await RawConn.open(d, { localAddress });
  try {
    await c.write(requestBytes(d, { path, headers: path === '/ws' ? HANDSHAKE : {} }));
    let res;
    try {
      res = await c.readResponse();
    } catch (e) {
      if (c.ended && c.peek().length === 0) return 'closed';
      throw e;
    }
    assert.ok([429, 503].includes(res.status), `${path}: ${res.status} ${res.text}`);
    assertProblem(res, res.status);
    assert.match(res.headers['retry-after'], /^[1-9]\d*$/);
    return 'refused';
  } finally {
    c.close();
  }
}

test('--max-connections', async (t) => {
  for (const shards of ['1', '4']) {
    const d = await daemonFor(t, { args: ['--max-connections', '20', '--shards', shards] });
    const open = [];
    for (let i = 0; i < 10; i++) {
      open.push(await Sse.live(d, '/events?channel=a'));
      open.push(await Ws.live(d, '/ws?channel=a'));
    }
    // Streams are refused; what is no stream is answered, so that an operator
    // sees and a backend publishes.
    assert.equal(await sseAtLimit(d), 'refused');
    for (const path of ['/ws', '/events']) assert.equal(await plainAtLimit(d, path), 'refused');
    for (let i = 0; i < 50; i++) assert.equal(await sseAtLimit(d), 'refused');
    for (const path of ['/health', '/metrics', '/stats', '/clients', '/channels/a']) {
      const res = await get(d, path);
      assert.equal(res.status, 200, `${path}: ${res.text}`);
      assert.match(res.headers.connection, /close/i);
    }
    assertProblem(await get(d, '/ready'), 503, { code: 'too_many_connections' });
    assert.equal((await publish(d, { channel: 'a' })).matched, 20);
    for (const s of open) await s.message();
    // A page of another origin must be able to read the refusal, or its
    // EventSource gives up.
    const origin = 'http://localhost:3000';
    const refused = await request(d, {
      path: '/events',
      headers: { Accept: 'text/event-stream', Origin: origin },
    });
    assert.equal(refused.status, 200, refused.text);
    assert.match(refused.text, /fanfare\.refused/);
    assert.equal(refused.headers['access-control-allow-origin'], origin);
    // Those inside are not touched.
    open[0].close();
    const free = await poll(
      async () => {
        try {
          return await Sse.live(d, '/events?channel=a');
        } catch {
          return undefined;
        }
      },
      { what: 'a place that became free' },
    );
    await poll(async () => ((await get(d, '/ready')).status === 503 ? true : undefined), {
      what: 'not ready again',
    });
    free.close();
    await poll(async () => ((await get(d, '/ready')).status === 200 ? true : undefined), {
      what: 'ready again',
    });
    assert.equal((await publish(d, { channel: 'a' })).matched, 19);
    for (const s of open.slice(1)) await s.message();
  }
});

test('--max-connections-per-address', async (t) => {
  const d = await daemonFor(t, { args: ['--max-connections-per-address', '6', '--shards', '4'] });
  const from = '127.0.0.2';
  const open = [];
  for (let i = 0; i < 6; i++)
    open.push(await Sse.live(d, '/events?channel=a', { localAddress: from }));
  t.diagnostic(`an EventSource over the limit is ${await sseAtLimit(d, from)}`);
  for (const path of ['/health', '/ws', '/events']) await plainAtLimit(d, path, from);
  // Another address has its own count.
  const other = await Sse.live(d, '/events?channel=a', { localAddress: '127.0.0.3' });
  assert.equal((await publish(d, { channel: 'a' })).matched, 7);
  for (const s of [...open, other]) await s.message();
  // A place that became free is given again.
  open[0].close();
  await poll(
    async () => {
      try {
        return await Sse.live(d, '/events?channel=a', { localAddress: from });
      } catch {
        return undefined;
      }
    },
    { what: 'a place that became free' },
  );
});

test('what is too large is counted, and logged with the name of the limit', async (t) => {
  const d = await daemonFor(t, { args: ['--shards', '1', '--log-level', 'debug', '--max-body', '8k',
    '--max-message', '1k', '--max-batch', '2', '--max-channels-per-client', '2',
    '--max-meta', '10', '--max-header', '4k'] });
  const counted = async () =>
    Number(/^fanfare_limited_sizes_total (\d+)$/m.exec((await get(d, '/metrics')).text)[1]);
  const big = (n) => JSON.stringify({ channel: 'a', data: 'x'.repeat(n) });
  const meta = encodeURIComponent('{"a":"0123456789"}');
  const ws = await Ws.open(d, '/ws?channel=a&channel=b');
  const { clientId } = (await ws.control('connected')).json.data;
  const cases = [
    ['max-body', () => post(d, '/broadcast', big(9000)), 413],
    ['max-message', () => post(d, '/broadcast', big(2000)), 413],
    ['max-message', () => post(d, '/broadcast', `[${big(2000)}]`), 200],
    ['max-message', () => post(d, `/clients/${clientId}/messages`, big(2000)), 413],
    ['max-batch', () => post(d, '/broadcast', `[${big(1)},${big(1)},${big(1)}]`), 413],
    ['max-channels-per-client', () => get(d, '/events?channel=a&channel=b&channel=c'), 400],
    ['max-meta', () => get(d, `/events?meta=${meta}`), 400],
    ['max-header', () => get(d, '/health', { 'X-A': 'x'.repeat(9000) }), 431],
    ['max-header', () => get(d, `/health?a=${'x'.repeat(9000)}`), 414],
    ['max-channels-per-client', () => ws.op({ op: 'subscribe', channel: 'c' })],
    ['max-meta', () => ws.op({ op: 'meta', meta: { a: '0123456789' } })],
    ['max-message', async () => {
      ws.send('x'.repeat(2000));
      assert.equal((await ws.waitClosed()).code, 1009);
    }],
  ];
  let n = 0;
  for (const [option, cause, status] of cases) {
    const lines = () => d.stderr.filter((l) => l.includes(`over a limit`) && l.includes(`limit=${option}`));
    const before = lines().length;
    const res = await cause();
    if (status) assert.equal(res.status, status, `${option}: ${res.text}`);
    await poll(() => (lines().length === before + 1 ? true : undefined), { what: `a line: ${option}` });
    assert.match(lines().at(-1), / warn /);
    assert.equal(await counted(), ++n, option);
  }
});

test('--max-body: with a length, chunked, and after our own send failed', async (t) => {
  const d = await daemonFor(t, { args: ['--max-body', '8k', '--max-message', '8k'] });
  const by = await Bystander.open(d);
  const exact = '{"channel":"bigg","data":""}';
  const sized = (n) => exact.replace('""', `"${'x'.repeat(n - exact.length)}"`);
  assert.equal((await post(d, '/broadcast', sized(8192))).status, 200);
  assertProblem(await post(d, '/broadcast', sized(8193)), 413, { code: 'body_too_large' });

  // Announced only: refused before a byte of the body.
  const c1 = await RawConn.open(d);
  await c1.write(
    requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': '1000000000',
        Expect: '100-continue',
      },
    }),
  );
  const r1 = await c1.readHead();
  assert.equal(r1.status, 413, r1.head);
  c1.close();
  await by.check(publish);

  // The whole body on its way: the answer can be read all the same.
  for (const chunked of [false, true]) {
    const c = await RawConn.open(d);
    const body = Buffer.alloc(4 * 1024 * 1024, 0x20);
    const head = requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: {
        'Content-Type': 'application/json',
        ...(chunked
          ? { 'Transfer-Encoding': 'chunked' }
          : { 'Content-Length': String(body.length) }),
      },
    });
    c.write(head);
    if (chunked) {
      const chunk = Buffer.concat([
        Buffer.from('1000\r\n'),
        body.subarray(0, 4096),
        Buffer.from('\r\n'),
      ]);
      for (let i = 0; i < 1000; i++) c.write(chunk);
      c.write('0\r\n\r\n');
    } else {
      c.write(body);
    }
    const res = await c.readResponse({ timeout: 20000 });
    assertProblem(res, 413, { code: 'body_too_large' });
    // Then it is closed, or the rest is thrown away and the next request is served.
    await c.write(requestBytes(d, { path: '/health' }));
    const first = await c.more(20000);
    assert.match(`${first.subarray(0, 13)}`, /^(HTTP\/1\.1 200 )?$/);
    c.close();
    await by.check(publish);
  }
  // Chunked and just over.
  const c = await RawConn.open(d);
  await c.write(
    requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: {
        'Content-Type': 'application/json',
        'Transfer-Encoding': 'chunked',
      },
    }),
  );
  await c.write(`2001\r\n${sized(8193)}\r\n0\r\n\r\n`);
  assertProblem(await c.readResponse(), 413, { code: 'body_too_large' });
  c.close();
});

test('--max-message and --max-batch', async (t) => {
  const d = await daemonFor(t, { args: ['--max-message', '1k', '--max-batch', '10'] });
  const s = await Sse.live(d, '/events?channel=a');
  const base = '{"channel":"a","data":""}';
  const sized = (n) => base.replace('""', `"${'x'.repeat(n - base.length)}"`);
  assert.equal((await post(d, '/broadcast', sized(1024))).status, 200);
  await s.message();
  assertProblem(await post(d, '/broadcast', sized(1025)), 413, { code: 'message_too_large' });

  const batch = await post(d, '/broadcast', `[${sized(1025)},${sized(1024)},${sized(2000)}]`);
  assert.equal(batch.status, 200, batch.text);
  assert.deepEqual(
    batch.json.results.map((r) => r.error?.code ?? 'ok'),
    ['message_too_large', 'ok', 'message_too_large'],
  );
  assert.equal(batch.json.results[0].error.status, 413);
  await s.message();
  const nd = await post(d, '/broadcast', `${sized(1025)}\n${sized(1024)}\n`, {
    'Content-Type': 'application/x-ndjson',
  });
  assert.deepEqual(
    nd.json.results.map((r) => r.error?.code ?? 'ok'),
    ['message_too_large', 'ok'],
  );
  await s.message();

  const small = '{"channel":"a"}';
  assert.equal((await post(d, '/broadcast', `[${Array(10).fill(small)}]`)).json.accepted, 10);
  for (let i = 0; i < 10; i++) await s.message();
  assertProblem(await post(d, '/broadcast', `[${Array(11).fill(small)}]`), 413, {
    code: 'batch_too_large',
  });
  assertProblem(
    await post(d, '/broadcast', `${small}\n`.repeat(11), {
      'Content-Type': 'application/x-ndjson',
    }),
    413,
    { code: 'batch_too_large' },
  );
  await publish(d, { channel: 'a', data: 'fence' });
  assert.equal((await s.message()).envelope.data, 'fence', 'nothing of the batch was published');
});

test('--max-header: long lines and many of them', async (t) => {
  const d = await daemonFor(t, { args: ['--max-header', '4k'] });
  const by = await Bystander.open(d);
  const before = d.fds();
  const forms = {
    'one long header': { headers: { 'X-Long': 'x'.repeat(8000) } },
    'many headers': {
      headers: Object.fromEntries(
        Array.from({ length: 300 }, (_, i) => [`X-H${i}`, 'y'.repeat(20)]),
      ),
    },
    'a long path': { path: `/${'a'.repeat(8000)}` },
    'a long query': { path: `/events?${'channel=a&'.repeat(200)}x=${'y'.repeat(8000)}` },
    'a very long header': { headers: { 'X-Long': 'x'.repeat(2000000) } },
    'a long method': { method: 'M'.repeat(8000) },
    'a header without end': null,
  };
  for (const [name, form] of Object.entries(forms)) {
    const c = await RawConn.open(d);
    c.write(form ? requestBytes(d, form) : `GET / HTTP/1.1\r\nX-A: ${'b'.repeat(300000)}`);
    let res = null;
    try {
      res = await c.readResponse();
    } catch (e) {
      if (!c.ended) throw new Error(`${name}: ${e.message}`);
    }
    if (res) assert.ok([400, 413, 414, 431].includes(res.status), `${name}: ${res.status}`);
    await c.closed(20000);
    c.close();
    await by.check(publish);
  }
  // What fits still works: most of the limit in one header.
  assert.equal((await get(d, '/health', { 'X-Long': 'x'.repeat(2500) })).status, 200);
  await poll(() => (d.fds() <= before ? true : undefined), { what: 'the descriptors of before' });
});

/** Sends `bytes` one by one until the peer closes; fails if it never does. */
async function drip(c, bytes, limit) {
  const gone = c.closed(limit).then(
    () => true,
    () => false,
  );
  for (let i = 0; !c.ended && !c.writeError; i++) {
    await c.write(Buffer.of(bytes[i % bytes.length]));
    let timer;
    const pace = new Promise((resolve) => {
      timer = setTimeout(resolve, 25, null);
    });
    const over = await Promise.race([gone, pace]);
    clearTimeout(timer);
    assert.notEqual(over, false, `still open after ${i} bytes`);
  }
}

test('slow headers, slow bodies and idle connections are closed', async (t) => {
  const d = await daemonFor(t, {
    args: ['--header-timeout', '600ms', '--body-timeout', '600ms', '--idle-timeout', '600ms'],
  });
  const by = await Bystander.open(d);
  const before = d.fds();

  await Promise.all([
    // Nothing is ever sent.
    RawConn.open(d).then(async (c) => {
      await c.closed(15000);
      c.close();
    }),
    // A header that trickles.
    RawConn.open(d).then(async (c) => {
      await c.write('GET /health HTTP/1.1\r\nX-Slow: ');
      await drip(c, Buffer.from('abcdefgh'), 15000);
      assert.doesNotMatch(c.peek().toString('latin1'), /^HTTP\/1\.1 200/);
      c.close();
    }),
    // A request line that trickles.
    RawConn.open(d).then(async (c) => {
      await drip(
        c,
        Buffer.from('GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
        15000,
      );
      c.close();
    }),
    // A body that trickles: each byte is progress, the whole takes too long.
    RawConn.open(d).then(async (c) => {
      await c.write(
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          headers: {
            'Content-Type': 'application/json',
            'Content-Length': '100000',
          },
        }),
      );
      await drip(c, Buffer.from(' '), 15000);
      assert.doesNotMatch(c.peek().toString('latin1'), /^HTTP\/1\.1 200/);
      c.close();
    }),
    // A chunked body that trickles.
    RawConn.open(d).then(async (c) => {
      await c.write(
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          headers: {
            'Content-Type': 'application/json',
            'Transfer-Encoding': 'chunked',
          },
        }),
      );
      await drip(c, Buffer.from('1\r\n \r\n'), 15000);
      c.close();
    }),
    // A body that stops.
    RawConn.open(d).then(async (c) => {
      await c.write(
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          headers: {
            'Content-Type': 'application/json',
            'Content-Length': '10',
          },
        }),
      );
      await c.write('{');
      await c.closed(15000);
      c.close();
    }),
    // A kept connection with nothing to do.
    RawConn.open(d).then(async (c) => {
      await c.write(requestBytes(d, { path: '/health' }));
      assert.equal((await c.readResponse()).status, 200);
      await c.closed(15000);
      assert.equal(c.peek().length, 0);
      c.close();
    }),
  ]);
  await by.check(publish);
  await poll(() => (d.fds() <= before ? true : undefined), { what: 'the descriptors of before' });
  const { counters } = (await get(d, '/stats')).json;
  assert.ok(counters.http_timeouts >= 5, `http_timeouts ${counters.http_timeouts}`);
});

test('streams outlive the time limits of requests', async (t) => {
  const d = await daemonFor(t, {
    args: [
      '--header-timeout',
      '300ms',
      '--body-timeout',
      '300ms',
      '--idle-timeout',
      '300ms',
      '--heartbeat',
      '1s',
    ],
  });
  const s = await Sse.live(d, '/events?channel=a');
  const w = await Ws.live(d, '/ws?channel=a');
  await s.comment({ timeout: 20000 });
  await s.comment({ timeout: 20000 });
  await publish(d, { channel: 'a', data: 1 });
  await s.message();
  await w.message();
});

test('--max-channels-per-client and --max-meta', async (t) => {
  const d = await daemonFor(t, { args: ['--max-channels-per-client', '3', '--max-meta', '20'] });
  const s = await Sse.live(d, '/events?channel=a&channel=b&channel=a&channel=c.*&channel=b');
  s.close();
  for (const path of ['/events', '/ws']) {
    const res = await request(d, {
      path: `${path}?channel=a&channel=b&channel=c&channel=d`,
      headers:
        path === '/ws'
          ? {
              Connection: 'Upgrade',
              Upgrade: 'websocket',
              'Sec-WebSocket-Version': '13',
              'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
            }
          : {},
    });
    assertProblem(res, 400, { code: 'too_many_channels' });
  }
  (await Sse.live(d, `/events?meta=${encodeURIComponent('{"a":"0123456789ab"}')}`)).close();
  assertProblem(await get(d, `/events?meta=${encodeURIComponent('{"a":"0123456789abc"}')}`), 400, {
    code: 'bad_meta',
  });
});

test('--max-backlog: what is refused says so, what is taken arrives', async (t) => {
  const d = await daemonFor(t, {
    args: [
      '--max-backlog',
      '16',
      '--shards',
      '4',
      '--client-queue-messages',
      '1000000',
      '--client-queue-bytes',
      '256m',
    ],
  });
  const streams = [];
  for (let i = 0; i < 8; i++) streams.push(await Sse.live(d, '/events?channel=a'));
  const accepted = [];
  let refused = 0;
  for (let round = 0; round < 5; round++) {
    const items = Array.from({ length: 2000 }, (_, i) => ({ channel: 'a', id: `${round}.${i}` }));
    const res = await post(d, '/broadcast', items);
    if (res.status === 503) {
      assertProblem(res, 503, { code: 'overloaded' });
      assert.match(res.headers['retry-after'], /^[1-9]\d*$/);
      refused += items.length;
      continue;
    }
    assert.equal(res.status, 200, res.text.slice(0, 500));
    res.json.results.forEach((r, i) => {
      if (r.error) {
        assert.deepEqual([r.error.status, r.error.code], [503, 'overloaded']);
        refused++;
      } else {
        accepted.push(items[i].id);
      }
    });
  }
  t.diagnostic(`${accepted.length} taken, ${refused} refused`);
  await poll(
    async () => {
      const res = await post(d, '/broadcast', { channel: 'a', id: 'fence' });
      return res.status === 200 ? true : undefined;
    },
    { what: 'the gateway takes publications again' },
  );
  for (const s of streams) {
    const ids = [];
    for (let m = await s.message(); m.envelope.id !== 'fence'; m = await s.message())
      ids.push(m.envelope.id);
    assert.equal(ids.join(), accepted.join());
  }
});

test('a huge announced length moves no memory', async (t) => {
  const d = await daemonFor(t, { args: ['--max-body', '1g'] });
  await publish(d, {});
  const before = d.rss();
  const conns = [];
  for (let i = 0; i < 50; i++) {
    const c = await RawConn.open(d);
    await c.write(
      requestBytes(d, {
        method: 'POST',
        path: '/broadcast',
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': '1000000000',
        },
      }),
    );
    await c.write('{"data":"');
    conns.push(c);
  }
  await publish(d, {});
  assert.ok(d.rss() - before < 50 * 1024 * 1024, `${before} -> ${d.rss()}`);
  conns.forEach((c) => c.reset());
  await publish(d, {});
});
