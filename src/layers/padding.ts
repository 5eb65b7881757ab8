/**
 * A batch of texts of different lengths: rows are padded on the left, so that all end in the same column.
 *
 *   row 0   t h e   w h a l e        padding 0
 *   row 1   ·  ·  · ·  s e a         padding 4: slots that hold no token
 *
 * On the left, because the last column is where the next token is decided. What a padded slot computes is thrown away; it
 * only must not leave a trace: attention may not look at it, retention may not write it nor let it fade the state, and it
 * takes no position. So a row's clock is the number of its own tokens: rows of one batch stand at different positions.
 */

/** Slots at the front of each row of a piece that hold no token: one number per row. */
export type Padding = readonly number[];

/** Tokens that each row has taken, after `slots` more of which some were padding. */
export const lengthsAfter = (
  lengths: readonly number[],
  slots: number,
  padding?: Padding,
): number[] => lengths.map((taken, row) => taken + slots - (padding?.[row] ?? 0));

export const longest = (lengths: readonly number[]): number => Math.max(...lengths);

/**
 * The position of a piece's first slot, for rotary: one number if all rows stand alike. A padded slot may come out below 0;
 * its angle is never used.
 */
export function firstPositions(lengths: readonly number[], padding?: Padding): number | number[] {
  const starts = lengths.map((taken, row) => taken - (padding?.[row] ?? 0));
  return starts.every((start) => start === starts[0]) ? starts[0] : starts;
}

/** The padding of slots `from` … `from + slots` of a padded piece; undefined if there is none among them. */
export function paddingWithin(
  padding: Padding | undefined,
  from: number,
  slots: number,
): Padding | undefined {
  const inside = padding?.map((count) => Math.min(slots, Math.max(0, count - from)));
  return inside?.some((count) => count > 0) ? inside : undefined;
}

/** @throws RangeError unless there is one whole number per row, below `slots`, and 0 for the longest. */
export function checkPadding(where: string, padding: Padding, rows: number, slots: number): void {
  if (padding.length !== rows)
    throw new RangeError(
      `${where}: padding has ${padding.length} numbers for ${rows} sequences; give one each.`,
    );
  padding.forEach((count, row) => {
    if (!Number.isInteger(count) || count < 0 || count >= slots)
      throw new RangeError(
        `${where}: padding of sequence ${row} is ${count}; give a whole number from 0 to ${slots - 1}: each brings a token.`,
      );
  });
  if (!padding.includes(0))
    throw new RangeError(
      `${where}: every sequence is padded, the least by ${Math.min(...padding)}; cut these columns off, they hold nothing.`,
    );
}

/**
 * Rows of different lengths → rows of equal length, and the padding that makes them so. The id that fills the gaps is
 * never seen by a row's own tokens.
 */
export function leftPadded(
  rows: readonly (readonly number[])[],
  fill = 0,
): { tokens: number[][]; padding: number[] } {
  const width = Math.max(0, ...rows.map((row) => row.length));
  const padding = rows.map((row) => width - row.length);
  return {
    tokens: rows.map((row, r) => [...new Array<number>(padding[r]).fill(fill), ...row]),
    padding,
  };
}
