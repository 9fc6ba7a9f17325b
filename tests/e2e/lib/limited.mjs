// What tests of rates and limits share: requests from a chosen loopback address, and what a
// refusal must look like.
import assert from 'node:assert/strict';
import { RawConn, assertProblem, get, requestBytes } from './http.mjs';
import { poll } from './wait.mjs';

/** One request on a connection of its own, from `localAddress`. */
export async function ask(d, opts, localAddress = '127.0.0.1') {
  const c = await RawConn.open(d, { localAddress });
  try {
    const headers = { Connection: 'close', ...opts.headers };
    c.write(requestBytes(d, { ...opts, headers }));
    return await c.readResponse({ method: opts.method });
  } finally {
    c.close();
  }
}

/** POST /broadcast from `localAddress`. */
export const send = (d, message, { headers = {}, from, ndjson = false } = {}) =>
  ask(d, {
    method: 'POST',
    path: '/broadcast',
    headers: { 'Content-Type': ndjson ? 'application/x-ndjson' : 'application/json', ...headers },
    body: ndjson ? message.map((m) => JSON.stringify(m)).join('\n') : JSON.stringify(message),
  }, from);

/** A 429 that says when to come back, and names the option. */
export function assertLimited(res, option, code = 'rate_limited') {
  const p = assertProblem(res, 429, { code });
  assert.match(res.headers['retry-after'] ?? '', /^[1-9]\d*$/, res.head);
  assert.ok(p.detail.includes(option), p.detail);
  return p;
}

/** GET /events that is refused in the way that an EventSource comes back from; its
 *  retryAfter in ms. */
export async function refusedStream(d, path, code, { headers = {}, from } = {}) {
  const res = await ask(d, { path, headers: { Accept: 'text/event-stream', ...headers } }, from);
  assert.equal(res.status, 200, res.text);
  assert.match(res.headers['content-type'], /^text\/event-stream/);
  const m = /^retry: (\d+)\nevent: fanfare\.refused\ndata: (.*)\n\n$/.exec(res.text);
  assert.ok(m, res.text);
  const { data } = JSON.parse(m[2]);
  assert.equal(data.code, code);
  assert.equal(String(data.retryAfter), m[1]);
  return data.retryAfter;
}

const HANDSHAKE = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** A WebSocket handshake that is refused with 429. */
export async function refusedHandshake(d, path, option, code, { headers = {}, from } = {}) {
  const res = await ask(d, { path, headers: { ...HANDSHAKE, ...headers } }, from);
  assertLimited(res, option, code);
}

/** The value of a counter, of a gateway whose metrics `headers` may read. */
export async function counter(d, name, headers) {
  const { text, status } = await get(d, '/metrics', headers);
  assert.equal(status, 200, text);
  const m = new RegExp(`^fanfare_${name}(?:_total)? (\\d+)$`, 'm').exec(text);
  assert.ok(m, name);
  return Number(m[1]);
}

/** Waits until `run` does not fail with an assertion any more. */
export async function eventually(run, what) {
  let last;
  try {
    return await poll(async () => {
      try {
        return { value: await run() };
      } catch (e) {
        if (!(e instanceof assert.AssertionError)) throw e;
        last = e;
        return undefined;
      }
    }, { what });
  } catch (e) {
    throw last ?? e;
  }
}
