// Waiting for conditions. Nothing here waits for time to pass in the hope that
// something happened meanwhile: every wait ends with the event it is about.
import { within } from './daemon.mjs';

/** A queue of things that happened; `take` resolves when one matches. */
export class Inbox {
  items = [];
  #waiters = new Set();
  #end = null;
  #name;

  constructor(name = 'inbox') {
    this.#name = name;
  }

  push(item) {
    this.items.push(item);
    this.#wake();
  }

  /** No more will come; waiting fails with this reason. */
  end(reason) {
    this.#end ??= reason instanceof Error ? reason : new Error(String(reason));
    this.#wake();
  }

  get ended() {
    return this.#end !== null;
  }

  #wake() {
    for (const w of [...this.#waiters]) w();
  }

  /** Resolves to what `probe(items)` returns once that is not undefined. */
  when(probe, { timeout = 10000, what = 'a condition' } = {}) {
    let check;
    const found = new Promise((resolve, reject) => {
      check = () => {
        // A probe may take things out: it must not be asked again once it found.
        try {
          const got = probe(this.items);
          if (got !== undefined) {
            this.#waiters.delete(check);
            resolve(got);
          } else if (this.#end) {
            this.#waiters.delete(check);
            reject(new Error(`${this.#name}: ${what}: ${this.#end.message}`));
          }
        } catch (e) {
          this.#waiters.delete(check);
          reject(e);
        }
      };
      this.#waiters.add(check);
      check();
    });
    const shown = () =>
      `${this.#name}: ${what}; have ${this.items.length}: ` +
      JSON.stringify(this.items.slice(-5)).slice(0, 1500);
    return within(timeout, found, shown).finally(() => this.#waiters.delete(check));
  }

  /** Takes out and returns the first item that matches. */
  take(match = () => true, opts) {
    return this.when((items) => {
      const i = items.findIndex(match);
      return i < 0 ? undefined : items.splice(i, 1)[0];
    }, opts);
  }

  /** Resolves when there are at least n items that match. */
  count(n, match = () => true, opts) {
    return this.when(
      (items) => {
        const got = items.filter(match);
        return got.length >= n ? got : undefined;
      },
      { what: `${n} items`, ...opts },
    );
  }
}

/** For state that sends no event (another process's descriptors, a counter):
 *  asks `probe` again until it returns something other than undefined. */
export function poll(probe, { timeout = 10000, what = 'a state' } = {}) {
  let stop = false;
  let last;
  const loop = async () => {
    while (!stop) {
      last = await probe();
      if (last !== undefined) return last;
      await new Promise((r) => setTimeout(r, 15));
    }
    return undefined;
  };
  return within(timeout, loop(), what).finally(() => {
    stop = true;
  });
}
