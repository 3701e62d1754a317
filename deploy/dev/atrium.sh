#!/bin/sh
# Finds a Python every OS user can execute (never one below /root), then hands over to the package deploy.dev.
set -eu
cd "$(dirname "$0")/../.."
python=/usr/bin/python3

usable() { [ -x "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

if ! [ -x "$python" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3 …"
    timeout 300 apt-get -qq update
    DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq install --yes --no-install-recommends python3 >/dev/null
fi
if ! usable; then
    echo "Atrium needs $python, version 3.11 or newer: use Debian 12 (Debian 13 and Ubuntu 24.04 are untried), and install python3." >&2
    exit 1
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$python" -m deploy.dev "$@"
