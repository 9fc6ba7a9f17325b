// A worker that wears a gateway out, so that what it costs this process is not measured with
// the gateway. workerData: {kind, port, from, n, text, everyMs}. It says 'up' when its sockets
// are, and its counts when it is told to stop.
import net from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

const { kind, port, from, n, text, everyMs = 40 } = workerData;
const counts = { opened: 0, closed: 0, most: 0, answers: {} };
const sockets = new Set();
let stopped = false;

function note(data) {
  const m = /^HTTP\/1\.1 (\d{3})/.exec(data.toString('latin1'));
  if (m) counts.answers[m[1]] = (counts.answers[m[1]] ?? 0) + 1;
}

function open(onUp) {
  const s = net.connect({ host: '127.0.0.1', port, localAddress: from, noDelay: true });
  sockets.add(s);
  s.on('connect', () => {
    counts.opened++;
    counts.most = Math.max(counts.most, sockets.size);
    onUp(s);
  });
  s.on('data', note);
  s.on('error', () => {});
  s.on('close', () => {
    sockets.delete(s);
    counts.closed++;
  });
  return s;
}

/** One byte of `text` after the other, and its last one again and again. */
function dribble() {
  const bytes = Buffer.from(text, 'latin1');
  let up = 0;
  for (let i = 0; i < n; i++) {
    open((s) => {
      let at = 0;
      const timer = setInterval(() => {
        if (s.destroyed || stopped) clearInterval(timer);
        else s.write(bytes.subarray(at, at + 1));
        at = Math.min(at + 1, bytes.length - 1);
      }, everyMs);
      s.on('close', () => clearInterval(timer));
      if (++up === n) parentPort.postMessage('up');
    });
  }
}

/** A handshake, and then a frame that dribbles. */
function dribbleFrames() {
  let up = 0;
  for (let i = 0; i < n; i++) {
    open((s) => {
      s.write(text);
      s.once('data', () => {
        // A text message of 60000 bytes, masked with zeros.
        s.write(Buffer.from([0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0]));
        const timer = setInterval(() => {
          if (s.destroyed || stopped) clearInterval(timer);
          else s.write('x');
        }, everyMs);
        s.on('close', () => clearInterval(timer));
        if (++up === n) parentPort.postMessage('up');
      });
    });
  }
}

/** New connections as fast as they come, `n` at a time, each with one request. */
function connections() {
  const again = () => {
    if (stopped) return;
    const s = open(() => s.write(text));
    s.on('close', () => setImmediate(again));
    // A stream that was let in is kept; the others are closed by the gateway.
    s.on('end', () => s.destroy());
  };
  for (let i = 0; i < n; i++) again();
  parentPort.postMessage('up');
}

/** Requests one after the other on `n` connections. */
function requests() {
  for (let i = 0; i < n; i++) {
    const again = () => {
      if (stopped) return;
      const s = open(() => s.write(text));
      s.on('data', () => !s.destroyed && s.write(text));
      s.on('close', () => setImmediate(again));
    };
    again();
  }
  parentPort.postMessage('up');
}

/** Handshakes, and then as many messages as the sockets take. */
function messages() {
  const payload = Buffer.from('{"op":"ping"}');
  const one = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  const many = Buffer.concat(Array(200).fill(one));
  let up = 0;
  for (let i = 0; i < n; i++) {
    open((s) => {
      const push = () => {
        while (!stopped && !s.destroyed && s.write(many));
      };
      s.write(text);
      s.once('data', () => {
        s.on('drain', () => setImmediate(push));
        push();
        if (++up === n) parentPort.postMessage('up');
      });
    });
  }
}

parentPort.on('message', () => {
  stopped = true;
  counts.left = sockets.size;
  for (const s of sockets) s.destroy();
  parentPort.postMessage(counts);
  parentPort.close();
});

({ dribble, dribbleFrames, connections, requests, messages })[kind]();
