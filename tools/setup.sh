#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Finds the Python that the environment is made of and hands over to setup_environment.py.
#
#   REFLEXARC_PYTHON=/path/to/python3   use this interpreter
#   ROS_DISTRO (set by a ROS 2 installation's setup.bash)   use that installation and its python3 instead of wheels
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# A shell in which env.sh was sourced must give the same result as a fresh one: take out what env.sh put in.
without_ours() {
  printf '%s' "$1" | awk -v RS=: -v here="$root/" -v other="${REFLEXARC_ROOT:-$root}/" \
    '$0 != "" && index($0, here) != 1 && index($0, other) != 1 { printf "%s%s", colon, $0; colon = ":" }'
}
PATH=$(without_ours "$PATH")
if [ -n "${REFLEXARC_ROOT:-}" ]; then
  AMENT_PREFIX_PATH=$(without_ours "${AMENT_PREFIX_PATH:-}")
  CMAKE_PREFIX_PATH=$(without_ours "${CMAKE_PREFIX_PATH:-}")
  LD_LIBRARY_PATH=$(without_ours "${LD_LIBRARY_PATH:-}")
  PYTHONPATH=$(without_ours "${PYTHONPATH:-}")
  unset VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE
fi

# Usable: 3.11 to 3.13, with venv, pip and the C headers that the message packages are compiled against.
usable() {
  "$1" - 2>/dev/null <<'PROBE'
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and os.path.exists(header)))
PROBE
}

for tool in gcc g++ cmake make; do
  if ! command -v "$tool" >/dev/null; then
    echo "setup: $tool is missing. On Debian or Ubuntu: sudo sh tools/system_packages.sh" >&2
    exit 1
  fi
done

flavour=wheels
candidates="${REFLEXARC_PYTHON:-python3.11 python3.12 python3.13 python3}" # 3.11 first: it is the one tested most
if [ -n "${ROS_DISTRO:-}" ]; then
  if python3 -c 'import rclpy' 2>/dev/null; then
    flavour=installed candidates=${REFLEXARC_PYTHON:-python3} # rclpy exists only for this one
  else
    echo "setup: ROS_DISTRO is '$ROS_DISTRO' but python3 cannot import rclpy; using the wheels instead" >&2
  fi
fi
for python in $candidates; do
  if command -v "$python" >/dev/null && usable "$python"; then
    exec "$python" "$root/tools/setup_environment.py" --ros "$flavour" "$@"
  fi
done
echo "setup: none of '$candidates' is a Python 3.11, 3.12 or 3.13 with venv, pip and C headers." >&2
echo "       On Debian or Ubuntu: sudo sh tools/system_packages.sh" >&2
exit 1
