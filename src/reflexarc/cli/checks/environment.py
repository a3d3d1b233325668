# SPDX-License-Identifier: Apache-2.0
"""Checks of the virtual environment: where it is, what is in it, whether it is active."""

import importlib.metadata
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reflexarc.cli.checks.finding import Finding, Level

_REQUIREMENT = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;]+)")
_SHOWN = 4


def check_venv(prefix: Path, root: Path | None) -> Finding:
    """Judge whether the running interpreter is that of the repository's `.venv`."""
    if root is None:
        return Finding(
            "environment",
            Level.WARNING,
            f"{prefix}; the library is not run from a repository",
            "clone it for the demo",
        )
    if prefix.resolve() == (root / ".venv").resolve():
        return Finding("environment", Level.OK, str(prefix))
    return Finding(
        "environment",
        Level.WARNING,
        f"{prefix} is not the repository's .venv",
        "run make setup, then: . ./env.sh",
    )


def check_env_file(root: Path, environ: Mapping[str, str]) -> Finding:
    """Judge whether env.sh of this repository has been sourced."""
    if not (root / "env.sh").is_file():
        return Finding("env.sh", Level.FAILED, "has not been written", "run make setup")
    active = environ.get("REFLEXARC_ROOT")
    if active == str(root):
        return Finding("env.sh", Level.OK, "sourced")
    text = (
        "not sourced in this shell" if active is None else f"that of another repository is sourced: {active}"
    )
    return Finding("env.sh", Level.FAILED, text, f"run in a new shell: . {root / 'env.sh'}")


def check_wheels(locks: Iterable[Path], version_of: Callable[[str], str | None]) -> Finding:
    """Judge whether the installed distributions are those of the lock files.

    Args:
        locks: lock files; each must exist.
        version_of: installed version of a distribution, None if there is none.
    """
    wanted: dict[str, str] = {}
    for lock in locks:
        if not lock.is_file():
            return Finding(
                "wheels", Level.FAILED, f"{lock} is missing", "restore it: git checkout " + lock.name
            )
        wanted.update(_REQUIREMENT.findall(lock.read_text(encoding="utf-8")))
    wrong = [
        f"{name} {version_of(name) or 'missing'} (locked: {version})"
        for name, version in wanted.items()
        if version_of(name) != version
    ]
    if not wrong:
        return Finding("wheels", Level.OK, f"{len(wanted)} at their locked versions")
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Finding("wheels", Level.FAILED, ", ".join(wrong[:_SHOWN]) + more, "run make clean setup")


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_numba_cache(folder: Path) -> Finding:
    """Judge whether compiled kernels can be kept, which saves some seconds at every start."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(
            "numba cache",
            Level.WARNING,
            f"{folder} is not writable ({error.strerror}); kernels are compiled at every start",
            "set NUMBA_CACHE_DIR to a folder of yours",
        )
    return Finding("numba cache", Level.OK, str(folder))


def numba_cache_folder() -> Path:
    """Return where numba keeps the compiled kernels of the barrier."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    return Path(configured) if configured else Path(__file__).resolve().parents[2] / "barrier" / "__pycache__"
