// node encode.mjs TOKENIZER.json TEXTS.json SPECIAL
//
// Prints, for each string in the array TEXTS, one line of JSON: the ids that
// @huggingface/tokenizers gives it, with special tokens around it if SPECIAL is true, and what it
// decodes them to.
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";

const [tokenizerPath, textsPath, special] = process.argv.slice(2);
const tokenizer = new Tokenizer(JSON.parse(readFileSync(tokenizerPath, "utf8")), {
  clean_up_tokenization_spaces: false,
});
for (const text of JSON.parse(readFileSync(textsPath, "utf8"))) {
  const { ids } = tokenizer.encode(text, { add_special_tokens: special === "true" });
  const decoded = ids.length === 0 ? "" : tokenizer.decode(ids, { skip_special_tokens: false });
  process.stdout.write(JSON.stringify({ ids, decoded }) + "\n");
}
