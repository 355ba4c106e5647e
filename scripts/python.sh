#!/usr/bin/env bash
# Makes .venv with the Python packages of the tests; does nothing when it is up to date.
# Exit 3: the packages cannot be had (no index to reach), which is no fault of the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=Tests/requirements.txt
have=.venv/installed.txt
if [ -e "$have" ] && cmp -s "$wanted" "$have"; then exit 0; fi
echo "set-up: Python packages of the tests into .venv ($(grep -cv '^#' "$wanted") packages)"
[ -x .venv/bin/python ] || python3 -m venv .venv
if ! .venv/bin/python -m pip install -q --disable-pip-version-check --retries 2 -r "$wanted"; then
  echo "set-up: pip could not install $wanted" >&2
  exit 3
fi
cp "$wanted" "$have"
