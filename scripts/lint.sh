#!/usr/bin/env bash
# Checks layout of the Swift sources and the scripts; changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

swift format lint --strict --parallel -r --configuration .swift-format Sources Tests Package.swift
if command -v shellcheck >/dev/null; then
  shellcheck .ci/run scripts/*.sh bench/*.sh deploy/*/*.sh
elif [ "${CI:-}" = true ]; then
  echo "lint: shellcheck is missing" >&2
  exit 1
else
  echo "lint: shellcheck is not installed; scripts are not checked"
fi
