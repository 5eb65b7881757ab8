/**
 * How every chart looks: no background, text and grid in a grey that suits light and dark pages,
 * as wide as the column, and only the buttons that a reader of this book needs.
 */
import { gridColour, ink, levelColour, seriesColours } from './palette';

const CLEAR = 'rgba(0,0,0,0)';
const axisLook = {
  automargin: true,
  gridcolor: gridColour,
  linecolor: levelColour,
  zerolinecolor: gridColour,
  ticks: 'outside', // not to be seen: they keep numbers away from the chart
  tickcolor: CLEAR,
  ticklen: 6,
  title: { standoff: 10 },
};

/** Plotly's template: what holds where a layout says nothing. */
const template = {
  layout: {
    autosize: true,
    height: 420,
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    colorway: seriesColours,
    font: { color: ink, size: 14 },
    hoverlabel: { font: { size: 14 } },
    legend: { bgcolor: CLEAR },
    margin: { l: 70, r: 20, t: 70, b: 60 },
    modebar: { bgcolor: CLEAR, color: ink, activecolor: seriesColours[0] },
    title: { x: 0.01, xanchor: 'left', font: { size: 16 } },
    xaxis: axisLook,
    yaxis: axisLook,
  },
};

/** The layout of a figure in the book's look, its title in lines that fit a narrow column. */
export function themed(layout: object): object {
  const { title, ...rest } = layout as { title?: { text: string } };
  const text = inLines(title?.text ?? '', 64);
  return { autosize: true, height: 420, ...rest, title: { ...title, text }, template };
}

/** Plotly's buttons: without sharing, and without selections, which do nothing here. */
export const config = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtonsToRemove: ['sendChartToCloud', 'lasso2d', 'select2d'],
};

/** Words in lines of at most `most` letters. */
export function inLines(text: string, most: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > most) {
      lines.push(line);
      line = word;
    } else {
      line = line ? `${line} ${word}` : word;
    }
  }
  return [...lines, line].join('<br>');
}
