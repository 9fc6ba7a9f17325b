// Runs inside a network namespace of its own (see half-open.test.mjs).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { scaled, startDaemon } from '../lib/daemon.mjs';
import { get, publish } from '../lib/http.mjs';
import { Sse } from '../lib/sse.mjs';
import { poll } from '../lib/wait.mjs';
import { Ws } from '../lib/wsclient.mjs';

const link = (state) => {
  const r = spawnSync('ip', ['link', 'set', 'lo', state], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
};

link('up');
const d = await startDaemon({
  args: ['--heartbeat', '1s', '--pong-timeout', '1s', '--user-timeout', '3s', '--shards', '2'],
});
await get(d, '/health');
const base = d.fds();
const streams = [];
for (let i = 0; i < 5; i++) {
  streams.push(await Sse.live(d, '/events?channel=a'));
  streams.push(await Ws.live(d, '/ws?channel=a'));
}
assert.equal((await publish(d, { channel: 'a' })).matched, 10);
await poll(() => (d.fds() >= base + 10 ? true : undefined), { what: 'ten descriptors more' });

// From here on no packet arrives, in either direction: no FIN, no RST.
link('down');
const began = Date.now();
await poll(() => (d.fds() <= base ? true : undefined), {
  timeout: 30000,
  what: () => `descriptors: ${base} before, ${d.fds()} now\n${d.tail()}`,
});
const took = Date.now() - began;
assert.ok(took >= 900, `closed after ${took} ms: something else closed them`);
assert.ok(took < scaled(20000));

// The gateway itself is well.
link('up');
const st = (await get(d, '/stats')).json;
assert.equal(st.clientCount, 0);
const s = await Sse.live(d, '/events?channel=a');
await publish(d, { channel: 'a', data: 'back' });
assert.equal((await s.message()).envelope.data, 'back');
await d.stop();
console.log(`half-open: ok, ${took} ms`);
process.exit(0);
