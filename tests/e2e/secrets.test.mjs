// Secrets: never taken from a command line, never shown, never logged.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { daemonFor, spawnDaemon } from './lib/daemon.mjs';
import { assertProblem, get, request } from './lib/http.mjs';
import { Wire, listen } from './lib/wire.mjs';

const API_KEY = 'api-key-api-key-api-key-api-key-1';
const TOKEN_SECRET = 'token-secret-token-secret-token-secret';
const CHANNEL_SECRET = 'channel-secret-channel-secret-channel';
const ENV = {
  FANFARE_API_KEY: API_KEY,
  FANFARE_TOKEN_SECRET: TOKEN_SECRET,
  FANFARE_CHANNEL_SECRET: CHANNEL_SECRET,
};
const SECRETS = Object.values(ENV);

function tempDir(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-secret-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function run(argv, env) {
  const d = spawnDaemon(argv, { env });
  const { code } = await d.waitExit();
  return { code, text: [...d.stdout, ...d.stderr].join('\n') };
}

const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
function token(claims, secret = TOKEN_SECRET) {
  const text = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
const bearer = (text) => ({ Authorization: `Bearer ${text}` });

/** Nothing of any secret, whole or in a telling part, is in the text. */
function hidesAll(text, secrets, what) {
  for (const s of secrets) {
    for (const piece of [s, s.slice(0, 20), s.slice(-20)]) {
      assert.ok(!text.includes(piece), `${what} has ${piece}`);
    }
  }
}

test('a command line is refused, and not repeated', async () => {
  for (const [name, elsewhere] of [
    ['api-key', /FANFARE_API_KEY.*--api-key-file/],
    ['token-secret', /FANFARE_TOKEN_SECRET.*--config/],
    ['channel-secret', /FANFARE_CHANNEL_SECRET.*--channel-secret-file/],
    ['auth-secret', /FANFARE_AUTH_SECRET.*--auth-secret-file/],
  ]) {
    for (const argv of [[`--${name}=${API_KEY}`], [`--${name}`, API_KEY], [`--${name}`]]) {
      const r = await run([...argv, '--check-config']);
      assert.equal(r.code, 2, r.text);
      assert.match(r.text, elsewhere);
      hidesAll(r.text, [API_KEY], 'the sentence');
    }
  }
  const r = await run([`--api-kee=${API_KEY}`]);
  assert.equal(r.code, 2);
  assert.match(r.text, /did you mean --api-key\?/);
  hidesAll(r.text, [API_KEY], 'the sentence');
  const help = await run(['--help']);
  assert.match(help.text, /^ {2}FANFARE_API_KEY=SECRET/m);
  assert.doesNotMatch(help.text, /^ {2}--api-key[ =]/m);
});

test('a value that is wrong is not shown', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.conf');
  for (const bad of ['hunter2hunter2', `hunter2 ${API_KEY} \u0001`]) {
    const env = await run(['--check-config'], { FANFARE_API_KEY: bad });
    assert.equal(env.code, 2, env.text);
    hidesAll(env.text, ['hunter2', API_KEY], 'the sentence about the environment');
    writeFileSync(file, `api-key = ${bad}\n`, { mode: 0o600 });
    const conf = await run(['--check-config', '--config', file]);
    assert.equal(conf.code, 2, conf.text);
    assert.match(conf.text, /f\.conf:1: api-key: /);
    hidesAll(conf.text, ['hunter2', API_KEY], 'the sentence about the file');
  }
  const good = await run(['--check-config'], ENV);
  assert.equal(good.code, 0, good.text);
  assert.equal(good.text, 'configuration is valid');
});

test("a file with a secret is nobody else's", async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.conf');
  writeFileSync(file, `listen = 127.0.0.1:0\napi-key = ${API_KEY}\n`, { mode: 0o644 });
  const r = await run(['--check-config', '--config', file]);
  assert.equal(r.code, 2, r.text);
  assert.match(r.text, /f\.conf:2: api-key: every user of this machine can read this file/);
  const secret = path.join(dir, 'key');
  writeFileSync(secret, `${API_KEY}\n`, { mode: 0o644 });
  const started = await run(['--listen', '127.0.0.1:0', '--api-key-file', secret]);
  assert.notEqual(started.code, 0);
  assert.ok(started.text.includes(secret), started.text);
  hidesAll(started.text, [API_KEY], 'the sentence');
});

test('/proc does not show those of the environment, and SIGHUP keeps them', async (t) => {
  const d = await daemonFor(t, { args: ['--anonymous', '--log-level', 'info'], env: ENV });
  const environment = readFileSync(`/proc/${d.pid}/environ`, 'latin1');
  for (const name of Object.keys(ENV)) assert.ok(environment.includes(`${name}=\0`), name);
  hidesAll(environment, SECRETS, '/proc/PID/environ');
  const good = token({ sub: 'ann', exp: Math.floor(Date.now() / 1000) + 600 });
  for (let i = 0; i < 3; i++) {
    assert.equal((await get(d, '/stats', bearer(API_KEY))).status, 200);
    assert.equal((await get(d, '/channels/a/history', bearer(good))).status, 200);
    const from = d.mark();
    d.kill('SIGHUP');
    await d.waitForLog(/options reloaded/, { from });
  }
  hidesAll(readFileSync(`/proc/${d.pid}/environ`, 'latin1'), SECRETS, '/proc/PID/environ');
});

for (const format of ['text', 'json']) {
  test(`whatever clients do, the log (${format}) and the answers show none`, async (t) => {
    const dir = tempDir(t);
    const log = path.join(dir, 'log');
    const keyText = `ffk_shop_${'k'.repeat(43)}`;
    const keys = path.join(dir, 'keys');
    const hash = createHash('sha256').update(keyText).digest('hex');
    writeFileSync(keys, `[shop]\nsecret = sha256:${hash}\nread = yes\ntickets = yes\n`);
    const args = ['--keys', keys, '--log-file', log, '--log-level', 'debug'];
    const d = await daemonFor(t, { args: [...args, '--log-format', format], env: ENV });
    const now = Math.floor(Date.now() / 1000);
    const good = token({ sub: 'ann', channels: ['private-a'], iat: now, exp: now + 600 });
    const secrets = [...SECRETS, keyText, good, token({ sub: 'bob' }, 'x'.repeat(32))];
    const answers = [];
    const bad = [token({ sub: 'x', exp: 1 }), `${good}x`, `ffk_none_${'q'.repeat(43)}`];
    for (const s of [...secrets, ...bad]) {
      if (!secrets.includes(s)) secrets.push(s);
      answers.push(await get(d, '/stats', bearer(s)));
      answers.push(await get(d, `/channels/private-a/history?access_token=${s}`));
      answers.push(await get(d, `/events?ticket=${s}`, { Accept: 'application/json' }));
    }
    const made = await request(d, {
      method: 'POST',
      path: '/tickets',
      headers: { 'Content-Type': 'application/json', ...bearer(keyText) },
      body: '{"channels":["private-a"]}',
    });
    assert.equal(made.status, 201, made.text);
    secrets.push(made.json.ticket);
    const l = listen(t, d, { transport: 'sse', channels: ['private-a'], ticket: made.json.ticket });
    const { data } = (await l.take('fanfare.synced'))[0];
    secrets.push(data.clientKey);
    const query = `ticket=${made.json.ticket}`;
    const spent = new Wire(d, { transport: 'ws', query, onEvent() {} });
    await spent.closed;
    const ws = listen(t, d, { transport: 'ws', channels: ['private-a'], access_token: good });
    await ws.take('fanfare.synced');
    for (const url of ['/clients', '/stats', `/clients/${data.clientId}`]) {
      answers.push(await get(d, url, bearer(keyText)));
    }
    answers.push(await get(d, '/metrics', bearer(API_KEY)));
    for (const a of answers) {
      hidesAll(`${a.text}${JSON.stringify(a.headers)}`, secrets, 'an answer');
    }
    assertProblem(await get(d, '/stats', bearer('x')), 401, { code: 'unknown_credential' });
    hidesAll(readFileSync(`/proc/${d.pid}/cmdline`, 'utf8'), secrets, 'the command line');
    await d.stop();
    const written = [readFileSync(log, 'utf8'), ...d.stdout, ...d.stderr].join('\n');
    assert.match(written, /credential refused/);
    hidesAll(written, secrets, 'the log');
  });
}
