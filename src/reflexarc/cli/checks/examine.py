# SPDX-License-Identifier: Apache-2.0
"""Every check, applied to this machine."""

import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from reflexarc.cli import _domain
from reflexarc.cli.checks import environment, machine, middleware, simulation, toolchain
from reflexarc.cli.checks.finding import Finding, run_python

_SOURCES = Path(__file__).resolve().parents[4]


def repository() -> Path | None:
    """Return the repository that the library runs from, or None if it was installed without one."""
    return _SOURCES if (_SOURCES / "pyproject.toml").is_file() and (_SOURCES / "ros2_ws").is_dir() else None


def examine() -> Iterator[Finding]:
    """Yield the finding of each check, as soon as it is known."""
    root = repository()
    yield toolchain.check_python(sys.version_info[:2])
    yield toolchain.check_headers()
    for name, oldest in toolchain.PROGRAMS.items():
        yield toolchain.check_program(name, oldest, toolchain.version_text)
    yield toolchain.check_disk(shutil.disk_usage(root or Path.cwd()).free)
    yield environment.check_venv(Path(sys.prefix), root)
    installed = os.environ.get("REFLEXARC_ROS") == "installed"
    if root is not None:
        yield environment.check_env_file(root, os.environ)
        locks = ["requirements.lock"] + ([] if installed else ["requirements-ros.lock"])
        yield environment.check_wheels([root / name for name in locks], environment.installed_version)
    yield environment.check_numba_cache(environment.numba_cache_folder())
    yield middleware.check_ros(run_python, os.environ.get("ROS_DISTRO") if installed else None)
    if root is not None:
        prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if p]
        yield middleware.check_messages(root / "ros2_ws/src/reflexarc_msgs/msg", prefixes, run_python)
    yield middleware.check_domain(
        os.environ.get("ROS_DOMAIN_ID"),
        _domain.choose_domain,
        _domain.open_udp_ports(),
        _domain.domain_of_port,
    )
    yield middleware.check_dds(_loopback)
    yield simulation.check_mujoco(run_python)
    yield simulation.check_rendering(run_python)
    yield machine.check_cores(len(os.sched_getaffinity(0)))
    yield machine.check_clock(time.get_clock_info("monotonic").resolution, machine.wake_up_lateness())
    yield machine.check_scheduling(machine.try_real_time)


def _loopback() -> float:
    """Use a free domain, whatever ROS_DOMAIN_ID says, so as not to disturb anybody."""
    used = {_domain.domain_of_port(port) for port in _domain.open_udp_ports()}
    free = [domain for domain in range(1, _domain.LAST_DOMAIN + 1) if domain not in used]
    if not free:
        raise RuntimeError("every ROS domain is in use on this machine")
    return middleware.dds_loopback(random.choice(free))
