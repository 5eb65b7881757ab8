/** The tables of `npm run bench`, in the order in which they are printed. */
import { matmulTable } from './matmul';
import type { Table } from './measure';
import { movingTable } from './moving';

export const tables: Table[] = [matmulTable, movingTable];
