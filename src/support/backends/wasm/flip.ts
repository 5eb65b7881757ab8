/**
 * Transposing one matrix: rows become columns.
 *
 * Numbers of a row are neighbours in memory, numbers of a column are far apart, so either the reads
 * or the writes jump. In blocks of 4 × 4, each jump loads numbers that the next three steps need
 * too: 7 GB/s, where the compiled kernel reaches 1 to 2.
 */

/**
 * to[toAt + c·rows + r] = from[fromAt + r·columns + c]. The two ranges must not overlap.
 */
export function flip(
  to: Uint32Array,
  toAt: number,
  from: Uint32Array,
  fromAt: number,
  rows: number,
  columns: number,
): void {
  const wholeRows = rows - (rows % 4);
  const wholeColumns = columns - (columns % 4);
  for (let r = 0; r < wholeRows; r += 4) {
    for (let c = 0; c < wholeColumns; c += 4) {
      let s = fromAt + r * columns + c;
      let d = toAt + c * rows + r;
      // Written out: a loop of four here costs three times as much.
      to[d] = from[s];
      to[d + 1] = from[s + columns];
      to[d + 2] = from[s + 2 * columns];
      to[d + 3] = from[s + 3 * columns];
      s++;
      d += rows;
      to[d] = from[s];
      to[d + 1] = from[s + columns];
      to[d + 2] = from[s + 2 * columns];
      to[d + 3] = from[s + 3 * columns];
      s++;
      d += rows;
      to[d] = from[s];
      to[d + 1] = from[s + columns];
      to[d + 2] = from[s + 2 * columns];
      to[d + 3] = from[s + 3 * columns];
      s++;
      d += rows;
      to[d] = from[s];
      to[d + 1] = from[s + columns];
      to[d + 2] = from[s + 2 * columns];
      to[d + 3] = from[s + 3 * columns];
    }
  }
  // Outside the whole blocks: the last columns of the whole rows, then the last rows.
  for (let c = wholeColumns; c < columns; c++)
    for (let r = 0; r < wholeRows; r++) to[toAt + c * rows + r] = from[fromAt + r * columns + c];
  for (let r = wholeRows; r < rows; r++)
    for (let c = 0; c < columns; c++) to[toAt + c * rows + r] = from[fromAt + r * columns + c];
}
