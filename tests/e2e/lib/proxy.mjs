// A proxy in between that can cut what goes through it, as networks do: with a
// reset, or in the middle of an event.
import net from 'node:net';
import { addressOf } from './http.mjs';

export class Proxy {
  cuts = 0;
  #server;
  #pairs = new Set();

  static async to(target) {
    const p = new Proxy();
    p.#server = net.createServer((client) => p.#pair(client, net.connect(addressOf(target))));
    await new Promise((resolve, reject) => {
      p.#server.once('error', reject);
      p.#server.listen(0, '127.0.0.1', resolve);
    });
    p.host = '127.0.0.1';
    p.port = p.#server.address().port;
    p.url = `http://127.0.0.1:${p.port}`;
    return p;
  }

  #pair(client, server) {
    const pair = { client, server, cutAfter: Infinity, passed: 0 };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.pipe(server);
    server.on('data', (chunk) => {
      pair.passed += chunk.length;
      if (pair.passed >= pair.cutAfter) {
        // Part of the event arrives, and then nothing.
        client.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => this.#drop(pair));
        server.pause();
      } else if (!client.write(chunk)) {
        server.pause();
        client.once('drain', () => server.resume());
      }
    });
    server.on('end', () => client.end());
    const over = () => this.#drop(pair, false);
    for (const s of [client, server]) {
      s.on('error', over);
      s.on('close', over);
    }
  }

  #drop(pair, reset = true) {
    if (!this.#pairs.delete(pair)) return;
    if (reset) pair.client.resetAndDestroy();
    else pair.client.destroy();
    pair.server.destroy();
  }

  get open() {
    return this.#pairs.size;
  }

  /** Cuts all connections: at once, or within the next bytes that come. */
  cut(how = 'reset') {
    for (const pair of [...this.#pairs]) {
      this.cuts++;
      if (how === 'reset') this.#drop(pair);
      else pair.cutAfter = pair.passed + 1;
    }
  }

  close() {
    for (const pair of [...this.#pairs]) this.#drop(pair);
    this.#server.close();
  }
}

/** One for a test. */
export async function proxyFor(t, target) {
  const p = await Proxy.to(target);
  t.after(() => p.close());
  return p;
}
