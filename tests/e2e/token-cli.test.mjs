// fanfare token: held against Node's own signatures, in both directions.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { daemonFor } from './lib/daemon.mjs';
import { get } from './lib/http.mjs';
import { folderFor, runTool } from './lib/tool.mjs';

const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
const nowS = () => Math.floor(Date.now() / 1000);
const secret = 'a secret that is long enough for all of these: 64 bytes or more..';

class Tokens {
  constructor(t) {
    this.dir = folderFor(t);
    this.put('hs', secret);
  }

  put(name, text) {
    const file = path.join(this.dir, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  run(args, options) {
    return runTool(this.dir, ['token', ...args], options);
  }

  make(...args) {
    const r = this.run(['new', ...args]);
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    this.err = r.err;
    return r.out.trim();
  }

  claims(...args) {
    return decoded(this.make('--key', 'HS256=hs', ...args).split('.')[1]);
  }

  /** Given by standard input, as it should be. */
  check(token, ...args) {
    const r = this.run(['check', ...args], { input: `${token}\n` });
    assert.ok(r.code === 0 || r.code === 1, r.err);
    assert.equal(r.code === 0, /^valid$/m.test(r.out), r.out);
    assert.ok(!r.out.includes(secret) && !r.err.includes(secret));
    const signature = token.split('.')[2];
    if (signature?.length > 20) assert.ok(!r.out.includes(signature), 'it cannot be used');
    return r;
  }

  refused(code, ...args) {
    const r = this.run(args);
    assert.equal(r.code, code, `${args.join(' ')}: ${r.out}${r.err}`);
    assert.equal(r.out, '');
    assert.match(r.err, /^fanfare: [^\n]+\n$/, 'one line');
    assert.ok(!r.err.includes(secret));
    return r.err;
  }
}

const hs = (claims, header = {}) => {
  const head = `${b64({ alg: 'HS256', ...header })}.${b64(claims)}`;
  return `${head}.${crypto.createHmac('sha256', secret).update(head).digest('base64url')}`;
};

/** How Node checks each algorithm. */
const verifiers = {
  HS: (bits, text, sig, key) =>
    crypto.createHmac(`sha${bits}`, key).update(text).digest().equals(sig),
  RS: (bits, text, sig, key) => crypto.verify(`sha${bits}`, text, key, sig),
  PS: (bits, text, sig, key) => {
    const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
    return crypto.verify(`sha${bits}`, text, { key, padding, saltLength: bits / 8 }, sig);
  },
  ES: (bits, text, sig, key) =>
    crypto.verify(`sha${bits}`, text, { key, dsaEncoding: 'ieee-p1363' }, sig),
  Ed: (_, text, sig, key) => crypto.verify(null, text, key, sig),
};

const algorithms = ['HS', 'RS', 'PS', 'ES'].flatMap((a) => ['256', '384', '512'].map((n) => a + n));

test('keygen, new and check go together, for every algorithm', (t) => {
  const rsa = {}; // a pair of RSA takes long to make: one serves three algorithms
  for (const alg of [...algorithms, 'EdDSA']) {
    const k = (/^[RP]S/.test(alg) && rsa[alg[0]]) || new Tokens(t);
    const pub = alg.startsWith('HS') ? 'key' : 'key.pub';
    if (!existsSync(path.join(k.dir, 'key'))) {
      const made = k.run(['keygen', alg, '--out', 'key']);
      assert.deepEqual([made.code, made.out], [0, ''], made.err);
      assert.equal(statSync(path.join(k.dir, 'key')).mode & 0o777, 0o600);
      assert.ok(made.err.includes(`--token-key=${alg}=${pub}`), made.err);
      assert.deepEqual(readdirSync(k.dir).sort(), [...new Set(['hs', 'key', pub])].sort());
      const before = readFileSync(path.join(k.dir, 'key'));
      if (!/^[RP]S/.test(alg)) k.refused(1, 'keygen', alg, '--out', 'key');
      assert.deepEqual(readFileSync(path.join(k.dir, 'key')), before, 'never overwritten');
      rsa[alg[0]] = k;
    }
    const token = k.make('--key', `${alg}@k1=key`, '--user', 'ann');
    const [header, claims, sig] = token.split('.');
    assert.deepEqual(decoded(header), { alg, typ: 'JWT', kid: 'k1' });
    assert.equal(decoded(claims).sub, 'ann');
    const text = Buffer.from(`${header}.${claims}`);
    const file = readFileSync(path.join(k.dir, pub), 'utf8').replace(/\n$/, '');
    const verify = verifiers[alg.slice(0, 2)];
    const good = verify(Number(alg.slice(2)), text, Buffer.from(sig, 'base64url'), file);
    assert.equal(good, true, alg);
    const r = k.check(token, '--key', `${alg}=${pub}`);
    assert.equal(r.code, 0, r.out);
    assert.ok(r.out.includes(`good, by ${alg}=${pub}`), r.out);
  }
});

test('the claims of a token', (t) => {
  const k = new Tokens(t);
  const now = nowS();
  const near = (v, want) => assert.ok(Math.abs(v - want) < 30, `${v}, not ${want}`);
  const plain = k.claims();
  assert.deepEqual(Object.keys(plain), ['iat', 'exp']);
  near(plain.iat, now);
  assert.equal(plain.exp - plain.iat, 3600, 'an hour, unless told otherwise');

  const full = k.claims(
    ...['--user', 'ann "é" \\', '--channel', 'orders.>', '--channel', 'private-a'],
    ...['--publish', 'chat.*', '--expires', '15m', '--not-before', '5m', '--issuer', 'shop'],
    ...['--audience', 'live', '--jti', 'abc', '--meta', '{ "a": 1.50 }', '--info', '["x"]'],
  );
  near(full.exp, now + 900);
  near(full.nbf, now + 300);
  delete full.iat;
  delete full.exp;
  delete full.nbf;
  assert.deepEqual(full, {
    sub: 'ann "é" \\',
    iss: 'shop',
    aud: 'live',
    jti: 'abc',
    channels: ['orders.>', 'private-a'],
    publish: ['chat.*'],
    meta: { a: 1.5 },
    info: ['x'],
  });
  assert.deepEqual(k.claims('--no-channels').channels, []);
  assert.notEqual(k.claims('--jti', 'auto').jti, k.claims('--jti', 'auto').jti);
  assert.equal(k.claims('--expires', '2999-01-31').exp, Date.parse('2999-01-31') / 1000);
  assert.equal(k.claims('--expires', 'never').exp, undefined);
  assert.match(k.err, /never expires/);
  k.claims('--expires', '2001-01-31');
  assert.match(k.err, /expired already/);

  // Given ones stay as they are, and none may stand twice.
  const file = k.put('claims', '{ "sub": "bob", "iat": 5, "exp": 1e10, "x": [1.0] }\n');
  const given = k.make('--key', 'HS256=hs', '--claims', file, '--issuer', 'me').split('.')[1];
  assert.equal(
    Buffer.from(given, 'base64url').toString(),
    '{"sub":"bob","iat":5,"exp":1e10,"x":[1.0],"iss":"me"}',
  );
  const piped = k.run(['new', '--key', 'HS256=hs', '--claims', '-'], { input: '{"sub":"z"}' });
  assert.equal(decoded(piped.out.split('.')[1]).sub, 'z');
  k.refused(1, 'new', '--key', 'HS256=hs', '--claims', file, '--user', 'ann');
  k.refused(1, 'new', '--key', 'HS256=hs', '--claims', file, '--expires', '1h');
});

test('what no token is made of', (t) => {
  const k = new Tokens(t);
  const no = (code, ...args) => k.refused(code, 'new', '--key', 'HS256=hs', ...args);
  no(1, '--user', '');
  no(1, '--user', 'a\nb');
  no(1, '--channel', 'a b');
  no(1, '--channel', 'fanfare.x');
  no(1, '--publish', 'a..>.b');
  no(1, '--meta', '[1]');
  no(1, '--meta', '{');
  no(1, '--info', '1 2');
  no(1, '--jti', 'x'.repeat(129));
  no(1, '--claims', k.put('array', '[1]'));
  no(1, '--claims', k.put('twice', '{"a":1,"a":2}'));
  no(1, '--claims', k.put('nothing', ''));
  no(1, '--claims', k.put('long', `"${'x'.repeat(70000)}"`));
  no(1, '--claims', path.join(k.dir, 'none'));
  no(2, '--expires', 'soon');
  no(2, '--expires', '1.5h');
  no(2, '--not-before', '2026-13-01');
  no(2, '--no-channels', '--channel', 'a');
  no(2, '--user', 'a', '--user', 'b');
  no(2, '--loud');
  no(2, 'stray');
  k.refused(2, 'new');
  k.put('short', 'too short');
  for (const key of ['HS256', 'none=hs', 'hs256=hs', 'RS256=hs', 'HS256=none', 'HS256=short']) {
    const said = k.refused(1, 'new', '--key', key);
    assert.ok(!said.includes('too short\n') && !said.includes(secret));
  }
  k.refused(1, 'keygen', 'none', '--out', 'x');
  k.refused(1, 'keygen', 'es256', '--out', 'x');
  k.refused(1, 'keygen', 'ES256', '--out', 'no/such/folder');
  k.refused(2, 'keygen', '--out', 'x');
  k.refused(2, 'keygen', 'ES256');
  assert.ok(!existsSync(path.join(k.dir, 'x')));
  assert.equal(k.run(['mint']).code, 2);
  assert.equal(k.run([]).code, 2);
  assert.equal(k.run(['--help']).code, 0);
});

test('check explains a good token', (t) => {
  const k = new Tokens(t);
  const now = nowS();
  const r = k.check(
    hs({ sub: 'ann', iat: now - 7300, exp: now + 7300, channels: ['a', 'b.>'], publish: ['c'] }),
    ...['--key', 'HS256=hs'],
  );
  assert.equal(r.code, 0, r.out);
  for (const line of [
    /^header +"alg":"HS256"$/m,
    /^claims +"sub":"ann"$/m,
    /^ +"channels":\["a","b\.>"\]$/m,
    /^issued .*\(2 hours ago\)$/m,
    /^expires .*\(in 2 hours\)$/m,
    /^signature +good, by HS256=hs$/m,
    /^user +ann$/m,
    /^subscribe +a, b\.>$/m,
    /^publish +c$/m,
  ]) {
    assert.match(r.out, line);
  }
  const bare = k.check(hs({}), '--key', 'HS256=hs');
  for (const line of [/^expires +never$/m, /^user +none$/m, /^subscribe +every public channel$/m]) {
    assert.match(bare.out, line);
  }
  assert.match(k.check(hs({ channels: [] }), '--key', 'HS256=hs').out, /^subscribe +nothing$/m);
  // As an argument too, and with several keys.
  k.put('other', `${secret} and more`);
  const many = ['--key', 'HS256@x=other', '--key', 'HS384=hs', '--key', 'HS256=hs'];
  const arg = k.run(['check', ...many, hs({ sub: 'ann' })]);
  assert.equal(arg.code, 0, arg.out);
  assert.match(arg.out, /good, by HS256=hs$/m);
});

test('check says what is wrong', (t) => {
  const k = new Tokens(t);
  const now = nowS();
  const good = hs({ sub: 'ann' });
  const [head, body, sig] = good.split('.');
  const signed = (claims, header) => hs(claims, header);
  const none = `${b64({ alg: 'none' })}.${body}.`;
  const cases = [
    [signed({ exp: now - 3600 }), 'token_expired', /^expires .*ago\)$/m],
    [signed({ nbf: now + 7300 }), 'token_not_yet_valid', /^not before .*\(in 2 hours\)$/m],
    [signed({ iat: now + 3600 }), 'bad_token|token_not_yet_valid', /iat|future/],
    [`${head}.${b64({ sub: 'eve' })}.${sig}`, 'bad_token', /signature/],
    [none, 'bad_token|unknown_credential', /alg|three parts/],
    [signed({}, { alg: 'HS512' }), 'bad_token|unknown_credential', /alg|HS512|key/],
    [signed({}, { crit: ['x'] }), 'bad_token', /crit/],
    [signed({}, { kid: 'nobody' }), 'unknown_credential', /kid|key/],
    [signed({ exp: 'soon' }), 'bad_token', /exp/],
    [signed({ channels: 'a' }), 'bad_token', /channels/],
    [signed({ channel: 'a' }), 'bad_token', /channel/],
    [`${head}.${b64('{"sub":"a","sub":"b"}')}.${sig}`, 'bad_token', /./],
    ['a.b', 'bad_token', /three parts/],
    ['garbage', 'bad_token', /three parts/],
    [`${head}.!!.${sig}`, 'bad_token', /./],
    ['x'.repeat(9000), 'bad_token', /./],
  ];
  for (const [token, code, reason] of cases) {
    const r = k.check(token, '--key', 'HS256@known=hs');
    assert.equal(r.code, 1, r.out);
    assert.match(r.out, new RegExp(`^not valid \\((${code})\\): .+$`, 'm'), token.slice(0, 60));
    assert.match(r.out, reason, r.out);
    assert.equal(r.err, '');
  }
  const expired = k.check(signed({ exp: now - 3600 }), '--key', 'HS256=hs');
  assert.match(expired.out, /good, by/, 'the signature is, all the same');
  assert.ok(!/good, by/.test(k.check(`${head}.${b64({})}.${sig}`, '--key', 'HS256=hs').out));
});

test('issuer, audience, leeway, a key set, a configuration', (t) => {
  const k = new Tokens(t);
  const key = ['--key', 'HS256=hs'];
  const token = hs({ iss: 'shop', aud: ['live', 'else'] });
  const ok = (...args) => assert.equal(k.check(token, ...key, ...args).code, 0, args.join(' '));
  const no = (what, ...args) => {
    const r = k.check(token, ...key, ...args);
    assert.equal(r.code, 1, args.join(' '));
    assert.match(r.out, what);
    assert.match(r.out, /good, by HS256=hs/);
  };
  ok('--issuer', 'shop', '--audience', 'live');
  ok('--issuer', 'other', '--issuer', 'shop');
  no(/issuer/, '--issuer', 'other');
  no(/audience|is for/, '--audience', 'other');
  const late = hs({ exp: nowS() - 40 });
  assert.equal(k.check(late, ...key).code, 1);
  assert.equal(k.check(late, ...key, '--leeway', '60s').code, 0);

  const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'e1', use: 'sig' };
  k.put('jwks', JSON.stringify({ keys: [jwk] }));
  const text = `${b64({ alg: 'ES256', kid: 'e1' })}.${b64({ sub: 'ann' })}`;
  const es = crypto.sign('sha256', Buffer.from(text), {
    key: pair.privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  const r = k.check(`${text}.${es.toString('base64url')}`, '--jwks', 'jwks');
  assert.equal(r.code, 0, r.out);
  assert.match(r.out, /good, by token-jwks/);

  const conf = k.put('conf', `token-key = HS256=${k.dir}/hs\ntoken-issuer = shop\n`);
  assert.equal(k.check(token, '--config', conf).code, 0);
  assert.equal(k.check(hs({ iss: 'x' }), '--config', conf).code, 1);
  const env = { FANFARE_TOKEN_SECRET: secret };
  const empty = k.put('empty', '');
  const byEnv = k.run(['check', '--config', empty], { input: token, env });
  assert.equal(byEnv.code, 0, byEnv.out);
  assert.match(byEnv.out, /good, by token-secret/);
  assert.ok(!byEnv.out.includes(secret));

  // Without a key it says what is there, and does not call it valid.
  const unknown = k.check(token);
  assert.equal(unknown.code, 1);
  assert.match(unknown.out, /"iss":"shop"/);
  assert.match(unknown.out, /^not valid \(unknown_credential\): no key/m);
  assert.equal(k.run(['check', '--key', 'HS256=none'], { input: token }).code, 1);
  assert.equal(k.run(['check', '--leeway', 'much'], { input: token }).code, 2);
  assert.equal(k.run(['check', '--config', 'none'], { input: token }).code, 2);
  assert.equal(k.run(['check', 'a', 'b']).code, 2);
  assert.equal(k.run(['check'], { input: '' }).code, 1);
  assert.equal(k.run(['check'], { input: 'x'.repeat(100000) }).code, 1);
  const extra = k.run(['check', 'first', `--secret=${secret}`]);
  assert.ok(!extra.err.includes(secret), 'what it does not know is not repeated');
});

test('a token steers no terminal', (t) => {
  const k = new Tokens(t);
  const evil = 'a\u001b[2J\u009b2J\u202eb\u200b\u007f\ud83d\ude00é';
  const raw = (text) => {
    const head = `${b64({ alg: 'HS256' })}.${Buffer.from(text).toString('base64url')}`;
    return `${head}.${crypto.createHmac('sha256', secret).update(head).digest('base64url')}`;
  };
  for (const token of [
    hs({ [evil]: evil, sub: 'a\u202eb' }),
    raw(`{"a":"${evil}"}`),
    raw(evil),
    raw('{"a":"\\'),
    raw('{"a":[{{]}]}'),
    `${Buffer.from(`{"alg":"HS256","x":"${evil}"}`).toString('base64url')}.${b64({})}.AAAA`,
    evil,
  ]) {
    const r = k.check(token, '--key', 'HS256=hs');
    assert.doesNotMatch(r.out + r.err, /[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]/);
  }
});

test('a signed channel name', async (t) => {
  const k = new Tokens(t);
  const sign = (...args) => {
    const r = k.run(['sign-channel', '--secret-file', 'hs', ...args]);
    assert.equal(r.code, 0, r.err);
    return [r.out.trim(), r.err];
  };
  const mac = (name, expiry) =>
    crypto
      .createHmac('sha256', secret)
      .update(`fanfare channel\n${name}\n${expiry}`)
      .digest('base64url');
  const [hour] = sign('private-a.b');
  const [name, expiry, signature] = hour.split('~');
  assert.equal(name, 'private-a.b');
  assert.ok(Math.abs(Number(expiry) - nowS() - 3600) < 30);
  assert.equal(signature, mac(name, expiry));
  const [ever, said] = sign('--expires', 'never', 'a');
  assert.equal(ever, `a~~${mac('a', '')}`);
  assert.match(said, /never expires/);
  const no = (code, ...args) => k.refused(code, 'sign-channel', ...args);
  no(1, '--secret-file', 'hs', 'a b');
  no(1, '--secret-file', 'hs', 'a.>');
  no(1, '--secret-file', 'none', 'a');
  no(1, '--secret-file', k.put('short', 'short'), 'a');
  no(2, '--secret-file', 'hs');
  no(2, 'a');
});

test('a gateway takes tokens and signed names of these tools', async (t) => {
  const k = new Tokens(t);
  const file = path.join(k.dir, 'es');
  assert.equal(k.run(['keygen', 'ES256', '--out', 'es']).code, 0);
  const d = await daemonFor(t, {
    args: ['--token-key', `ES256=${file}.pub`, '--channel-secret-file', path.join(k.dir, 'hs')],
  });
  const token = k.make('--key', 'ES256=es', '--user', 'ann', '--channel', 'private-x');
  const status = async (channel, credential = token) => {
    const url = `/channels/${encodeURIComponent(channel)}/history`;
    return (await get(d, url, { authorization: `Bearer ${credential}` })).status;
  };
  assert.deepEqual([await status('private-x'), await status('private-y')], [200, 403]);
  assert.equal(await status('private-x', hs({ sub: 'ann' })), 401);
  const late = k.make('--key', 'ES256=es', '--expires', '2020-01-01', '--channel', 'private-x');
  assert.equal(await status('private-x', late), 401);
  for (const line of [...d.stdout, ...d.stderr]) assert.ok(!line.includes(token.split('.')[2]));
});
