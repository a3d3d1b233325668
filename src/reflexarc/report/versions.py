# SPDX-License-Identifier: Apache-2.0
"""Which versions, which machine, which day: where the numbers of a piece of evidence came from."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

EVIDENCE_PACKAGES = ("numpy", "osqp", "numba", "mujoco", "jupedsim", "ros-rclpy")
"""Packages whose version can change a figure."""


def own_version() -> str:
    """Return the installed version of reflexarc, `unknown` when it runs from a bare source tree."""
    return _version("reflexarc") or "unknown"


def versions() -> dict[str, str]:
    """Return the version of Python, of reflexarc and of each of `EVIDENCE_PACKAGES` that is installed."""
    found = {"python": platform.python_version(), "reflexarc": own_version()}
    return found | {name: text for name in EVIDENCE_PACKAGES if (text := _version(name))}


def machine() -> dict[str, str | int]:
    """Return processor, cores usable by this process and operating system of this machine."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
    }


def today() -> str:
    """Return the date in UTC, `YYYY-MM-DD`."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
