// The application that a gateway asks (--auth-url): a real HTTP server of which a test says what it
// answers. Each question's signature is checked.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import { Inbox } from './wait.mjs';

export class Application {
  /** Questions that have come, to be taken. */
  inbox = new Inbox('questions');
  /** All of them. */
  asked = [];
  /** What it says: (question) => an object, or {status, text}; may be a promise. */
  answer = () => ({ allow: true });
  #secret;
  #server;
  #held = [];
  #holds = false;

  static async start(secret, port = 0) {
    const app = new Application();
    app.#secret = secret;
    app.#server = http.createServer((req, res) => app.#serve(req, res));
    await new Promise((resolve) => app.#server.listen(port, '127.0.0.1', resolve));
    app.port = app.#server.address().port;
    app.url = `http://127.0.0.1:${app.port}/fanfare`;
    return app;
  }

  async #serve(req, res) {
    const chunks = [];
    for await (const c of req) chunks.push(c);
    const body = Buffer.concat(chunks);
    try {
      const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(req.headers['fanfare-signature'] ?? '');
      assert.ok(m, JSON.stringify(req.headers));
      assert.ok(Math.abs(Date.now() / 1000 - Number(m[1])) < 60);
      const good = createHmac('sha256', this.#secret).update(`${m[1]}.`).update(body).digest('hex');
      assert.equal(m[2], good);
      assert.equal(req.headers['content-type'], 'application/json');
      assert.equal(req.url, '/fanfare');
    } catch (e) {
      this.inbox.end(e);
    }
    const question = JSON.parse(body);
    this.asked.push(question);
    this.inbox.push(question);
    if (this.#holds) await new Promise((resolve) => this.#held.push(resolve));
    const { status = 200, text, ...json } = await this.answer(question);
    res.writeHead(status, { 'Content-Type': 'application/json' });
    res.end(text ?? JSON.stringify(json));
  }

  /** Questions are to be signed with this from now on. */
  expect(secret) {
    this.#secret = secret;
  }

  /** From now on it takes questions and says nothing. */
  hold() {
    this.#holds = true;
  }

  /** It answers all that wait. */
  release() {
    this.#holds = false;
    for (const go of this.#held.splice(0)) go();
  }

  question(match, opts) {
    return this.inbox.take(match, { what: 'a question', ...opts });
  }

  async stop() {
    this.release();
    this.#server.closeAllConnections?.();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
