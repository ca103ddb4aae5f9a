// node bench/load/load.mjs --networks A,B [options]
//
// Asks a running server for completions at random times (Poisson arrivals, an open loop: a slow
// server is not asked more slowly), and says how long the answers took: for all, for each tenant and
// for each network. The JSON goes to standard output, a plot where --plot says.
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { complete } from "./client.mjs";
import { svg } from "./plot.mjs";
import { popularities, sentence, uniform } from "./random.mjs";
import { gaps, summary, summaryBy } from "./statistics.mjs";

const usage = `node bench/load/load.mjs --networks A,B [options]
  --url URL           of the server (http://127.0.0.1:8080)
  --networks A,B      asked for by name
  --popularity NAME   ${Object.keys(popularities).join(", ")} (uniform)
  --tenants T=KEY,..  API keys, asked with in turn (none: without a key)
  --rate R            requests a second (4)
  --requests N        in all (100)
  --words N           of each prompt, in the mean (40)
  --max-tokens N      of each answer, in the mean (40)
  --seed N            of arrivals, prompts and lengths (1)
  --plot FILE         distributions as SVG`;

let flags;
try {
  ({ values: flags } = parseArgs({ options: {
    url: { type: "string", default: "http://127.0.0.1:8080" },
    networks: { type: "string" }, popularity: { type: "string", default: "uniform" },
    tenants: { type: "string", default: "" }, rate: { type: "string", default: "4" },
    requests: { type: "string", default: "100" }, words: { type: "string", default: "40" },
    "max-tokens": { type: "string", default: "40" }, seed: { type: "string", default: "1" },
    plot: { type: "string" }, help: { type: "boolean" },
  } }));
} catch (error) {
  console.error(`${error.message}\n${usage}`);
  process.exit(2);
}
if (flags.help) {
  console.log(usage);
  process.exit(0);
}
function positive(name) {
  const value = Number(flags[name]);
  if (!(value > 0)) {
    console.error(`--${name}: expected a number above 0, found "${flags[name]}"`);
    process.exit(2);
  }
  return value;
}
if (!flags.networks || !popularities[flags.popularity]) {
  console.error(flags.networks ? `--popularity: unknown "${flags.popularity}"` : "--networks is missing");
  console.error(usage);
  process.exit(2);
}

const networks = flags.networks.split(",");
const tenants = flags.tenants === "" ? [{ name: "anonymous" }]
  : flags.tenants.split(",").map((each) => ({ name: each.split("=")[0], key: each.split("=")[1] }));
const [rate, requests, words, maxTokens] = ["rate", "requests", "words", "max-tokens"].map(positive);
const random = uniform(positive("seed"));
const choose = popularities[flags.popularity](networks.length);
const exponential = (mean) => -Math.log(1 - random()) * mean;
const aboutAsMany = (mean) => Math.max(1, Math.round(exponential(mean)));

let due = performance.now();
const begin = due;
const running = [];
for (let i = 0; i < requests; ++i) {
  due += exponential(1000 / rate);
  const at = due;
  const network = networks[choose(i, random)];
  const tenant = tenants[i % tenants.length];
  const body = { model: network, prompt: sentence(random, aboutAsMany(words)), temperature: 1,
                 max_tokens: aboutAsMany(maxTokens), seed: i, ignore_eos: true };
  await sleep(Math.max(0, at - performance.now()));
  running.push(complete(flags.url, body, tenant).then((answer) =>
    ({ ...answer, due: at, network, tenant: tenant.name })));
}
const answers = await Promise.all(running);
const seconds = (performance.now() - begin) / 1000;

console.log(JSON.stringify({
  options: flags, seconds, all: summary(answers, seconds),
  tenants: summaryBy(answers, "tenant", seconds), networks: summaryBy(answers, "network", seconds),
  errors: [...new Set(answers.map(({ error }) => error).filter(Boolean))].slice(0, 10),
}, null, 2));
if (flags.plot) {
  const series = (numbersOf) => networks.map((name) =>
    ({ name, numbers: answers.filter((a) => a.network === name && !a.error).flatMap(numbersOf) }));
  writeFileSync(flags.plot, svg([
    { title: "time to first token", unit: "ms", series: series((a) => a.first === null ? [] : [a.first - a.due]) },
    { title: "time between tokens", unit: "ms", series: series(gaps) },
  ]));
}
process.exit(answers.some(({ error }) => error) ? 1 : 0);
