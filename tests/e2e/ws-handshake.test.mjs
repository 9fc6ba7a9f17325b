// The opening handshake (RFC 6455 section 4.2), header by header.
import assert from 'node:assert/strict';
import { after, before, describe as group, test } from 'node:test';
import { daemonFor, startDaemon } from './lib/daemon.mjs';
import {
  OP, RawWs, SAMPLE_ACCEPT, SAMPLE_KEY, acceptFor, closeAll, frame, handshake, ping, text,
} from './lib/rawws.mjs';

let daemon;
before(async () => {
  daemon = await startDaemon();
});
after(async () => {
  closeAll();
  await daemon?.stop();
});

const one = (head, name) => {
  const values = head.headers[name] ?? [];
  assert.ok(values.length <= 1, `${name} stands ${values.length} times`);
  return values[0];
};
const tokens = (head, name) => (head.headers[name] ?? []).join(',').toLowerCase().split(/\s*,\s*/);

// Shakes hands with these options and returns the answer; the caller's `use`
// may go on with the connection.
async function shake(opts, use) {
  const ws = await RawWs.connect(daemon.port);
  try {
    const headers = { Host: `127.0.0.1:${daemon.port}`, ...opts?.headers };
    ws.send(handshake({ ...opts, headers }));
    const head = await ws.head();
    if (use) {
      await use(ws, head);
    }
    return head;
  } finally {
    ws.destroy();
  }
}

function checkAccepted(head, { protocol, key = SAMPLE_KEY } = {}) {
  assert.equal(head.status, 101, head.body);
  assert.equal(one(head, 'upgrade')?.toLowerCase(), 'websocket');
  assert.ok(tokens(head, 'connection').includes('upgrade'), 'Connection: Upgrade');
  assert.equal(one(head, 'sec-websocket-accept'), acceptFor(key));
  assert.equal(one(head, 'sec-websocket-protocol'), protocol);
  assert.equal(one(head, 'sec-websocket-extensions'), undefined, 'an extension nobody speaks');
  assert.equal(one(head, 'transfer-encoding'), undefined);
}

// An error of ours: a problem with this status and code.
function checkRefused(head, status, code) {
  assert.equal(head.status, status, `${head.status} ${head.body}`);
  assert.match(one(head, 'content-type') ?? '', /^application\/problem\+json\b/);
  const problem = JSON.parse(head.body);
  assert.equal(problem.status, status);
  if (code) {
    assert.equal(problem.code, code);
  }
  assert.ok(problem.detail, 'the detail says why');
  if (status === 426) {
    assert.equal(one(head, 'sec-websocket-version'), '13');
    assert.equal(one(head, 'upgrade')?.toLowerCase(), 'websocket');
    assert.ok(tokens(head, 'connection').includes('upgrade'), 'Connection: Upgrade');
  }
}

const accepts = (name, opts, want) => test(name, async () => {
  checkAccepted(await shake(opts, async (ws, head) => {
    // It is a working WebSocket, not only a status line.
    if (head.status === 101) {
      ws.send(ping('alive'));
      const e = await ws.until((x) => x.kind === 'pong', 'the pong');
      assert.equal(e.data.toString(), 'alive');
      ws.sendClose(1000);
      await ws.until((x) => x.kind === 'close' && x.code === 1000, 'the Close');
      await ws.eof();
    }
  }), want);
});
const refuses = (name, opts, status, code) => test(name, async () => {
  checkRefused(await shake(opts), status, code);
});
const h = (headers) => ({ headers });

group('accepted', () => {
  test('the sample of the RFC', async () => {
    assert.equal(acceptFor(SAMPLE_KEY), SAMPLE_ACCEPT);
    const head = await shake();
    checkAccepted(head);
    assert.equal(one(head, 'sec-websocket-accept'), SAMPLE_ACCEPT);
  });
  const key = Buffer.from(Array.from({ length: 16 }, (_, i) => 255 - i)).toString('base64');
  accepts('another key', h({ 'Sec-WebSocket-Key': key }), { key });
  accepts('a key with spaces around it', { headers: { 'Sec-WebSocket-Key': null },
    lines: [`Sec-WebSocket-Key:   ${SAMPLE_KEY}  `] });
  accepts('Connection: keep-alive, Upgrade', h({ Connection: 'keep-alive, Upgrade' }));
  accepts('Connection: Upgrade, keep-alive', h({ Connection: 'Upgrade, keep-alive' }));
  accepts('Connection on two lines', h({ Connection: ['keep-alive', 'Upgrade'] }));
  accepts('Connection: UPGRADE', h({ Connection: 'UPGRADE' }));
  accepts('Upgrade: WebSocket', h({ Upgrade: 'WebSocket' }));
  accepts('Upgrade with another protocol', h({ Upgrade: 'example/1, websocket' }));
  accepts('header names in lower case', {
    headers: { Upgrade: null, Connection: null, 'Sec-WebSocket-Key': null,
      'Sec-WebSocket-Version': null },
    lines: ['upgrade: websocket', 'connection: upgrade', `sec-websocket-key: ${SAMPLE_KEY}`,
      'sec-websocket-version: 13'],
  });
  accepts('cookies and an unknown header', { lines: ['Cookie: a=b', 'X-Other: 1'] });
  accepts('unknown query parameters', { path: '/ws?utm=1' });
});

group('method and version', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    test(`${method} is 405`, async () => {
      const head = await shake({ method, headers: { 'Content-Length': '0' } });
      checkRefused(head, 405, 'method_not_allowed');
      assert.ok(tokens(head, 'allow').includes('get'), 'Allow: GET');
    });
  }
  for (const version of ['0', '8', '12', '14', '130', '1', '13.0', 'abc', '-13', '13, 8']) {
    refuses(`Sec-WebSocket-Version: ${version}`, h({ 'Sec-WebSocket-Version': version }), 426,
      'upgrade_required');
  }
  refuses('Sec-WebSocket-Version missing', h({ 'Sec-WebSocket-Version': null }), 426,
    'upgrade_required');
  refuses('Sec-WebSocket-Version on two lines', h({ 'Sec-WebSocket-Version': ['13', '8'] }), 426,
    'upgrade_required');
  test('HTTP/1.0 is refused', async () => {
    const head = await shake({ version: 'HTTP/1.0' });
    checkRefused(head, 400, 'bad_handshake');
  });
  test('HTTP/2.0 in the request line is refused', async () => {
    const head = await shake({ version: 'HTTP/2.0' });
    assert.ok(head.status >= 400 && head.status !== 404, `${head.status}`);
  });
});

group('the key', () => {
  const bytes = (n) => Buffer.alloc(n, 7).toString('base64');
  for (const [name, key] of [
    ['missing', null],
    ['empty', ''],
    ['15 bytes', bytes(15)],
    ['17 bytes', bytes(17)],
    ['18 bytes, which is 24 characters', bytes(18)],
    ['8 bytes', bytes(8)],
    ['32 bytes', bytes(32)],
    ['without padding', SAMPLE_KEY.slice(0, 22)],
    ['half its padding', SAMPLE_KEY.slice(0, 23)],
    ['padding too much', `${SAMPLE_KEY}=`],
    ['a character outside base64', `*${SAMPLE_KEY.slice(1)}`],
    ['the URL alphabet', `-_${SAMPLE_KEY.slice(2)}`],
    ['a space inside', `${SAMPLE_KEY.slice(0, 8)} ${SAMPLE_KEY.slice(9)}`],
    ['padding inside', `${SAMPLE_KEY.slice(0, 10)}==${SAMPLE_KEY.slice(12)}`],
    ['two on one line', `${SAMPLE_KEY}, ${SAMPLE_KEY}`],
    ['two lines', [SAMPLE_KEY, SAMPLE_KEY]],
    ['two different lines', [SAMPLE_KEY, bytes(16)]],
    ['4000 characters', 'A'.repeat(4000)],
  ]) {
    refuses(name, h({ 'Sec-WebSocket-Key': key }), 400, 'bad_handshake');
  }
});

group('tokens', () => {
  refuses('a plain GET', h({ 'Upgrade': null, 'Connection': null, 'Sec-WebSocket-Key': null,
    'Sec-WebSocket-Version': null }), 426, 'upgrade_required');
  refuses('Upgrade missing', h({ Upgrade: null }), 426, 'upgrade_required');
  refuses('Upgrade: h2c', h({ Upgrade: 'h2c' }), 426, 'upgrade_required');
  refuses('Upgrade: websockets', h({ Upgrade: 'websockets' }), 426, 'upgrade_required');
  for (const [name, value] of [['missing', null], ['keep-alive', 'keep-alive'],
    ['close', 'close'], ['upgrades', 'upgrades'], ['not-upgrade', 'not-upgrade']]) {
    refuses(`Connection: ${name}`, h({ Connection: value }), 400, 'bad_handshake');
  }
  test('Host missing', async () => {
    assert.equal((await shake(h({ Host: null }))).status, 400);
  });
  test('two Hosts', async () => {
    assert.equal((await shake(h({ Host: ['127.0.0.1', '127.0.0.1'] }))).status, 400);
  });
  test('after a refusal the next handshake on a new connection works', async () => {
    checkRefused(await shake(h({ 'Sec-WebSocket-Version': '8' })), 426);
    checkAccepted(await shake());
  });
});

group('subprotocol', () => {
  const p = (value) => h({ 'Sec-WebSocket-Protocol': value });
  const V1 = { protocol: 'fanfare.v1' };
  accepts('fanfare.v1', p('fanfare.v1'), V1);
  accepts('first of three', p('fanfare.v1, chat, superchat'), V1);
  accepts('last of three', p('chat,superchat,fanfare.v1'), V1);
  accepts('with odd white space', p('chat ,\t fanfare.v1 '), V1);
  accepts('on the second line', p(['chat', 'fanfare.v1']), V1);
  accepts('none offered', h({}));
  accepts('only others', p('chat, superchat'));
  accepts('another case is another name', p('Fanfare.V1'));
  accepts('only a longer name', p('fanfare.v10'));
  accepts('only a shorter name', p('fanfare'));
  for (const list of [',', 'fanfare.v1,,chat', ',fanfare.v1', 'fanfare.v1,', 'fan fare',
    'fanfare.v1;q=1', 'chat, "fanfare.v1"', 'fan/fare', 'caf\u00e9']) {
    refuses(`malformed: ${list}`, p(list), 400, 'bad_handshake');
  }
});

group('extensions are declined', () => {
  for (const offer of ['permessage-deflate', 'permessage-deflate; client_max_window_bits',
    'permessage-deflate; server_max_window_bits=9, permessage-deflate', 'x-unknown',
    'garbage=;;,']) {
    accepts(offer, h({ 'Sec-WebSocket-Extensions': offer }));
  }
});

group('Origin and Host', () => {
  accepts('no Origin', h({}));
  test('own Origin', async () => {
    checkAccepted(await shake(h({ Origin: `http://127.0.0.1:${daemon.port}` })));
  });
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'https://localhost',
    'http://[::1]:5173', 'http://app.localhost', 'HTTP://LOCALHOST:3000']) {
    accepts(`loopback ${origin}`, h({ Origin: origin }));
  }
  for (const origin of ['https://evil.example', 'http://127.0.0.1.evil.example',
    'http://localhost.evil.example', 'http://evil.example:8080', 'null', 'garbage',
    'http://127.0.0.1@evil.example', 'file://']) {
    refuses(`foreign ${origin}`, h({ Origin: origin }), 403, 'forbidden_origin');
  }
  test('two Origins', async () => {
    const head = await shake(h({ Origin: ['http://localhost', 'https://evil.example'] }));
    assert.ok([400, 403].includes(head.status), `${head.status}`);
  });
  for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1:8080']) {
    refuses(`Host ${host}`, h({ Host: host }), 403, 'forbidden_host');
  }
  test('--allow-origin', async (t) => {
    const own = daemon;
    const d = await daemonFor(t, { args: ['--allow-origin', 'https://app.example'] });
    daemon = d;
    try {
      checkAccepted(await shake(h({ Origin: 'https://app.example' })));
      checkAccepted(await shake(h({ Origin: 'https://APP.example:443' })));
      for (const origin of ['http://app.example', 'https://app.example:8443',
        'https://evil.example', 'https://sub.app.example', 'https://app.example.evil.example']) {
        checkRefused(await shake(h({ Origin: origin })), 403, 'forbidden_origin');
      }
    } finally {
      daemon = own;
    }
  });
});

group('path and query', () => {
  for (const path of ['/wsx', '/ws/', '/ws/x', '/WS', '/']) {
    test(`${path} is not the endpoint`, async () => {
      assert.equal((await shake({ path })).status, 404);
    });
  }
  test('--ws-path', async (t) => {
    const own = daemon;
    daemon = await daemonFor(t, { args: ['--ws-path', '/live/socket'] });
    try {
      checkAccepted(await shake({ path: '/live/socket' }));
      assert.equal((await shake({ path: '/ws' })).status, 404);
    } finally {
      daemon = own;
    }
  });
  for (const [query, code] of [
    ['channel=', 'bad_channel'],
    ['channel=a%20b', 'bad_channel'],
    ['channel=ok&channel=%C3%A9', 'bad_channel'],
    [`channel=${'a'.repeat(201)}`, 'bad_channel'],
    ['channel=fanfare.x', 'reserved_channel'],
    [Array.from({ length: 101 }, (_, i) => `channel=c${i}`).join('&'), 'too_many_channels'],
    ['userId=', 'bad_user'],
    ['userId=%07', 'bad_user'],
    ['lastEventId=nonsense', 'bad_cursor'],
    ['meta=nonsense', 'bad_meta'],
    ['meta=%5B1%5D', 'bad_meta'],
    [`meta=%7B%22a%22%3A%22${'x'.repeat(1100)}%22%7D`, 'bad_meta'],
    ['channel=%00', 'bad_target'],
    ['channel=%zz', 'bad_target'],
    ['channel=%ff', 'bad_target'],
  ]) {
    refuses(`?${query.length > 40 ? `${query.slice(0, 40)}...` : query}`, { path: `/ws?${query}` },
      400, code);
  }
});

group('how the bytes arrive', () => {
  const op = text('{"op":"ping","ref":"early"}');
  const early = async (ws) => {
    const e = await ws.until((x) => x.kind === 'message' && /"ref":"early"/.test(x.data),
      'the reply to the first frame');
    assert.equal(JSON.parse(e.data).ok, true);
    ws.sendClose(1000);
    await ws.until((x) => x.kind === 'close', 'Close');
    await ws.eof();
  };
  const begin = async (t) => {
    const ws = await RawWs.connect(daemon.port);
    t.after(() => ws.destroy());
    return ws;
  };
  test('the first frame in the same write', async (t) => {
    const ws = await begin(t);
    ws.send(handshake(), op);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('half a frame in the same write, the rest after the answer', async (t) => {
    const ws = await begin(t);
    ws.send(handshake(), op.subarray(0, 9));
    checkAccepted(await ws.head());
    ws.send(op.subarray(9));
    await early(ws);
  });
  test('one octet of a frame in the same write', async (t) => {
    const ws = await begin(t);
    ws.send(handshake(), op.subarray(0, 1));
    checkAccepted(await ws.head());
    ws.send(op.subarray(1));
    await early(ws);
  });
  test('twenty frames in the same write', async (t) => {
    const ws = await begin(t);
    const ops = Array.from({ length: 20 }, (_, i) => text(`{"op":"ping","ref":${i}}`));
    ws.send(handshake(), ...ops, op);
    checkAccepted(await ws.head());
    for (let i = 0; i < 20; i++) {
      const e = await ws.until((x) => x.kind === 'message' && /fanfare\.reply/.test(x.data),
        `reply ${i}`);
      assert.equal(JSON.parse(e.data).ref, i);
    }
    await early(ws);
  });
  test('a Close in the same write', async (t) => {
    const ws = await begin(t);
    ws.send(handshake(), frame(OP.CLOSE, Buffer.from([0x03, 0xe8])));
    checkAccepted(await ws.head());
    const e = await ws.until((x) => x.kind === 'close', 'Close');
    assert.equal(e.code, 1000);
    await ws.eof();
  });
  test('a violation in the same write', async (t) => {
    const ws = await begin(t);
    ws.send(handshake(), text('x', { mask: false }));
    checkAccepted(await ws.head());
    const e = await ws.until((x) => x.kind === 'close', 'Close');
    assert.equal(e.code, 1002);
  });
  test('a large frame that begins in the same write', async (t) => {
    const ws = await begin(t);
    const large = text(JSON.stringify({ op: 'message', ref: 'early', data: 'x'.repeat(100_000) }));
    ws.send(handshake(), large);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('the handshake octet by octet', async (t) => {
    const ws = await begin(t);
    await ws.chop(Buffer.concat([handshake({ path: '/ws?channel=a' }), op]), 1);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('a line in each write', async (t) => {
    const ws = await begin(t);
    const lines = handshake().toString().split(/(?<=\r\n)/).map((l) => Buffer.from(l));
    await ws.sendEach([...lines, op]);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('a request on the same connection before it', async (t) => {
    const ws = await begin(t);
    ws.send(Buffer.from('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'));
    const first = await ws.head();
    assert.equal(first.status, 200, first.body);
    ws.send(handshake(), op);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('a request pipelined before it', async (t) => {
    const ws = await begin(t);
    ws.send(Buffer.from('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'), handshake(), op);
    assert.equal((await ws.head()).status, 200);
    checkAccepted(await ws.head());
    await early(ws);
  });
  test('gone before the answer: nobody is disturbed', async (t) => {
    for (let i = 0; i < 20; i++) {
      const ws = await RawWs.connect(daemon.port);
      await ws.write(handshake());
      if (i % 2) {
        ws.rst();
      } else {
        ws.destroy();
      }
    }
    const ws = await begin(t);
    ws.send(handshake(), op);
    checkAccepted(await ws.head());
    await early(ws);
  });
});
