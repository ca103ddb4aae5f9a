// node validate.mjs CASES: reads [{schema, answers: [text, ...]}, ...] and prints, for each case, a
// line of JSON: why the schema is refused, or for each answer why it is not valid ("" when it is).
import { readFileSync } from 'node:fs';
import Ajv2019 from 'ajv/dist/2019.js';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

for (const { schema, answers } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const Ajv = String(schema.$schema).includes('2019-09') ? Ajv2019 : Ajv2020;
  const ajv = new Ajv.default({ strict: false, logger: false });
  addFormats.default(ajv);
  let validate;
  try {
    validate = ajv.compile(schema);
  } catch (error) {
    console.log(JSON.stringify({ refused: error.message }));
    continue;
  }
  const verdicts = answers.map((text) => {
    try {
      return validate(JSON.parse(text)) ? '' : ajv.errorsText(validate.errors);
    } catch (error) {
      return error.message;
    }
  });
  console.log(JSON.stringify({ verdicts }));
}
