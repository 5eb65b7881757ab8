/**
 * The kernel of the notebooks, started by Jupyter: tslab, with the repository as working
 * directory, so that cells can import './src/index'. What differs from plain tslab:
 *
 *   - what a cell prints arrives complete, however many lines it prints at once
 *   - an error that no cell waits for is printed; the kernel goes on
 *   - ■ stops what a cell waits for, too (kernel-interrupt.cjs)
 *   - a new file in src does not break the cells that follow (kernel-compiler.cjs)
 *   - tensors and errors are shown for readers (kernel-text.cjs), names with their arguments
 *     (kernel-docs.cjs)
 *   - the first cell waits less for the compiler (kernel-modules.cjs)
 */
const path = require('node:path');
const vm = require('node:vm');
const { docsAt, saveModules } = require('./kernel-compiler.cjs'); // before tslab loads its compiler
const { nameCell } = require('./kernel-modules.cjs');
const zeromq = require('zeromq');
const { JupyterHandlerImpl } = require('tslab/dist/jupyter.js');
const { startKernel } = require('tslab/dist/main.js');
const { interruptedText, interruptible, takeOverInterrupts } = require('./kernel-interrupt.cjs');
const { CompletePublisher, gatherText } = require('./kernel-streams.cjs');
const { diagnosticText, errorText, showTensorsByValue } = require('./kernel-text.cjs');

process.chdir(path.resolve(__dirname, '..', '..', '..'));

zeromq.Publisher = CompletePublisher;

const { handleExecute } = JupyterHandlerImpl.prototype;
JupyterHandlerImpl.prototype.handleExecute = async function (request, sendText, sendDisplay) {
  showTensorsByValue();
  const text = gatherText(sendText);
  const writeDisplay = (data, update) => {
    text.flush(); // what was printed before the figure stands above it
    sendDisplay(data, update);
  };
  const reply = await handleExecute.call(this, request, text.write, writeDisplay);
  text.flush(); // before the message that the cell has ended
  return reply;
};

let cell; // the one that is compiled and run
const { handleExecuteImpl } = JupyterHandlerImpl.prototype; // one cell after the other
JupyterHandlerImpl.prototype.handleExecuteImpl = function (request, ...rest) {
  cell = { name: `cell ${this.execCount + 1}`, source: request.code };
  return interruptible(() => handleExecuteImpl.call(this, request, ...rest)).finally(() => {
    setImmediate(saveModules); // after the reply
  });
};

/** tslab's function for running a cell; a name makes errors say where they happened. */
const { runInThisContext } = vm;
vm.runInThisContext = (code, options) => {
  if (!options?.breakOnSigint) return runInThisContext(code, options);
  nameCell(cell.name, cell.source);
  return runInThisContext(code, { ...options, filename: cell.name });
};

/** The last value of a cell. */
function showValue(value) {
  showTensorsByValue(); // this cell may have been the one that imported TensorFlow.js
  console.log(value);
}

/** What the compiler says of a cell (a format and its values), or what the cell has thrown. */
function showError(first, ...values) {
  if (values.length > 0) console.error(diagnosticText(first, values));
  else console.error(interruptedText(first) ?? errorText(first));
}

const { handleInspect } = JupyterHandlerImpl.prototype;
JupyterHandlerImpl.prototype.handleInspect = function (request) {
  const reply = handleInspect.call(this, request); // compiles the code
  const docs = docsAt(request.cursor_pos);
  return docs ? { ...reply, found: true, data: { 'text/plain': docs } } : reply;
};

/** While the reader reads, the compiler reads the book. */
const converterModule = require('tslab/dist/converter.js');
const { createConverter } = converterModule;
let converter;
converterModule.createConverter = (options) => {
  converter = createConverter(options);
  return converter;
};
const { handleKernel } = JupyterHandlerImpl.prototype;
JupyterHandlerImpl.prototype.handleKernel = function () {
  setTimeout(() => {
    if (!cell) converter.inspect('', "import './src/index';", 0);
  }, 100);
  return handleKernel.call(this);
};

// tslab takes both functions once, when it starts; what cells print goes to the real ones.
const { log, error } = console;
Object.assign(console, { log: showValue, error: showError });
startKernel({ configPath: process.argv[2], enableFindLocal: false });
Object.assign(console, { log, error });
takeOverInterrupts();

// Listeners do not suffice: that of TensorFlow.js's wasm engine throws, which ends the process.
process.removeAllListeners('uncaughtException');
process.removeAllListeners('unhandledRejection');
process.setUncaughtExceptionCaptureCallback((thrown) => {
  console.error(`Nothing waited for this work (is an await missing?), and it failed:`);
  console.error(errorText(thrown));
});
