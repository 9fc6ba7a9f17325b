// Runs inside a network namespace of its own (see presence.test.mjs). Whoever watches does so
// over a unix socket, which the lost network is nothing to.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { scaled, startDaemon } from '../lib/daemon.mjs';
import { Attendant } from '../lib/presence.mjs';

const link = (state) => {
  const r = spawnSync('ip', ['link', 'set', 'lo', state], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
};
const t = { after() {} };
const HEARTBEAT = 1000;
const PONG = 1000;
const USER_TIMEOUT = 3000;
const GRACE = 1000;

link('up');
const folder = mkdtempSync(path.join(tmpdir(), 'fanfare-half-open-'));
const socket = path.join(folder, 'socket');
const d = await startDaemon({
  listen: ['127.0.0.1:0', `unix:${socket}`],
  args: ['--heartbeat', `${HEARTBEAT}ms`, '--pong-timeout', `${PONG}ms`, '--shards', '2',
    '--user-timeout', `${USER_TIMEOUT}ms`, '--presence-grace', `${GRACE}ms`],
});
const channel = 'presence-a';
const watcher = await Attendant.live(t, { path: socket }, { transport: 'ws', user: 'w', channel });
for (const transport of ['sse', 'ws']) {
  await Attendant.live(t, d, { transport, user: transport, channel });
}
await watcher.users('sse', 'w', 'ws');

// From here on no packet arrives, in either direction: no FIN, no RST.
link('down');
const began = Date.now();
const took = {};
const bound = {
  ws: HEARTBEAT + PONG + GRACE,
  sse: HEARTBEAT + USER_TIMEOUT + GRACE,
};
for (;;) {
  const have = watcher.told.length;
  const { users } = await watcher.until((v, told) => told.length > have, 'a leave', 30000);
  for (const who of ['sse', 'ws']) {
    if (!users.includes(who)) took[who] ??= Date.now() - began;
  }
  if (users.length === 1) break;
}
for (const who of ['sse', 'ws']) {
  assert.ok(took[who] >= GRACE, `${who} after ${took[who]} ms: too early`);
  // The kernel looks at the user timeout when it sends again: up to a few seconds later.
  assert.ok(took[who] < scaled(bound[who] + 4000), `${who} after ${took[who]} ms`);
}
link('up');
await d.stop();
rmSync(folder, { recursive: true, force: true });
console.log(`half-open presence: ok, ${JSON.stringify(took)}`);
process.exit(0);
