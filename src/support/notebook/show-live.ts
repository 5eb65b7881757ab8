/**
 * A figure that grows while something is computed: drawn once, then redrawn in its place.
 *
 *   const live = showLive();
 *   await trainer.run({ onStep: () => live.draw(lossCurves(…)) });
 *   live.end();
 *
 * A message of the kernel can carry a display id; a later message with the same id replaces the
 * earlier one, on the screen and in the file. So a notebook keeps the last state, as if it had been
 * drawn once. Drawing takes the browser some time: a picture that comes too soon after the last one
 * is skipped, and `end` makes sure that the last one is shown.
 *
 * Outside a notebook nothing can be redrawn: the last caption is printed, once, at the end.
 * Source: jupyter-client, "Messaging in Jupyter", update_display_data.
 */
import { randomUUID } from 'node:crypto';
import type { Figure } from '../figures/figure';
import { bundleOf, kernelWrite, type Picture, type Write } from './show';

export interface LiveFigure {
  /** @throws Error after `end()`. */
  draw(figure: Picture): void;
  /** Shows the last figure, if it was skipped; afterwards nothing more is drawn. */
  end(): void;
}
export interface LiveOptions {
  /** The shortest time between two pictures. */
  everyMs?: number;
  /** Where pictures go (default: to the kernel, if there is one). */
  write?: Write;
}

export function showLive({ everyMs = 300, write }: LiveOptions = {}): LiveFigure {
  const transient = { display_id: randomUUID() };
  let drawnAt: number | undefined; // ms
  let waiting: Picture | undefined;
  let ended = false;

  /** Draws the waiting figure. Returns false where there is no kernel. */
  function put(figure: Picture): boolean {
    const writer = write ?? kernelWrite(); // each cell has its own
    if (!writer) return false;
    const isUpdate = drawnAt !== undefined;
    if (isUpdate && 'layout' in figure) {
      writer({ data: blank(figure), metadata: {}, transient }, true);
    }
    writer({ data: bundleOf(figure), metadata: {}, transient }, isUpdate);
    drawnAt = performance.now();
    waiting = undefined;
    return true;
  }

  return {
    draw(figure) {
      if (ended) {
        throw new Error(
          'showLive: this figure has ended; draw before end(), or begin another with showLive().',
        );
      }
      waiting = figure;
      if (drawnAt === undefined || performance.now() - drawnAt >= everyMs) put(figure);
    },
    end() {
      ended = true;
      if (waiting && !put(waiting)) console.log(waiting.caption);
      waiting = undefined;
    },
  };
}

/**
 * JupyterLab's renderer of Plotly figures draws once and ignores updates. Between two figures it
 * is given another kind of output, as high as the figure: then it builds a new renderer.
 */
function blank(figure: Figure): Record<string, string> {
  const { height = 420 } = figure.layout as { height?: number };
  return { 'text/html': `<div style="height: ${height}px"></div>`, 'text/plain': figure.caption };
}
