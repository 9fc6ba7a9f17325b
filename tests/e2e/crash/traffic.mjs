// Who publishes what in the crash test, and who listens to what.
import { Follower } from '../lib/follower.mjs';
import { PersistentPublisher } from '../lib/persistent.mjs';

const numbered = (prefix, n) => Array.from({ length: n }, (_, i) => `${prefix}${i}`);
/** Kept in full, in full, and only the newest few. */
export const channels = [...numbered('n.', 25), ...numbered('deep.er.', 15), ...numbered('s.', 10)];
const patterns = ['n.*', 'deep.>', 's.*', '*.er.*', '>'];
export const users = numbered('u', 12);
export const SHORT = 20;
export const keeps = (lane) => (lane.startsWith('c:s.') ? SHORT : Infinity);

export function makeFollowers(count, gateway, rng) {
  return Array.from({ length: count }, (_, i) => {
    const wide = i % 6 === 0;
    return new Follower(() => gateway.address, {
      name: `${i % 2 ? 'ws' : 'sse'}${i}`,
      transport: i % 2 ? 'ws' : 'sse',
      channels: [
        ...(wide ? rng.some(patterns, rng.int(1, 2)) : []),
        ...rng.some(channels, wide ? rng.int(0, 5) : rng.int(1, 50)),
      ],
      user: rng.chance(0.6) ? rng.pick(users) : undefined,
      delay: () => (rng.chance(0.1) ? rng.int(500, 4000) : rng.int(0, 300)),
    });
  });
}

/** One of several that publish at the same time, one thing after the other. */
export class Source {
  acknowledged = 0;
  unknown = 0;
  duplicates = 0;
  #rng;
  #truth;
  #number;
  #stop = false;
  #name;

  /** `number()` is the next number of all; `truth()` where it is noted. */
  constructor(name, gateway, rng, truth, number) {
    this.publisher = new PersistentPublisher(() => gateway.address);
    this.#name = name;
    this.#rng = rng;
    this.#truth = truth;
    this.#number = number;
  }

  #message(target) {
    const n = this.#number();
    const size = this.#rng.chance(0.03) ? this.#rng.int(2000, 30000) : this.#rng.int(0, 300);
    return { ...target, id: `${this.#name}-${n}`, data: { n, pad: 'x'.repeat(size) } };
  }

  #target() {
    const x = this.#rng.next();
    if (x < 0.08) return { channels: this.#rng.some(channels, this.#rng.int(2, 5)) };
    if (x < 0.25) return { userId: this.#rng.pick(users) };
    if (x < 0.28) return {};
    return { channel: this.#rng.pick(channels) };
  }

  #note(message, receipt, sent) {
    this.#truth().acknowledged(message, receipt, sent);
    this.acknowledged += receipt.targets?.length ?? 1;
    if (receipt.duplicate) this.duplicates++;
  }

  async #one() {
    const message = this.#message(this.#target());
    const sent = performance.now();
    const giveUp = this.#rng.chance(0.1);
    const receipt = await this.publisher.publish(message, { giveUp: () => giveUp });
    if (receipt) this.#note(message, receipt, sent);
    else {
      this.#truth().unknown(message, sent);
      this.unknown++;
    }
  }

  async #batch() {
    const list = Array.from({ length: this.#rng.int(2, 30) }, () => this.#message(this.#target()));
    const sent = performance.now();
    for (;;) {
      const answer = await this.publisher.publish(list);
      if (!answer) break;
      const { results } = answer;
      for (let i = list.length - 1; i >= 0; i--) {
        const { error } = results[i];
        if (!error) {
          this.#note(list[i], results[i], sent);
          list.splice(i, 1);
        } else if (error.status !== 503) {
          this.publisher.faults.push(JSON.stringify(error));
          list.splice(i, 1);
        }
      }
      if (list.length === 0) return;
    }
    for (const m of list) this.#truth().unknown(m, sent);
    this.unknown += list.length;
  }

  /** Publishes until stop(), about every `ms`. */
  async run(ms) {
    this.#stop = false;
    while (!this.#stop) {
      const began = performance.now();
      if (this.#rng.chance(0.05)) await this.#batch();
      else await this.#one();
      const rest = ms * 2 * this.#rng.next() - (performance.now() - began);
      await new Promise((r) => setTimeout(r, Math.max(0, rest)));
    }
  }

  stop() {
    this.#stop = true;
  }
}
