#!/bin/bash
# What `make test-portable` runs: the result of `make portable` in a Debian 11 that has nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/build/portable
ARCHIVE=$(echo "$out"/pixpool-*.tar.gz) ROOT=$out/bare PYTHONPATH=tests:tests/integration exec \
    /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -ra tests/portable/in_debian11.py
