// What JavaScript takes of a workload, from a small network in two depths.
//
// A workload that takes t(N) seconds in a network of N layers and t(1) in the first of them alone
// would take
//
//   t(1) - (t(N) - t(1)) / (N - 1)
//
// with no layer at all. That is taken for JavaScript's share, though the small network's embedding
// and head are in it too: in the peer's favour. Both are medians of several runs. When N layers take
// less time than one, or so much more that less than nothing is left, the runs were disturbed, and
// nothing is said but that.

// A share that comes out below nothing by less than this, of what one layer takes, is nothing.
const kNoise = 0.1;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Of runs in `one` layer and in `all` the `layers` > 1 of them, in seconds: {seconds}, or
// {contradiction} in words.
export function shareOfJavaScript(one, all, layers) {
  const [t1, tn] = [median(one), median(all)];
  const left = t1 - (tn - t1) / (layers - 1);
  if (tn < t1 || left < -kNoise * t1) {
    const ms = (seconds) => (1e3 * seconds).toFixed(2);
    return { contradiction: `${ms(t1)} ms in one layer and ${ms(tn)} in ${layers}` };
  }
  return { seconds: Math.max(0, left) };
}

// Of results of peer.mjs, which are rates: seconds for a prompt of each length, for a token that is
// decoded, for a step of each batch. What the two depths contradict is left out, and its reason is
// in `contradictions`; a token is the median of its lengths, if at least half of them can tell.
export function overheadOf(one, all, layers) {
  const contradictions = [];
  const each = (kind, what, tokens) => {
    const told = {};
    for (const key of Object.keys(one[0][kind])) {
      const seconds = (result) => tokens(Number(key)) / result[kind][key];
      const share = shareOfJavaScript(one.map(seconds), all.map(seconds), layers);
      if (share.contradiction === undefined) told[key] = share.seconds;
      else contradictions.push(`${what} ${key}: ${share.contradiction}`);
    }
    return told;
  };
  const prompt = each("prompt", "prompt of", (length) => length);
  const lengths = Object.values(each("decode", "decode after", () => 1));
  const batch = each("batch", "step of", (count) => count);
  const allTell = lengths.length > 0 && lengths.length === Object.keys(one[0].decode).length;
  return { prompt, decode: allTell ? median(lengths) : undefined, batch, contradictions };
}
