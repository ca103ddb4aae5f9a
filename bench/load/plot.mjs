// Distributions as an SVG: for each panel the share of values below x, one line a series. Both axes
// are logarithmic, that of the shares by what is left above: the slow few are what a plot is read for.
const [width, left, top, inner] = [420, 48, 34, { width: 352, height: 200 }];
const [axis, line, columns] = [44, 15, 2];
const colors = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];
const colorOf = (i) => colors[i % colors.length];
const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const cut = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

// Where the names stand, below the axis.
const legendLines = (series) => Math.ceil(series.length / columns);
const heightOf = (panels) =>
  top + inner.height + axis + line * Math.max(0, ...panels.map(({ series }) => legendLines(series)));

function legend(series) {
  const [first, column] = [top + inner.height + axis + 4, inner.width / columns];
  return series.flatMap(({ name }, i) => {
    const [x, y] = [left + (i % columns) * column, first + Math.floor(i / columns) * line];
    return [`<rect x="${x}" y="${y - 7}" width="10" height="3" fill="${colorOf(i)}"/>`,
            `<text x="${x + 15}" y="${y}">${escaped(cut(name, 24))}</text>`];
  });
}

function panel({ title, unit, series }, offset) {
  const sorted = series.map(({ numbers }) => Float64Array.from(numbers).sort());
  const positive = sorted.flatMap((numbers) => {
    const first = numbers.find((x) => x > 0);
    return first === undefined ? [] : [first, numbers.at(-1)];
  });
  if (positive.length === 0) return "";
  const low = 10 ** Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.max(low * 10, 10 ** Math.ceil(Math.log10(Math.max(...positive))));
  const decades = Math.log10(high / low);
  // A value of n stands for a share of 1 / n: the largest is at its middle.
  const shareOf = (rank, count) => (rank + 0.5) / count;
  const nines = (share) => -Math.log10(1 - share);
  const most = Math.max(2, ...sorted.map(({ length }) => (length ? nines(shareOf(length - 1, length)) : 0)));
  const x = (value) => left + (Math.log10(Math.max(value, low) / low) / decades) * inner.width;
  const y = (share) => top + (1 - nines(share) / most) * inner.height;
  const bottom = top + inner.height;
  const parts = [`<text x="${left}" y="20" class="title">${escaped(title)}</text>`];
  for (let decade = 0; decade <= Math.round(decades); ++decade) {
    const at = x(low * 10 ** decade).toFixed(1);
    parts.push(`<line x1="${at}" x2="${at}" y1="${top}" y2="${bottom}" class="grid"/>`,
               `<text x="${at}" y="${bottom + 16}" text-anchor="middle">${+(low * 10 ** decade).toPrecision(6)}</text>`);
  }
  for (const share of [0, 0.5, 0.9, 0.99, 0.999, 0.9999].filter((share) => nines(share) <= most)) {
    const at = y(share).toFixed(1);
    parts.push(`<line x1="${left}" x2="${left + inner.width}" y1="${at}" y2="${at}" class="grid"/>`,
               `<text x="${left - 6}" y="${+at + 4}" text-anchor="end">${+(share * 100).toPrecision(4)}%</text>`);
  }
  parts.push(`<text x="${left + inner.width}" y="${bottom + 32}" text-anchor="end">${escaped(unit)}</text>`);
  sorted.forEach((numbers, i) => {
    const count = numbers.length;
    if (count === 0) return;
    const points = Math.min(count, 200);
    const path = Array.from({ length: points }, (_, n) => {
      // As many in each nine as in the next.
      const share = 1 - 10 ** (-(n / Math.max(points - 1, 1)) * nines(shareOf(count - 1, count)));
      const rank = Math.min(count - 1, Math.round(share * count));
      return `${x(numbers[rank]).toFixed(1)},${y(shareOf(rank, count)).toFixed(1)}`;
    });
    parts.push(`<polyline points="${path.join(" ")}" fill="none" stroke="${colorOf(i)}" stroke-width="1.5"/>`);
  });
  return `<g transform="translate(${offset} 0)">${[...parts, ...legend(series)].join("\n")}</g>`;
}

// panels: [{ title, unit, series: [{ name, numbers }] }], side by side.
export function svg(panels) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width * panels.length} ${heightOf(panels)}" font-family="sans-serif" font-size="11">
<style>.grid { stroke: #ddd } .title { font-size: 13px; font-weight: bold }</style>
<rect width="100%" height="100%" fill="white"/>
${panels.map((each, i) => panel(each, i * width)).join("\n")}
</svg>
`;
}
