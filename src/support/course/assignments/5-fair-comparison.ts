/**
 * Assignment 5: two kinds of model under one budget, tuned, with seeds and an interval.
 *
 * A submission is a report: all runs, the learning rates that were chosen, and what follows. The
 * judge recomputes what follows from the runs, and trains one of them again.
 */
import { type ArchitectureName, createArchitecture } from '../../../evaluation/architectures';
import { measureLoss } from '../../../evaluation/perplexity';
import { readCorpus, splitText } from '../../../training/corpus';
import { CharacterTokenizer } from '../../../training/tokenizer';
import { Trainer, trainerDefaults } from '../../../training/trainer';
import { judgeParts, type Part, type Report } from './judge';

export interface Run {
  kind: string;
  learningRate: number;
  seed: number;
  /** Held-out loss in nats. */
  loss: number;
}
export interface ComparisonReport {
  /** The two kinds; the difference is the first minus the second. */
  kinds: [string, string];
  /** Runs that chose the learning rates. */
  tuning: Run[];
  chosen: Record<string, number>;
  /** Runs with the chosen rates, that the claim rests on. */
  runs: Run[];
  /** Mean over the seeds of the first kind's loss minus the second's, and its 95 % interval. */
  difference: number;
  interval: [number, number];
  /** Which kind has the lower loss, or 'undecided'. */
  lower: string;
}
/** Trains one model under the budget and gives its held-out loss. */
export type TrainOnce = (kind: string, learningRate: number, seed: number) => Promise<number>;

/** What every run may use: so many steps of so much text, by a model of this size. */
export const budget = {
  size: { dim: 16, heads: 2, layers: 2, windowSize: 16 },
  steps: 50,
  batch: 8,
  context: 32,
  heldOutCharacters: 4096,
} as const;

let corpus: { vocabSize: number; train: Int32Array; heldOut: Int32Array } | undefined;
function readText() {
  if (corpus) return corpus;
  const { text } = readCorpus();
  const { train, validation } = splitText(text);
  const tokenizer = CharacterTokenizer.fit(text);
  corpus = {
    vocabSize: tokenizer.vocabSize,
    train: tokenizer.encode(train),
    heldOut: tokenizer.encode(validation).subarray(0, budget.heldOutCharacters + 1),
  };
  return corpus;
}

/** One run of the budget; kinds are those of `architectureNames`, all with as many weights. */
export const trainOnce: TrainOnce = async (kind, learningRate, seed) => {
  const { vocabSize, train, heldOut } = readText();
  const { size, steps, batch, context } = budget;
  const model = createArchitecture(kind as ArchitectureName, { ...size, vocabSize }, seed);
  const decay = 'cosine' as const;
  const schedule = { peak: learningRate, warmUpSteps: 10, steps, floor: 0.05, decay };
  const trainer = new Trainer(model, train, { ...trainerDefaults, batch, context, seed, schedule });
  await trainer.run();
  const { loss } = await measureLoss(model, heldOut, { context, batch: 32 });
  model.dispose();
  return loss;
};

const FEWEST_RATES = 3;
const FEWEST_SEEDS = 5;
const distinct = <T>(list: readonly T[]): T[] => [...new Set(list)];
const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
const nats = (x: number): string => x.toFixed(4);

/** t with 0.975 below it, for 4 to 14 degrees of freedom. */
const quantiles = [2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145];

interface Facts {
  difference: number;
  /** Standard deviation of the paired differences. */
  deviation: number;
  seeds: number;
  /** Half of the interval's width. */
  half: number;
}
/** What follows from the runs. */
function factsOf({ kinds: [first, second], runs }: ComparisonReport): Facts {
  const lossOf = (kind: string, seed: number): number =>
    runs.find((run) => run.kind === kind && run.seed === seed)!.loss;
  const seeds = distinct(runs.map(({ seed }) => seed));
  const differences = seeds.map((seed) => lossOf(first, seed) - lossOf(second, seed));
  const difference = mean(differences);
  const squares = differences.map((x) => (x - difference) ** 2);
  const deviation = Math.sqrt((mean(squares) * seeds.length) / (seeds.length - 1));
  const half = (quantiles[seeds.length - 5] * deviation) / Math.sqrt(seeds.length);
  return { difference, deviation, seeds: seeds.length, half };
}

const ofKind = (runs: readonly Run[], kind: string): Run[] =>
  runs.filter((run) => run.kind === kind);

function tuningWrong({ kinds, tuning }: ComparisonReport): string | undefined {
  const [first, second] = kinds;
  if (first === second) return `both kinds are ${first}.`;
  for (const kind of kinds) {
    const rates = distinct(ofKind(tuning, kind).map((run) => run.learningRate));
    if (rates.length < FEWEST_RATES)
      return (
        `${kind} was tried with ${rates.length} learning rates; try ${FEWEST_RATES} or more. ` +
        'A rate that suits one kind may not suit the other.'
      );
    const seedsAt = rates.map((rate) =>
      ofKind(tuning, kind)
        .filter((run) => run.learningRate === rate)
        .map((run) => run.seed)
        .sort((a, b) => a - b)
        .join(),
    );
    if (distinct(seedsAt).length > 1)
      return `${kind}: not every rate was tried with the same seeds: luck plays a part.`;
  }
  const triesOf = (kind: string): number => ofKind(tuning, kind).length;
  if (triesOf(first) === triesOf(second)) return undefined;
  return (
    `${first} had ${triesOf(first)} tuning runs and ${second} ${triesOf(second)}: ` +
    'the effort of tuning belongs to the budget.'
  );
}

/** Mean tuning loss of each rate of a kind, by rate. */
function tuned({ tuning }: ComparisonReport, kind: string): [rate: number, loss: number][] {
  const rates = distinct(ofKind(tuning, kind).map((run) => run.learningRate));
  const means = rates.map((rate): [number, number] => {
    const losses = ofKind(tuning, kind).filter((run) => run.learningRate === rate);
    return [rate, mean(losses.map((run) => run.loss))];
  });
  return means.sort(([a], [b]) => a - b);
}

function chosenWrong(report: ComparisonReport): string | undefined {
  for (const kind of report.kinds) {
    const means = tuned(report, kind);
    const [best] = [...means].sort(([, a], [, b]) => a - b)[0];
    if (report.chosen[kind] !== best)
      return `${kind}: ${report.chosen[kind]} was chosen, but the lowest mean is that of ${best}.`;
  }
  return undefined;
}

function edgeWrong(report: ComparisonReport): string | undefined {
  for (const kind of report.kinds) {
    const rates = tuned(report, kind).map(([rate]) => rate);
    const chosen = report.chosen[kind];
    if (chosen === rates[0] || chosen === rates[rates.length - 1])
      return `${kind}: ${chosen} is at the edge of the rates tried, ${rates.join(', ')}.`;
  }
  return undefined;
}

function runsWrong({ kinds, chosen, runs }: ComparisonReport): string | undefined {
  const seedsOf = kinds.map((kind) =>
    ofKind(runs, kind)
      .map(({ seed }) => seed)
      .sort((a, b) => a - b),
  );
  for (const [i, kind] of kinds.entries()) {
    if (distinct(seedsOf[i]).length !== seedsOf[i].length)
      return `${kind}: a seed occurs twice; it gives the same run again.`;
    if (seedsOf[i].length < FEWEST_SEEDS || seedsOf[i].length > 15)
      return `${kind} has ${seedsOf[i].length} seeds; give ${FEWEST_SEEDS} to 15.`;
    const other = ofKind(runs, kind).find((run) => run.learningRate !== chosen[kind]);
    if (other)
      return `${kind}: a run has the rate ${other.learningRate}, chosen was ${chosen[kind]}.`;
  }
  if (seedsOf[0].join() === seedsOf[1].join()) return undefined;
  return 'the two kinds have different seeds: the same ones pair the order of the text.';
}

function freshSeedsWrong({ tuning, runs }: ComparisonReport): string | undefined {
  const used = new Set(tuning.map(({ seed }) => seed));
  const again = runs.find(({ seed }) => used.has(seed));
  if (!again) return undefined;
  return `seed ${again.seed} chose the rate and is in the result: the winner’s luck is counted in.`;
}

function differenceWrong(report: ComparisonReport): string | undefined {
  const { difference } = factsOf(report);
  if (Math.abs(report.difference - difference) < 1e-4) return undefined;
  const said = `the difference is ${nats(report.difference)}, the runs give ${nats(difference)}.`;
  if (Math.abs(report.difference + difference) < 1e-4)
    return `${said} It is the first kind minus the second.`;
  const best = (kind: string): number =>
    Math.min(...ofKind(report.runs, kind).map(({ loss }) => loss));
  const ofBest = best(report.kinds[0]) - best(report.kinds[1]);
  if (Math.abs(report.difference - ofBest) < 1e-4)
    return `${said} You compare the best seed of each kind; all seeds count.`;
  return said;
}

function intervalWrong(report: ComparisonReport): string | undefined {
  const { difference, deviation, seeds, half } = factsOf(report);
  const [low, high] = report.interval;
  const given = (high - low) / 2;
  const isAround = Math.abs((low + high) / 2 - difference) < 1e-3 * half + 1e-6;
  const matches = (width: number): boolean => Math.abs(given - width) < 5e-3 * width;
  if (isAround && matches(half)) return undefined;
  const want = `[${nats(difference - half)}, ${nats(difference + half)}]`;
  const said = `the interval is [${nats(low)}, ${nats(high)}], expected ${want}.`;
  if (!isAround) return `${said} Its middle is not the difference.`;
  const error = deviation / Math.sqrt(seeds);
  const t = quantiles[seeds - 5];
  if (matches(1.96 * error) || matches(2 * error))
    return `${said} ${seeds} seeds are few: take t with ${seeds - 1} degrees of freedom, ${t}.`;
  if (matches(error)) return `${said} One standard error holds the truth in 2 of 3 cases only.`;
  if (matches(t * deviation))
    return `${said} That is where one seed falls; a mean of ${seeds} varies less, by their root.`;
  const spread = (kind: string): number => {
    const losses = ofKind(report.runs, kind).map(({ loss }) => loss);
    const centre = mean(losses);
    return losses.reduce((sum, x) => sum + (x - centre) ** 2, 0) / (seeds - 1);
  };
  const unpaired = Math.sqrt((spread(report.kinds[0]) + spread(report.kinds[1])) / seeds);
  if ([1.96, 2, t, quantiles[2 * seeds - 6]].some((q) => q && matches(q * unpaired)))
    return `${said} The seeds are pairs: take the spread of the differences, seed by seed.`;
  return said;
}

function claimWrong(report: ComparisonReport): string | undefined {
  const { difference, half } = factsOf(report);
  const [first, second] = report.kinds;
  let want = 'undecided';
  if (difference + half < 0) want = first;
  if (difference - half > 0) want = second;
  if (report.lower === want) return undefined;
  if (want === 'undecided')
    return `it claims ${report.lower}, but the interval contains 0: these runs do not decide.`;
  return `it claims ${report.lower}; the interval lies on one side of 0: ${want} is lower.`;
}

const parts = (train: TrainOnce): Part<ComparisonReport>[] => [
  {
    asks: 'both kinds tuned alike: three rates or more, the same seeds for each',
    points: 2,
    wrongBecause: tuningWrong,
  },
  { asks: 'the rates with the lowest mean are chosen', points: 1, wrongBecause: chosenWrong },
  { asks: 'no chosen rate is at the edge of those tried', points: 1, wrongBecause: edgeWrong },
  {
    asks: 'five seeds or more at the chosen rates, the same for both kinds',
    points: 2,
    wrongBecause: runsWrong,
  },
  {
    asks: 'the seeds that chose are not those that count',
    points: 1,
    wrongBecause: freshSeedsWrong,
  },
  {
    asks: 'the difference is the mean over the seeds',
    points: 1,
    wrongBecause: (report) => runsWrong(report) ?? differenceWrong(report),
  },
  {
    asks: 'its 95 % interval, paired, with t',
    points: 2,
    wrongBecause: (report) => runsWrong(report) ?? intervalWrong(report),
  },
  {
    asks: 'the claim is as strong as the interval, and no stronger',
    points: 1,
    wrongBecause: (report) => runsWrong(report) ?? claimWrong(report),
  },
  {
    asks: 'a run of the report, trained again, gives its loss',
    points: 1,
    wrongBecause: async ({ runs }) => {
      const { kind, learningRate, seed, loss } = runs[Math.floor(runs.length / 2)];
      const again = await train(kind, learningRate, seed);
      if (Math.abs(again - loss) < 0.02) return undefined;
      return `${kind}, seed ${seed}: the report says ${nats(loss)}, trained again ${nats(again)}.`;
    },
  },
];

/** Judges a report: 12 points. @param train for tests; default: the budget's own run. */
export const examineComparison = (
  report: ComparisonReport | undefined,
  train: TrainOnce = trainOnce,
): Promise<Report> => {
  const given: Part<ComparisonReport | undefined>[] = parts(train).map((part) => ({
    ...part,
    wrongBecause: (work) => (work ? part.wrongBecause(work) : 'Not begun: there is no report.'),
  }));
  return judgeParts('Assignment 5, a fair comparison', given, report);
};

/** The same, printed. */
export async function judgeComparison(report: ComparisonReport | undefined): Promise<void> {
  console.log((await examineComparison(report)).text);
}
