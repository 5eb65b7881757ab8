/**
 * The modules in src as the compiler has translated them, kept in .cache/ for the next kernel: the
 * first cell's time went into checking and translating modules that had not changed.
 *
 * They are taken from there if the texts of all modules that a cell needs are those of the cache.
 * If one differs, all are checked and translated as tslab does it, and kept anew. Source maps are
 * kept, too, so that errors can name the lines that the reader sees.
 */
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { SourceMap } = require('node:module');
const path = require('node:path');

const root = path.resolve(__dirname, '..', '..', '..');
const folder = path.join(root, '.cache');
const file = path.join(folder, 'kernel-modules.json');
const sha = (text) => createHash('sha256').update(text).digest('hex');
const withoutUrl = (js) => js.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');

/** What else decides how a module is checked and translated. */
function settingsOf(typescript) {
  const lock = path.join(root, 'node_modules', '.package-lock.json');
  const packages = fs.existsSync(lock) ? fs.readFileSync(lock, 'utf8') : '';
  return sha(
    [typescript.version, process.version, packages, sha(fs.readFileSync(__filename))].join(),
  );
}

function load(settings) {
  try {
    const saved = JSON.parse(fs.readFileSync(file, 'utf8'));
    if (saved.settings === settings) return saved.modules;
  } catch {
    // There is none yet.
  }
  return {};
}

/** path from the root → { text: its SHA-256, steps: [{ js, map }, { js, map }] } */
let modules = {};
/** The same of cells, by the name under which they run; `latest` has not run yet. */
const cells = {};
let latest;

/** Changes tslab's compiler in place. */
function cacheModules(typescript) {
  const settings = settingsOf(typescript);
  modules = load(settings);
  let areGood = false; // the entries that the cell at hand needs
  let isNew = false;
  const bySteps = new Map(); // output of the first step → entry
  const pathOf = (name) => path.relative(root, name).replaceAll('\\', '/');

  /** tslab asks once per cell: the cell comes first, then all modules that it needs. */
  const { getPreEmitDiagnosticsOfFiles } = typescript;
  typescript.getPreEmitDiagnosticsOfFiles = (program, [cell, ...needed]) => {
    const isKept = (each) => modules[pathOf(each.fileName)]?.text === sha(each.text);
    areGood = needed.every(isKept);
    if (areGood) return getPreEmitDiagnosticsOfFiles(program, [cell]);
    // What imports a module that has changed may have to change, too.
    if (needed.some((each) => pathOf(each.fileName) in modules && !isKept(each))) modules = {};
    return getPreEmitDiagnosticsOfFiles(program, [cell, ...needed]);
  };

  /** The first step: from TypeScript to JavaScript. */
  function cacheEmit(builder) {
    const { emit } = builder;
    builder.emit = (source, write, ...rest) => {
      const name = pathOf(source.fileName);
      const output = path.join('outDir', name.replace(/\.ts$/, '.js'));
      let entry = areGood ? modules[name] : undefined;
      if (!entry) {
        entry = { text: sha(source.text), steps: [{}] };
        const [first] = entry.steps;
        const take = (written, data, ...more) => {
          if (written.endsWith('.js.map')) first.map = data;
          else if (written.endsWith('.js')) first.js = withoutUrl(data);
          else write(written, data, ...more);
        };
        emit.call(builder, source, take, ...rest);
        if (name === '__tslab__.ts') latest = entry;
        else {
          modules[name] = entry;
          isNew = true;
        }
      }
      if (entry.steps[0].js === undefined) return;
      bySteps.set(entry.steps[0].js, entry);
      write(output, entry.steps[0].js);
    };
  }

  /** The second step: from import to require. */
  const { transpileModule } = typescript;
  typescript.transpileModule = (js, options) => {
    const entry = bySteps.get(js);
    if (entry && !entry.steps[1]) {
      const compilerOptions = { ...options.compilerOptions, sourceMap: true };
      const { outputText, sourceMapText } = transpileModule(js, { ...options, compilerOptions });
      entry.steps.push({ js: withoutUrl(outputText), map: sourceMapText });
    }
    return entry ? { outputText: entry.steps[1].js } : transpileModule(js, options);
  };

  const { createWatchCompilerHost, createWatchProgram } = typescript;
  typescript.createWatchCompilerHost = (files, options, ...rest) =>
    createWatchCompilerHost(files, { ...options, sourceMap: true }, ...rest);
  typescript.createWatchProgram = (host) => {
    const { afterProgramCreate } = host;
    host.afterProgramCreate = (builder) => {
      cacheEmit(builder);
      afterProgramCreate(builder);
    };
    return createWatchProgram(host);
  };

  /** For the next kernel. */
  return function save() {
    if (!isNew) return;
    isNew = false;
    for (const name in modules) if (!fs.existsSync(path.join(root, name))) delete modules[name];
    const draft = `${file}.${process.pid}`;
    try {
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(draft, JSON.stringify({ settings, modules }));
      fs.renameSync(draft, file);
    } catch {
      fs.rmSync(draft, { force: true }); // the next kernel takes longer
    }
  };
}

/** The cell that was translated last runs under this name. */
function nameCell(name, source) {
  cells[name] = { ...latest, source };
}

/** Where a call stands in TypeScript: { line, source: the text of that line, in a cell }. */
function positionOf(name, line, column) {
  const entry = cells[name] ?? modules[name.replace(/\.js$/, '.ts')];
  let position = { originalLine: line - 1, originalColumn: column - 1 };
  for (const { map } of [...(entry?.steps ?? [])].reverse()) {
    position = new SourceMap(JSON.parse(map)).findEntry(
      position.originalLine,
      position.originalColumn,
    );
    if (position.originalLine === undefined) return undefined;
  }
  if (!entry) return undefined;
  // tslab puts one line before a cell.
  if (!entry.source) return { line: position.originalLine + 1 };
  const source = entry.source.split('\n')[position.originalLine - 1]?.trim();
  return source ? { line: position.originalLine, source } : undefined;
}

module.exports = { cacheModules, nameCell, positionOf };
