/**
 * The neighbour process: what it cannot do reaches us in its own words, and nobody waits for ever.
 */
import { expect, it } from 'vitest';
import { Peer } from './peers/process';

it('an interpreter that is not there, and one that ends, are errors that say so', async () => {
  const absent = new Peer('/nowhere/python');
  await expect(absent.ask({ do: 'version' })).rejects.toThrow(
    /PyTorch could not be started: .*ENOENT/,
  );
  await expect(absent.ask({ do: 'version' })).rejects.toThrow(/could not be started/);
  // Node reads the Python file as JavaScript, and gives up.
  const ends = new Peer(process.execPath);
  await expect(ends.ask({ do: 'version' })).rejects.toThrow(/PyTorch ended with code 1/);
});
