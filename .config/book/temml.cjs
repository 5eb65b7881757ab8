/** Reads formulas, a JSON object a line, and answers each with its MathML or with what is wrong. */
const { createInterface } = require('node:readline');
const temml = require('temml');

createInterface({ input: process.stdin }).on('line', (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { mathml: temml.renderToString(tex, { displayMode: display, throwOnError: true }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
