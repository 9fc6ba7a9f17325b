// A WebSocket client (npm ws) with an inbox.
import assert from 'node:assert/strict';
import net from 'node:net';
import WebSocket from 'ws';
import { atTestEnd, within } from './daemon.mjs';
import { addressKey, addressOf } from './http.mjs';
import { Inbox } from './wait.mjs';

const openClients = new Set();
atTestEnd.push((daemon) => {
  for (const c of [...openClients]) if (c.to === addressKey(daemon)) c.terminate();
});

export class Ws {
  /** Messages: {text, json}. */
  inbox;
  ws;
  /** {code, reason} once closed. */
  closed = null;
  #n = 0;

  constructor(ws, name) {
    this.ws = ws;
    this.inbox = new Inbox(name);
    openClients.add(this);
    ws.on('message', (data, binary) => {
      assert.equal(binary, false, 'a binary message');
      const text = data.toString('utf8');
      this.inbox.push({ text, json: JSON.parse(text) });
    });
    ws.on('close', (code, reason) => {
      openClients.delete(this);
      this.closed = { code, reason: reason.toString() };
      this.inbox.end(`closed ${code} ${reason}`);
    });
    ws.on('error', (e) => {
      this.inbox.end(e);
    });
  }

  static async open(target, path = '/ws', { headers, protocols = [], name = path, options } = {}) {
    const a = addressOf(target);
    const host = a.path ? 'localhost' : a.host.includes(':') ? `[${a.host}]` : a.host;
    const url = `${target.tls ? 'wss' : 'ws'}://${host}${a.port ? `:${a.port}` : ''}${path}`;
    const ws = new WebSocket(url, protocols, {
      headers,
      perMessageDeflate: false,
      ...(target.tls && { servername: 'localhost', ...target.tls }),
      createConnection: a.path ? () => net.connect(a) : undefined,
      ...options,
    });
    const c = new Ws(ws, name);
    c.to = addressKey(target);
    await within(
      10000,
      new Promise((resolve, reject) => {
        ws.once('open', resolve);
        ws.once('error', reject);
      }),
      `the WebSocket handshake with ${url}`,
    );
    return c;
  }

  static async live(target, path, opts) {
    const c = await Ws.open(target, path, opts);
    await c.control('connected');
    await c.synced();
    return c;
  }

  next(match = () => true, opts) {
    return this.inbox.take((m) => match(m.json), opts);
  }

  control(name, opts) {
    return this.next((j) => j.type === `fanfare.${name}`, { what: name, ...opts });
  }

  message(opts) {
    return this.next((j) => !j.type.startsWith('fanfare.'), { what: 'a message', ...opts });
  }

  synced(opts) {
    return this.control('synced', opts);
  }

  /** Sends an op with a ref of its own and returns its reply. */
  async op(op, { timeout } = {}) {
    const ref = `r${++this.#n}`;
    this.ws.send(JSON.stringify({ ...op, ref }));
    const reply = await this.next((j) => j.type === 'fanfare.reply' && j.ref === ref, {
      timeout,
      what: `the reply to ${op.op}`,
    });
    return reply.json;
  }

  send(text) {
    this.ws.send(text);
  }

  async waitClosed(ms = 10000) {
    if (!this.closed) {
      await within(ms, new Promise((resolve) => this.ws.once('close', resolve)), 'the close');
    }
    return this.closed;
  }

  async close() {
    this.ws.close(1000);
    return this.waitClosed();
  }

  terminate() {
    this.ws.terminate();
  }
}
