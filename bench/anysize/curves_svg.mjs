// A plot of two panels: loss against size, and speed against size. Series of many points are lines,
// others are points with names.
const [width, height, left, right, top, bottom] = [940, 420, 76, 24, 40, 52];
const colors = { bitplane: "#0072b2", bitstack: "#cc79a7", q4: "#009e73", q8: "#d55e00",
                 "llama.cpp": "#555555" };
const leastLoss = 1e-4;  // less is noise, and lies on the lower edge
const labelSize = 11;

// Numbers 1, 2 or 5 times a power of ten apart, from 0 on, some ten of them.
function roundTicks(low, high) {
  const raw = (high - low) / 10;
  const decade = 10 ** Math.floor(Math.log10(raw));
  const step = decade * [1, 2, 5, 10].find((factor) => factor * decade >= raw);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; ++i) ticks.push(+(i * step).toPrecision(6));
  return ticks;
}

const linearAxis = (low, high, from, to) => ({
  at: (value) => from + ((value - low) / (high - low)) * (to - from),
  ticks: roundTicks(low, high) });
function logarithmicAxis(low, high, from, to) {
  const ticks = [];
  for (let exponent = Math.log10(low); exponent < Math.log10(high) + 1e-9; ++exponent) {
    ticks.push(+(10 ** exponent).toPrecision(1));
  }
  const span = Math.log10(high / low);
  return { at: (value) => from + (Math.log10(Math.max(value, low) / low) / span) * (to - from), ticks };
}

// Places names beside points so that none covers another name or a point.
class Labels {
  constructor(points) {
    this.taken = points.map(([x, y]) => [x - 4, y - 4, x + 4, y + 4]);
  }
  place(text, x, y) {
    const wide = text.length * labelSize * 0.7;
    const places = [[8, -6], [8, 12], [-wide - 8, -6], [-wide - 8, 12], [8, -20], [8, 26],
                    [-wide - 8, -20], [-wide - 8, 26]];
    const box = ([dx, dy]) => [x + dx, y + dy - labelSize, x + dx + wide, y + dy + 2];
    const free = (place) => {
      const [x1, y1, x2, y2] = box(place);
      return x1 > left && x2 < width - right && y1 > top && y2 < height - bottom &&
             this.taken.every(([a, b, c, d]) => x2 < a || c < x1 || y2 < b || d < y1);
    };
    const place = places.find(free) ?? places[0];
    this.taken.push(box(place));
    return [x + place[0], y + place[1]];
  }
}

function panel(offset, title, yName, xAxis, yAxis, all, value) {
  const out = [`<g transform="translate(0 ${offset})">`,
               `<text x="${left}" y="24" font-size="16">${title}</text>`];
  for (const tick of xAxis.ticks) {
    const x = xAxis.at(tick).toFixed(1);
    out.push(`<line x1="${x}" x2="${x}" y1="${top}" y2="${height - bottom}" stroke="#e4e4e4"/>`,
             `<text x="${x}" y="${height - bottom + 18}" text-anchor="middle">${tick}</text>`);
  }
  for (const tick of yAxis.ticks) {
    const y = yAxis.at(tick).toFixed(1);
    out.push(`<line x1="${left}" x2="${width - right}" y1="${y}" y2="${y}" stroke="#e4e4e4"/>`,
             `<text x="${left - 8}" y="${+y + 4}" text-anchor="end">${tick}</text>`);
  }
  out.push(`<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">weights, MB</text>`,
           `<text transform="translate(18 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${yName}</text>`);
  const placed = all.map(({ name, points }) => ({ name, points: points.map((point) => (
    [xAxis.at(point.weights_bytes / 1e6), yAxis.at(value(point)), point.name])) }));
  const labels = new Labels(placed.flatMap(({ points }) => points));
  placed.forEach(({ name, points }, i) => {
    const color = colors[name];
    const line = points.length > 1 && points[0][2] === undefined;
    if (line) {
      out.push(`<polyline fill="none" stroke="${color}" stroke-width="2" points="${
        points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}"/>`);
    }
    for (const [x, y, label] of points) {
      out.push(`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${line ? 2.5 : 4}" fill="${color}"/>`);
      if (!line) {
        const [lx, ly] = labels.place(label ?? name, x, y);
        out.push(`<text x="${lx.toFixed(1)}" y="${ly.toFixed(1)}" font-size="${labelSize}" fill="${color}">${label ?? name}</text>`);
      }
    }
    const legend = top + 20 + 20 * i;
    out.push(`<circle cx="${width - right - 90}" cy="${legend - 4}" r="4" fill="${color}"/>`,
             `<text x="${width - right - 80}" y="${legend}" fill="${color}">${name}</text>`);
  });
  out.push("</g>");
  return out.join("\n");
}

// `series` as speed.mjs gives them; `peer` has points with names, and no speeds.
export function curvesSvg(series, peer) {
  const points = [...series, peer].flatMap((each) => each.points);
  const sizes = points.map(({ weights_bytes }) => weights_bytes / 1e6);
  const margin = 0.04 * (Math.max(...sizes) - Math.min(...sizes));
  const xAxis = linearAxis(Math.min(...sizes) - margin, Math.max(...sizes) + margin, left,
                           width - right);
  const mostLoss = 10 ** Math.ceil(Math.log10(Math.max(...points.map(({ loss }) => loss))));
  const lossAxis = logarithmicAxis(leastLoss, mostLoss, height - bottom, top);
  const fastest = Math.max(...series.flatMap((each) => each.points.map((p) => p.tokens_per_second)));
  const speedAxis = linearAxis(0, 1.1 * fastest, height - bottom, top);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${2 * height}" width="${width}" height="${2 * height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${panel(0, "Loss above f32, against size", "L, nats per token", xAxis, lossAxis, [...series, peer], (p) => p.loss)}
${panel(height, "Decoding, against size", "tokens per second", xAxis, speedAxis, series, (p) => p.tokens_per_second)}
</svg>
`;
}
