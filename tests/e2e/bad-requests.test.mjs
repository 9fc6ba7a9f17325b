// What bad requests get: queries, media types, broken HTTP, truncated and
// pipelined requests. Nobody else is disturbed.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  RawConn,
  assertProblem,
  get,
  hostHeader,
  post,
  request,
  requestBytes,
} from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { forAll, undisturbed } from './lib/undisturbed.mjs';

test('bad queries', async (t) => {
  const longChannels = Array.from({ length: 101 }, (_, i) => `channel=c${i}`).join('&');
  const rows = [
    ['channel=', 'bad_channel', 'channel'],
    ['channel', 'bad_channel', 'channel'],
    ['channel=a%20b', 'bad_channel', 'channel'],
    ['channel=a+b', 'bad_channel', 'channel'],
    ['channel=%C3%A9', 'bad_channel', 'channel'],
    [`channel=${'a'.repeat(201)}`, 'bad_channel'],
    ['channel=a&channel=', 'bad_channel'],
    ['channel=a*', 'bad_channel'],
    ['channel=%3E.a', 'bad_channel'],
    ['channel=a.b%3E', 'bad_channel'],
    ['channel=private-*', 'bad_channel'],
    ['channel=a%0Ab', 'bad_channel'],
    ['channel=fanfare.user', 'reserved_channel'],
    [longChannels, 'too_many_channels'],
    ['userId=a%0Ab', 'bad_user', 'userId'],
    [`userId=${'a'.repeat(201)}`, 'bad_user'],
    ['meta=5', 'bad_meta', 'meta'],
    ['meta=[]', 'bad_meta'],
    ['meta=%7B', 'bad_meta'],
    ['meta=x', 'bad_meta'],
    [`meta=${encodeURIComponent(`{"a":"${'x'.repeat(1100)}"}`)}`, 'bad_meta'],
    ['lastEventId=x', 'bad_cursor', 'lastEventId'],
    ['channel=%', 'bad_target'],
    ['channel=%4', 'bad_target'],
    ['channel=%zz', 'bad_target'],
    ['channel=%00', 'bad_target'],
    ['channel=a%00b', 'bad_target'],
    ['%00=a', 'bad_target'],
    ['channel=%ff', 'bad_target'],
    ['channel=%c0%80', 'bad_target'],
    ['channel=%ed%a0%80', 'bad_target'],
    ['userId=%', 'bad_target'],
    ['other=%zz', 'bad_target'],
    [Array.from({ length: 257 }, (_, i) => `p${i}=1`).join('&'), 'bad_target'],
  ];
  await undisturbed(t, {}, async (d, check) => {
    await forAll(
      rows.map((r) => [r[0].slice(0, 60), r]),
      async ([query, code, field]) => {
        for (const accept of ['text/event-stream', '*/*']) {
          const res = await get(d, `/events?${query}`, { Accept: accept });
          const p = assertProblem(res, 400, { code });
          if (field) assert.equal(p.field, field, res.text);
        }
        await check();
      },
    );
    for (const path of [
      '/%00',
      '/channels/%',
      '/channels/%zz',
      '/clients/%ff',
      '/health%00',
      '/channels/a%2',
    ]) {
      assertProblem(await get(d, path), 400, { code: 'bad_target' });
      await check();
    }
    assert.equal((await get(d, '/stats')).json.clientCount, 1, 'only the bystander');
    // What is fine.
    const c100 = Array.from({ length: 100 }, (_, i) => `channel=c${i}`).join('&');
    for (const q of [
      `${c100}&channel=c0`,
      'userId=',
      'meta=',
      'lastEventId=',
      'other=1&x',
      '&&&',
      '=',
      'channel=a.*&channel=%3E&channel=*',
      `channel=${'a'.repeat(200)}`,
      'userId=a%20b+c%C3%A9',
      'meta=%7B%7D',
    ]) {
      if (q === 'userId=') continue; // the contract leaves an empty userId open
      const s = await Sse.live(d, `/events?${q}`);
      s.close();
    }
  });
});

test('media types and codings that are refused', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    const own = `http://${hostHeader(d)}`;
    const rows = [
      [{ 'Content-Type': 'text/plain' }],
      [{ 'Content-Type': 'multipart/form-data; boundary=x' }],
      [{ 'Content-Type': 'application/jsonp' }],
      [{ 'Content-Type': 'text/json' }],
      [{ 'Content-Type': 'application/xml' }],
      [{ 'Content-Type': ';', Origin: own }],
      [{ 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }],
      [{ 'Content-Type': 'application/x-www-form-urlencoded', Origin: own }],
      [{ 'Content-Type': undefined, Origin: own }],
      [{ 'Content-Type': 'text/plain', Origin: own }],
      [{ 'Content-Type': 'application/x-www-form-urlencoded', Origin: 'http://localhost:1' }],
    ];
    await forAll(
      rows.map(([h]) => [JSON.stringify(h), h]),
      async (headers) => {
        const res = await request(d, {
          method: 'POST',
          path: '/broadcast',
          body: '{"channel":"x"}',
          headers,
        });
        assert.equal(res.status, 415, JSON.stringify(headers));
        assertProblem(res, 415, { code: 'unsupported_media_type' });
        await check();
      },
    );
  });
});

test('broken HTTP: refused, and nothing behind it is taken for a request', async (t) => {
  await undisturbed(t, { args: ['--log-level', 'debug'] }, async (d, check) => {
    const host = `Host: ${hostHeader(d)}\r\n`;
    const json = 'Content-Type: application/json\r\n';
    const evilPub =
      `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: 23\r\n\r\n` +
      '{"channel":"bystander"}';
    const rows = {
      ...Object.fromEntries(['Authorization', 'Cookie', 'Sec-WebSocket-Protocol', 'Forwarded',
        'x-forwarded-for', 'Content-Length', 'Transfer-Encoding', 'Content-Type',
        'Fanfare-Client-Key', 'Last-Event-ID'].flatMap((name) => [' x.y.z', '\txyz'].map((fold) => [
        `folded ${name}${JSON.stringify(fold)}`,
        [`GET /health HTTP/1.1\r\n${host}${name}: 1\r\n${fold}\r\n\r\n`, [400]]]))),
      'folded Host': [`GET /health HTTP/1.1\r\nHost: localhost\r\n xyz\r\n\r\n`, [400]],
      'folded Origin': [`GET /health HTTP/1.1\r\n${host}oRIGIN:\r\n HTTP://evil.example\r\n\r\n`,
        [400]],
      'folded Origin null': [`GET /health HTTP/1.1\r\n${host}Origin:\r\n null\r\n\r\n`, [400]],
      'folded at once': [`GET /health HTTP/1.1\r\n${host}Authorization:\r\n Bearer.x\r\n\r\n`,
        [400]],
      'no Host': [`GET /health HTTP/1.1\r\n\r\n`, [400]],
      'two Hosts': [`GET /health HTTP/1.1\r\n${host}Host: localhost\r\n\r\n`, [400]],
      'empty Host': ['GET /health HTTP/1.1\r\nHost:\r\n\r\n', [400, 403]],
      'bad Host': ['GET /health HTTP/1.1\r\nHost: a b\r\n\r\n', [400, 403]],
      'two lengths': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: 2\r\n` +
          `Content-Length: 3\r\n\r\n{} `,
        [400],
      ],
      'length list': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: 2, 3\r\n\r\n{} `,
        [400],
      ],
      'length and chunked': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: 5\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${evilPub}`,
        [400],
      ],
      'chunked and length': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}` +
          `Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${evilPub}`,
        [400],
      ],
      'gzip coding': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: gzip, chunked\r\n` +
          `\r\n2\r\n{}\r\n0\r\n\r\n`,
        [400, 501],
      ],
      'unknown coding': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: xchunked\r\n` +
          `\r\n2\r\n{}\r\n0\r\n\r\n`,
        [400, 501],
      ],
      'coding twice': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
        [400, 501],
      ],
      'length is no number': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: abc\r\n\r\n`,
        [400],
      ],
      'length with sign': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: +2\r\n\r\n{}`,
        [400],
      ],
      'negative length': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: -1\r\n\r\n`,
        [400],
      ],
      'hex length': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Content-Length: 0x2\r\n\r\n{}`,
        [400],
      ],
      'length over 64 bits': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}` +
          `Content-Length: 99999999999999999999999\r\n\r\n`,
        [400, 413],
      ],
      'bad chunk size': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\n` +
          `zz\r\n{}\r\n0\r\n\r\n`,
        [400],
      ],
      'negative chunk size': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\n` +
          `-2\r\n{}\r\n0\r\n\r\n`,
        [400],
      ],
      'chunk size over 64 bits': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}` +
          `Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff2\r\n{}\r\n0\r\n\r\n`,
        [400, 413],
      ],
      'chunk without end': [
        `POST /broadcast HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\n` +
          `2\r\n{}xx0\r\n\r\n`,
        [400],
      ],
      'header without colon': [`GET /health HTTP/1.1\r\n${host}nonsense\r\n\r\n`, [400]],
      'space before colon': [`GET /health HTTP/1.1\r\n${host}X-A : b\r\n\r\n`, [400]],
      // libmicrohttpd 0.9.75 takes a line that begins with a colon for the end
      // of the headers, before we see any of it (docs/protocol.md, Known limits).
      'empty header name': [`GET /health HTTP/1.1\r\n${host}: b\r\n\r\n`, [200, 400]],
      'folded header': [`GET /health HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`, [200, 400]],
      'first header folded': [`GET /health HTTP/1.1\r\n X-A: b\r\n${host}\r\n\r\n`, [200, 400]],
      'NUL in a header': [`GET /health HTTP/1.1\r\n${host}X-A: b\0c\r\n\r\n`, [200, 400]],
      'CR in a header': [`GET /health HTTP/1.1\r\n${host}X-A: b\rc\r\n\r\n`, [400]],
      'no target': [`GET HTTP/1.1\r\n${host}\r\n`, [400]],
      'space in the target': [`GET /health x HTTP/1.1\r\n${host}\r\n`, [400]],
      'absolute target': [`GET http://127.0.0.1/health HTTP/1.1\r\n${host}\r\n`, [400]],
      'target without slash': [`GET health HTTP/1.1\r\n${host}\r\n`, [400]],
      fragment: [`GET /health#x HTTP/1.1\r\n${host}\r\n`, [400]],
      'raw bytes in the target': [
        Buffer.concat([
          Buffer.from('GET /channels/'),
          Buffer.from([0xc3, 0xa9]),
          Buffer.from(` HTTP/1.1\r\n${host}\r\n`),
        ]),
        [400],
      ],
      'NUL in the target': [`GET /hea\0lth HTTP/1.1\r\n${host}\r\n`, [400, 404]],
      'version 3.0': [`GET /health HTTP/3.0\r\n${host}\r\n`, [400, 505]],
      'version 1.': [`GET /health HTTP/1.\r\n${host}\r\n`, [400, 505]],
      'no version': [`GET /health\r\n${host}\r\n`, [400, 505]],
      'HTTP/2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 403, 404, 405, 501, 505]],
      'TLS hello': [
        Buffer.from('16030100c8010000c40303deadbeef'.padEnd(400, '0'), 'hex'),
        [400, 405, 505],
      ],
      garbage: [`${'\x01\x02\x03\x04'.repeat(200)}\r\n\r\n`, [400, 405, 505]],
      'SSH banner': ['SSH-2.0-OpenSSH_9.2\r\n\r\n', [400, 505]],
    };
    // These end where they seem to end, so the connection may stay. Folded lines
    // may be taken (RFC 9112 5.2 leaves it to the server), and libmicrohttpd
    // shows nobody what follows a NUL.
    const whole = [
      'two Hosts',
      'absolute target',
      'target without slash',
      'fragment',
      'raw bytes in the target',
      'NUL in the target',
      'NUL in a header',
      'folded header',
      'first header folded',
      'empty header name',
    ];
    await forAll(Object.entries(rows), async ([bytes, statuses], name) => {
      let wrong;
      try {
        await send(name, bytes, statuses);
      } catch (e) {
        wrong = e;
      }
      try {
        await check();
      } catch (e) {
        wrong ??= e;
      }
      if (wrong) throw wrong;
    });

    async function send(name, bytes, statuses) {
      const c = await RawConn.open(d);
      await c.write(bytes);
      // What an attacker would like to be the next request.
      if (!whole.includes(name)) await c.write(evilPub);
      c.finish();
      let res = null;
      try {
        res = await c.readResponse();
      } catch (e) {
        if (!c.ended) throw e;
      }
      // An answer of the listed kind, or none at all; then the end.
      if (res) {
        assert.ok(statuses.includes(res.status), `${res.status} ${res.text.slice(0, 200)}`);
        if (/problem\+json/.test(res.headers['content-type'] ?? '')) assertProblem(res, res.status);
      }
      await c.closed();
      const more = c.peek().toString('latin1');
      assert.doesNotMatch(more, /^HTTP\/1\.[01] 200/, 'a second request was answered');
      c.close();
    }
  });
});

test('POST without a length: 411', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    for (const path of ['/broadcast', '/clients/x/messages']) {
      const res = await request(d, {
        method: 'POST',
        path,
        headers: { 'Content-Type': 'application/json' },
      });
      assertProblem(res, 411, { code: 'length_required' });
      await check();
    }
    // A length of nothing is an empty body, not a missing one.
    assertProblem(await post(d, '/broadcast', ''), 400, { code: 'bad_json' });
  });
});

test('truncated requests publish nothing', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    const whole = requestBytes(d, {
      method: 'POST',
      path: '/broadcast',
      headers: { 'Content-Type': 'application/json' },
      body: '{"channel":"bystander"}',
    });
    const cuts = [
      1,
      10,
      40,
      whole.indexOf('\r\n\r\n') + 2,
      whole.indexOf('\r\n\r\n') + 4,
      whole.length - 1,
    ];
    for (const cut of cuts) {
      for (const how of ['finish', 'close', 'reset']) {
        const c = await RawConn.open(d);
        await c.write(whole.subarray(0, cut));
        c[how]();
        if (how === 'finish') {
          await c.closed(20000);
          const text = c.peek().toString('latin1');
          assert.doesNotMatch(text, /^HTTP\/1\.1 200/, `cut at ${cut}`);
          c.close();
        }
        try {
          await check();
        } catch (e) {
          throw new Error(`cut at ${cut}, ${how}: ${e.message}`);
        }
      }
    }
    // In the middle of a chunk.
    const c = await RawConn.open(d);
    await c.write(
      requestBytes(d, {
        method: 'POST',
        path: '/broadcast',
        headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
      }),
    );
    await c.write('17\r\n{"channel":"bysta');
    c.finish();
    await c.closed(20000);
    c.close();
    await check();
    // Nothing at all, 50 times.
    for (let i = 0; i < 50; i++) {
      const e = await RawConn.open(d);
      if (i % 2) e.close();
      else e.reset();
    }
    await check();
  });
});

test('pipelined requests are answered in order', async (t) => {
  await undisturbed(t, {}, async (d, check) => {
    const s = await Sse.live(d, '/events?channel=p');
    const n = 100;
    const all = [];
    for (let i = 0; i < n; i++) {
      all.push(
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          headers: { 'Content-Type': 'application/json' },
          body: `{"channel":"p","id":"m${i}"}`,
        }),
      );
      all.push(requestBytes(d, { path: i % 2 ? '/health' : '/nope' }));
    }
    const c = await RawConn.open(d);
    c.write(Buffer.concat(all));
    for (let i = 0; i < n; i++) {
      const r = await c.readResponse();
      assert.equal(r.status, 200, r.text);
      assert.equal(r.json.id, `m${i}`);
      assert.equal((await c.readResponse()).status, i % 2 ? 200 : 404);
    }
    for (let i = 0; i < n; i++) assert.equal((await s.message()).envelope.id, `m${i}`);
    await check();
    // A refused one among them, with a body, does not upset the next.
    await c.write(
      Buffer.concat([
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          body: '{"a',
          headers: {
            'Content-Type': 'application/json',
          },
        }),
        requestBytes(d, {
          method: 'POST',
          path: '/broadcast',
          body: '{"channel":"p","id":"after"}',
          headers: {
            'Content-Type': 'application/json',
          },
        }),
      ]),
    );
    assert.equal((await c.readResponse()).status, 400);
    assert.equal((await c.readResponse()).json.id, 'after');
    c.close();
    s.close();
  });
});
