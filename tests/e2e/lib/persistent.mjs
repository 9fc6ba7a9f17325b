// A publisher that does not give up: whatever happens to the connection or to
// the gateway, it sends the same publication with the same id until it is
// answered with 200. What came of an attempt that broke it cannot know.
import net from 'node:net';
import { addressOf, requestBytes } from './http.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');

export class PersistentPublisher {
  attempts = 0;
  duplicates = 0;
  /** Answers that were neither 200 nor 503. */
  faults = [];
  #target;
  #socket = null;
  #rest = Buffer.alloc(0);
  #answer = null;
  #stopped = false;

  /** `target()` is where to send. */
  constructor(target, { pause = 20 } = {}) {
    this.#target = target;
    this.pause = pause;
  }

  #open() {
    const s = net.connect({ ...addressOf(this.#target()), noDelay: true });
    this.#socket = s;
    this.#rest = Buffer.alloc(0);
    const gone = () => {
      if (this.#socket === s) {
        this.#socket = null;
        this.#answer?.(null);
      }
      s.destroy();
    };
    s.on('error', gone);
    s.on('close', gone);
    s.on('end', gone);
    s.on('data', (chunk) => {
      if (this.#socket !== s) return;
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#parse();
    });
  }

  #parse() {
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#rest.toString('latin1', 0, end);
    const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? NaN);
    if (!(this.#rest.length >= end + 4 + length)) return;
    const body = this.#rest.toString('utf8', end + 4, end + 4 + length);
    this.#rest = this.#rest.subarray(end + 4 + length);
    const status = Number(head.slice(9, 12));
    if (/^connection: *close/im.test(head)) this.#socket.destroy();
    this.#answer?.({ status, json: JSON.parse(body) });
  }

  /** One attempt: {status, json}, or null if the connection broke. */
  attempt(body, type = 'application/json') {
    this.attempts++;
    if (!this.#socket) this.#open();
    return new Promise((resolve) => {
      this.#answer = (a) => {
        this.#answer = null;
        resolve(a);
      };
      this.#socket.write(
        requestBytes(this.#target(), {
          method: 'POST',
          path: '/broadcast',
          headers: { 'Content-Type': type },
          body,
        }),
      );
    });
  }

  /** Until 200; null if it was stopped, or if `giveUp()` says so after an
   *  attempt that broke. */
  async publish(message, { giveUp = () => false } = {}) {
    const body = JSON.stringify(message);
    for (;;) {
      const a = await this.attempt(body);
      if (a?.status === 200) return a.json;
      if (a && a.status !== 503) {
        this.faults.push(`${a.status} ${JSON.stringify(a.json)} for ${body.slice(0, 200)}`);
        return null;
      }
      if (this.#stopped || (a === null && giveUp())) return null;
      await new Promise((r) => setTimeout(r, this.pause));
    }
  }

  /** Ends it; a publication that is under way is given up. */
  stop() {
    this.#stopped = true;
    this.#socket?.destroy();
  }
}
