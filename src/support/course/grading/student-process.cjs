/**
 * The process in which a submission runs: the compiler and the executor of the notebooks' kernel,
 * without Jupyter. Each line of INPUT is a request; each gets one line on OUTPUT.
 *
 * Nothing that comes from here is trusted. The judge knows the right answers and this process does
 * not, so that code which writes to OUTPUT can give a right or a wrong value, as any function can.
 */
const childProcess = require('node:child_process');
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const { Socket } = require('node:net');
const os = require('node:os');
const { createInterface } = require('node:readline');
const { format } = require('node:util');
const workers = require('node:worker_threads');
const { createConverter } = require('tslab/dist/converter.js');
const { createExecutor } = require('tslab/dist/executor.js');

const INPUT = 3;
const OUTPUT = 4;
const MOST_VALUES = 100_000;
const DEEPEST = 20;

// Taken before the submission runs, which may replace them.
const { writeSync } = fs;
const { parse, stringify } = JSON;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { keys } = Object;
const { apply, construct } = Reflect;
const { exit } = process;

/** Each getter and each entry of a Proxy is read once. What JSON lacks is written { "$": its name }. */
function encode(value) {
  let room = MOST_VALUES;
  function text(x, depth) {
    if (room-- === 0 || depth > DEEPEST) throw new RangeError('the result is too large to be sent');
    if (x === null || typeof x === 'boolean') return `${x}`;
    if (typeof x === 'number') return x - x === 0 ? `${x}` : `{"$":"${x}"}`;
    if (typeof x === 'string') return stringify(x);
    if (typeof x !== 'object') return `{"$":"${typeof x}"}`;
    if (x instanceof Promise) return '{"$":"promise"}';
    if (!isArray(x) && !isView(x)) return record(x, depth);
    let entries = '';
    for (let i = 0, { length } = x; i < length; i++) {
      entries += (i > 0 ? ',' : '') + text(x[i], depth + 1);
    }
    return `[${entries}]`;
  }
  function record(x, depth) {
    if ('dataSync' in x) return '{"$":"tensor"}';
    let entries = '';
    for (let i = 0, names = keys(x); i < names.length; i++) {
      entries += `${i > 0 ? ',' : ''}${stringify(names[i])}:${text(x[names[i]], depth + 1)}`;
    }
    return `{${entries}}`;
  }
  return text(value, 0);
}

const send = (fields) => writeSync(OUTPUT, `{${fields}}\n`);

/** The message of what was thrown, which may be anything, as JSON. */
function messageOf(thrown) {
  try {
    return stringify(format('%s', thrown?.message ?? thrown).slice(0, 300));
  } catch {
    return '"an error without a message"';
  }
}

function call(name, args) {
  const yours = executor.locals[name];
  if (typeof yours !== 'function') return '"missing":true';
  try {
    const value = encode(apply(yours, undefined, args));
    return `"value":${value},"args":${encode(args)}`;
  } catch (error) {
    return `"thrown":${messageOf(error)}`;
  }
}

let compiling = false;
let said = '""'; // what the compiler says of the latest cell, or what the cell threw
const converter = createConverter();
const compiler = {
  ...converter,
  convert(...cell) {
    compiling = true;
    try {
      return converter.convert(...cell);
    } finally {
      compiling = false;
    }
  },
};
const executor = createExecutor(
  process.cwd(),
  { node: compiler },
  {
    log() {},
    error: (first, ...rest) => {
      said = rest.length > 0 ? messageOf(rest.at(-1)) : messageOf(first);
    },
  },
);

async function answer(line) {
  const { id, cell, name, args } = parse(line);
  if (name !== null) return send(`"id":${id},${call(name, args)}`);
  try {
    const ended = await executor.execute(cell);
    send(ended ? `"id":${id}` : `"id":${id},"thrown":${said}`);
  } catch (error) {
    send(`"id":${id},"thrown":${messageOf(error)}`);
  }
}

/** Tells the judge what Node's permission model refuses, also where the submission catches it. */
function tellRefusals(result) {
  const told = (error) => {
    if (compiling || error?.code !== 'ERR_ACCESS_DENIED') return;
    send(`"refused":${messageOf(`${error.permission} ${error.resource ?? ''}`)}`);
  };
  try {
    const value = result();
    if (value instanceof Promise) value.catch(told);
    return value;
  } catch (error) {
    told(error);
    throw error;
  }
}
const watched = {
  apply: (f, self, args) => tellRefusals(() => apply(f, self, args)),
  construct: (f, args, target) => tellRefusals(() => construct(f, args, target)),
};
for (const api of [fs, fs.promises, childProcess, workers]) {
  for (const [name, f] of Object.entries(api)) {
    if (typeof f === 'function') api[name] = new Proxy(f, watched);
  }
}
// Node's permissions say nothing of signals; a submission must not send the grader any.
for (const name of ['kill', '_kill', '_debugProcess', '_debugEnd']) process[name] = undefined;
os.setPriority = undefined;
syncBuiltinESMExports();

// As in the kernel, an error that no cell waits for ends nothing.
process.setUncaughtExceptionCaptureCallback(() => {});
const requests = createInterface({ input: new Socket({ fd: INPUT }) });
requests.on('line', answer);
requests.on('close', () => exit());
send('"id":0'); // ready
