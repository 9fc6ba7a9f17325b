// Numbers that look random and depend on a seed alone.
export function rngOf(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    /** 0 <= x < 1 */
    next,
    /** A whole number, from <= x <= to. */
    int: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
    chance: (p) => next() < p,
    /** n different ones of a list. */
    some(list, n) {
      const rest = [...list];
      const out = [];
      while (out.length < n && rest.length > 0) {
        out.push(rest.splice(Math.floor(next() * rest.length), 1)[0]);
      }
      return out;
    },
  };
}
