/** The tables of `npm run bench`, in the order in which they are printed. */
import { constantMemoryTable } from './constant-memory';
import { decodeTable } from './decode';
import { kvCacheTable } from './kv-cache';
import { matmulTable } from './matmul';
import type { Table } from './measure';
import { movingTable } from './moving';
import { prefillTable } from './prefill';
import { retentionTable } from './retention';
import { trainingTable } from './training';

export const tables: Table[] = [
  matmulTable,
  movingTable,
  kvCacheTable,
  constantMemoryTable,
  retentionTable,
  prefillTable,
  decodeTable,
  trainingTable,
];
