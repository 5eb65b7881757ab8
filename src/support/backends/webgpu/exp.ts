/**
 * exp on a graphics card, exact to the last place or two.
 *
 * The language of the cards (WGSL) allows exp an error of 3 + 2|x| units in the last place. A
 * softmax does not suffer from that. But the gates of retention are exp(log γ), and in a state that
 * has passed N gates the errors of all N add up. So e^x is computed from operations that every card
 * rounds correctly (Cody and Waite, 1980):
 *
 *   e^x = 2ⁿ · e^r,    n = round(x / ln 2),   r = x − n ln 2,   |r| ≤ ½ ln 2
 *
 * ln 2 is subtracted in two parts. The first has so few digits that n times it is exact, so the
 * subtraction loses nothing. e^r is its power series, up to the term whose successor is below the
 * last place.
 */
import type { Kernel } from '../patches/replace-kernel';

/** The part of a backend's program that is read and changed here. */
interface Program {
  shaderKey: string;
  getUserCode(): string;
}
interface Runner {
  runWebGPUProgram(program: Program, ...args: unknown[]): unknown;
}

const preciseExp = `
  fn preciseExp(given : f32) -> f32 {
    // Outside these bounds the result is 0 or infinite anyway. Written so that NaN stays NaN.
    let x = select(given, clamp(given, -110.0, 100.0), abs(given) > 100.0);
    let n = round(x * 1.44269504);
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    let tail = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 +
      r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)))));
    // 2ⁿ in two factors: n may be 128 or −150, which is more than one exponent can hold.
    let half = i32(n) / 2;
    let rest = i32(n) - half;
    return (1.0 + (r + r * r * tail)) *
      bitcast<f32>((half + 127) << 23u) * bitcast<f32>((rest + 127) << 23u);
  }
`;

/** Runs upstream's own program for exp, with its one `exp(a)` replaced. */
export const withPreciseExp =
  (upstream: Kernel): Kernel =>
  (call) => {
    const backend = call.backend as unknown as Runner;
    const runWebGPUProgram = (program: Program, ...args: unknown[]): unknown => {
      const code = program.getUserCode().replace('return exp(a);', 'return preciseExp(a);');
      // Compiled programs are cached by this key, so it must differ from upstream's.
      program.shaderKey = `${program.shaderKey}_precise`;
      program.getUserCode = () => preciseExp + code;
      return backend.runWebGPUProgram(program, ...args);
    };
    const patched = Object.create(call.backend, { runWebGPUProgram: { value: runWebGPUProgram } });
    return upstream({ ...call, backend: patched as typeof call.backend });
  };
