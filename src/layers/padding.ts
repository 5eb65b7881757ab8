/**
 * A batch of texts of different lengths: rows are padded on the left, so that all end in the same
 * column.
 *
 *   row 0   t h e   w h a l e        0 padded positions
 *   row 1   ·  ·  · ·  s e a         4 padded positions, which hold no token
 *
 * On the left, because the last column is where the next token is decided. What is computed at a
 * padded position is never used. It must not change anything else either: attention masks it,
 * retention neither writes it nor lets it decay the state, and it takes no position. So the
 * position of a token counts the tokens of its own row, and rows of one batch may differ.
 */

/** How many positions at the front of each row hold no token: one number per row. */
export type PadLengths = readonly number[];

/** Tokens in each row after `positions` more, of which the first `padLengths[row]` hold none. */
export const lengthsAfter = (
  lengths: readonly number[],
  positions: number,
  padLengths?: PadLengths,
): number[] => lengths.map((length, row) => length + positions - (padLengths?.[row] ?? 0));

/**
 * The position of a chunk's first column, for rotary: one number if all rows agree. At a padded
 * column it may be below 0; the angle there is never used.
 */
export function firstPositions(
  lengths: readonly number[],
  padLengths?: PadLengths,
): number | number[] {
  const starts = lengths.map((length, row) => length - (padLengths?.[row] ?? 0));
  return starts.every((start) => start === starts[0]) ? starts[0] : starts;
}

/** The padding inside columns `from` … `from + columns`; undefined if there is none. */
export function padLengthsWithin(
  padLengths: PadLengths | undefined,
  from: number,
  columns: number,
): PadLengths | undefined {
  const inside = padLengths?.map((count) => Math.min(columns, Math.max(0, count - from)));
  return inside?.some((count) => count > 0) ? inside : undefined;
}

/** @throws RangeError unless there is one whole number per row, below `columns`, one of them 0. */
export function checkPadLengths(
  where: string,
  padLengths: PadLengths,
  rows: number,
  columns: number,
): void {
  if (!Array.isArray(padLengths) || padLengths.length !== rows) {
    const given = Array.isArray(padLengths) ? `${padLengths.length} numbers` : typeof padLengths;
    throw new RangeError(
      `${where}: padLengths is ${given} for ${rows} sequences; give an array with one number each.`,
    );
  }
  padLengths.forEach((count, row) => {
    if (!Number.isInteger(count) || count < 0 || count >= columns)
      throw new RangeError(
        `${where}: padLengths of sequence ${row} is ${count}; give a whole number from 0 to ` +
          `${columns - 1}: each row needs a token.`,
      );
  });
  if (!padLengths.includes(0))
    throw new RangeError(
      `${where}: every sequence is padded, by at least ${Math.min(...padLengths)}; ` +
        `cut these columns off: they hold no token.`,
    );
}

/** Rows of different lengths → rows of equal length, and the padding that makes them equal. */
export function leftPad(
  rows: readonly (readonly number[])[],
  fill = 0,
): { tokens: number[][]; padLengths: number[] } {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const padLengths = rows.map((row) => columns - row.length);
  const tokens = rows.map((row, r) => [...new Array<number>(padLengths[r]).fill(fill), ...row]);
  return { tokens, padLengths };
}
