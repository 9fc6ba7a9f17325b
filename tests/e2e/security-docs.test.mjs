// docs/security.md and README.md as they stand: the commands, the settings and the recipes for
// tokens and signed names that they print work, and permit what they say and no more.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { cleanEnv, daemonFor, daemonPath } from './lib/daemon.mjs';
import { assertProblem, get, request } from './lib/http.mjs';
import { Wire } from './lib/wire.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const page = (name) => readFileSync(path.join(here, '../..', name), 'utf8');

/** The blocks of code of one language, in their order. */
function blocks(text, language) {
  const found = [];
  let open = null;
  for (const line of text.split('\n')) {
    if (open === null) {
      if (line.startsWith('```')) open = { language: line.slice(3), text: '' };
    } else if (line === '```') {
      if (open.language === language) found.push(open.text);
      open = null;
    } else {
      open.text += `${line}\n`;
    }
  }
  return found;
}

function blockWith(name, language, needle) {
  const found = blocks(page(name), language).filter((b) => b.includes(needle));
  assert.equal(found.length, 1, `${name}: one block of ${language || 'no language'}: ${needle}`);
  return found[0];
}

function tempDir(t) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-doc-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** What GET /events answers: the status, once there is one. */
async function listens(d, channel, headers, more = '') {
  const res = await new Promise((resolve) => {
    const query = `channel=${encodeURIComponent(channel)}${more}`;
    const wire = new Wire(d, {
      transport: 'sse',
      query,
      headers: { Connection: 'close', ...headers },
      onEvent: (e) => {
        if (e.type === 'fanfare.connected') resolve({ status: 200, wire });
      },
      onEnd: () => resolve({ status: wire.status, wire }),
    });
  });
  res.wire.cut('rst');
  return res.status;
}

const bearer = (text) => ({ Authorization: `Bearer ${text.trim()}` });

/** A gateway with the secret of tokens in keys/token.secret below the folder. */
async function withSecret(t, args = []) {
  const dir = tempDir(t);
  mkdirSync(path.join(dir, 'keys'));
  const file = path.join(dir, 'keys/token.secret');
  writeFileSync(file, 'correct horse battery staple, and more\n', { mode: 0o600 });
  const d = await daemonFor(t, { args: ['--token-key', `HS256=${file}`, ...args] });
  return { dir, d };
}

async function permitsItsChannelOnly(d, token) {
  assert.equal(await listens(d, 'private-orders.ann', bearer(token)), 200);
  assert.equal(await listens(d, 'private-orders.bob', bearer(token)), 403);
  assert.equal(await listens(d, 'news', bearer(token)), 403, 'channels is all of them');
  const changed = token.trim().replace(/.$/, (c) => (c === 'A' ? 'B' : 'A'));
  assert.equal(await listens(d, 'private-orders.ann', bearer(changed)), 401);
}

test('tokens by Node', async (t) => {
  const { dir, d } = await withSecret(t);
  const code = blockWith('docs/security.md', 'js', 'tokenFor');
  const more = '\nprocess.stdout.write(tokenFor("ann", ["private-orders.ann"]));\n';
  writeFileSync(path.join(dir, 'token.mjs'), code + more);
  const token = execFileSync('node', ['token.mjs'], { cwd: dir, encoding: 'utf8' });
  await permitsItsChannelOnly(d, token);
});

test('tokens by Python', async (t) => {
  const { dir, d } = await withSecret(t);
  const code = blockWith('docs/security.md', 'python', 'token_for');
  const more = '\nprint(token_for("ann", ["private-orders.ann"]))\n';
  writeFileSync(path.join(dir, 'token.py'), code + more);
  const token = execFileSync('python3', ['token.py'], { cwd: dir, encoding: 'utf8' });
  await permitsItsChannelOnly(d, token);
});

test('tokens by PHP', async (t) => {
  const { dir, d } = await withSecret(t);
  const code = blockWith('docs/security.md', 'php', 'token_for');
  assert.match(code, /hash_hmac\('sha256', \$text, \$secret, true\)/);
  const more = '\necho token_for("ann", ["private-orders.ann"]);\n';
  writeFileSync(path.join(dir, 'token.php'), `<?php\n${code}${more}`);
  const token = execFileSync('php', ['token.php'], { cwd: dir, encoding: 'utf8' });
  await permitsItsChannelOnly(d, token);
});

test('signed names by Node', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'channel.secret');
  const secret = 'another secret, of 32 bytes and more';
  writeFileSync(file, secret, { mode: 0o600 });
  const env = { FANFARE_API_KEY: '0123456789abcdef0123456789abcdef' };
  const d = await daemonFor(t, { args: ['--anonymous', '--channel-secret-file', file], env });
  const code = blockWith('docs/security.md', 'js', 'function signed');
  writeFileSync(path.join(dir, 'sign.mjs'), `${code}\nexport { signed };\n`);
  const { signed } = await import(path.join(dir, 'sign.mjs'));
  assert.equal(await listens(d, 'private-room.7', {}), 403);
  assert.equal(await listens(d, signed('private-room.7', secret), {}), 200);
  assert.equal(await listens(d, signed('private-room.7', `${secret}!`), {}), 403);
  assert.equal(await listens(d, signed('private-room.7', secret, -100), {}), 403);
  const other = signed('private-room.7', secret).replace('room.7', 'room.8');
  assert.equal(await listens(d, other, {}), 403);
});

test('settings', async (t) => {
  const dir = tempDir(t);
  const file = path.join(dir, 'f.conf');
  for (const needle of ['subscribe-for = =granted', 'max-connections-per-address = 100']) {
    writeFileSync(file, blockWith('docs/security.md', '', needle));
    const env = cleanEnv({ FANFARE_API_KEY: '0123456789abcdef0123456789abcdef' });
    const r = spawnSync(daemonPath(), ['--config', file, '--check-config'], { env });
    assert.equal(r.status, 0, `${needle}: ${r.stderr}`);
  }
});

/** Runs a block of shell commands in which the daemon is known as `fanfare`. */
function shell(dir, commands, extra = '') {
  const script = `set -eu\nfanfare() { "$BIN" "$@"; }\n${commands}\n${extra}`;
  const env = cleanEnv({ BIN: daemonPath() });
  return execFileSync('sh', ['-c', script], { cwd: dir, env, encoding: 'utf8' });
}

const atGateway = (text, d) => text.replaceAll('http://gateway:8080', d.url);

test('in five minutes', async (t) => {
  const dir = tempDir(t);
  const [setup, use] = blocks(page('docs/security.md'), 'sh');
  const [prepare, start] = setup.split('fanfare --listen');
  shell(dir, prepare);
  const args = start.replace(/^ \S+/, '').replaceAll('\\\n', ' ').trim().split(/\s+/);
  const d = await daemonFor(t, { args, cwd: dir });
  const [publish, makeToken, listen] = atGateway(use, d).replaceAll('\\\n', ' ').split(/\n+/);
  assert.ok(JSON.parse(shell(dir, publish)).id);
  shell(dir, makeToken);
  assert.match(listen, /^curl -N -H .*ann\.token.*channel=private-orders\.ann'$/);
  await permitsItsChannelOnly(d, readFileSync(path.join(dir, 'ann.token'), 'utf8'));
});

test('README: who may do what', async (t) => {
  const dir = tempDir(t);
  const setup = blockWith('README.md', '', 'fanfare token keygen');
  const [prepare, start] = setup.split('fanfare --listen');
  shell(dir, prepare);
  const args = start.replace(/^ \S+/, '').trim().split(/\s+/);
  const d = await daemonFor(t, { args, cwd: dir });
  const use = blockWith('README.md', '', 'cat shop.key').replaceAll('http://127.0.0.1:8080', d.url);
  const [publish, rest] = use.replaceAll('\\\n', ' ').split(/\n\n/);
  const [makeToken] = rest.split('\n');
  assert.ok(JSON.parse(shell(dir, publish)).id);
  shell(dir, makeToken);
  const token = readFileSync(path.join(dir, 'ann.token'), 'utf8');
  assert.equal(await listens(d, 'private-orders.ann', bearer(token)), 200);
  assert.equal(await listens(d, 'private-orders.ann', {}), 401);
  assertProblem(await get(d, '/stats'), 401, { code: 'missing_credential' });
  const key = readFileSync(path.join(dir, 'shop.key'), 'utf8');
  assertProblem(await get(d, '/stats', bearer(key)), 403, { code: 'forbidden' });
  const ticket = await request(d, {
    method: 'POST',
    path: '/tickets',
    headers: { 'Content-Type': 'application/json', ...bearer(key) },
    body: '{"userId":"ann","channels":["private-orders.ann"]}',
  });
  assert.equal(ticket.status, 201, ticket.text);
  const query = `&ticket=${ticket.json.ticket}`;
  assert.equal(await listens(d, 'private-orders.ann', {}, query), 200);
  assert.equal(await listens(d, 'private-orders.ann', {}, query), 401, 'once');
});
