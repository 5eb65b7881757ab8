/** How the kernel shows values and errors: tensors by their numbers, errors by their message. */
const path = require('node:path');
const { format, inspect } = require('node:util');
const { positionOf } = require('./kernel-modules.cjs');

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

/** The calls that led to an error, from the cell inwards, and below them its message. */
function errorText(thrown, shown = new Set(), prefix = '') {
  if (!(thrown instanceof Error)) return `${prefix || 'thrown: '}${inspect(thrown)}`;
  const lines = [];
  for (const frame of (thrown.stack ?? '').split('\n').reverse()) {
    const call = callText(frame);
    if (!call || shown.has(call)) continue;
    lines.push(call);
    shown.add(call);
  }
  lines.push(`${prefix}${thrown.name}: ${thrown.message}${hint(thrown)}`);
  if (thrown.cause !== undefined) lines.push(errorText(thrown.cause, shown, 'caused by '));
  return lines.join('\n');
}

/**
 * `  in attention (src/attention/attention.ts:41)`, or of a cell its line, `  cell 3, line 2: …`;
 * nothing for calls of the kernel itself.
 */
function callText(frame) {
  const match = frame.match(/^ +at (?:async )?(?:(?:Proxy\.)?(.+) \()?(.+?):(\d+):(\d+)\)?$/);
  if (!match) return undefined;
  const [, name, file, line, column] = match;
  if (file.startsWith('cell ')) {
    const position = positionOf(file, Number(line), Number(column));
    return position && `  ${file}, line ${position.line}: ${position.source}`;
  }
  const place = path.relative(root, file.replace(/^file:\/\//, '')).replaceAll('\\', '/');
  const ofPackage = place.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
  if (file.startsWith('node:') || ofPackage === 'tslab' || place.includes('notebook/kernel'))
    return undefined;
  if (ofPackage) return `  in ${ofPackage}`;
  const position = positionOf(place, Number(line), Number(column));
  const where = place.replace(/\.js$/, '.ts') + (position ? `:${position.line}` : '');
  return `  in ${name ?? 'its first lines'} (${where})`;
}

function hint(thrown) {
  const name = thrown.message.match(/^(\w+) is not defined$/)?.[1];
  if (!(thrown instanceof ReferenceError && name in globalThis.__tslab__.exports)) return '';
  return `. Cells cannot use the short form { ${name} }: write { ${name}: ${name} }.`;
}

module.exports = { diagnosticText, errorText, showTensorsByValue };
