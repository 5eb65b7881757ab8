/** The direction of imports: a room may import from rooms below it, never from one above. */
const book = [
  'evaluation',
  'training',
  'inference',
  'costs',
  'weights',
  'variants',
  'models',
  'delta-rule',
  'retention',
  'attention',
  'layers',
  'tensor',
];
const support = ['cli', 'notebook', 'course', 'figures', 'backends'];

const onlyDown = (rooms, parent) =>
  rooms.slice(1).map((room, i) => ({
    name: `${room}-imports-only-down`,
    comment: `${parent}${room} may import only from rooms below it: ${rooms.slice(i + 2).join(', ') || 'none'}.`,
    severity: 'error',
    from: { path: `^${parent}${room}/` },
    to: { path: `^${parent}(${rooms.slice(0, i + 1).join('|')})/` },
  }));

module.exports = {
  forbidden: [
    ...onlyDown(book, 'src/'),
    ...onlyDown(support, 'src/support/'),
    {
      name: 'the-book-knows-no-support',
      comment:
        'What a reader came for imports nothing from src/support, except which engine computes.',
      severity: 'error',
      from: { path: `^src/(${book.join('|')})/` },
      to: { path: '^src/support/(?!backends/use-engine\\.ts)' },
    },
    {
      name: 'retention-knows-no-attention',
      severity: 'error',
      from: { path: '^src/(retention|delta-rule)/' },
      to: { path: '^src/attention/' },
    },
    {
      name: 'figures-know-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/support/figures/' },
      to: { path: '^src/(?!support/figures/)' },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};
