// Clients that mean harm or are broken, and what must hold whatever they do:
// the daemon's memory stays bounded, a bystander on the same shard keeps
// getting its messages, and no descriptor is left behind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe as group, test } from 'node:test';
import { startDaemon } from './lib/daemon.mjs';
import { RawConn, requestBytes } from './lib/http.mjs';
import {
  OP, RawWs, binary, close, closeAll, cont, describe, frame, handshake, ping, text,
} from './lib/rawws.mjs';
import { poll } from './lib/wait.mjs';

const K = 1024;
const M = 1024 * K;
// AddressSanitizer holds 256 MB of freed memory back.
const SLACK = process.env.FANFARE_SAN_DIR ? 512 * M : 8 * M;
const NOFIN = { fin: false };

// HTTP over one connection that is there from the beginning, so that it does
// not change the number of descriptors. Callers in parallel queue up.
class Http {
  static async open(daemon) {
    const http = new Http();
    http.daemon = daemon;
    http.conn = await RawConn.open(daemon);
    return http;
  }

  request(method, path, body) {
    const answer = (this.last ?? Promise.resolve()).then(async () => {
      this.conn.write(requestBytes(this.daemon, { method, path, body: body && JSON.stringify(body),
        headers: body ? { 'Content-Type': 'application/json' } : {} }));
      const res = await this.conn.readResponse({ method });
      return { status: res.status, body: res.text === '' ? null : res.json };
    });
    this.last = answer.catch(() => {});
    return answer;
  }
}

const join = async (daemon, query, opts) => {
  const ws = await RawWs.open(daemon.port, { path: `/ws?${query}`, ...opts });
  const connected = await ws.nextJson('connected');
  assert.equal((await ws.nextJson('synced')).type, 'fanfare.synced');
  ws.id = connected.data.clientId;
  return ws;
};

// The daemon under attack and a client that minds its own business, on one shard.
class Scene {
  static async open(t, args = []) {
    const s = new Scene();
    s.daemon = await startDaemon({ args: ['--shards', '1', ...args] });
    t.after(() => s.end());
    s.http = await Http.open(s.daemon);
    s.bystander = await join(s.daemon, 'channel=calm');
    // What is made once is made now, and is no leak later.
    const first = await join(s.daemon, 'channel=calm');
    await first.closeClean();
    first.destroy();
    await s.calm();
    await s.alone();
    s.fds = s.daemon.fds();
    s.rss = s.daemon.rss();
    s.peak = s.#peak();
    return s;
  }

  #peak() {
    const status = readFileSync(`/proc/${this.daemon.pid}/status`, 'utf8');
    return Number(/^VmPeak:\s+(\d+) kB$/m.exec(status)[1]) * K;
  }

  connect(query = 'channel=storm', opts) {
    return join(this.daemon, query, opts);
  }

  async publish(message) {
    const { status, body } = await this.http.request('POST', '/broadcast', message);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  async clients() {
    return (await this.http.request('GET', '/stats')).body.clientCount;
  }

  // The bystander gets its messages, one after the other.
  async calm(rounds = 3) {
    for (let i = 0; i < rounds; i++) {
      const { id } = await this.publish({ channel: 'calm', data: i });
      assert.equal((await this.bystander.nextJson('the message of the bystander')).id, id);
    }
  }

  bounded(limit = SLACK) {
    const grown = this.daemon.rss() - this.rss;
    assert.ok(grown < limit, `resident memory grew by ${Math.round(grown / K)} KB`);
  }

  // Not even reserved: a length that a stranger announced is no reason to allocate.
  notReserved() {
    const grown = this.#peak() - this.peak;
    assert.ok(grown < 512 * M, `virtual memory grew by ${Math.round(grown / M)} MB`);
  }

  alone() {
    return poll(async () => ((await this.clients()) === 1 ? true : undefined),
      { what: 'only the bystander is left' });
  }

  // All is as it was.
  async restored() {
    await this.alone();
    await poll(() => (this.daemon.fds() <= this.fds ? true : undefined),
      { what: () => `${this.daemon.fds()} descriptors, ${this.fds} at first` });
    await this.calm();
  }

  async end() {
    // Clients that answer no Close would hold the end up for --close-timeout.
    closeAll();
    this.http?.conn.close();
    await this.daemon.stop();
    const errors = this.daemon.stderr.filter((l) => /^\S+ error /.test(l));
    assert.deepEqual(errors, [], 'nothing that a client does is an error of the gateway');
  }
}

// ---- lengths ----------------------------------------------------------------

group('huge announced lengths', () => {
  for (const [what, announce] of [['1.8 GB', 1_800_000_000n], ['2 GB', (1n << 31n) - 1n],
    ['4 GB', 1n << 32n], ['1 TB', 1n << 40n], ['the largest legal', (1n << 63n) - 1n],
    ['one octet over the limit', BigInt(256 * K + 1)]]) {
    test(`a text header that announces ${what}: 1009`, async (t) => {
      const s = await Scene.open(t);
      const ws = await s.connect();
      const header = text('', { announce, length: 64 });
      assert.equal(header.length, 14);
      ws.send(header);
      await ws.expectClose(1009);
      ws.destroy();
      s.bounded();
      s.notReserved();
      await s.restored();
    });
  }
  test('in a continuation: 1009', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.send(text('{', NOFIN), cont('', { announce: 1_800_000_000n }));
    await ws.expectClose(1009);
    ws.destroy();
    s.bounded();
    s.notReserved();
    await s.restored();
  });
  test('in a binary frame: 1009 or 1003', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.send(binary('', { announce: 1_800_000_000n }));
    await ws.expectClose([1009, 1003]);
    ws.destroy();
    s.bounded();
    s.notReserved();
    await s.restored();
  });
  test('in a ping: 1002', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.send(ping('', { announce: 1_800_000_000n }));
    await ws.expectClose(1002);
    ws.destroy();
    s.bounded();
    s.notReserved();
    await s.restored();
  });
  test('the header octet by octet', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    await ws.chop(text('', { announce: 1_800_000_000n }), 1);
    await ws.expectClose(1009);
    ws.destroy();
    s.bounded();
    s.notReserved();
    await s.restored();
  });
  test('a hundred clients announce the limit and send nothing', async (t) => {
    const s = await Scene.open(t);
    const all = await Promise.all(Array.from({ length: 100 }, () => s.connect()));
    for (const ws of all) {
      await ws.write(text('', { announce: 256 * K }));
    }
    await s.calm(20);
    s.bounded();
    for (const ws of all) {
      assert.equal(ws.waiting, 0, 'within the limit: no reason to close');
      ws.rst();
    }
    await s.restored();
  });
});

// ---- fragments --------------------------------------------------------------

group('fragments', () => {
  // Sends until the daemon closes or all is sent; a daemon may put an end to it.
  async function storm(t, one, count) {
    const s = await Scene.open(t);
    const ws = await s.connect();
    const block = Buffer.concat(Array(1000).fill(one));
    await ws.write(text('', NOFIN));
    for (let i = 0; i < count / 1000 && ws.waiting === 0; i++) {
      await ws.write(block);
    }
    await s.calm(20);
    s.bounded();
    return { s, ws };
  }
  const outcome = async (ws) => {
    const e = await ws.next('an answer to the fragments');
    if (e.kind === 'close') {
      assert.ok([1008, 1009].includes(e.code), describe(e));
      ws.sendClose(e.code);
      await ws.eof();
      return;
    }
    assert.equal(e.kind, 'message', describe(e));
    assert.equal(JSON.parse(e.data).error.code, 'bad_json');
    await ws.closeClean();
  };
  test('500 000 empty ones', async (t) => {
    const { s, ws } = await storm(t, cont('', NOFIN), 500_000);
    ws.send(cont(''));
    await outcome(ws);
    ws.destroy();
    await s.restored();
  });
  test('250 000 of one octet', async (t) => {
    const { s, ws } = await storm(t, cont('x', NOFIN), 250_000);
    ws.send(cont('x'));
    await outcome(ws);
    ws.destroy();
    await s.restored();
  });
  test('of one octet, without end: 1009 (or 1008)', async (t) => {
    const { s, ws } = await storm(t, cont('x', NOFIN), 300_000);
    await ws.expectClose([1009, 1008]);
    ws.destroy();
    await s.restored();
  });
  test('with a ping after each', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    const block = Buffer.concat(Array.from({ length: 5000 }, () => [cont('', NOFIN), ping('p')])
      .flat());
    ws.send(text('{"op":"ping",', NOFIN), block, cont('"ref":1}'));
    const e = await ws.until((x) => x.kind !== 'pong', 'the reply');
    assert.equal(e.kind, 'message', describe(e));
    assert.equal(JSON.parse(e.data).ref, 1);
    await s.calm();
    await ws.closeClean();
    ws.destroy();
    await s.restored();
  });
  test('invalid UTF-8 split over frames and writes: 1007', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    await ws.sendEach([text(Buffer.from([0x7b, 0xf4]), NOFIN), cont('', NOFIN),
      cont(Buffer.from([0x90]), NOFIN)]);
    await ws.expectClose(1007);
    ws.destroy();
    await s.restored();
  });
});

// ---- floods -----------------------------------------------------------------

group('floods', () => {
  // Writes while the client reads nothing, until the daemon has taken all
  // ('taken'), takes no more ('blocked': the bystander has made 200 round trips
  // meanwhile), or has ended the connection ('gone').
  async function flood(s, ws, block, total) {
    ws.pause();
    for (let sent = 0; sent < total; sent += block.length) {
      let state = null;
      ws.write(block).then((ok) => { state = ok ? 'written' : 'gone'; });
      for (let i = 0; state === null && i < 200; i++) {
        await s.calm(1);
      }
      if (state !== 'written') {
        return state ?? 'blocked';
      }
    }
    return 'taken';
  }

  test('pings with a closed receive window', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    const block = Buffer.concat(Array.from({ length: 8000 }, () => ping(Buffer.alloc(125, 0x70))));
    const what = await flood(s, ws, block, 48 * M);
    t.diagnostic(`the flood was ${what}`);
    s.bounded();
    await s.calm(50);
    ws.rst();
    await s.restored();
    s.bounded();
  });
  test('ops with a closed receive window', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    const block = Buffer.concat(Array.from({ length: 20_000 }, (_, i) =>
      text(`{"op":"ping","ref":${i}}`)));
    const what = await flood(s, ws, block, 48 * M);
    t.diagnostic(`the flood was ${what}`);
    s.bounded();
    await s.calm(50);
    ws.rst();
    await s.restored();
    s.bounded();
  });
  test('pings with a window that closes and opens again', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.pause();
    const sent = 100_000;
    const written = ws.write(Buffer.concat(Array.from({ length: sent },
      (_, i) => ping(String(i)))));
    await s.calm(100);
    ws.resume();
    let last = -1;
    let end = null;
    while (last < sent - 1) {
      const e = await ws.next('a pong');
      if (e.kind !== 'pong') {
        end = e;
        break;
      }
      assert.ok(Number(e.data) > last, 'pongs in the order of the pings');
      last = Number(e.data);
    }
    if (end !== null) {
      assert.equal(end.kind, 'close', describe(end));
      assert.equal(end.code, 4008, describe(end));
    } else {
      await written;
      ws.json({ op: 'ping', ref: 'still here' });
      assert.equal((await ws.nextJson()).ref, 'still here');
    }
    ws.destroy();
    await s.restored();
  });
  test('2000 pings in one write', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.send(...Array.from({ length: 2000 }, (_, i) => ping(String(i))));
    let last = -1;
    while (last < 1999) {
      // Only the last one must be answered (5.5.3), but none twice and none out of order.
      const e = await ws.next('a pong');
      assert.equal(e.kind, 'pong', describe(e));
      assert.ok(Number(e.data) > last, `${e.data} after ${last}`);
      last = Number(e.data);
    }
    ws.json({ op: 'ping', ref: 'still here' });
    assert.equal((await ws.nextJson()).ref, 'still here');
    await ws.closeClean();
    ws.destroy();
    await s.restored();
  });
  test('20 000 unsolicited pongs in one write', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    ws.send(...Array.from({ length: 20_000 }, () => frame(OP.PONG, 'unsolicited')));
    ws.json({ op: 'ping', ref: 'still here' });
    assert.equal((await ws.nextJson()).ref, 'still here');
    s.bounded();
    await ws.closeClean();
    ws.destroy();
    await s.restored();
  });
  test('a client that never stops sending does not starve the others', async (t) => {
    const s = await Scene.open(t);
    const ws = await s.connect();
    const block = Buffer.concat(Array.from({ length: 1000 }, () => text('{"op":"ping"}')));
    let running = true;
    const sender = (async () => {
      while (running && await ws.write(block)) { /* again */ }
    })();
    const reader = ws.until((e) => e.kind === 'message' && /"ref":"last"/.test(e.data),
      'the last reply');
    reader.catch(() => {});
    await s.calm(100);
    // What waits for it is bounded, however fast it asks.
    const { queue } = (await s.http.request('GET', `/clients/${ws.id}`)).body;
    assert.ok(queue.bytes < M, `${queue.bytes} bytes of replies wait`);
    running = false;
    await sender;
    ws.json({ op: 'ping', ref: 'last' });
    await reader;
    s.bounded();
    ws.rst();
    await s.restored();
  });
});

// ---- clients that vanish ----------------------------------------------------

group('clients that vanish', () => {
  const half = text('{"op":"ping","ref":1}').subarray(0, 12);
  const shake = handshake({ path: '/ws?channel=storm' });
  const WAYS = [
    ['RST mid-frame', async (ws) => { await ws.write(half); ws.rst(); }],
    ['RST inside a header', async (ws) => { await ws.write(half.subarray(0, 3)); ws.rst(); }],
    ['RST between frames', async (ws) => { await ws.write(text('{"op":"ping"}')); ws.rst(); }],
    ['RST inside a fragmented message', async (ws) => {
      await ws.write(text('{', NOFIN));
      ws.rst();
    }],
    ['RST right after Close', async (ws) => { await ws.write(close(1000)); ws.rst(); }],
    ['RST with unread messages', async (ws, s) => {
      ws.pause();
      await s.publish({ channel: 'storm', data: 'x'.repeat(10_000) });
      ws.rst();
    }],
    ['FIN mid-frame', async (ws) => { ws.send(half); ws.fin(); }, true],
    ['FIN inside a fragmented message', async (ws) => { ws.send(text('{', NOFIN)); ws.fin(); },
      true],
    ['FIN without Close', async (ws) => { ws.fin(); }, true],
    ['FIN right after Close', async (ws) => { ws.send(close(1000)); ws.fin(); }, true],
  ];
  for (const [what, vanish, ends] of WAYS) {
    test(`${what}, twenty times`, async (t) => {
      const s = await Scene.open(t);
      for (let i = 0; i < 20; i++) {
        const ws = await s.connect();
        await vanish(ws, s);
        if (ends) {
          // Our receiving half is open: the daemon must close its side.
          await ws.until((e) => e.kind === 'eof', 'the daemon closes too');
        }
      }
      await s.restored();
      s.bounded();
    });
  }
  for (const [what, bytes] of [['nothing', Buffer.alloc(0)], ['half a handshake',
    shake.subarray(0, 60)], ['a handshake', shake], ['a handshake and half a frame',
    Buffer.concat([shake, half])]]) {
    for (const how of ['RST', 'FIN']) {
      test(`${how} after ${what}, twenty of them`, async (t) => {
        // A FIN that comes with half a request may only be noticed when time is up.
        const s = await Scene.open(t, ['--header-timeout', '1s']);
        await Promise.all(Array.from({ length: 20 }, async () => {
          const ws = await RawWs.connect(s.daemon.port);
          if (bytes.length > 0) {
            await ws.write(bytes);
          }
          if (how === 'RST') {
            ws.rst();
          } else {
            ws.fin();
            await ws.until((e) => e.kind === 'eof', 'the daemon closes too');
          }
        }));
        await s.restored();
      });
    }
  }
  test('three hundred at once, by RST and by FIN', async (t) => {
    const s = await Scene.open(t);
    const all = await Promise.all(Array.from({ length: 300 }, () => s.connect()));
    all.forEach((ws, i) => (i % 2 ? ws.rst() : ws.destroy()));
    await s.restored();
    s.bounded();
  });
});

// ---- time -------------------------------------------------------------------

group('silence and unfinished closes', () => {
  test('a client that answers no ping is closed, one that does stays', async (t) => {
    const s = await Scene.open(t, ['--heartbeat', '1s', '--pong-timeout', '1s',
      '--close-timeout', '300ms']);
    const mark = s.daemon.mark();
    const good = await s.connect('channel=good', { showPings: true });
    const begun = Date.now();
    const silent = await s.connect('channel=silent', { showPings: true, autoPong: false });
    const e = await silent.next('a ping');
    assert.equal(e.kind, 'ping', describe(e));
    assert.ok(Date.now() - begun >= 500, 'not before some silence');
    const asked = Date.now();
    // With a Close or without (docs/protocol.md, "Close codes").
    await silent.until((x) => x.kind === 'eof', 'the end of the silent one');
    assert.ok(Date.now() - asked >= 800, 'it had its second');
    await s.daemon.waitForLog(new RegExp(`^(?=.*\\b(ping|pong)).*${silent.id}`, 'i'),
      { from: mark });
    for (let i = 0; i < 3; i++) {
      assert.equal((await good.next('a ping')).kind, 'ping');
    }
    good.json({ op: 'ping', ref: 1 });
    const reply = await good.until((x) => x.kind === 'message', 'the reply');
    assert.equal(JSON.parse(reply.data).ref, 1);
    const { counters } = (await s.http.request('GET', '/stats')).body;
    assert.equal(counters.ping_timeouts, 1);
    await s.calm();
    good.destroy();
    silent.destroy();
    await s.restored();
  });
  test('a client that gets messages gets no ping', async (t) => {
    const s = await Scene.open(t, ['--heartbeat', '1s', '--pong-timeout', '1s']);
    const busy = await s.connect('channel=busy', { showPings: true });
    const quiet = await s.connect('channel=quiet', { showPings: true });
    let pinged = false;
    const waiting = (async () => {
      for (let i = 0; i < 2; i++) {
        assert.equal((await quiet.next('a ping')).kind, 'ping');
      }
      pinged = true;
    })();
    while (!pinged) {
      const { id } = await s.publish({ channel: 'busy' });
      const e = await busy.next('a message');
      assert.equal(e.kind, 'message', `expected a message, got ${describe(e)}`);
      assert.equal(JSON.parse(e.data).id, id);
    }
    await waiting;
    busy.destroy();
    quiet.destroy();
    await s.restored();
  });

  const CLOSE_ARGS = ['--close-timeout', '300ms'];
  test('Close, then data: ignored', async (t) => {
    const s = await Scene.open(t, CLOSE_ARGS);
    const ws = await s.connect();
    ws.sendClose(1000);
    for (let i = 0; i < 100; i++) {
      ws.send(text('{"op":"subscribe","channel":"late","ref":"late"}'));
    }
    const e = await ws.next('Close');
    assert.equal(e.kind, 'close', describe(e));
    assert.equal(e.code, 1000);
    await ws.eof();
    assert.equal((await s.publish({ channel: 'late' })).matched, 0);
    ws.destroy();
    await s.restored();
  });
  test('Close, then data without end', async (t) => {
    const s = await Scene.open(t, CLOSE_ARGS);
    const ws = await s.connect();
    ws.sendClose(1000);
    const block = Buffer.concat(Array(1000).fill(text('{"op":"ping"}')));
    const end = (async () => {
      assert.equal((await ws.next('Close')).kind, 'close');
      await ws.until((e) => e.kind === 'eof' || e.kind === 'rst', 'the end');
    })();
    while (await ws.write(block)) { /* until the daemon has closed */ }
    await end;
    await s.restored();
  });
  // Each is left with its half of the TCP connection open.
  const OPEN_ENDS = [
    ['the client never answers a Close', async (s, ws) => {
      ws.send(text('x', { mask: false }));
      assert.equal((await ws.next('Close')).code, 1002);
    }],
    ['the client never answers the Close of an administrator', async (s, ws) => {
      assert.equal((await s.http.request('DELETE', `/clients/${ws.id}`)).status, 204);
      assert.equal((await ws.next('Close')).code, 4001);
    }],
    ['the client closes but never ends TCP', async (s, ws) => {
      ws.sendClose(1000);
      assert.equal((await ws.next('Close')).code, 1000);
    }],
    ['the client reads nothing and never ends TCP', async (s, ws) => {
      ws.pause();
      ws.send(text('x', { mask: false }));
    }],
    ['the client sends on instead of answering', async (s, ws) => {
      assert.equal((await s.http.request('DELETE', `/clients/${ws.id}`)).status, 204);
      assert.equal((await ws.next('Close')).code, 4001);
      ws.send(...Array(50).fill(text('{"op":"ping"}')));
    }],
  ];
  for (const [what, begin] of OPEN_ENDS) {
    test(`${what}: over after --close-timeout`, async (t) => {
      const s = await Scene.open(t, CLOSE_ARGS);
      const ws = await s.connect();
      t.after(() => ws.destroy());
      await begin(s, ws);
      await s.restored();
      ws.resume();
      await ws.until((e) => e.kind === 'eof' || e.kind === 'rst', 'the end');
    });
  }
});

// ---- slow readers -----------------------------------------------------------

group('slow readers', () => {
  const seqOf = (cursor) => Number(cursor.slice(cursor.indexOf('-') + 1));
  const FILL = 'x'.repeat(10_000);

  // Publishes to the slow one and the bystander until `done`; the bystander
  // gets all of it, in order.
  async function pour(s, done, most = 3000) {
    for (let n = 1; ; n++) {
      assert.ok(n <= most, `still there after ${n} messages that it did not read`);
      const { id } = await s.publish({ channel: 'storm', data: FILL });
      const e = await s.bystander.nextJson('the message of the bystander');
      assert.equal(e.id, id);
      if (n % 10 === 0 && await done()) {
        return n;
      }
    }
  }
  const scene = async (t, args) => {
    const s = await Scene.open(t, args);
    s.bystander.json({ op: 'subscribe', channel: 'storm' });
    assert.equal((await s.bystander.nextJson()).ok, true);
    return s;
  };
  const gone = (s, ws) => async () =>
    (await s.http.request('GET', `/clients/${ws.id}`)).status === 404;

  for (const [what, args] of [
    ['--client-queue-bytes', ['--client-queue-bytes', '64k']],
    ['--client-queue-messages', ['--client-queue-messages', '16', '--client-queue-bytes', '64m']],
  ]) {
    test(`over ${what}: 4008, and a line in the log`, async (t) => {
      const s = await scene(t, [...args, '--close-timeout', '20s']);
      const ws = await s.connect();
      const mark = s.daemon.mark();
      ws.pause();
      const n = await pour(s, gone(s, ws));
      t.diagnostic(`closed after ${n} messages`);
      const line = await s.daemon.waitForLog(/slow/i, { from: mark });
      assert.match(line, /^\S+ warn /);
      assert.ok(line.includes(ws.id), `the client is named: ${line}`);
      assert.ok(line.includes(`127.0.0.1:${ws.localPort}`), `its address is named: ${line}`);
      s.bounded();
      // What it had coming is whole and in order, and then it is told why.
      ws.resume();
      let last = 0;
      let e;
      while ((e = await ws.next('Close')).kind === 'message') {
        const { cursor } = JSON.parse(e.data);
        assert.ok(last === 0 || seqOf(cursor) === last + 1, 'no holes before the Close');
        last = seqOf(cursor);
      }
      assert.equal(e.kind, 'close', describe(e));
      assert.equal(e.code, 4008);
      ws.sendClose(4008);
      await ws.eof();
      ws.destroy();
      await s.restored();
    });
  }
  test('one that never reads again is gone after --close-timeout', async (t) => {
    const s = await scene(t, ['--client-queue-bytes', '64k', '--close-timeout', '300ms']);
    const ws = await s.connect();
    t.after(() => ws.destroy());
    ws.pause();
    await pour(s, gone(s, ws));
    // Only descriptors: this socket, unread, is still open on our side.
    await s.restored();
    s.bounded();
  });
  test('twenty of them, and nobody else notices', async (t) => {
    const s = await scene(t, ['--client-queue-bytes', '64k', '--close-timeout', '300ms']);
    const all = await Promise.all(Array.from({ length: 20 }, () => s.connect()));
    all.forEach((ws) => ws.pause());
    await pour(s, async () => (await s.clients()) === 1);
    await s.restored();
    s.bounded(SLACK * 2);
    all.forEach((ws) => ws.destroy());
  });
  test('drop-oldest: a gap takes the place of what is dropped', async (t) => {
    const s = await scene(t, ['--client-queue-bytes', '64k', '--slow-client', 'drop-oldest']);
    const ws = await s.connect();
    ws.pause();
    let n = 0;
    await pour(s, () => (n += 10) >= 1000);
    s.bounded();
    assert.equal(await s.clients(), 2, 'it stays connected');
    const { cursor, id } = await s.publish({ channel: 'storm', data: 'last' });
    assert.equal((await s.bystander.nextJson()).id, id);
    ws.resume();
    let last = null;
    let gaps = 0;
    for (;;) {
      const e = await ws.nextJson('a message or a gap');
      if (e.type === 'fanfare.gap') {
        gaps++;
        assert.equal(e.data.scope, 'all');
        assert.equal(e.data.reason, 'slow');
        assert.equal(e.cursor, e.data.to);
        assert.ok(last === null || seqOf(e.data.from) === last, 'it begins at the last message');
        assert.ok(seqOf(e.data.to) > seqOf(e.data.from));
        last = seqOf(e.data.to);
        continue;
      }
      assert.ok(last === null || seqOf(e.cursor) === last + 1, 'no hole without a gap');
      last = seqOf(e.cursor);
      if (e.id === id) {
        break;
      }
    }
    assert.ok(gaps >= 1, 'a thousand messages of 10 KB do not fit');
    assert.equal(last, seqOf(cursor));
    ws.json({ op: 'ping', ref: 'still here' });
    assert.equal((await ws.nextJson()).ref, 'still here');
    await ws.closeClean();
    ws.destroy();
    await s.restored();
  });
});
