#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Debian and Ubuntu packages that the project needs; installs those that are missing (as root).
#   sh tools/system_packages.sh --list   only print them
set -eu

# Compilers for the messages, headers and venv for Python; libgmp-dev for a peer of the benchmarks that builds from source.
needed="cmake g++ gcc git libgmp-dev make python3 python3-dev python3-venv"
# Headless rendering in Mesa's software; without it everything but pictures works.
rendering="libegl1 libgl1"

if [ "${1:-}" = "--list" ]; then
  printf '%s\n' $needed $rendering
  exit 0
fi
missing=
for package in $needed $rendering; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "system packages: all there"
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "system packages: missing$missing. Run: sudo apt-get install$missing" >&2
  exit 1
fi
echo "system packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # a list of words on purpose
apt-get -qq install --no-install-recommends -y $missing >/dev/null
