// What was published, and whether a client got it: exactly once, in order, or
// inside a gap that was announced and is true.
import { laneOf, matches, number } from './follower.mjs';

const laneOfTarget = (t) =>
  t.channel !== undefined ? `c:${t.channel}` : t.userId !== undefined ? `u:${t.userId}` : '*';

export class Truth {
  /** seq -> {seq, lane, id, n, sent}, acknowledged. */
  bySeq = new Map();
  /** id + lane -> {lane, n, sent}: the publisher does not know. */
  open = new Map();
  faults = [];

  fault(text) {
    if (this.faults.length < 20) this.faults.push(text);
  }

  /** An answer 200 to a publication; `sent` is when it was sent first (ms). */
  acknowledged(publication, receipt, sent) {
    const targets = receipt.targets ?? [{ ...publication, cursor: receipt.cursor }];
    for (const t of targets) {
      const e = {
        seq: number(t.cursor),
        lane: laneOfTarget(t),
        id: publication.id,
        n: publication.data.n,
        sent,
      };
      const other = this.bySeq.get(e.seq);
      if (other && (other.id !== e.id || other.lane !== e.lane)) {
        this.fault(`number ${e.seq} was given to ${other.id} and to ${e.id}`);
      }
      this.bySeq.set(e.seq, e);
      this.open.delete(`${e.id} ${e.lane}`);
    }
  }

  /** A publication that nobody will repeat and whose answer never came. */
  unknown(publication, sent) {
    const names = publication.channels ?? [undefined];
    for (const channel of names) {
      const lane = channel === undefined ? laneOf(publication) : `c:${channel}`;
      this.open.set(`${publication.id} ${lane}`, { lane, n: publication.data.n, sent });
    }
  }

  /** What is seen of the unknown ones is true for everybody. */
  settle(followers) {
    for (const f of followers) {
      for (const m of f.got) {
        const o = this.open.get(`${m.id} ${m.lane}`);
        if (!o || this.bySeq.has(m.seq)) continue;
        this.bySeq.set(m.seq, { seq: m.seq, lane: m.lane, id: m.id, n: o.n, sent: o.sent });
        this.open.delete(`${m.id} ${m.lane}`);
      }
    }
  }

  /** All of them in order. */
  sorted() {
    return [...this.bySeq.values()].sort((a, b) => a.seq - b.seq);
  }
}

const covers = (gap, f, m) => {
  if (m.seq <= gap.from || m.seq > gap.to) return false;
  switch (gap.scope) {
    case 'all':
      return true;
    case 'user':
      return m.lane === `u:${f.user}`;
    case 'everyone':
      return m.lane === '*';
    case 'channel':
      return m.lane === `c:${gap.name}`;
    default:
      return m.lane.startsWith('c:') && matches(gap.name, m.lane.slice(2));
  }
};

/** How many of the lane were published behind `seq` and (their first attempt)
 *  before `at`: at least as many as are kept if `seq` was not kept any more. */
const behind = (lane, seq, at) => lane.filter((m) => m.seq > seq && m.sent <= at).length;

/** What came from a user's queue behind the position must have come before, and
 *  the gateway been killed since: what is queued is kept at least once. */
function checkAgain(f, kills, others) {
  for (const a of f.again) {
    const first = f.got.find((g) => g.seq === a.seq);
    const same = first && first.id === a.id && first.lane === a.lane && first.n === a.n;
    if (!same || !kills.some((at) => first.at < at && at < a.at)) {
      others.push(`${f.name}: ${a.id} (${a.lane}) came again at ${a.seq}, without a kill`);
    }
  }
}

/** Checks what follower `f` got of the log in (from, to] against the truth.
 *  `keeps(lane)` is how many messages history keeps of it, `kills` are times
 *  (ms). Returns texts. */
export function check(truth, sorted, f, { from = 0, to = Infinity, keeps, kills = [] } = {}) {
  const faults = { losses: [], duplicates: [], others: [...f.faults] };
  const lanes = new Map();
  for (const m of sorted) {
    if (!lanes.has(m.lane)) lanes.set(m.lane, []);
    lanes.get(m.lane).push(m);
  }
  const begin = Math.max(from, f.begin ?? to);
  const want = sorted.filter((m) => m.seq > begin && m.seq <= to && f.wants(m.lane));
  const seen = new Set();
  let last = 0;
  for (const g of f.got) {
    const t = truth.bySeq.get(g.seq);
    if (seen.has(`${g.id} ${g.lane}`))
      faults.duplicates.push(`${f.name}: ${g.id} twice (${g.seq})`);
    else if (!t) faults.others.push(`${f.name}: nobody published ${g.id} ${g.lane} (${g.seq})`);
    else if (t.id !== g.id || t.lane !== g.lane || t.n !== g.n) {
      faults.others.push(`${f.name}: at ${g.seq} ${JSON.stringify(g)}, but ${JSON.stringify(t)}`);
    } else if (!f.wants(g.lane)) faults.others.push(`${f.name}: ${g.lane} is not for it`);
    else if (g.seq <= last) faults.others.push(`${f.name}: ${g.seq} after ${last}`);
    seen.add(`${g.id} ${g.lane}`);
    last = Math.max(last, g.seq);
  }
  const used = new Set();
  let missed = 0;
  for (const m of want) {
    if (seen.has(`${m.id} ${m.lane}`)) continue;
    const told = f.gaps.filter((x) => covers(x, f, m));
    if (told.length === 0) {
      faults.losses.push(`${f.name}: ${m.id} at ${m.seq} (${m.lane}) never came`);
      continue;
    }
    missed++;
    const n = keeps?.(m.lane) ?? Infinity;
    for (const gap of told) {
      used.add(gap);
      // It may have gone between the gap and the place of it in the replay.
      const next = f.got.find((x) => x.seq > m.seq);
      const newer = behind(lanes.get(m.lane), m.seq, Math.max(gap.at, next?.at ?? Infinity));
      if (gap.reason !== 'evicted' || newer < n) {
        const what = `${m.id} at ${m.seq} (${m.lane}, ${newer} newer ones) is kept`;
        const then = `then came ${JSON.stringify(next)}`;
        faults.others.push(`${f.name}: ${what}, but ${JSON.stringify(gap)}; ${then}`);
      }
    }
  }
  for (const gap of f.gaps) {
    if (!used.has(gap) && gap.to <= to && gap.from >= begin) {
      faults.others.push(`${f.name}: nothing is missing, but ${JSON.stringify(gap)}`);
    }
  }
  checkAgain(f, kills, faults.others);
  return { ...faults, expected: want.length, missed, delivered: f.got.length };
}
