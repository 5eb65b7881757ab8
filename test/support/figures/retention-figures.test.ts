import { describe, expect, it } from 'vitest';
import { decayHeatmap } from '../../../src/support/figures/decay-heatmap';
import { type Figure, readableBytes } from '../../../src/support/figures/figure';
import { formsAgreement } from '../../../src/support/figures/forms-agreement';
import { gatesOverText } from '../../../src/support/figures/gates-over-text';
import { gateHalfLife, halfLifeCurve } from '../../../src/support/figures/half-life-curve';
import { stateFilm } from '../../../src/support/figures/state-film';
import { stateGrowth } from '../../../src/support/figures/state-growth';

type Trace = Record<string, unknown> & { x: number[]; y: number[]; z: (number | null)[][] };
const traces = (figure: Figure) => figure.data as Trace[];
const D = [
  [1, 0, 0],
  [1 / 2, 1, 0],
  [1 / 4, 1 / 2, 1],
];
const figures: Record<string, Figure> = {
  'decay heat map': decayHeatmap(D, 'Half fades at each step'),
  'state film': stateFilm(
    [[[1, 0]], [[0.5, -3]]],
    ['after a', 'after b'],
    'One matrix, written over',
  ),
  'state growth': stateGrowth(
    [
      { name: 'state', formula: () => 4096 },
      { name: 'cache', formula: (n) => 512 * n, measured: [{ tokens: 8, bytes: 4096 }] },
    ],
    [1, 8, 1000],
    'A state does not grow',
  ),
  'half-life curve': halfLifeCurve([1, 16], 'τ makes memories long'),
  'forms agree': formsAgreement(
    [
      { name: 'a against b', worst: 0, allowed: 1e-5 },
      { name: 'a against c', worst: 2e-6, allowed: 1e-5 },
    ],
    'The forms agree',
  ),
  'gates over text': gatesOverText(
    [
      [0.9, 0.5],
      [0.99, 0.98],
    ],
    [' a', '\n'],
    'Two heads',
  ),
};

describe.each(Object.entries(figures))('%s', (_, figure) => {
  it('is plain data: it survives JSON unchanged, without NaN or ∞', () => {
    expect(JSON.parse(JSON.stringify(figure.data))).toEqual(figure.data);
    expect(JSON.parse(JSON.stringify(figure.layout))).toEqual(figure.layout);
  });
  it('has a title, words on its axes, and a caption that repeats the finding', () => {
    const layout = figure.layout as Record<string, { text?: string; title?: { text: string } }>;
    const title = (layout.title as { text: string }).text;
    expect(title).toMatch(/\w/);
    expect(figure.caption).toContain(title);
    expect(figure.caption.length).toBeGreaterThan(title.length + 10);
    expect(
      Object.keys(layout).filter((key) => /^[xy]axis/.test(key)).length,
    ).toBeGreaterThanOrEqual(2);
    expect(layout.xaxis.title!.text).toMatch(/\w/);
  });
});

describe('what each figure shows', () => {
  it('decay: the future is blank, not zero; the caption reads the lower left corner', () => {
    expect(traces(figures['decay heat map'])[0].z).toEqual([
      [1, null, null],
      [1 / 2, 1, null],
      [1 / 4, 1 / 2, 1],
    ]);
    expect(figures['decay heat map'].caption).toContain('position 2 still holds 25 % of token 0');
    expect(
      decayHeatmap(
        [
          [1, 0],
          [0.0004, 1],
        ],
        'x',
      ).caption,
    ).toContain('holds 0.04 %');
  });
  it('state film: every frame on one scale that holds the loudest number', () => {
    for (const trace of traces(figures['state film']))
      expect([trace.zmin, trace.zmax]).toEqual([-3, 3]);
    expect(stateFilm([[[0, 0]]], [''], 'x').data[0]).toMatchObject({ zmax: 1 });
  });
  it('growth: formula as a line, measured as points on it', () => {
    const [state, , cache, points] = traces(figures['state growth']);
    expect(state.y).toEqual([4096, 4096, 4096]);
    expect(cache.y[cache.x.indexOf(points.x[0])]).toBe(points.y[0]);
    expect(figures['state growth'].caption).toContain('state 4 KiB, cache 500 KiB');
  });
  it('half-life: τ at logit 0, and the table of gate logits', () => {
    expect([-4, -2, 0, 2, 4].map((z) => Number(gateHalfLife(z, 16).toPrecision(3)))).toEqual([
      2.76, 5.21, 16, 87.4, 611,
    ]);
    const middle = traces(figures['half-life curve']).map((t) => t.y[30]);
    expect(middle).toEqual([1, 16]);
  });
  it('agreement: a difference of 0 is drawn at the edge and labelled 0; a failure is counted', () => {
    const [worst] = traces(figures['forms agree']);
    expect(worst.x[0]).toBeGreaterThan(0);
    expect(worst.text).toEqual(['0', '2.0e-6']);
    expect(formsAgreement([{ name: 'x', worst: 1, allowed: 1e-5 }], 'x').caption).toContain(
      '0 of 1',
    );
  });
  it('gates: blanks and line ends are visible', () => {
    expect(
      (figures['gates over text'].layout as { xaxis: { ticktext: string[] } }).xaxis.ticktext,
    ).toEqual(['␣a', '⏎']);
    expect(figures['gates over text'].caption).toContain('head 1 keeps most');
  });
  it('bytes read like bytes', () => {
    expect([0, 512, 1024, 1536, 2 ** 32].map(readableBytes)).toEqual([
      '0 B',
      '512 B',
      '1 KiB',
      '1.50 KiB',
      '4 GiB',
    ]);
  });
});
