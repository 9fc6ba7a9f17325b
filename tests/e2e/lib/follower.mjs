// A client that remembers where it was: whenever its connection ends, for
// whatever reason, it comes back with the last cursor that it saw. It keeps what
// it got for a check against the truth (truth.mjs), and checks the order on the
// wire by itself.
import { queryOf, Wire } from './wire.mjs';

/** The number of a cursor; exact up to 2^53. */
export const number = (cursor) => Number(cursor.slice(cursor.indexOf('-') + 1));

/** What a message was sent to, as text. */
export const laneOf = (m) =>
  m.channel !== undefined ? `c:${m.channel}` : m.userId !== undefined ? `u:${m.userId}` : '*';

/** Does a channel match a subscription? */
export function matches(pattern, channel) {
  if (!/[*>]/.test(pattern)) return pattern === channel;
  const p = pattern.split('.');
  const c = channel.split('.');
  for (let i = 0; i < p.length; i++) {
    if (p[i] === '>' && i === p.length - 1) return c.length > i;
    if (i >= c.length || (p[i] !== '*' && p[i] !== c[i])) return false;
  }
  return p.length === c.length;
}

export class Follower {
  /** The last cursor seen; undefined until the first connection. */
  cursor;
  /** Where it began. */
  begin;
  /** {seq, lane, id, n, replayed, at (ms)}, in the order of arrival. */
  got = [];
  /** The same of queued messages of its user that are behind its position. */
  again = [];
  /** {scope, name, from, to, reason, at (ms)}. */
  gaps = [];
  /** What was wrong with what came, as text. */
  faults = [];
  connects = 0;
  replayed = 0;
  refused = 0;
  resumes = 0;
  ends = new Map();
  wire = null;
  #target;
  #stopped = false;
  #phase;
  #recovered;
  #gapAtStart;
  #timer;
  #delay;

  /** `target()` is where to connect to; `delay()` how many ms it stays away;
   *  `from` a position to begin with. */
  constructor(target, { name, transport, channels = [], user, delay = () => 30, from }) {
    this.#target = target;
    Object.assign(this, { name, transport, channels, user });
    this.#delay = delay;
    this.cursor = from;
    if (from !== undefined) this.begin = number(from);
  }

  /** Is a message of this lane for it? */
  wants(lane) {
    if (lane === '*') return true;
    if (lane.startsWith('u:')) return lane.slice(2) === this.user;
    return this.channels.some((c) => matches(c, lane.slice(2)));
  }

  fault(text) {
    if (this.faults.length < 20) this.faults.push(`${this.name}: ${text}`);
  }

  connect() {
    if (this.#stopped) return;
    this.connects++;
    this.#phase = 'connect';
    const asked = this.cursor;
    if (asked !== undefined) this.resumes++;
    // An EventSource says it in a header, others in the query.
    const header = this.transport === 'sse' && asked !== undefined;
    this.wire = new Wire(this.#target(), {
      transport: this.transport,
      query: queryOf({
        channels: this.channels,
        user: this.user,
        lastEventId: header ? undefined : asked,
      }),
      headers: header ? { 'Last-Event-ID': asked } : {},
      onEvent: (e, id) => this.#event(e, id, asked),
      onEnd: (why, wire) => this.#ended(why, wire),
    });
  }

  #ended(why, wire) {
    this.ends.set(why, (this.ends.get(why) ?? 0) + 1);
    if (wire.status >= 400) {
      this.refused++;
      if (wire.status !== 503 && wire.status !== 429) {
        this.fault(`refused with ${wire.status}: ${wire.refusal}`);
      }
    }
    this.#phase = 'gone';
    if (!this.#stopped) this.#timer = setTimeout(() => this.connect(), this.#delay());
  }

  /** What waits for a user comes whatever its position is, which stays. */
  #queued(e, id) {
    if (e.userId === undefined || this.cursor === undefined || this.#phase === 'live') return false;
    const seq = number(e.cursor);
    if (seq > number(this.cursor)) return false;
    if (id !== undefined && id !== this.cursor) this.fault(`id ${id} at ${this.cursor}`);
    this.again.push({ seq, lane: laneOf(e), id: e.id, n: e.data?.n, at: performance.now() });
    return true;
  }

  #event(e, id, asked) {
    if (this.#queued(e, id)) return;
    if (id !== undefined && id !== e.cursor) this.fault(`id ${id}, but cursor ${e.cursor}`);
    const type = e.type;
    if (type === 'fanfare.refused') {
      this.refused++;
      return;
    }
    const seq = number(e.cursor);
    if (type === 'fanfare.connected') {
      if (this.#phase !== 'connect') this.fault(`connected in phase ${this.#phase}`);
      if (asked !== undefined && e.cursor !== asked) this.fault(`asked ${asked}, got ${e.cursor}`);
      this.begin ??= seq;
      this.#recovered = e.data.recovered;
      this.#gapAtStart = false;
      this.#phase = 'start';
    } else if (this.cursor !== undefined && seq < number(this.cursor)) {
      this.fault(`${type}: the position moves back from ${this.cursor} to ${e.cursor}`);
    }
    if (type === 'fanfare.gap') {
      this.#gap(e.data);
    } else if (type !== 'fanfare.connected') {
      if (this.#phase === 'start') this.#begun(asked);
      if (type === 'fanfare.synced') {
        if (this.#phase === 'live') this.fault('synced twice');
        this.#phase = 'live';
      } else if (!type.startsWith('fanfare.')) this.#message(e, seq);
    }
    this.cursor = e.cursor;
  }

  /** The first thing after connected and its gaps. */
  #begun(asked) {
    const want = asked !== undefined && !this.#gapAtStart;
    if (this.#recovered !== want) this.fault(`recovered is ${this.#recovered}, asked ${asked}`);
    this.#phase = 'replay';
  }

  #gap(gap) {
    if (this.#phase === 'live') this.fault(`a gap in live delivery: ${JSON.stringify(gap)}`);
    if (this.#phase === 'start') this.#gapAtStart = true;
    this.gaps.push({
      ...gap,
      from: number(gap.from),
      to: number(gap.to),
      at: performance.now(),
    });
  }

  #message(e, seq) {
    if (this.#phase === 'connect') this.fault(`a message before connected: ${e.cursor}`);
    const replayed = this.#phase !== 'live';
    if (replayed) this.replayed++;
    const at = performance.now();
    this.got.push({ seq, lane: laneOf(e), id: e.id, n: e.data?.n, replayed, at });
    this.onMessage?.(e);
  }

  cut(how) {
    this.wire?.cut(how);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.wire?.cut('rst');
  }
}
