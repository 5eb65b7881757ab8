/** The tables of `npm run bench`, in the order in which they are printed. */
import { constantMemoryTable } from './constant-memory';
import { growingCacheTable } from './growing-cache';
import { matmulTable } from './matmul';
import type { Table } from './measure';
import { movingTable } from './moving';
import { retentionTable } from './retention';

export const tables: Table[] = [matmulTable, movingTable, growingCacheTable, constantMemoryTable, retentionTable];
