// The model test of presence: users come, go, are cut off, reload, fall silent and say something
// else of themselves, at random; what everybody is told must be true, and the same. Runs in a
// network namespace of its own, where single peers can be lost. See ../README.md.
//
//     unshare -n node model/main.mjs [--seed S] [--seconds N] [--presence-max N] \
//         [--break drop|dup]
//
// --break spoils what one watcher is told, to show that it would be seen.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bearer, everything, key, now, token, writeKeys, writeSecret } from '../lib/credentials.mjs';
import { scaled, startDaemon } from '../lib/daemon.mjs';
import { poll } from '../lib/wait.mjs';
import { Client } from './client.mjs';
import { NOBODY, Truth } from './truth.mjs';

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: `${(Date.now() * 7919 + process.pid) % 1e9}` },
    seconds: { type: 'string', default: '10' },
    'presence-max': { type: 'string', default: '1000' },
    break: { type: 'string', default: '' },
  },
});
const USERS = Array.from({ length: 200 }, (_, i) => `user-${i}`);
const CHANNELS = Array.from({ length: 20 }, (_, i) => `presence-m.${i}`);
// These always have a subscriber; the others are forgotten now and then.
const WATCHED = CHANNELS.filter((_, i) => i % 2 === 0);
const ALL = 'fanfare.users';
const GRACE = 800;
const HEARTBEAT = 1000;
const PONG = scaled(1500);
const USER_TIMEOUT = scaled(2000);
const SLACK = scaled(5000); // the kernel looks at the user timeout now and then only
const MOST = 350;
const SECRET = 'the secret that signs the tokens of the model';

// ---- choices ----

let state = Number(options.seed) >>> 0;
const random = () => { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const upTo = (n) => Math.floor(random() * n);
const one = (list) => list[upTo(list.length)];
const chance = (p) => random() < p;

// ---- the world ----

const ip = (...args) => {
  const r = spawnSync('ip', args, { encoding: 'utf8' });
  assert.equal(r.status, 0, `ip ${args.join(' ')}: ${r.stderr}`);
};
ip('link', 'set', 'lo', 'up');
const folder = mkdtempSync(path.join(tmpdir(), 'fanfare-model-'));
const backend = key('backend', everything);
const d = await startDaemon({
  args: ['--shards', '2', '--presence-interval', '40ms', '--presence-grace', `${GRACE}ms`,
    '--heartbeat', `${HEARTBEAT}ms`, '--pong-timeout', `${PONG}ms`,
    '--user-timeout', `${USER_TIMEOUT}ms`, '--presence-max', options['presence-max'],
    '--keys', writeKeys(folder, [backend]),
    '--token-key', `HS256=${writeSecret(folder, 'token', SECRET)}`],
});
const truth = new Truth({
  grace: GRACE,
  bounds: { ws: HEARTBEAT + PONG, sse: HEARTBEAT + USER_TIMEOUT },
  channels: [...CHANNELS, ALL],
});
const users = new Map(USERS.map((u) => [u, { name: u, here: [], lost: [], iat: 0 }]));
const watchers = [];
const total = { steps: 0, actions: 0, events: 0, snapshots: 0, changes: 0, counts: 0 };
const did = {};
let failure = null;
let serial = 0;
let said = 0;
const fail = (e) => {
  failure ??= e;
};
const check = () => {
  if (failure) throw failure;
};

const agent = new http.Agent({ keepAlive: true, maxSockets: 30 });
function request(method, where, { body, headers } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({
      host: '127.0.0.1', port: d.port, agent, method, path: where, timeout: scaled(15000),
      headers: { ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
    }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (c) => {
        text += c;
      }).on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('timeout', () => req.destroy(new Error(`${method} ${where}: no answer`)));
    req.on('error', reject).end(body && JSON.stringify(body));
  });
}
async function good(method, where, more) {
  const { status, text } = await request(method, where, more);
  assert.ok(status >= 200 && status < 300, `${method} ${where}: ${status} ${text}`);
  return text ? JSON.parse(text) : null;
}
const asked = (method, where) => good(method, where, { headers: bearer(backend.text) });

// ---- what everybody is told ----

/** channel -> version -> {text, state}; the same for all. */
const told = new Map();
const newest = new Map();

function record(data, text, view, pattern) {
  const { channel, version } = data;
  if (!told.has(channel)) told.set(channel, new Map());
  const versions = told.get(channel);
  let v = versions.get(version);
  if (!v) versions.set(version, v = {});
  total.events++;
  if (data.event === 'changes') {
    assert.equal(text, v.text ?? text, 'not what another one was told');
    if (v.text === undefined) {
      total.changes++;
      total.counts += data.listed === false;
      v.text = text;
      truth.check(channel, data);
    }
  } else total.snapshots++;
  if (view) {
    assert.equal(view.state, v.state ?? view.state, 'not the view of another one');
    v.state = view.state;
  } else {
    pattern.last ??= new Map();
    const last = pattern.last.get(channel);
    if (last !== undefined && WATCHED.includes(channel)) assert.equal(version, last + 1);
    if (last !== undefined) assert.ok(version > last, `${version} after ${last}`);
    pattern.last.set(channel, version);
  }
  newest.set(channel, Math.max(version, newest.get(channel) ?? 0));
}

// ---- what they do; each of these belongs to a user, one after the other ----

const infoOf = (user) => ({ u: user.name, n: ++said });
const tokenOf = (user, info) => token(SECRET, {
  sub: user.name, channels: ['presence-m.*', 'presence-m.>'], exp: now() + 3600,
  iat: Math.max(now(), user.iat), ...(info === undefined ? {} : { info }),
});

function begin(user, plan) {
  const n = ++serial;
  const c = new Client(d, {
    transport: plan.transport, channels: plan.channels, record, fail,
    localAddress: `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
    query: {
      access_token: tokenOf(user, plan.signed ? plan.info : undefined),
      info: plan.info === undefined || plan.signed ? undefined : JSON.stringify(plan.info),
    },
  });
  c.signed = plan.signed && plan.info !== undefined;
  c.user = user;
  c.info = plan.info === undefined ? NOBODY : JSON.stringify(plan.info);
  return c;
}
const places = (c) => [...c.channels, ALL];

async function connect(user, plan) {
  const fresh = [...plan.channels, ALL].map((ch) => truth.coming(ch, user.name));
  const c = begin(user, plan);
  await c.live();
  places(c).forEach((ch, i) => truth.came(ch, user.name, fresh[i], c.info));
  user.here.push(c);
}
function drop(c, how) {
  c.user.here.splice(c.user.here.indexOf(c), 1);
  for (const ch of places(c)) truth.ending(ch, c.user.name, false);
  c.end(how);
}
async function inform(c, info) {
  if (c.transport === 'ws') {
    const reply = await c.op({ op: 'info', info });
    assert.equal(reply.ok, true, JSON.stringify(reply));
  } else {
    await good('POST', '/info', {
      body: { info }, headers: { 'Fanfare-Client-Key': c.hello.clientKey },
    });
  }
}
async function renew(c, info) {
  const next = tokenOf(c.user, info);
  c.signed = true;
  if (c.transport === 'ws') {
    const reply = await c.op({ op: 'token', token: next });
    assert.equal(reply.ok, true, JSON.stringify(reply));
  } else {
    await good('POST', `/clients/${c.hello.clientId}/token`, {
      body: { token: next }, headers: { 'Fanfare-Client-Key': c.hello.clientKey },
    });
  }
}

const ACTIONS = {
  connect: [12, (user, _, plan) => connect(user, plan)],
  close: [6, (user, c, { how }) => drop(c, how)],
  reload: [10, async (user, c, plan) => {
    drop(c, plan.how);
    await connect(user, { ...plan, channels: [...c.channels], transport: c.transport });
  }],
  switch: [3, async (user, c, plan) => {
    await connect(user, { ...plan, channels: [...c.channels] });
    drop(c, plan.how);
  }],
  abort: [3, async (user, _, plan) => {
    for (const ch of [...plan.channels, ALL]) truth.coming(ch, user.name);
    const c = begin(user, { ...plan, info: undefined });
    await new Promise((resolve) => c.wire.socket.once('connect', () => setImmediate(resolve)));
    c.end(plan.how);
    for (const ch of places(c)) truth.aborted(ch, user.name, c);
  }],
  lose: [2, (user, c, { quiet }) => {
    user.here.splice(user.here.indexOf(c), 1);
    user.lost.push(c);
    for (const ch of places(c)) truth.losing(ch, user.name, c, c.transport);
    c.over = true;
    // It reads no more, or no packet arrives in either direction.
    if (quiet && c.transport === 'ws') c.wire.pause();
    else ip('route', 'add', 'blackhole', `${c.wire.socket.localAddress}/32`, 'table', 'local');
  }],
  info: [8, async (user, c) => {
    if (c.signed) return;
    const info = infoOf(user);
    await inform(c, info);
    for (const ch of places(c)) truth.says(ch, user.name, JSON.stringify(info));
    c.info = JSON.stringify(info);
  }],
  renew: [4, async (user, c) => {
    const info = infoOf(user);
    await renew(c, info);
    for (const ch of places(c)) truth.says(ch, user.name, JSON.stringify(info));
    c.info = JSON.stringify(info);
  }],
  subscribe: [5, async (user, c, { channels }) => {
    if (c.transport !== 'ws') return;
    for (const ch of channels.filter((x) => !c.channels.has(x))) {
      const fresh = truth.coming(ch, user.name);
      c.views.set(ch, null);
      c.channels.add(ch);
      const reply = await c.op({ op: 'subscribe', channel: ch });
      assert.equal(reply.ok, true, JSON.stringify(reply));
      truth.came(ch, user.name, fresh, c.info);
      await c.live();
    }
  }],
  unsubscribe: [4, async (user, c) => {
    if (c.transport !== 'ws' || c.channels.size < 2) return;
    const [ch] = c.channels;
    truth.ending(ch, user.name, true);
    const reply = await c.op({ op: 'unsubscribe', channel: ch });
    assert.equal(reply.ok, true, JSON.stringify(reply));
    c.channels.delete(ch);
    c.views.delete(ch);
  }],
  presence: [4, async (user, c) => {
    if (c.transport !== 'ws') return;
    const [ch] = c.channels;
    const reply = await c.op({ op: 'presence', channel: ch }); // its data: see client.mjs
    assert.equal(reply.ok, true, JSON.stringify(reply));
  }],
  kick: [1, async (user, c) => {
    user.here.splice(user.here.indexOf(c), 1);
    c.over = true;
    for (const ch of places(c)) truth.ending(ch, user.name, true);
    await asked('DELETE', `/clients/${c.hello.clientId}`);
  }],
  banish: [1, async (user) => {
    const gone = user.here.splice(0);
    for (const ch of truth.entries.keys()) truth.dismissed(ch, user.name);
    for (const c of gone) {
      c.over = true;
      for (const ch of places(c)) truth.ending(ch, user.name, true);
    }
    await asked('DELETE', `/users/${user.name}`);
    user.iat = now() + 1; // those of this second are worthless
  }],
};
const NAMES = Object.entries(ACTIONS).flatMap(([name, [weight]]) => Array(weight).fill(name));
const ALONE = new Set(['connect', 'abort', 'banish']);

function plan(user) {
  const channels = new Set();
  const n = 1 + upTo(3);
  while (channels.size < n) channels.add(CHANNELS[Math.min(upTo(20), upTo(20))]);
  const quiet = chance(0.5);
  const p = {
    transport: one(['sse', 'ws']), channels: [...channels], how: one(['close', 'fin', 'rst']),
    info: chance(0.6) ? infoOf(user) : undefined, signed: chance(0.3), quiet,
  };
  let name = one(NAMES);
  const c = one(user.here);
  if (!c && !ALONE.has(name)) name = 'connect';
  if (name === 'connect' && here() > MOST) name = c ? 'close' : 'abort';
  return async () => {
    did[name] = (did[name] ?? 0) + 1;
    total.actions++;
    try {
      await ACTIONS[name][1](user, c, p);
    } catch (e) {
      e.message = `${name} of ${user.name}: ${e.message}`;
      throw e;
    }
  };
}
const here = () => [...users.values()].reduce((n, u) => n + u.here.length, 0);

// ---- after each step ----

function* viewsOf(channel) {
  for (const w of watchers) if (w.views.has(channel)) yield w.views.get(channel);
  for (const u of users.values()) {
    for (const c of u.here) if (c.views.has(channel)) yield c.views.get(channel);
  }
}

/** Undefined: not yet. */
async function settledNow(channel, quiet, say) {
  const t0 = performance.now();
  const page = await asked('GET', `/channels/${channel}/presence?limit=1000`);
  check();
  const wrong = truth.compare(channel, page, t0, quiet, SLACK);
  if (wrong) return say(wrong);
  let views = 0;
  for (const v of viewsOf(channel)) {
    if (v?.version !== page.version) return say(`a view of ${v?.version}, page ${page.version}`);
    if (!v.listed && v.count !== page.count) return say(`counted ${v.count}, page ${page.count}`);
    views++;
    if (!v.listed) continue;
    const shown = page.members.map((m) => [m.userId, m.since, m.info]);
    const seen = v.users.map((u) => [u, v.members.get(u).since, v.members.get(u).info]);
    const by = ([a], [b]) => (a < b ? -1 : 1);
    assert.deepEqual(seen.sort(by), shown.sort(by), `${channel} at ${page.version}`);
    assert.equal(v.count, page.count);
  }
  truth.settled(channel, page, t0);
  const versions = told.get(channel);
  for (const n of versions?.keys() ?? []) if (n < page.version) versions.delete(n);
  return views;
}

async function settle(quiet) {
  const views = await Promise.all([...truth.entries.keys()].map((channel) => {
    let last;
    const say = (what) => {
      last = what;
    };
    return poll(() => settledNow(channel, quiet, say), {
      timeout: quiet ? 25000 : 10000, what: () => `${channel} settled: ${last}`,
    });
  }));
  return views.reduce((a, b) => a + b);
}

async function online(names) {
  await Promise.all(names.map(async (name) => {
    const user = await asked('GET', `/users/${name}`);
    const { length } = users.get(name).here;
    assert.equal(user.connections, length, name);
    assert.equal(user.online, length > 0, name);
    assert.equal(typeof user.since, length > 0 ? 'string' : 'object', name);
  }));
}

async function run() {
  const kinds = [['sse', [...WATCHED, ALL]], ['ws', [...WATCHED, ALL]], ['sse', ['presence-m.*']],
    ['ws', ['presence-m.*']], ['ws', [ALL]]];
  for (const [transport, channels] of kinds) {
    const w = new Client(d, { transport, channels, record, fail, headers: bearer(backend.text) });
    await w.live();
    watchers.push(w);
    if (options.break && watchers.length === 2) {
      let n = 0;
      const spoilt = options.break === 'dup' ? 2 : 0;
      w.times = (data) => (data.event === 'changes' && ++n === 20 ? spoilt : 1);
    }
  }
  const end = performance.now() + Number(options.seconds) * 1000;
  let views = 0;
  while (performance.now() < end) {
    const first = total.steps === 0;
    const n = first ? USERS.length : 1 + upTo(25);
    const chosen = new Set();
    while (chosen.size < n) chosen.add(first ? USERS[chosen.size] : one(USERS));
    await Promise.all([...chosen].map((u) => users.get(u)).map(plan).map((act) => act()));
    check();
    const quiet = total.steps % 12 === 11;
    views += await settle(quiet);
    if (quiet) await online(Array.from({ length: 20 }, () => one(USERS)));
    total.steps++;
  }
  views += await settle(true);
  await online(USERS);
  return views;
}

console.log(`presence model: --seed ${options.seed} --presence-max ${options['presence-max']}`);
let status = 0;
try {
  const views = await run();
  for (const u of users.values()) for (const c of [...u.here, ...u.lost]) c.end('rst');
  for (const w of watchers) w.end('rst');
  agent.destroy();
  await d.stop();
  console.log(`presence model: ok, ${JSON.stringify({ ...total, views })} ${JSON.stringify(did)}`);
} catch (e) {
  console.log(`presence model: FAILED (--seed ${options.seed}, step ${total.steps})\n${e.stack}`);
  status = 1;
  d.kill('SIGKILL');
}
rmSync(folder, { recursive: true, force: true });
process.exit(status);
