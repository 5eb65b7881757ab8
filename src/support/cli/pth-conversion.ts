/**
 * Turns checkpoints of PyTorch into safetensors, by the Python script beside this file.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ModelConfig } from '../../models/config';
import { checkConfigFits } from '../../weights/expected-weights';
import { configFromParams } from '../../weights/official-params';
import { projectPython } from '../notebook/python-environment';
import { outputOf, runQuietly } from '../notebook/run-command';

export interface ConvertOptions {
  out: string;
  params?: string;
  python?: string;
  shardBytes: number;
}
interface Written {
  parts: number;
  files: string[];
  shapes: Record<string, number[]>;
}

/** Ends with an error if there is no PyTorch; to import it would take seconds. */
export const findTorch = 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)';

/** The first Python that can import PyTorch. @throws Error saying how to get one. */
function pythonWithTorch(asked?: string): string {
  const candidates = asked ? [asked] : [projectPython(), 'python3', 'python'];
  for (const python of candidates)
    if (outputOf(python, ['-c', findTorch]) !== undefined) return python;
  throw new Error(
    `A .pth file is read by PyTorch, and none of these has it: ${candidates.join(', ')}. ` +
      'Install it (pip install torch), or name a Python that has it: --python PROGRAM.',
  );
}

/** @throws Error with the reason if there is one and it cannot be used. */
function configBeside(files: string[], params?: string): ModelConfig | undefined {
  const path = params ?? join(dirname(files[0]), 'params.json');
  if (!params && !existsSync(path)) return undefined;
  return configFromParams(JSON.parse(readFileSync(path, 'utf8')));
}

/** @throws Error saying what is wrong with the files, and how to get PyTorch if it is missing. */
export async function convertCheckpoint(files: string[], options: ConvertOptions): Promise<string> {
  const out = options.out.replace(/\.safetensors$/, '');
  for (const path of files) if (!existsSync(path)) throw new Error(`There is no ${path}.`);
  for (const path of [`${out}.safetensors`, `${out}.safetensors.index.json`])
    if (existsSync(path))
      throw new Error(`There is already a ${path}; delete it, or choose another --out.`);
  const config = configBeside(files, options.params);
  const python = pythonWithTorch(options.python);

  mkdirSync(dirname(out), { recursive: true });
  const script = join(__dirname, 'pth_to_safetensors.py');
  const configText = config ? JSON.stringify(config) : '';
  const args = [script, out, configText, String(options.shardBytes), ...files];
  const { code, lines } = await runQuietly(python, args);
  if (code !== 0) throw new Error(`Nothing was converted. ${reasonIn(lines)}`);

  // Warnings of PyTorch may stand before or after it.
  const report = lines.find((line) => line.startsWith('{"parts"')) as string;
  const { parts, files: written, shapes } = JSON.parse(report) as Written;
  const count = Object.keys(shapes).length;
  const done = `${count} tensors of ${parts} part(s), as they were stored: ${written.join(', ')}`;
  if (!config)
    return `${done}\nThere is no params.json: the file does not say the config of the model.`;
  const tensors = new Map(Object.entries(shapes).map(([name, shape]) => [name, { shape }]));
  try {
    checkConfigFits(config, tensors, { config: 'params.json', weights: basename(files[0]) });
  } catch (error) {
    for (const path of written) rmSync(path);
    throw new Error(`Nothing was converted. ${(error as Error).message}`);
  }
  return `${done}\nThe config fits the shapes; it is in the metadata of the file.`;
}

/** The last line that says what is wrong; PyTorch's own messages have many. */
function reasonIn(lines: string[]): string {
  if (lines.some((line) => /weights_only|UnpicklingError/.test(line)))
    return (
      'The file holds more than tensors, or is no PyTorch checkpoint. A pickle can run any ' +
      'program, so nothing but tensors is read: save the state dict alone.'
    );
  return lines.at(-1) ?? 'Python said nothing.';
}
