// Distributions as an SVG: for each panel the share of values below x, one line a series, on a
// logarithmic axis.
const [width, height, left, top, bottom] = [420, 260, 48, 34, 44];
const colors = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];
const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function panel({ title, unit, series }, offset) {
  const values = series.flatMap(({ numbers }) => numbers).filter((x) => x > 0);
  if (values.length === 0) return "";
  // Not spread into Math.min: there may be millions.
  const low = 10 ** Math.floor(Math.log10(values.reduce((a, b) => Math.min(a, b))));
  const high = Math.max(low * 10, 10 ** Math.ceil(Math.log10(values.reduce((a, b) => Math.max(a, b)))));
  const decades = Math.log10(high / low);
  const inner = { width: width - left - 16, height: height - top - bottom };
  const x = (value) => left + (Math.log10(Math.max(value, low) / low) / decades) * inner.width;
  const y = (share) => top + (1 - share) * inner.height;
  const parts = [`<text x="${left}" y="20" class="title">${escaped(title)}</text>`];
  for (let decade = 0; decade <= Math.round(decades); ++decade) {
    const at = x(low * 10 ** decade);
    parts.push(`<line x1="${at}" x2="${at}" y1="${y(1)}" y2="${y(0)}" class="grid"/>`,
               `<text x="${at}" y="${y(0) + 16}" text-anchor="middle">${+(low * 10 ** decade).toPrecision(6)}</text>`);
  }
  for (const share of [0, 0.5, 0.95, 1]) {
    parts.push(`<line x1="${x(low)}" x2="${x(high)}" y1="${y(share)}" y2="${y(share)}" class="grid"/>`,
               `<text x="${left - 6}" y="${y(share) + 4}" text-anchor="end">${share * 100}%</text>`);
  }
  parts.push(`<text x="${x(high)}" y="${y(0) + 34}" text-anchor="end">${escaped(unit)}</text>`);
  series.forEach(({ name, numbers }, i) => {
    const sorted = Float64Array.from(numbers).sort();
    if (sorted.length === 0) return;
    const points = Math.min(sorted.length, 200);
    const path = Array.from({ length: points }, (_, n) => {
      const at = points === 1 ? 0 : Math.round((n / (points - 1)) * (sorted.length - 1));
      return `${x(sorted[at]).toFixed(1)},${y((at + 1) / sorted.length).toFixed(1)}`;
    });
    const color = colors[i % colors.length];
    parts.push(`<polyline points="${path.join(" ")}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
               `<text x="${left + 8}" y="${top + 14 + i * 14}" fill="${color}">${escaped(name)}</text>`);
  });
  return `<g transform="translate(${offset} 0)">${parts.join("\n")}</g>`;
}

// panels: [{ title, unit, series: [{ name, numbers }] }], side by side.
export function svg(panels) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width * panels.length} ${height}" font-family="sans-serif" font-size="11">
<style>.grid { stroke: #ddd } .title { font-size: 13px; font-weight: bold }</style>
<rect width="100%" height="100%" fill="white"/>
${panels.map((each, i) => panel(each, i * width)).join("\n")}
</svg>
`;
}
