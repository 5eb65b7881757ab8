/**
 * Drawings: what they draw (counts, colours, sizes), how well it is read (contrast, sizes of text,
 * nothing outside or over another text), and what they refuse.
 */
import { describe, expect, it } from 'vitest';
import { cacheBoxes, type HeldCaches } from '../../../src/support/figures/cache-boxes';
import { type Drawing, Sketch, stepper, widthOf } from '../../../src/support/figures/drawing';
import { earlyExitWalk } from '../../../src/support/figures/early-exit-walk';
import { matricesSideBySide } from '../../../src/support/figures/matrices';
import { type MemorySeries, memoryGrowth } from '../../../src/support/figures/memory-growth';
import {
  contrast,
  ink,
  modelColours,
  seriesColours,
  textOn,
} from '../../../src/support/figures/palette';
import { sharingMap } from '../../../src/support/figures/sharing-map';
import { stateMovie } from '../../../src/support/figures/state-movie';
import { threeFormsOnOneTriangle } from '../../../src/support/figures/three-forms';
import { yocoBesideTransformer } from '../../../src/support/figures/yoco-beside-transformer';
import { places, youAreHere } from '../../../src/support/figures/you-are-here';

const KiB = 1024;
const words = ['the', 'whale', 'rose'];
const decay = [
  [1, 0, 0],
  [0.5, 1, 0],
  [0.25, 0.5, 1],
];
const softmax = [
  [1, 0, 0],
  [0.9, 0.1, 0],
  [0.2, 0.7, 0.1],
];
const states = [
  [
    [1, 0],
    [-2, 0],
  ],
  [
    [0.5, 4],
    [-1, 0],
  ],
  [
    [3, 2],
    [1, 0],
  ],
];
const caches: HeldCaches[] = [
  {
    name: 'Transformer',
    parts: { 'layers.0': { bytes: 8 * KiB }, 'layers.1': { bytes: 8 * KiB } },
  },
  { name: 'YOCO', parts: { 'layers.0': { bytes: 2 * KiB }, global: { bytes: 8 * KiB } } },
];
const maps = {
  Transformer: [0, 1, 2, 3],
  YOCO: ['window', 'window', 2, 2] as const,
  LCKV: [0, 3, 3, 3],
};
const matrices = [
  { name: 'D', rows: decay },
  { name: 'softmax(QKᵀ)', rows: softmax },
];
const title = 'The finding';
const memories: [MemorySeries, MemorySeries] = [
  { name: 'Transformer', bytes: [96 * KiB, 768 * KiB] },
  { name: 'YOCO', bytes: [60 * KiB, 256 * KiB] },
];
const drawings: Record<string, Drawing> = {
  yocoBesideTransformer: yocoBesideTransformer(),
  'yocoBesideTransformer, 8 layers': yocoBesideTransformer({ layers: 8, selfDecoder: 'window' }),
  earlyExitWalk: earlyExitWalk(),
  'earlyExitWalk, 5 words': earlyExitWalk({ words: ['a', 'b', 'c', 'whale', 'd'], layers: 6 }),
  cacheBoxes: cacheBoxes(caches, { tokens: 20 }),
  threeForms: threeFormsOnOneTriangle(),
  matricesSideBySide: matricesSideBySide(matrices, { title, words }),
  'matricesSideBySide, letters': matricesSideBySide([matrices[0]], { title, words: [...'a \n'] }),
  stateMovie: stateMovie(states, words, { title }),
  sharingMap: sharingMap(maps),
  memoryGrowth: memoryGrowth(memories, [64, 512], title),
  ...Object.fromEntries(places.map((_, lesson) => [`youAreHere ${lesson}`, youAreHere(lesson)])),
};

interface Text {
  text: string;
  x: number;
  y: number;
  size: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}
const numberIn = (tag: string, name: string) =>
  Number(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1]);

/** Where the texts of a drawing are, by a wide estimate of their letters. */
function textsOf(svg: string): Text[] {
  const texts: Text[] = [];
  for (const [, tag, text] of svg.matchAll(/(<text [^>]*>)([^<]*)<\/text>/g)) {
    const [x, y, size] = ['x', 'y', 'font-size'].map((name) => numberIn(tag, name));
    const letters = text.replace(/&\w+;/g, '&');
    const width = widthOf(letters, size) * (tag.includes('bold') ? 1.08 : 1);
    const anchor = /text-anchor="(\w+)"/.exec(tag)?.[1] ?? 'start';
    const before = { start: 0, middle: width / 2, end: width }[anchor] ?? 0;
    const turned = tag.includes('rotate(-90');
    const [left, right] = turned ? [x - size, x + 2] : [x - before, x - before + width];
    const [top, bottom] = turned
      ? [y - width + before, y + before]
      : [y - 0.8 * size, y + 0.2 * size];
    texts.push({ text, x, y, size, left, right, top, bottom });
  }
  return texts;
}

describe.each(Object.entries(drawings))('%s', (_, { svg, caption, html }) => {
  const [, width, height] = (/viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? []).map(Number);

  it('is an SVG with a name, a size, and no style, id or reference that a host removes', () => {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="[\d.]+"/);
    expect(svg).toMatch(/role="img"/);
    expect(svg).toMatch(/<title>[^<]{10,}<\/title>/);
    expect(svg).not.toMatch(/ style=| id=| class=|<style|<script|href|url\(|NaN|undefined/);
    expect(caption.length).toBeGreaterThan(20);
    expect(html ?? '').not.toMatch(/<script|NaN|undefined| on\w+=/);
  });
  it('has texts of 12 pixels or more where it is 760 wide, all inside, none over another', () => {
    const scale = Math.min(1, 760 / width);
    const texts = textsOf(svg);
    expect(texts.length).toBeGreaterThan(3);
    for (const { text, size, left, right, top, bottom } of texts) {
      expect(size * scale, text).toBeGreaterThanOrEqual(12);
      expect(Math.min(left, top), text).toBeGreaterThanOrEqual(-0.5);
      expect(right, text).toBeLessThanOrEqual(width + 0.5);
      expect(bottom, text).toBeLessThanOrEqual(height + 0.5);
    }
    for (const [i, a] of texts.entries()) {
      for (const b of texts.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        expect(across > 1 && down > 1, `"${a.text}" over "${b.text}"`).toBe(false);
      }
    }
  });
  it('has texts that are read on white and on black, or on the boxes in which they stand', () => {
    const boxes = [...svg.matchAll(/<rect [^>]*>/g)].map(([tag]) => ({
      left: numberIn(tag, 'x'),
      top: numberIn(tag, 'y'),
      right: numberIn(tag, 'x') + numberIn(tag, 'width'),
      bottom: numberIn(tag, 'y') + numberIn(tag, 'height'),
      fill: / fill="(#\w+)"/.exec(tag)?.[1],
    }));
    for (const [tag] of svg.matchAll(/<text [^>]*>/g)) {
      const fill = / fill="(#\w+)"/.exec(tag)?.[1] ?? '';
      if (fill === ink) continue; // on the page: below
      const [x, y] = [numberIn(tag, 'x'), numberIn(tag, 'y')];
      const under = boxes.filter(
        (box) => box.fill && box.left <= x && x <= box.right && box.top <= y && y <= box.bottom,
      );
      expect(contrast(fill, under.at(-1)?.fill ?? fill), tag).toBeGreaterThanOrEqual(4.5);
    }
  });
});

describe('colours', () => {
  it('stand out from white and from black', () => {
    for (const colour of [...seriesColours, ...Object.values(modelColours)]) {
      expect(contrast(colour, '#FFFFFF'), colour).toBeGreaterThanOrEqual(3);
      expect(contrast(colour, '#111111'), colour).toBeGreaterThanOrEqual(3);
    }
  });
  it('contrast is that of WCAG, and text is as far from white as from black', () => {
    expect(contrast('#000000', '#FFFFFF')).toBeCloseTo(21, 10);
    expect(contrast('#777777', '#FFFFFF')).toBeCloseTo(4.48, 2);
    expect(contrast(ink, '#FFFFFF')).toBeGreaterThan(4.3);
    expect(contrast(ink, '#111111')).toBeGreaterThan(4.3);
    expect([textOn('#0072B2'), textOn('#FFFFFF')]).toEqual(['#FFFFFF', '#000000']);
  });
});

const countOf = (svg: string, part: string): number => svg.split(part).length - 1;
const filledWith = (svg: string, colour: string): number => countOf(svg, `fill="${colour}"`);

describe('yocoBesideTransformer', () => {
  it('gives a Transformer a cache in each layer, and YOCO one and a state in half of them', () => {
    const perCache = 5; // boxes
    for (const layers of [2, 4, 8]) {
      const { svg, caption } = yocoBesideTransformer({ layers });
      expect(countOf(svg, '>layer ')).toBe(2 * layers);
      expect(filledWith(svg, modelColours.transformer)).toBe(perCache * layers);
      expect(countOf(svg, `<rect`) - 2 * layers).toBe(perCache * (layers + 1) + layers);
      expect(countOf(svg, '>state<')).toBe(layers / 2);
      expect(caption).toContain(`${layers} caches that grow`);
    }
  });
  it('refuses an odd number of layers', () => {
    expect(() => yocoBesideTransformer({ layers: 3 })).toThrow('half the layers is 1.5; give');
  });
});

describe('earlyExitWalk', () => {
  it('counts in its third moment N · L boxes for the Transformer and N · L/2 + L/2 for YOCO', () => {
    const { svg, caption } = earlyExitWalk({ words: ['a', 'b', 'c', 'd'], layers: 6 });
    const counts = [...svg.matchAll(/(?:Transformer|YOCO): (\d+) boxes/g)].map((m) => Number(m[1]));
    expect(counts).toEqual([12, 12, 12, 12, 24, 15, 30, 21]);
    expect(caption).toContain('24 layer-tokens; YOCO the last one only, 15.');
  });
  it('draws as many filled boxes as it counts', () => {
    const { svg } = earlyExitWalk();
    // moments of 3 words, 4 layers: 6, 6, 12, 16
    expect(filledWith(svg, modelColours.transformer)).toBe(6 + 6 + 12 + 16);
    expect(filledWith(svg, modelColours.yoco)).toBe(6 + 6 + 8 + 12);
    expect(countOf(svg, '>K V<')).toBe(3 + 3 + 4);
  });
  it('has a step for the prompt, each layer, the cache and the next token', () => {
    const { html = '' } = earlyExitWalk({ layers: 4 });
    const labels = [...html.matchAll(/<label><input[^>]*>([^<]*)/g)].map((m) => m[1]);
    const layers = ['layer 1', 'layer 2', 'K, V once', 'layer 3', 'layer 4'];
    expect(labels).toEqual(['prompt', ...layers, 'next token', '▶ play']);
  });
  it('refuses too many and too long words', () => {
    expect(() => earlyExitWalk({ words: ['one'] })).toThrow('number of words is 1; give');
    expect(() => earlyExitWalk({ words: ['a', 'understanding'] })).toThrow('is too long');
  });
});

describe('cacheBoxes', () => {
  it('fills boxes in proportion to bytes, on one scale', () => {
    const { svg, caption } = cacheBoxes(caches, { tokens: 20, capacity: 16 * KiB });
    // 16 boxes are 16 KiB
    expect(filledWith(svg, modelColours.transformer)).toBe(16);
    expect(filledWith(svg, modelColours.yoco)).toBe(8);
    expect(filledWith(svg, modelColours.retention)).toBe(2);
    expect(caption).toBe('Bytes held after 20 tokens: Transformer 16 KiB, YOCO 10 KiB.');
  });
  it('draws empty caches, of which the largest has no bytes', () => {
    const empty = [{ name: 'YOCO', parts: { global: { bytes: 0 } } }];
    expect(filledWith(cacheBoxes(empty, { tokens: 0 }).svg, modelColours.yoco)).toBe(0);
  });
  it('refuses no caches, a capacity that is passed, and fewer tokens than none', () => {
    expect(() => cacheBoxes([], { tokens: 1 })).toThrow('there are no caches; give one or more.');
    const tooSmall = { tokens: 1, capacity: 4 * KiB };
    expect(() => cacheBoxes(caches, tooSmall)).toThrow('holds 8192 bytes and the capacity is 4096');
    expect(() => cacheBoxes(caches, { tokens: -1 })).toThrow('tokens is -1');
  });
});

describe('threeFormsOnOneTriangle', () => {
  it('covers every pair once in each form, directly or through the state', () => {
    const { svg, caption } = threeFormsOnOneTriangle({ N: 6, chunkSize: 2 });
    const pairs = 21;
    const direct = pairs + 0 + 3 * 3; // parallel, recurrent, chunkwise
    const inLegend = { filled: 1, all: 2 };
    expect(filledWith(svg, modelColours.yoco)).toBe(direct + inLegend.filled);
    expect(countOf(svg, '<rect')).toBe(3 * pairs + inLegend.all);
    expect(caption).toContain('chunkwise: 9 of 21 pairs directly');
  });
  it('refuses a chunk longer than the text', () => {
    const wrong = { N: 4, chunkSize: 5 };
    expect(() => threeFormsOnOneTriangle(wrong)).toThrow('chunkSize is 5; give');
  });
});

describe('matricesSideBySide', () => {
  it('writes the numbers of the lower triangle into the cells, and the words beside them', () => {
    const texts = textsOf(drawings.matricesSideBySide.svg).map(({ text }) => text);
    for (const number of ['0.9', '0.2', '0.7', '0.25']) expect(texts).toContain(number);
    expect(texts.filter((text) => text === 'whale')).toHaveLength(4);
    expect(drawings.matricesSideBySide.caption).toContain(
      'softmax(QKᵀ): from 0.1 to 1; "rose" takes most from "whale"',
    );
  });
  it('words stand on their sides under the columns, letters do not', () => {
    expect(countOf(drawings.matricesSideBySide.svg, 'rotate(-90')).toBe(2 * words.length);
    expect(drawings['matricesSideBySide, letters'].svg).not.toContain('rotate');
  });
  it('shares one scale: equal numbers have one colour in both', () => {
    const same = [
      { name: 'a', rows: [[1], [0.5, 1]] },
      { name: 'b', rows: [[0.5], [0.5, 0.5]] },
    ];
    const { svg } = matricesSideBySide(same, { title, words: ['x', 'y'] });
    const half = /fill="(#\w+)"/.exec(svg.slice(svg.lastIndexOf('<rect', svg.indexOf('>0.5<'))));
    expect(filledWith(svg, half?.[1] ?? '')).toBe(4);
  });
  it('refuses another number of rows than words, and numbers below 0', () => {
    const two = { title, words: ['a', 'b'] };
    expect(() => matricesSideBySide(matrices, two)).toThrow('D has 3 rows of 3, 3, 3; give 2 rows');
    const negative = [{ name: 'scores', rows: [[1], [-1, 0]] }];
    expect(() => matricesSideBySide(negative, two)).toThrow('scores has -1; give numbers from 0');
  });
});

describe('stateMovie', () => {
  it('has a frame per word, with a cell per number, and all on one scale', () => {
    const { svg, html = '', caption } = drawings.stateMovie;
    expect(countOf(html, '<svg')).toBe(3);
    expect(countOf(svg, 'after "')).toBe(3);
    expect(caption).toContain('2 × 2 numbers after each of 3 words. Its largest number is 2, 4, 3');
    expect(textsOf(svg).filter(({ text }) => text === '−4' || text === '4')).toHaveLength(2);
    // the largest of all is the darkest red, and a half as large blue is half-way
    expect(filledWith(svg, '#b2182b')).toBe(1 + 1); // the cell and the axis
  });
  it('refuses states without words, of other shapes, and of NaN', () => {
    expect(() => stateMovie(states, ['a'], { title })).toThrow('3 states and 1 words');
    const shapes = [[[1]], [[1], [2]]];
    expect(() => stateMovie(shapes, ['a', 'b'], { title })).toThrow('a state is 2 × 1');
    expect(() => stateMovie([[[Number.NaN]]], ['a'], { title })).toThrow('has NaN; give finite');
  });
});

describe('sharingMap', () => {
  it('has a box per layer and per cache, and an arrow for every layer that reads one', () => {
    const { svg, caption } = sharingMap(maps);
    expect(countOf(svg, '>K, V ')).toBe(4 + 1 + 2);
    const reads = 4 + 2 + 4;
    expect(countOf(svg, 'z" fill="')).toBe(reads); // heads of arrows
    expect(svg).toContain('>4 caches<');
    expect(caption).toContain('YOCO: K, V 2 for 2 3, 2 windows');
  });
  it('refuses a level that is no layer', () => {
    expect(() => sharingMap({ a: [0, 2] })).toThrow("a reads 2; give 'window' or a layer from 0");
    expect(() => sharingMap({})).toThrow('there are no models');
  });
});

describe('memoryGrowth', () => {
  it('has a point for each length and series, at heights in proportion, and the ratio', () => {
    const { svg, caption } = drawings.memoryGrowth;
    const heightOf = (colour: string) => {
      const points = svg
        .split('\n')
        .filter((tag) => tag.startsWith(`<rect`) && tag.includes(colour));
      expect(points).toHaveLength(2);
      return 274 - 5 - numberIn(points[1], 'y'); // above the axis
    };
    const ratio = heightOf(modelColours.transformer) / heightOf(modelColours.yoco);
    expect(ratio).toBeCloseTo(3, 2);
    expect(svg).toContain('>3.00 ×<');
    expect(caption).toBe(
      'The finding. At 512 tokens: Transformer 768 KiB, YOCO 256 KiB, 3.00 × as much.',
    );
  });
  it('refuses lengths that do not rise, and a size too few', () => {
    expect(() => memoryGrowth(memories, [2, 1], title)).toThrow('lengths are 2, 1; give two');
    expect(() => memoryGrowth(memories, [1, 2, 3], title)).toThrow('Transformer has 2 sizes');
  });
});

describe('youAreHere', () => {
  it('marks the parts of a lesson and no others', () => {
    expect(filledWith(youAreHere(0).svg, modelColours.yoco)).toBe(5);
    expect(filledWith(youAreHere(4).svg, modelColours.yoco)).toBe(1);
    expect(youAreHere(4).caption).toBe('You are here: self-decoder; retention in three forms.');
  });
  it('has a place for each lesson, and none more', () => {
    expect(places).toHaveLength(16);
    expect(() => youAreHere(16)).toThrow('there is no lesson 16; give a number from 0 to 15.');
  });
});

describe('stepper', () => {
  it('shows the chosen frame, writes text in the colour of the page, and escapes labels', () => {
    const frame = (label: string) => ({
      label,
      svg: new Sketch().text(0, 9, label).drawing(9, 9, 'a title', '').svg,
    });
    const html = stepper([frame('a<b'), frame('c')], 1);
    expect(html).toContain('>a&lt;b</label>');
    expect(html.indexOf('checked>c')).toBeGreaterThan(0);
    expect(html).toContain('fill="currentColor"');
    expect(html).not.toContain(`fill="${ink}"`);
  });
});
