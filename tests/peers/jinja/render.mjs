// node render.mjs CASES.json
//
// Renders each {source, variables} of the array CASES with @huggingface/jinja, and prints one line
// of JSON for each: {"out": text}, or {"error": message}.
import { readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";

for (const { source, variables } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  let line;
  try {
    line = { out: new Template(source).render(variables) };
  } catch (error) {
    line = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(line) + "\n");
}
