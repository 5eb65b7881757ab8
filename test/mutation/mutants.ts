/**
 * Mutants of a source file: the same text with one operator, number, truth value, pair of
 * arguments or statement changed.
 *
 * Types, imports and strings stay, and so does all that makes up an error.
 */
import ts from 'typescript';

export interface Mutant {
  file: string;
  /** Where the changed text begins, as editors count. */
  line: number;
  column: number;
  /** The changed text, from `start` to `end` of the file. */
  start: number;
  end: number;
  original: string;
  replacement: string;
}

const exchanged: Record<string, readonly string[]> = {
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '**': ['*'],
  '+=': ['-='],
  '-=': ['+='],
  '*=': ['/='],
  '/=': ['*='],
  '<': ['<=', '>'],
  '<=': ['<', '>'],
  '>': ['>=', '<'],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '&&': ['||'],
  '||': ['&&'],
  'Math.max': ['Math.min'],
  'Math.min': ['Math.max'],
  true: ['false'],
  false: ['true'],
};

/** Neighbours of a number, and its double. */
function otherNumbers(text: string): string[] {
  const n = Number(text.replaceAll('_', ''));
  const others = Number.isInteger(n) ? [n + 1, n - 1, 2 * n] : [2 * n, n / 2];
  return [...new Set(others)].filter((other) => other !== n).map(String);
}

const isWritten = (node: ts.Expression): boolean =>
  ts.isFunctionLike(node) || ts.isObjectLiteralExpression(node) || ts.isStringLiteralLike(node);

/** All mutants of `text`; some may not compile. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];

  function add(node: ts.Node, replacements: readonly string[] = [], end = node.getEnd()): void {
    const start = node.getStart(source);
    const { line, character } = source.getLineAndCharacterOfPosition(start);
    for (const replacement of replacements) {
      const original = text.slice(start, end);
      const where = { file, line: line + 1, column: character + 1, start, end };
      mutants.push({ ...where, original, replacement });
    }
  }

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || isType(node)) return;
    if (ts.isThrowStatement(node) || isError(node)) return;
    if (ts.isBinaryExpression(node))
      add(node.operatorToken, exchanged[node.operatorToken.getText()]);
    else if (ts.isNumericLiteral(node)) add(node, otherNumbers(node.text));
    else if (ts.isPropertyAccessExpression(node)) add(node, exchanged[node.getText()]);
    else if (ts.isToken(node)) addKeyword(node);
    else if (ts.isPrefixUnaryExpression(node)) addUnsigned(node);
    else if (ts.isCallExpression(node) || ts.isNewExpression(node)) addSwapped(node);
    else if (ts.isExpressionStatement(node)) add(node, [';']);
    else if (ts.isIfStatement(node) && !node.elseStatement) add(node, [';']);
    ts.forEachChild(node, visit);
  }

  function addKeyword(node: ts.Node): void {
    const { TrueKeyword, FalseKeyword } = ts.SyntaxKind;
    if (node.kind === TrueKeyword || node.kind === FalseKeyword)
      add(node, exchanged[node.getText()]);
  }
  /** −x and !x without the sign. */
  function addUnsigned({ operator, operand }: ts.PrefixUnaryExpression): void {
    if (operator === ts.SyntaxKind.MinusToken || operator === ts.SyntaxKind.ExclamationToken)
      add(operand.parent, [operand.getText()]);
  }
  /** f(a, b) as f(b, a), unless that is the same by definition. */
  function addSwapped(call: ts.CallExpression | ts.NewExpression): void {
    const list = call.arguments;
    if (!list || list.length < 2 || isSymmetric(call)) return;
    const [first, second] = list;
    const [a, b] = [first.getText(), second.getText()];
    if (a === b || isWritten(first) || isWritten(second)) return;
    add(first, [`${b}, ${a}`], second.getEnd());
  }

  visit(source);
  return mutants;
}

const isSymmetric = ({ expression }: ts.CallExpression | ts.NewExpression): boolean =>
  /^(Math\.(min|max)|dot)$/.test(expression.getText());

const isType = (node: ts.Node): boolean =>
  ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);

/** new Error(…), or the call of a function that only throws. */
function isError(node: ts.Node): boolean {
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return false;
  return /Error$|^refuse$|^shown$/.test(node.expression.getText());
}
