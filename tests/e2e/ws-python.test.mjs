// A client in another language: python3-websocket as Debian has it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { daemonFor, within } from './lib/daemon.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'py', 'ws_client.py');
// The system's Python has the system's modules; another one first in PATH may not.
const python = process.env.PYTHON || (existsSync('/usr/bin/python3') ? '/usr/bin/python3'
  : 'python3');

test('python3-websocket is installed', () => {
  const r = spawnSync(python, ['-c', 'import websocket; print(websocket.__version__)'],
    { encoding: 'utf8' });
  assert.equal(r.status, 0, `apt-get install python3-websocket (${python}: ${r.stderr})`);
});

test('connect, subscribe, receive, close', async (t) => {
  const d = await daemonFor(t);
  const url = `${d.url.replace(/^http/, 'ws')}/ws`;
  const child = spawn(python, [script, url, 'python.test'], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (x) => { stderr += x; });
  const exit = new Promise((resolve) => { child.once('close', resolve); });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const step = async (name) => {
    const { value, done } = await within(20_000, lines.next(), () => `step ${name}\n${stderr}`);
    assert.ok(!done, `it ended before "${name}": ${stderr}`);
    const said = JSON.parse(value);
    assert.equal(said.step, name);
    return said;
  };

  const hello = await step('connected');
  assert.equal(hello.status, 101);
  assert.equal(hello.subprotocol, 'fanfare.v1');
  assert.deepEqual(hello.greeting.map((e) => e.type), ['fanfare.connected', 'fanfare.synced']);

  const { reply } = await step('subscribed');
  assert.equal(reply.type, 'fanfare.reply');
  assert.equal(reply.ok, true);
  assert.equal(reply.ref, 'py');
  assert.equal(reply.data.channel, 'python.test');

  const data = '{"price":99.990,"city":"K\u00f6ln"}';
  const body = `{"channel":"python.test","type":"update","data":${data}}`;
  const res = await fetch(`${d.url}/broadcast`, { method: 'POST', body,
    headers: { 'Content-Type': 'application/json' } });
  const sent = await res.json();
  assert.equal(sent.matched, 1);
  child.stdin.write('published\n');
  const { raw } = await step('message');
  const envelope = JSON.parse(raw);
  assert.equal(envelope.id, sent.id);
  assert.equal(envelope.cursor, sent.cursor);
  assert.ok(raw.endsWith(`"data":${data}}`), raw);

  const pong = await step('pong');
  assert.deepEqual([pong.opcode, pong.payload], [10, 'from python']);

  const fragments = await step('fragments');
  assert.equal(fragments.reply.ref, '\u{1f389}');
  assert.deepEqual(fragments.reply.data, { handled: false });

  assert.equal((await step('unsubscribed')).reply.ok, true);

  const closed = await step('closed');
  assert.deepEqual([closed.opcode, closed.code, closed.eof], [8, 1000, true]);
  assert.equal((await step('closed again')).connected, false);
  assert.equal(await within(10_000, exit, 'the end of the client'), 0, stderr);
});
