/**
 * What the kernel shows of a name (Shift-Tab, or the inspector): how it is called, the first
 * sentences of its documentation, its arguments with their shapes, and a call from a lesson. tslab
 * alone names the type, such as AttentionForm.
 */
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..', '..', '..');
const LONGEST_LIST = 16; // fields of an argument
const LONGEST_EXAMPLE = 8; // lines

/** Text for the name at `position` of a cell's file; undefined for what is no call of ours. */
function callDocs(typescript, program, cellFile, position) {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(cellFile);
  const node = typescript.getTouchingPropertyName(source, position);
  let symbol = checker.getSymbolAtLocation(node);
  if (!symbol) return undefined;
  if (symbol.flags & typescript.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  const type = checker.getTypeOfSymbolAtLocation(symbol, node);
  const isClass = type.getConstructSignatures().length > 0;
  const [signature] = isClass ? type.getConstructSignatures() : type.getCallSignatures();
  const declaration = symbol.declarations?.[0];
  if (!signature || !declaration || !isOurs(declaration)) return undefined;

  const { name } = symbol;
  const parameters = signature.getParameters();
  const optional = (each) => (isOptional(typescript, each) ? '?' : '');
  const list = parameters.map((each) => each.name + optional(each)).join(', ');
  const result = checker.typeToString(signature.getReturnType(), node);
  const parts = [isClass ? `new ${name}(${list})` : `${name}(${list}) → ${result}`];
  const text = symbol.getDocumentationComment(checker).map((part) => part.text);
  if (text.length === 0 || isMain(declaration, name)) parts.push(headerOf(declaration));
  if (text.length > 0) parts.push(text.join(''));
  for (const parameter of parameters) {
    parts.push(argumentText(typescript, checker, parameter, node));
  }
  const example = exampleOf(isClass ? `new ${name}` : name);
  if (example) parts.push(example);
  return parts.filter(Boolean).join('\n\n');
}

const isOurs = (declaration) => {
  const place = path.relative(root, declaration.getSourceFile().fileName);
  return !place.startsWith('..') && !place.includes('node_modules');
};
/** Whether a file is named after this: kv-cache.ts after KvCache. */
const isMain = (declaration, name) =>
  path.basename(declaration.getSourceFile().fileName, '.ts').replaceAll('-', '') ===
  name.toLowerCase();
/** The first paragraph of a file's header. */
function headerOf(declaration) {
  const header = declaration.getSourceFile().text.match(/^\/\*\*([\s\S]*?)\*\//)?.[1] ?? '';
  const [first] = header
    .replace(/^ ?\* ?/gm, '')
    .trim()
    .split('\n\n');
  return first;
}
const isOptional = (typescript, symbol) =>
  Boolean(symbol.flags & typescript.SymbolFlags.Optional) ||
  Boolean(symbol.declarations?.some((each) => each.questionToken || each.initializer));

/** An argument; of an object its fields, each with the comment that states its shape. */
function argumentText(typescript, checker, parameter, node) {
  const type = checker.getNonNullableType(checker.getTypeOfSymbolAtLocation(parameter, node));
  const lines = [`${parameter.name}: ${checker.typeToString(type, node)}`];
  const fields = type.getProperties().filter((field) => field.declarations?.some(isOurs));
  if (type.getCallSignatures().length > 0 || fields.length > LONGEST_LIST) return lines[0];
  for (const field of fields) {
    const declaration = field.declarations[0];
    if (!typescript.isPropertySignature(declaration)) continue;
    const { text } = declaration.getSourceFile();
    const comments = typescript.getTrailingCommentRanges(text, declaration.end) ?? [];
    const after = comments.map(({ pos, end }) => text.slice(pos, end)).join(' ');
    const before = field.getDocumentationComment(checker).map((part) => part.text);
    const about = after || (before.length > 0 ? `// ${before.join('').replace(/\s+/g, ' ')}` : '');
    lines.push(`  ${declaration.getText().replace(/[;,]$/, '')}  ${about}`.trimEnd());
  }
  return lines.join('\n');
}

let lessons; // [{ name, cells: their sources }], read at the first question
function readLessons() {
  const folder = path.join(root, 'notebooks');
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.ipynb'));
  return names.sort().map((name) => {
    const { cells } = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
    const code = cells.filter((each) => each.cell_type === 'code');
    return { name, cells: code.map(({ source }) => [source].flat().join('')) };
  });
}

/** The first call of a name in a lesson, from its line to the one where its brackets close. */
function exampleOf(call) {
  lessons ??= readLessons();
  const pattern = new RegExp(`(?<![\\w.])${call}\\(`);
  for (const { name, cells } of lessons) {
    for (const cell of cells) {
      const all = cell.split('\n');
      const first = all.findIndex(
        (line) => pattern.test(line) && !/^\s*(function|\/\/)/.test(line),
      );
      if (first < 0) continue;
      const lines = [];
      let depth = 0;
      for (const line of all.slice(first, first + LONGEST_EXAMPLE)) {
        lines.push(`  ${line}`);
        for (const sign of line) depth += '([{'.includes(sign) ? 1 : ')]}'.includes(sign) ? -1 : 0;
        if (depth <= 0) break;
      }
      return `In ${name}:\n${lines.join('\n')}`;
    }
  }
  return undefined;
}

module.exports = { callDocs };
