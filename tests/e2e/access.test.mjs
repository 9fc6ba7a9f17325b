// Who may do what: every sort of credential at every endpoint and on every kind of channel,
// over both transports (docs/protocol.md, "Credentials").
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer, everything, key, now, signChannel, token, writeKeys, writeSecret }
  from './lib/credentials.mjs';
import { startDaemon } from './lib/daemon.mjs';
import { assertProblem, post, request } from './lib/http.mjs';
import { RawWs, closeAll, handshake } from './lib/rawws.mjs';

const SECRET = 'the secret that signs the tokens of this test';
const CHANNEL_SECRET = 'the secret that signs the names of channels';
const ORIGIN = 'https://app.example';
const KEYS = {
  all: key('all', everything),
  reader: key('reader', { read: 'yes' }),
  orders: key('orders', { publish: 'orders.> private-orders.>' }),
  users: key('users', { users: 'yes' }),
  crier: key('crier', { everyone: 'yes' }),
  tickets: key('tickets', { tickets: 'yes' }),
  admin: key('admin', { admin: 'yes' }),
  old: key('old', { ...everything, expires: '2020-01-01T00:00:00Z' }),
};

let folder, shut, lax;   // gateways: keys only, and one that lets anonymous clients in
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-access-'));
  const args = ['--keys', writeKeys(folder, Object.values(KEYS)),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`,
    '--channel-secret-file', writeSecret(folder, 'channel', CHANNEL_SECRET),
    '--token-cookie', 'session', '--allow-origin', ORIGIN, '--shards', '2',
    '--auth-failure-rate', '0'];
  shut = await startDaemon({ args });
  lax = await startDaemon({ args: [...args, '--anonymous'] });
});
after(async () => {
  closeAll();
  await shut?.stop();
  await lax?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// ---- credentials --------------------------------------------------------------

const claims = (more) => ({ sub: 'ann', exp: now() + 300, ...more });
const good = (more) => token(SECRET, claims(more));
const header = (text) => ({ headers: bearer(text) });
const query = (text) => ({ query: `access_token=${text}` });
const cookie = (text, headers = {}) => ({ headers: { Cookie: `a=b; session=${text}`, ...headers } });

/** What each one is told where any client would be let in: 0 is yes. */
const CREDENTIALS = {
  nothing: { c: () => ({}), status: 401, code: 'missing_credential' },
  'a token': { c: () => header(good()), status: 0 },
  'a token in the query': { c: () => query(good()), status: 0 },
  'a token in the cookie': { c: () => cookie(good(), { Origin: ORIGIN }), status: 0 },
  'a token without a user': { c: () => header(good({ sub: undefined })), status: 0 },
  'a token for orders only': { c: () => header(good({ channels: ['orders.>'] })), status: 0 },
  'a key that may read': { c: () => header(KEYS.reader.text), status: 0 },
  'scheme in other letters': { c: () => ({ headers: { Authorization: `bEARER ${good()}` } }),
    status: 0 },
  'another scheme': { c: () => ({ headers: { Authorization: 'Basic YTpi' } }), status: 401,
    code: 'bad_token' },
  'an empty header': { c: () => ({ headers: { Authorization: 'Bearer ' } }), status: 401,
    code: 'bad_token' },
  'two headers': { c: () => ({ headers: { Authorization: [`Bearer ${good()}`, `Bearer ${good()}`] } }),
    status: 401, code: 'bad_token' },
  'a forged token': { c: () => header(token('not the secret, but as long as one', claims())),
    status: 401, code: 'bad_token' },
  'alg none': { c: () => header(token(SECRET, claims(), { header: { alg: 'none' }, sign: () => '' })),
    status: 401, code: 'bad_token' },
  'an algorithm that is not configured': {
    c: () => header(token(SECRET, claims(), { header: { alg: 'HS512' } })), status: 401,
    code: /unknown_credential|bad_token/ },
  'an expired token': { c: () => header(good({ exp: now() - 300 })), status: 401,
    code: 'token_expired' },
  'a token of tomorrow': { c: () => header(good({ nbf: now() + 86400 })), status: 401,
    code: 'token_not_yet_valid' },
  'exp as a string': { c: () => header(good({ exp: String(now() + 300) })), status: 401,
    code: 'bad_token' },
  'a token of 9 KB': { c: () => header(good({ pad: 'x'.repeat(7000) })), status: 401,
    code: 'bad_token' },
  'half a token': { c: () => header(good().split('.').slice(0, 2).join('.')), status: 401,
    code: 'bad_token' },
  'a key nobody has': { c: () => header(key('all', {}).text), status: 401,
    code: 'unknown_credential' },
  'a key of an unknown id': { c: () => header(key('nobody', {}).text), status: 401,
    code: 'unknown_credential' },
  'a ticket nobody made': { c: () => ({ query: `ticket=fft_${'A'.repeat(43)}` }), status: 401,
    code: 'unknown_credential' },
  'a ticket as a header': { c: () => header(`fft_${'A'.repeat(43)}`), status: 401,
    code: 'bad_token' },
  'ticket and token': { c: () => ({ query: `ticket=x&access_token=${good()}` }), status: 400,
    code: 'conflicting_parameters' },
  'a cookie from nowhere known': { c: () => cookie(good(), { Origin: 'https://evil.example' }),
    status: 403, code: 'forbidden_origin' },
  'the cookie twice': { c: () => ({ headers: { Cookie: `session=${good()}; session=x`,
    Origin: ORIGIN } }), status: 401, code: 'bad_token' },
  'a cookie that is a name alone': { c: () => ({ headers: { Cookie: 'session', Origin: ORIGIN } }),
    status: 401, code: 'bad_token' },
  'a parameter in other letters': { c: () => ({ query: `Access_Token=${good()}` }), status: 400,
    code: 'bad_parameter' },
  'another one': { c: () => ({ query: 'TICKET=x' }), status: 400, code: 'bad_parameter' },
  'both ways to write it': { c: () => ({ query: `access_token=${good()}&access_tokeN=x` }),
    status: 400, code: 'bad_parameter' },
  'a good header, a parameter in other letters': { c: () => ({ headers: bearer(good()),
    query: 'Access_Token=x' }), status: 0 },
  // The first that is found counts; what comes after it is not looked at.
  'a good header, a bad query': { c: () => ({ headers: bearer(good()), query: 'access_token=x' }),
    status: 0 },
  'a bad header, a good query': { c: () => ({ headers: bearer('x.y.z'),
    query: `access_token=${good()}` }), status: 401, code: 'bad_token' },
  'a bad query, a good cookie': { c: () => ({ query: 'access_token=x',
    headers: { Cookie: `session=${good()}`, Origin: ORIGIN } }), status: 401, code: 'bad_token' },
};

const path = (base, ...queries) => {
  const q = queries.filter(Boolean).join('&');
  return q ? `${base}?${q}` : base;
};

/** 0, or the refusal of an event stream. */
async function openSse(daemon, credential, q = '') {
  const res = await request(daemon, { method: 'HEAD', path: path('/events', credential.query, q),
    headers: { Accept: 'text/event-stream', ...credential.headers } });
  if (res.status === 200) {
    assert.match(res.headers['content-type'], /^text\/event-stream/);
    return { status: 0 };
  }
  // The body says why; HEAD has none.
  return request(daemon, { path: path('/events', credential.query, q),
    headers: { Accept: 'text/event-stream', ...credential.headers } });
}

async function openWs(daemon, credential, q = '') {
  const ws = await RawWs.connect(daemon.port, {});
  try {
    ws.send(handshake({ path: path('/ws', credential.query, q),
      headers: { Host: `127.0.0.1:${daemon.port}`, ...credential.headers } }));
    const head = await ws.head();
    return { status: head.status === 101 ? 0 : head.status, head, ws };
  } finally {
    ws.destroy();
  }
}

function codeOf(res) {
  const body = res.json ?? JSON.parse(res.head.body ?? '{}');
  return body.code;
}

describe('credentials at the door', () => {
  for (const [name, { c, status, code }] of Object.entries(CREDENTIALS)) {
    test(`SSE: ${name}`, async () => {
      const res = await openSse(shut, c());
      assert.equal(res.status, status, res.text);
      if (code) {
        assert.match(codeOf(res), code instanceof RegExp ? code : new RegExp(`^${code}$`));
      }
      if (status === 401) {
        assert.match(res.headers['www-authenticate'], /^Bearer/);
        assert.equal(/error=/.test(res.headers['www-authenticate']), name !== 'nothing');
      }
    });
    test(`WebSocket: ${name}`, async () => {
      const res = await openWs(shut, c());
      assert.equal(res.status, status);
    });
  }
  test('WebSocket: a token as a subprotocol', async () => {
    const offer = (list) => ({ headers: { 'Sec-WebSocket-Protocol': list } });
    const yes = await openWs(shut, offer(`fanfare.v1, fanfare.token.${good()}`));
    assert.equal(yes.status, 0);
    assert.deepEqual(yes.head.headers['sec-websocket-protocol'], ['fanfare.v1']);
    const alone = await openWs(shut, offer(`fanfare.token.${good()}`));
    assert.equal(alone.status, 0);
    assert.equal(alone.head.headers['sec-websocket-protocol'], undefined);
    assert.equal((await openWs(shut, offer('fanfare.v1, fanfare.token.x.y.z'))).status, 401);
    assert.equal((await openWs(shut,
      offer(`fanfare.token.${good()}, fanfare.token.${good()}`))).status, 401);
  });
  test('WebSocket: a cookie without an Origin, or of a foreign one', async () => {
    assert.equal((await openWs(shut, cookie(good()))).status, 403);
    assert.equal((await openWs(shut, cookie(good(), { Origin: 'https://evil.example' }))).status, 403);
    assert.equal((await openWs(shut, cookie(good(), { Origin: 'null' }))).status, 403);
    assert.equal((await openWs(shut, cookie(good(), { Origin: `http://127.0.0.1:${shut.port}` }))).status, 0);
  });
  test('anonymous clients: where they are let in, nobody falls back to being one', async () => {
    for (const [name, { c, status }] of Object.entries(CREDENTIALS)) {
      const want = name === 'nothing' ? 0 : status;
      assert.equal((await openSse(lax, c())).status, want, name);
      assert.equal((await openWs(lax, c())).status, want, name);
    }
    assert.equal((await openSse(lax, {}, 'userId=ann')).status, 403);
    assert.equal((await openSse(lax, {}, 'channel=private-x')).status, 403);
    assert.equal((await openSse(lax, {}, 'channel=news')).status, 0);
  });
});

// ---- channels -----------------------------------------------------------------

const HOLDERS = {
  'a token without a list': () => header(good()),
  'a token for orders.> and private-a': () => header(good({ channels: ['orders.>', 'private-a'] })),
  'a token for nothing': () => header(good({ channels: [] })),
  'a token for every public channel': () => header(good({ channels: ['>'] })),
  'a key that may read': () => header(KEYS.reader.text),
  'a key that may only publish': () => header(KEYS.orders.text),
};
const MAY_SUBSCRIBE = {
  //                         no list  some  none  all  reader  publisher
  'orders.new':              [1, 1, 0, 1, 1, 0],
  news:                      [1, 0, 0, 1, 1, 0],
  'news.>':                  [1, 0, 0, 1, 1, 0],
  'orders.>':                [1, 1, 0, 1, 1, 0],
  'orders.*':                [1, 1, 0, 1, 1, 0],
  '>':                       [1, 0, 0, 1, 1, 0],
  '*.new':                   [1, 0, 0, 1, 1, 0],
  'private-a':               [0, 1, 0, 0, 1, 0],
  'private-a.b':             [0, 0, 0, 0, 1, 0],
  'presence-room':           [0, 0, 0, 0, 1, 0],
};

describe('subscriptions', () => {
  Object.entries(HOLDERS).forEach(([holder, c], i) => {
    for (const [name, row] of Object.entries(MAY_SUBSCRIBE)) {
      test(`${holder}: ${name} ${row[i] ? 'yes' : 'no'}`, async () => {
        const q = `channel=${encodeURIComponent(name)}`;
        const sse = await openSse(shut, c(), q);
        assert.equal(sse.status, row[i] ? 0 : 403, sse.text);
        if (!row[i]) assertProblem(sse, 403, { code: 'forbidden_channel' });
        assert.equal((await openWs(shut, c(), q)).status, row[i] ? 0 : 403);
        if (!/[*>]/.test(name)) {
          const res = await request(shut, { path: path(`/channels/${name}/history`, c().query),
            headers: c().headers });
          assert.equal(res.status, row[i] ? 200 : 403, res.text);
        }
      });
    }
  });
  test('a signed name', async () => {
    const name = signChannel(CHANNEL_SECRET, 'private-a');
    for (const c of [header(good()), header(good({ channels: [] }))]) {
      assert.equal((await openSse(shut, c, `channel=${name}`)).status, 0);
      assert.equal((await openWs(shut, c, `channel=${name}`)).status, 0);
    }
    const later = signChannel(CHANNEL_SECRET, 'private-a', now() + 60);
    assert.equal((await openSse(shut, header(good()), `channel=${later}`)).status, 0);
    const over = signChannel(CHANNEL_SECRET, 'private-a', now() - 60);
    assertProblem(await openSse(shut, header(good()), `channel=${over}`), 403,
      { code: 'signature_expired' });
    for (const bad of [name.replace('private-a', 'private-b'), `${name}x`, `${name.slice(0, -1)}`,
      signChannel('another secret, just as long as the first', 'private-a'), 'private-a~~',
      later.replace(/~\d+~/, `~${now() + 9999}~`)]) {
      assertProblem(await openSse(shut, header(good()), `channel=${bad}`), 403,
        { code: 'bad_signature' });
      assert.equal((await openWs(shut, header(good()), `channel=${bad}`)).status, 403, bad);
    }
  });
  test('the user is the credential\'s', async () => {
    assert.equal((await openSse(shut, header(good()), 'userId=ann')).status, 0);
    assertProblem(await openSse(shut, header(good()), 'userId=bob'), 403, { code: 'forbidden_user' });
    assert.equal((await openWs(shut, header(good()), 'userId=bob')).status, 403);
    assertProblem(await openSse(shut, header(good({ sub: undefined })), 'userId=ann'), 403,
      { code: 'forbidden_user' });
    assert.equal((await openSse(shut, header(KEYS.reader.text), 'userId=bob')).status, 0);
  });
  test('metadata is the credential\'s, if it has any', async () => {
    const c = header(good({ meta: { role: 'clerk' } }));
    assertProblem(await openSse(shut, c, `meta=${encodeURIComponent('{"role":"boss"}')}`), 403,
      { code: 'not_permitted' });
    assert.equal((await openSse(shut, c)).status, 0);
  });
});

// ---- endpoints ----------------------------------------------------------------

const msg = (more) => ({ method: 'POST', path: '/broadcast', body: { data: 1, ...more } });
const ENDPOINTS = {
  'GET /health': { method: 'GET', path: '/health' },
  'GET /ready': { method: 'GET', path: '/ready' },
  'GET /stats': { method: 'GET', path: '/stats' },
  'GET /metrics': { method: 'GET', path: '/metrics' },
  'GET /channels': { method: 'GET', path: '/channels' },
  'GET /channels/news': { method: 'GET', path: '/channels/news' },
  'GET /clients': { method: 'GET', path: '/clients' },
  'GET /clients/x': { method: 'GET', path: '/clients/0000000000000000', yes: 404 },
  'GET /users/ann': { method: 'GET', path: '/users/ann' },
  'GET /revocations': { method: 'GET', path: '/revocations' },
  'publish to orders.new': msg({ channel: 'orders.new' }),
  'publish to private-orders.new': msg({ channel: 'private-orders.new' }),
  'publish to news': msg({ channel: 'news' }),
  'publish to orders.new and news': msg({ channels: ['orders.new', 'news'] }),
  'publish to a user': msg({ userId: 'bob' }),
  'publish to everyone': msg({}),
  'message to a client': { method: 'POST', path: '/clients/0000000000000000/messages',
    body: { data: 1 }, yes: 404 },
  'POST /tickets': { method: 'POST', path: '/tickets', body: {}, yes: 201 },
  'POST /revocations': { method: 'POST', path: '/revocations', body: { jti: 'nobody' }, yes: 201 },
  'DELETE /revocations': { method: 'DELETE', path: '/revocations?jti=nobody2', yes: 404 },
  'DELETE /clients/x': { method: 'DELETE', path: '/clients/0000000000000000', yes: 404 },
  'DELETE /users/zoe': { method: 'DELETE', path: '/users/zoe' },
};
const WHO = {
  nothing: () => ({}),
  'a token': () => header(good()),
  'a token that may publish': () => header(good({ publish: ['orders.>', 'private-orders.>'] })),
  'all rights': () => header(KEYS.all.text),
  read: () => header(KEYS.reader.text),
  'publish orders': () => header(KEYS.orders.text),
  users: () => header(KEYS.users.text),
  everyone: () => header(KEYS.crier.text),
  tickets: () => header(KEYS.tickets.text),
  admin: () => header(KEYS.admin.text),
  'an expired key': () => header(KEYS.old.text),
};
// y: permitted; n: 403; u: 401
const MAY = {
  //                                n t p A r o u e t a x
  'GET /health':                   'yyyyyyyyyyy',
  'GET /ready':                    'yyyyyyyyyyy',
  'GET /stats':                    'unnyynnnnnu',
  'GET /metrics':                  'unnyynnnnnu',
  'GET /channels':                 'unnyynnnnnu',
  'GET /channels/news':            'unnyynnnnnu',
  'GET /clients':                  'unnyynnnnnu',
  'GET /clients/x':                'unnyynnnnnu',
  'GET /users/ann':                'unnyynnnnnu',
  'GET /revocations':              'unnyynnnnnu',
  'publish to orders.new':         'unyynynnnnu',
  'publish to private-orders.new': 'unyynynnnnu',
  'publish to news':               'unnynnnnnnu',
  'publish to orders.new and news': 'unnynnnnnnu',
  'publish to a user':             'unnynnynnnu',
  'publish to everyone':           'unnynnnynnu',
  'message to a client':           'unnynnynnnu',
  'POST /tickets':                 'unnynnnnynu',
  'POST /revocations':             'unnynnnnnyu',
  'DELETE /revocations':           'unnynnnnnyu',
  'DELETE /clients/x':             'unnynnnnnyu',
  'DELETE /users/zoe':             'unnynnnnnyu',
};

describe('endpoints', () => {
  for (const [name, e] of Object.entries(ENDPOINTS)) {
    Object.entries(WHO).forEach(([who, c], i) => {
      const may = MAY[name][i];
      test(`${name}, ${who}: ${{ y: 'yes', n: '403', u: '401' }[may]}`, async () => {
        const res = await request(shut, { method: e.method, path: e.path,
          body: e.body && JSON.stringify(e.body),
          headers: { ...(e.body && { 'Content-Type': 'application/json' }), ...c().headers } });
        assert.equal(res.status, { y: e.yes ?? 200, n: 403, u: 401 }[may], res.text);
      });
    });
  }
  test('a batch: each item by itself', async () => {
    const res = await post(shut, '/broadcast', [{ channel: 'orders.a' }, { channel: 'news' },
      { userId: 'x' }, {}, { channel: 'private-orders.b' }], bearer(KEYS.orders.text));
    assert.equal(res.status, 200);
    assert.deepEqual(res.json.results.map((r) => r.error?.status ?? 200), [200, 403, 403, 403, 200]);
    assert.deepEqual(res.json.results.map((r) => r.error?.code),
      [undefined, 'forbidden_channel', 'forbidden', 'forbidden', undefined]);
  });
  test('a client may not pass for a backend', async () => {
    const c = bearer(good({ publish: ['orders.>'] }));
    for (const more of [{ source: 'shop' }, { timestamp: '2026-01-01T00:00:00Z' },
      { except: '0000000000000000' }]) {
      assertProblem(await post(shut, '/broadcast', { channel: 'orders.a', ...more }, c), 403,
        { code: 'not_permitted' });
    }
  });
  test('ids of one publisher do not meet those of another', async () => {
    const one = await post(shut, '/broadcast', { channel: 'orders.a', id: 'same', data: 1 },
      bearer(KEYS.orders.text));
    const other = await post(shut, '/broadcast', { channel: 'orders.a', id: 'same', data: 2 },
      bearer(KEYS.all.text));
    assert.equal(one.status, 200, one.text);
    assert.equal(other.status, 200, other.text);
    const again = await post(shut, '/broadcast', { channel: 'orders.a', id: 'same', data: 1 },
      bearer(KEYS.orders.text));
    assert.equal(again.json.duplicate, true);
  });
  test('an id needs somebody whose it is', async () => {
    const message = { channel: 'orders.a', id: 'whose', data: 1 };
    const send = (c, m = message) =>
      post(shut, '/broadcast', m, bearer(good({ publish: ['orders.>'], ...c })));
    const nobody = await send({ sub: undefined });
    const p = assertProblem(nobody, 422, { code: 'id_needs_identity' });
    assert.equal(p.field, 'id');
    assert.match(p.detail, /sub, jti/);
    assert.equal((await send({ sub: undefined }, { channel: 'orders.a' })).status, 200);
    for (const c of [{ sub: undefined, jti: 'one' }, { sub: undefined, jti: 'two' }, {}]) {
      const res = await send(c);
      assert.equal(res.status, 200, res.text);
      assert.equal(res.json.duplicate, undefined);
      assert.equal((await send(c)).json.duplicate, true);
    }
    const batch = await send({ sub: undefined }, [message, { channel: 'orders.a' }]);
    assert.deepEqual(batch.json.results.map((r) => r.error?.code), ['id_needs_identity', undefined]);
  });
  test('a cookie changes nothing without the Origin of a page that may', async () => {
    const c = good({ publish: ['orders.>'] });
    const body = { channel: 'orders.a' };
    assert.equal((await post(shut, '/broadcast', body, { Cookie: `session=${c}` })).status, 403);
    assert.equal((await post(shut, '/broadcast', body,
      { Cookie: `session=${c}`, Origin: 'https://evil.example' })).status, 403);
    assert.equal((await post(shut, '/broadcast', body,
      { Cookie: `session=${c}`, Origin: ORIGIN })).status, 200);
  });
  test('no secret is in the log', () => {
    const text = [...shut.stdout, ...shut.stderr].join('\n');
    for (const k of Object.values(KEYS)) assert.ok(!text.includes(k.text));
    assert.ok(!text.includes(SECRET) && !text.includes(CHANNEL_SECRET));
    assert.ok(!/eyJ/.test(text), 'a token is in the log');
  });
});
