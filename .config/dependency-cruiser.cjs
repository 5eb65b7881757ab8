/** The direction of imports: a room may import from rooms below it, never from one above. */
const rooms = ['cli', 'course', 'figures', 'evaluation', 'training', 'inference', 'costs', 'models', 'retention', 'attention', 'blocks', 'engine'];

module.exports = {
  forbidden: [
    ...rooms.slice(1).map((room, i) => ({
      name: `${room}-imports-only-down`,
      comment: `src/${room} may import only from rooms below it: ${rooms.slice(i + 2).join(', ') || 'none'}.`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: `^src/(${rooms.slice(0, i + 1).join('|')})/` },
    })),
    { name: 'retention-knows-no-attention', severity: 'error', from: { path: '^src/retention/' }, to: { path: '^src/attention/' } },
    { name: 'figures-know-nothing-of-ours', severity: 'error', from: { path: '^src/figures/' }, to: { path: '^src/(?!figures/)' } },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: { doNotFollow: { path: 'node_modules' }, tsConfig: { fileName: 'tsconfig.json' }, tsPreCompilationDeps: true },
};
