/**
 * A figure that grows while something is computed: drawn once, then redrawn in its place.
 *
 *   const live = showLive();
 *   await trainer.run({ onStep: () => live.draw(lossCurves(…)) });
 *   live.end();
 *
 * The kernel's messages can carry a display id; a later message with the same id takes the place of the earlier one, on the
 * screen and in the file. So a notebook keeps the last state, as if it had been drawn once. Drawing takes the browser some
 * time: what comes too soon after the last picture is skipped, and `end` makes sure that the last one is shown.
 *
 * Outside a notebook nothing can be redrawn: the last caption is printed, once, at the end.
 * Source: jupyter-client, "Messaging in Jupyter", update_display_data.
 */
import { randomUUID } from 'node:crypto';
import type { Figure } from '../figures/figure';
import { bundleOf, kernelWrite, type Write } from './show';

export interface LiveFigure {
  draw(figure: Figure): void;
  /** Shows the last figure, if it was skipped; afterwards nothing more is drawn. */
  end(): void;
}
export interface LiveOptions {
  /** Time between two pictures, at least. */
  everyMs?: number;
  /** Where pictures go; the kernel's writer, if there is a kernel. */
  write?: Write;
}

export function showLive({ everyMs = 300, write }: LiveOptions = {}): LiveFigure {
  // Asked for anew each time: every cell has a writer of its own.
  const writer = (): Write | undefined => write ?? kernelWrite();
  const transient = { display_id: randomUUID() };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let waiting: Figure | undefined;
  let ended = false;
  const put = (figure: Figure, to: Write): void => {
    to({ data: bundleOf(figure), metadata: {}, transient }, drawnAt > 0);
    drawnAt = performance.now();
    waiting = undefined;
  };
  return {
    draw(figure) {
      if (ended)
        throw new Error(
          'showLive: this figure has ended; draw before end(), or begin another with showLive().',
        );
      waiting = figure;
      if (performance.now() - drawnAt < everyMs) return;
      const to = writer();
      if (to) put(figure, to);
    },
    end() {
      ended = true;
      if (!waiting) return;
      const to = writer();
      if (to) put(waiting, to);
      else console.log(waiting.caption);
      waiting = undefined;
    },
  };
}
