// Random numbers with a seed, so that a run can be repeated.

// A generator of uniform numbers in [0, 1): mulberry32.
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Which of `count` networks request number i asks for, as Punica (Chen et al. 2023) measures:
// each a different one in turn, any with equal chances, by Zipf's law with exponent 1.5, or all the
// same one.
export const popularities = {
  distinct: (count) => (i) => i % count,
  uniform: (count) => (i, random) => Math.floor(random() * count),
  skewed: (count) => {
    const weights = Array.from({ length: count }, (_, rank) => (rank + 1) ** -1.5);
    const total = weights.reduce((a, b) => a + b);
    return (i, random) => {
      let left = random() * total;
      const at = weights.findIndex((weight) => (left -= weight) < 0);
      return at < 0 ? count - 1 : at;
    };
  },
  identical: () => () => 0,
};

const words = ("the a one that of in on with from to and or but stone wall block house river light " +
  "night year name road hand word small large old new white green first last many few came went " +
  "saw made gave took found said under over near between before after").split(" ");

// A text of so many common English words.
export const sentence = (random, count) =>
  Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(" ");
