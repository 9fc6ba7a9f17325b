// The application of docs/security.md, "Asking your application", as it stands there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { cleanEnv, daemonFor } from './lib/daemon.mjs';
import { assertProblem, get } from './lib/http.mjs';
import { Sse } from './lib/sse.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const SECRET = 'a secret of thirty-two bytes, at the least';

function example() {
  const page = readFileSync(path.join(here, '../../docs/security.md'), 'utf8');
  const found = [...page.matchAll(/^```js\n([^]*?)^```$/gm)].map((m) => m[1])
    .filter((code) => code.includes('isFromGateway'));
  assert.equal(found.length, 1);
  return found[0];
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port) {
  return new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => {
      s.destroy();
      resolve(true);
    });
    s.on('error', () => resolve(undefined));
  });
}

test('the example answers as it says', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fanfare-app-'));
  const port = await freePort();
  writeFileSync(path.join(folder, 'application.mjs'), example());
  const app = spawn(process.execPath, [path.join(folder, 'application.mjs')], {
    env: { ...cleanEnv(), FANFARE_AUTH_SECRET: SECRET, PORT: String(port) }, stdio: 'inherit' });
  t.after(() => {
    app.kill();
    rmSync(folder, { recursive: true });
  });
  await poll(() => listening(port), { what: 'the application' });
  const args = ['--auth-url', `http://127.0.0.1:${port}/fanfare/auth`];
  const d = await daemonFor(t, { args, env: { FANFARE_AUTH_SECRET: SECRET } });
  const ann = { Cookie: 'theme=dark; session=s3cr3t' };

  const s = await Sse.open(d, '/events?channel=private-orders.ann&channel=private-room.7',
    { headers: ann });
  assert.deepEqual([...(await s.control('connected')).envelope.data.channels].sort(),
    ['private-orders.ann', 'private-room.7']);
  s.close();
  assertProblem(await get(d, '/events', { Cookie: 'session=wrong' }), 401,
    { code: 'missing_credential' });
  assertProblem(await get(d, '/events?channel=private-room.8', ann), 403,
    { code: 'forbidden_channel', detail: /not a member of this room/ });
  const ws = await Ws.live(d, '/ws', { headers: { ...ann, Origin: d.url } });
  assert.equal((await ws.op({ op: 'subscribe', channel: 'private-room.7' })).ok, true);
  assert.equal((await ws.op({ op: 'subscribe', channel: 'private-orders.bob' })).error.code,
    'forbidden');
  ws.terminate();

  // Another gateway, or anybody, without the secret is not answered.
  const other = await daemonFor(t, { args, env: { FANFARE_AUTH_SECRET: `${SECRET}?` } });
  assertProblem(await get(other, '/channels/news/history', ann), 503, { code: 'auth_unavailable' });
  await other.waitForLog(/status 400/);
});
