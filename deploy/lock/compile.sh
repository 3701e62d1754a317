#!/bin/sh
# Writes the three locks from pyproject.toml: exact versions and hashes, no index addresses.
# The checkout's set (dev) is resolved first and holds the other two to the same versions.
set -eu
cd "$(dirname "$0")/../.."
lock() {
    out=deploy/lock/$1.txt; shift
    uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file "$out"
}
lock dev --extra hub --extra user --extra dev
lock hub --extra hub --constraint deploy/lock/dev.txt
lock user --extra user --constraint deploy/lock/dev.txt
