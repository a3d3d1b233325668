# SPDX-License-Identifier: Apache-2.0
"""Checks of Python, the compilers and the folders they work in."""

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

from reflexarc.cli.checks.finding import Finding, Level

PYTHON_FIRST, PYTHON_LAST = (3, 11), (3, 13)
"""Oldest Python that the sources are written for; newest for which ROS 2 Kilted has wheels."""
PROGRAMS = {"gcc": (9,), "g++": (9,), "cmake": (3, 20), "make": (4,)}
"""Oldest versions: gcc 9 for C++17, cmake 3.20 as CMakeLists.txt asks, make 4 of every current distribution."""
DISK_NEEDED = 2.0e9
"""Set-up takes 1.3 GB; recordings and reports some more. [byte]"""
SYSTEM_PACKAGES = "sudo sh tools/system_packages.sh"


def check_python(version: tuple[int, int]) -> Finding:
    """Judge the interpreter's version."""
    text = f"Python {version[0]}.{version[1]}"
    if PYTHON_FIRST <= version <= PYTHON_LAST:
        return Finding("python", Level.OK, text)
    allowed = f"{PYTHON_FIRST[0]}.{PYTHON_FIRST[1]} to {PYTHON_LAST[0]}.{PYTHON_LAST[1]}"
    return Finding(
        "python", Level.FAILED, f"{text}; allowed: {allowed}", "install python3.11 and run make setup"
    )


def check_headers(include: Path | None = None) -> Finding:
    """Judge whether message packages can be compiled for this interpreter."""
    header = (include or Path(sysconfig.get_path("include"))) / "Python.h"
    if header.is_file():
        return Finding("python headers", Level.OK, str(header))
    return Finding(
        "python headers", Level.FAILED, f"{header} is missing", f"install python3-dev: {SYSTEM_PACKAGES}"
    )


def check_program(name: str, oldest: tuple[int, ...], version_text: Callable[[str], str | None]) -> Finding:
    """Judge a program by what it answers to `--version`; None means that it is not there."""
    text = version_text(name)
    if text is None:
        return Finding(name, Level.FAILED, "not found on the PATH", f"install {name}: {SYSTEM_PACKAGES}")
    # the last number of the first line: "gcc (Debian 12.2.0-14) 12.2.0", "cmake version 3.25.1", "GNU Make 4.3"
    numbers = re.findall(r"\d+(?:\.\d+)+", text.splitlines()[0] if text else "")
    if not numbers:
        return Finding(
            name, Level.WARNING, f"its version is not readable in {text[:40]!r}", f"run {name} --version"
        )
    if tuple(int(n) for n in numbers[-1].split(".")) < oldest:
        wanted = ".".join(map(str, oldest))
        return Finding(
            name, Level.FAILED, f"{numbers[-1]}; needed: {wanted} or newer", f"install {name} {wanted}"
        )
    return Finding(name, Level.OK, numbers[-1])


def version_text(name: str) -> str | None:
    """Return what `name --version` prints, or None if there is no such program."""
    if shutil.which(name) is None:
        return None
    return subprocess.run(
        [name, "--version"], capture_output=True, text=True, timeout=10.0, check=False
    ).stdout


def check_disk(free: float) -> Finding:
    """Judge the free space where the repository lies. [byte]"""
    text = f"{free / 1e9:.1f} GB free"
    if free >= DISK_NEEDED:
        return Finding("disk", Level.OK, text)
    return Finding(
        "disk",
        Level.WARNING,
        f"{text}; recommended: {DISK_NEEDED / 1e9:.0f} GB",
        "free some space: old runs in out/",
    )
