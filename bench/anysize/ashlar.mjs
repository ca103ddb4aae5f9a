// Runs verbs of ashlar, and says so.
import { execFileSync } from "node:child_process";

export const log = (text) => process.stderr.write(`${text}\n`);

// A function of a verb's words that gives what it prints as JSON.
export const ashlarOf = ({ ashlar, store }) => (...words) => {
  log(`$ ashlar ${words.join(" ")}`);
  return JSON.parse(execFileSync(ashlar, [...words, "--json", "--store", store],
                                 { encoding: "utf8", maxBuffer: 1 << 28,
                                   stdio: ["ignore", "pipe", "inherit"] }));
};
