/**
 * Text that is printed word by word while it is written, in lines that fit the page.
 *
 *   const text = streamText('The whale ');
 *   await generate(model, prompt, { onToken: ({ tokens }) => text.add(decode(tokens)) });
 *   text.end();
 */
export interface TextStream {
  /** Letters, words, or more; a word is printed when it is complete. */
  add(piece: string): void;
  /** Prints the last word, and ends the line. */
  end(): void;
}
export interface TextStreamOptions {
  /** Letters in a line. */
  width?: number;
  /** Where text goes (default: standard output, which is the cell). */
  write?: (text: string) => void;
}

/**
 * Begins with `start`. Blanks and line breaks of the text become a blank, or a break where a line
 * is full.
 * @throws RangeError for a width below 1.
 */
export function streamText(start = '', options: TextStreamOptions = {}): TextStream {
  const { width = 76, write = (text) => void process.stdout.write(text) } = options;
  if (!(width >= 1)) throw new RangeError(`streamText: width is ${width}; give 1 or more letters.`);
  let column = 0;
  let word = '';

  function printWord(): void {
    if (word === '') return;
    const fits = column === 0 || column + 1 + word.length <= width;
    if (!fits) column = 0;
    const before = fits ? (column > 0 ? ' ' : '') : '\n';
    write(before + word);
    column += (column > 0 ? 1 : 0) + word.length;
    word = '';
  }
  function add(piece: string): void {
    for (const letter of piece) {
      if (/\s/.test(letter)) printWord();
      else word += letter;
    }
  }
  add(start);
  return {
    add,
    end() {
      printWord();
      write('\n');
      column = 0;
    },
  };
}
