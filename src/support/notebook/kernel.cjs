/** Started by Jupyter: the tslab kernel with the repository as working directory, so that cells can import './src/index'. */
const path = require('node:path');

process.chdir(path.resolve(__dirname, '..', '..', '..'));
require('tslab/dist/main.js').startKernel({ configPath: process.argv[2], enableFindLocal: false });
