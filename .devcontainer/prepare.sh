#!/usr/bin/env bash
# What `npm start` would do the first time, without opening anything: packages, JupyterLab in .venv/, the kernel.
set -euo pipefail
cd "$(dirname "$0")/.."
npm ci --no-audit --no-fund
npx tsx -e "require('./src/support/notebook/python-environment').prepareJupyter(console.log)"
