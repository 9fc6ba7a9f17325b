// The application that a gateway tells what happens (--webhook-url): a real HTTP server. Each
// request's signature is checked over the bytes that came.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { Inbox } from './wait.mjs';

export class Receiver {
  /** Events in the order in which they were taken (answered with 2xx), each once; to be taken out. */
  inbox = new Inbox('webhooks');
  /** The same, all of them. */
  told = [];
  /** All requests, also those that were refused: {events, status, ids}. */
  requests = [];
  /** What it answers: (request) => status; 0: it closes the connection without a word. */
  answer = () => 204;
  #secret;
  #tls;
  #server;
  #port = 0;
  #known = new Set();
  #busy = 0;

  /** `tls`: certificate and key, for https://localhost. */
  static async start(secret, { tls } = {}) {
    const r = new Receiver();
    r.#secret = secret;
    r.#tls = tls;
    await r.up();
    return r;
  }

  get url() {
    return `${this.#tls ? 'https://localhost' : 'http://127.0.0.1'}:${this.#port}/hooks`;
  }

  /** It listens, on the port that it had before. */
  async up() {
    const serve = (req, res) => this.#serve(req, res).catch((e) => {
      this.inbox.end(e);
      res.destroy();
    });
    this.#server = this.#tls ? https.createServer(this.#tls, serve) : http.createServer(serve);
    await new Promise((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = this.#server.address().port;
  }

  /** Nobody listens there any more. */
  async down() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections(); // else it waits for those that are kept alive
    await closed;
  }

  #check(req, body) {
    assert.equal(req.method, 'POST');
    assert.equal(req.url, '/hooks');
    assert.equal(req.headers['content-type'], 'application/json');
    const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(req.headers['fanfare-signature'] ?? '');
    assert.ok(m, JSON.stringify(req.headers));
    assert.ok(Math.abs(Date.now() / 1000 - Number(m[1])) < 60);
    const good = createHmac('sha256', this.#secret).update(`${m[1]}.`).update(body).digest('hex');
    assert.equal(m[2], good);
  }

  async #serve(req, res) {
    const chunks = [];
    this.#busy += 1;
    assert.equal(this.#busy, 1, 'one request at a time');
    for await (const c of req) chunks.push(c);
    const body = Buffer.concat(chunks);
    this.#check(req, body);
    const { gateway, started, events, ...rest } = JSON.parse(body);
    assert.deepEqual(rest, {});
    assert.ok(Math.abs(Date.parse(started) - Date.now()) < 600000, started);
    assert.match(gateway, /^[1-9a-z][0-9a-z]*$/);
    const request = { gateway, started, events, number: this.requests.length };
    this.requests.push(request);
    request.status = await this.answer(request);
    this.#busy -= 1;
    if (!request.status) {
      req.socket.destroy();
      return;
    }
    if (request.status < 300) events.forEach((e) => this.#take(e));
    res.writeHead(request.status).end();
  }

  #take(event) {
    if (this.#known.has(event.id)) return;
    this.#known.add(event.id);
    this.told.push(event);
    this.inbox.push(event);
  }

  event(name, match = () => true, opts) {
    return this.inbox.take((e) => e.event === name && match(e), { what: name, ...opts });
  }

  /** Waits until `n` events have come. */
  count(n, opts) {
    return this.inbox.when(() => (this.told.length >= n ? true : undefined),
      { what: `${n} events`, ...opts });
  }
}
