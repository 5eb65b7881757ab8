/**
 * The type check of notebook cells, with the settings of tsconfig.json: what the kernel does not
 * see.
 *
 * The cells of a notebook share one scope, and a later cell may declare a name again. So each
 * notebook becomes one module in which every cell opens a block that stays open to the end:
 *
 *   import { … } from './src/index'; // the imports of all cells
 *   { // cell 1
 *   const n = 1;
 *   { // cell 2: sees what cell 1 declares, and may declare another n
 *   const n = 2; } }
 */
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './python-environment';

export interface CodeCells {
  /** The path of the notebook below the repository. */
  notebook: string;
  cells: string[];
}
export interface CellProblem {
  notebook: string;
  /** The number of the code cell in its notebook and of the line in it, from 1. */
  cell: number;
  line: number;
  message: string;
}

interface CellModule {
  notebook: string;
  text: string;
  /** For each line of `text`: the cell and line that it came from. */
  origins: { cell: number; line: number }[];
}

/** What the compiler says of all cells; empty if all is well. One program serves all notebooks. */
export function checkCellTypes(notebooks: CodeCells[]): CellProblem[] {
  const modules = new Map<string, CellModule>();
  const problems: CellProblem[] = [];
  for (const { notebook, cells } of notebooks) {
    const broken = syntaxProblems(notebook, cells);
    problems.push(...broken);
    // A cell that cannot be parsed would also spoil the blocks of the cells after it.
    if (broken.length > 0) continue;
    // Cells import from the root of the repository, so their module lies there.
    const path = `${root}/${notebook.replace(/[\\/]/g, '-')}.ts`.replaceAll('\\', '/');
    modules.set(path, moduleOf(notebook, cells));
  }

  const program = programOf(modules);
  for (const [path, module] of modules) {
    const file = program.getSourceFile(path)!;
    for (const { start, messageText } of program.getSemanticDiagnostics(file)) {
      const { line } = file.getLineAndCharacterOfPosition(start ?? 0);
      const message = ts.flattenDiagnosticMessageText(messageText, '\n');
      problems.push({ notebook: module.notebook, ...module.origins[line], message });
    }
    problems.push(...kernelProblems(file, module, program.getTypeChecker()));
  }
  return problems;
}

export const problemText = ({ notebook, cell, line, message }: CellProblem): string =>
  `${notebook}, cell ${cell}, line ${line}: ${message}`;

function syntaxProblems(notebook: string, cells: string[]): CellProblem[] {
  const problems: CellProblem[] = [];
  const compilerOptions = { ...settings(), moduleDetection: ts.ModuleDetectionKind.Force };
  for (const [i, source] of cells.entries()) {
    const { diagnostics } = ts.transpileModule(source, {
      compilerOptions,
      reportDiagnostics: true,
    });
    for (const { file, start, messageText } of diagnostics ?? []) {
      const line = file?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0;
      const message = ts.flattenDiagnosticMessageText(messageText, '\n');
      problems.push({ notebook, cell: i + 1, line: line + 1, message });
    }
  }
  return problems;
}

function moduleOf(notebook: string, cells: string[]): CellModule {
  const imports: string[] = [];
  const importOrigins: CellModule['origins'] = [];
  const body: string[] = [];
  const bodyOrigins: CellModule['origins'] = [];
  for (const [i, source] of cells.entries()) {
    const isImport = importLines(source);
    body.push('{'); // opens the block of this cell
    bodyOrigins.push({ cell: i + 1, line: 1 });
    for (const [at, text] of source.split('\n').entries()) {
      (isImport[at] ? imports : body).push(text);
      (isImport[at] ? importOrigins : bodyOrigins).push({ cell: i + 1, line: at + 1 });
    }
  }
  const end = `${'}'.repeat(cells.length)} export {};`; // `export` makes it a module, for await
  const lastOrigin = { cell: cells.length, line: 1 };
  return {
    notebook,
    text: [...imports, ...body, end].join('\n'),
    origins: [...importOrigins, ...bodyOrigins, lastOrigin],
  };
}

/** For each line of a cell: does it belong to an import? */
function importLines(source: string): boolean[] {
  const isImport = source.split('\n').map(() => false);
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.ES2022);
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const first = file.getLineAndCharacterOfPosition(statement.getStart(file)).line;
    const last = file.getLineAndCharacterOfPosition(statement.end).line;
    isImport.fill(true, first, last + 1);
  }
  return isImport;
}

/**
 * Two things that the types allow: `{ q }` with q from another cell, which the kernel (tslab)
 * cannot find when the cell runs, and `any`, which the style of src forbids.
 */
function kernelProblems(
  file: ts.SourceFile,
  { notebook, origins }: CellModule,
  checker: ts.TypeChecker,
): CellProblem[] {
  const problems: CellProblem[] = [];
  const originOf = (node: ts.Node) =>
    origins[file.getLineAndCharacterOfPosition(node.getStart(file)).line];
  const visit = (node: ts.Node): void => {
    if (ts.isShorthandPropertyAssignment(node)) {
      const name = node.name.text;
      const declared = checker.getShorthandAssignmentValueSymbol(node)?.declarations?.[0];
      if (declared?.getSourceFile() === file && originOf(declared).cell !== originOf(node).cell) {
        const message = `'${name}' is from another cell: write { ${name}: ${name} } here.`;
        problems.push({ notebook, ...originOf(node), message });
      }
    }
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      const message = "'any' switches the check off: name the type.";
      problems.push({ notebook, ...originOf(node), message });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return problems;
}

function settings(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  return ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, root).options;
}

/** A program of modules that exist in memory only, and of all that they import. */
function programOf(modules: Map<string, CellModule>): ts.Program {
  const options = settings();
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path)?.text ?? readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const module = modules.get(path);
    return module
      ? ts.createSourceFile(path, module.text, languageVersion)
      : getSourceFile(path, languageVersion, ...rest);
  };
  return ts.createProgram([...modules.keys()], options, host);
}
