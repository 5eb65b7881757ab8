/**
 * TypeDoc and the way this book writes its docstrings.
 *
 * The comment at the top of a file becomes its page's text: the idea, the formula, the source.
 * The comment at the end of a property's line, often its shape, becomes its text.
 * An indented block after an empty line (a formula, a table) is shown as it stands.
 * Markdown is kept from taking shapes for links ("[rows, width]: …") and <names> for HTML.
 */
import { readFileSync } from 'node:fs';
import { Comment, Converter, ReflectionKind } from 'typedoc';

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      if (!reflection.comment) continue;
      const { summary, blockTags } = reflection.comment;
      reflection.comment.summary = asWritten(summary);
      for (const tag of blockTags) tag.content = asWritten(tag.content);
    }
    for (const module of project.getReflectionsByKind(ReflectionKind.Module))
      module.comment ??= commentOf(headerOf(module.sources[0].fullFileName));
    for (const property of project.getReflectionsByKind(ReflectionKind.Property))
      if (property.sources) property.comment ??= commentOf(endOfLine(property.sources[0]));
  });
}

const commentOf = (text) => text && new Comment([{ kind: 'text', text: markdown(text) }]);

/** `[B, N, dim]` of `readonly x: tf.Tensor3D; // [B, N, dim]`. */
const endOfLine = ({ fullFileName, line }) =>
  readFileSync(fullFileName, 'utf8')
    .split('\n')
    [line - 1].match(/[;,{] \/\/ (.+)$/)?.[1];

/** The text of a file's first comment, if the file begins with one. */
function headerOf(file) {
  const comment = readFileSync(file, 'utf8').match(/^\/\*\*([\s\S]*?)\*\//)?.[1];
  return comment?.replace(/^\s*\* ?/gm, '').trim();
}

/** A comment as TypeDoc has taken it apart, put together again unless it holds {@link …}. */
function asWritten(parts) {
  if (parts.some(({ kind }) => kind === 'inline-tag')) return parts;
  return [{ kind: 'text', text: markdown(parts.map(({ text }) => text).join('')) }];
}

function markdown(text) {
  const lines = [];
  let fenced = false; // inside ``` of the author's own
  let block = false; // inside an indented block
  let afterEmpty = true;
  for (const line of text.split('\n')) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    const indented = /^ {2,}\S/.test(line);
    if (block && !indented) lines.push('```');
    if (!block && indented && afterEmpty && !fenced) lines.push('```text');
    block = indented && (block || (afterEmpty && !fenced));
    lines.push(fenced || block ? line : escaped(line));
    afterEmpty = line.trim() === '';
  }
  if (block) lines.push('```');
  return lines.join('\n');
}

const escaped = (line) =>
  line
    .replace(/^(\s*)\[([^\]]*)\]:/, '$1\\[$2\\]:')
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replace(/<(?=[a-z/!])/gi, '&lt;')))
    .join('');
