/**
 * How long a gate lets a memory live: half-life against the gate's logit, one curve per temperature τ.
 *
 *   γ = σ(z)^(1/τ),   half-life = ln 2 / −ln γ = τ · ln 2 / ln(1 + e^(−z))
 *
 * τ only lifts the curve: at z = 0 the half-life is τ itself.
 */
import { axis, type Figure } from './figure';
import { dashes, seriesColours } from './palette';

export const gateHalfLife = (logit: number, temperature: number): number =>
  (temperature * Math.LN2) / Math.log1p(Math.exp(-logit));

export function halfLifeCurve(
  temperatures: number[],
  title: string,
  { from = -6, to = 6 } = {},
): Figure {
  const logits = Array.from({ length: 61 }, (_, i) => from + ((to - from) * i) / 60);
  return {
    data: temperatures.map((temperature, i) => ({
      type: 'scatter',
      mode: 'lines',
      name: `τ = ${temperature}`,
      x: logits,
      y: logits.map((z) => gateHalfLife(z, temperature)),
      line: { color: seriesColours[i % seriesColours.length], dash: dashes[i % dashes.length] },
      hovertemplate: 'logit %{x:.1f}: half is gone after %{y:.1f} tokens<extra></extra>',
    })),
    layout: {
      title: { text: title },
      xaxis: axis('gate logit z'),
      yaxis: axis('half-life (tokens)', { type: 'log' }),
    },
    caption: `${title}: an undecided gate (z = 0) forgets half in ${temperatures.join(', ')} tokens for τ = ${temperatures.join(', ')}.`,
  };
}
