/** How the kernel shows values and errors: tensors by their numbers, errors by their message. */
const path = require('node:path');
const { format, inspect } = require('node:util');

const root = path.resolve(__dirname, '..', '..', '..');

/** From now on console.log shows a tensor's type, shape and values, if TensorFlow.js is loaded. */
function showTensorsByValue() {
  const core = require.cache[require.resolve('@tensorflow/tfjs-core')];
  const prototype = core?.exports.Tensor?.prototype;
  if (prototype && !prototype[inspect.custom]) {
    prototype[inspect.custom] = function () {
      return tensorText(this);
    };
  }
}

function tensorText(tensor) {
  if (tensor.isDisposed) return `Tensor ${tensor.dtype} [${tensor.shape}], disposed`;
  try {
    return tensor.toString(true);
  } catch {
    // WebGPU cannot wait for its values.
    return `Tensor ${tensor.dtype} [${tensor.shape}]; for its values: await x.data()`;
  }
}

/** What the compiler says, with what to do about it. */
function diagnosticText(template, values) {
  const text = format(template, ...values);
  if (!/Cannot find name '.*'/.test(text)) return text;
  return `${text} If a cell above declares it, run the cells above first.`;
}

/**
 * The calls that led to an error, from the cell inwards, and below them its message. Line numbers
 * would be those of the compiled code, so there are none.
 */
function errorText(thrown) {
  if (!(thrown instanceof Error)) return `thrown: ${inspect(thrown)}`;
  const stack = thrown.stack ?? '';
  const lines = [];
  for (const frame of stack.split('\n').reverse()) {
    const call = callText(frame);
    if (call && call !== lines.at(-1)) lines.push(call);
  }
  // Node puts the line that threw before the stack, if it is in a cell that waits for nothing.
  const source = stack.match(/^evalmachine.*\n(.+)\n/)?.[1];
  if (source) lines.push(`  at ${source.trim()}`);
  lines.push(`${thrown.name}: ${thrown.message}${hint(thrown)}`);
  if (thrown.cause !== undefined) lines.push(`caused by ${errorText(thrown.cause)}`);
  return lines.join('\n');
}

/** `  in attention (src/attention/attention.ts)`; nothing for calls of the kernel itself. */
function callText(line) {
  const match = line.match(/^ +at (?:async )?(?:(?:Proxy\.)?(.+) \()?(.+?):\d+:\d+\)?$/);
  if (!match) return undefined;
  const [, name, file] = match;
  if (file.startsWith('evalmachine')) return name && `  in ${name} (a cell)`;
  const place = path.relative(root, file.replace(/^file:\/\//, '')).replaceAll('\\', '/');
  const ofPackage = place.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
  if (file.startsWith('node:') || ofPackage === 'tslab' || place.includes('notebook/kernel'))
    return undefined;
  if (ofPackage) return `  in ${ofPackage}`;
  return `  in ${name ?? 'its first lines'} (${place.replace(/\.js$/, '.ts')})`;
}

function hint(thrown) {
  const name = thrown.message.match(/^(\w+) is not defined$/)?.[1];
  if (!(thrown instanceof ReferenceError && name in globalThis.__tslab__.exports)) return '';
  return `. Cells cannot use the short form { ${name} }: write { ${name}: ${name} }.`;
}

module.exports = { diagnosticText, errorText, showTensorsByValue };
