// The receivers of docs/webhooks.md as they stand there: they take what the gateway tells, and
// nothing from anybody else.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { cleanEnv, daemonFor } from './lib/daemon.mjs';
import { counter } from './lib/limited.mjs';
import { poll } from './lib/wait.mjs';
import { Ws } from './lib/wsclient.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const page = readFileSync(path.join(here, '../../docs/webhooks.md'), 'utf8');
const SECRET = 'a secret of thirty-two bytes, at the least';

function block(language) {
  const found = [...page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter((m) => m[1] === language);
  assert.equal(found.length, 1, language);
  return found[0][2];
}

function folderFor(t) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fanfare-webhooks-docs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const listening = (port) => new Promise((resolve) => {
  const s = net.connect(port, '127.0.0.1', () => {
    s.destroy();
    resolve(true);
  });
  s.on('error', () => resolve(undefined));
});

/** Runs a receiver, and a gateway that tells it something. */
async function takes(t, command, args, port) {
  const app = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...cleanEnv(), FANFARE_WEBHOOK_SECRET: SECRET, PORT: String(port) } });
  let said = '';
  app.stderr.on('data', (text) => { said += text; });
  t.after(() => app.kill());
  await poll(() => listening(port), { what: 'the receiver' });
  const url = `http://127.0.0.1:${port}/`;
  const d = await daemonFor(t, { args: ['--webhook-url', url],
    env: { FANFARE_WEBHOOK_SECRET: SECRET } });
  const c = await Ws.live(d, '/ws?channel=a&userId=ann');
  await poll(async () => ((await counter(d, 'webhook_sent')) >= 3 ? true : undefined));
  assert.equal(await counter(d, 'webhook_failed'), 0);
  c.terminate();
  for (const header of [undefined, `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}`]) {
    const res = await fetch(url, { method: 'POST', body: '{"started":"x","events":[]}',
      headers: header ? { 'Fanfare-Signature': header } : {} });
    assert.equal(res.status, 401, header);
  }
  return () => said;
}

test('Node', async (t) => {
  const file = path.join(folderFor(t), 'receiver.mjs');
  writeFileSync(file, block('js'));
  await takes(t, process.execPath, [file], await freePort());
});

test('Node: late events lose', (t) => {
  const file = path.join(folderFor(t), 'receiver.mjs');
  const told = [['b', 7, 'online'], ['b', 6, 'offline'], ['a', 90, 'offline'], ['b', 7, 'offline']];
  writeFileSync(file, `${block('js')}
for (const [started, seq, what] of ${JSON.stringify(told)}) {
  take(started, { seq, event: "user." + what, userId: "ann" });
}
console.log(JSON.stringify(online.get("ann")));
take("b", { seq: 8, event: "user.offline", userId: "ann" });
take("c", { seq: 1, event: "user.online", userId: "ann" });
console.log(JSON.stringify(online.get("ann")));
process.exit();
`);
  const out = execFileSync(process.execPath, [file],
    { encoding: 'utf8', env: { ...cleanEnv(), FANFARE_WEBHOOK_SECRET: SECRET, PORT: '0' } });
  assert.deepEqual(out.trim().split('\n').map((l) => JSON.parse(l)),
    [{ started: 'b', seq: 7, online: true }, { started: 'c', seq: 1, online: true }]);
});

test('PHP', async (t) => {
  const file = path.join(folderFor(t), 'receiver.php');
  writeFileSync(file, `<?php\n${block('php')}`);
  const port = await freePort();
  const said = await takes(t, 'php', ['-S', `127.0.0.1:${port}`, file], port);
  assert.match(said(), /^.*\d{4}-\d\d-\d\dT\S+Z 1 \w+\.\w+$/m);
});

test('Python', async (t) => {
  const file = path.join(folderFor(t), 'receiver.py');
  writeFileSync(file, `${block('python')}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        header = self.headers.get("Fanfare-Signature")
        told = webhook_body(os.environ["FANFARE_WEBHOOK_SECRET"], header, body)
        self.send_response(401 if told is None else 204)
        self.end_headers()

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
`);
  await takes(t, 'python3', [file], await freePort());
});
