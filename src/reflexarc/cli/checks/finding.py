# SPDX-License-Identifier: Apache-2.0
"""What a check found, and how checks run something in a process of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    check: str
    """What was checked."""
    level: Level
    text: str
    """What was found, with number, limit and unit where there is one."""
    mend: str = ""
    """What to do about it; empty if all is well."""

    def __post_init__(self) -> None:
        if (self.level is Level.OK) == bool(self.mend):
            raise ValueError(f"{self.check}: exactly the findings that are not ok say how to mend them")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process of its own said."""

    ok: bool
    """Whether it ended with 0 in time."""
    text: str
    """What it printed, without surrounding space; on failure the last line, which names the error."""


Probe = Callable[[str], Answer]
"""Runs Python source text and answers; tests pass their own."""


def run_python(source: str, timeout: float = 30.0, environment: Mapping[str, str] | None = None) -> Answer:
    """Run Python `source` in a process of its own, for at most `timeout` [s]."""
    with tempfile.TemporaryDirectory() as folder:  # so that nothing is imported from the working directory
        try:
            done = subprocess.run(
                [sys.executable, "-c", source],
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd=folder,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(False, f"no answer within {timeout:.0f} s")
    if done.returncode == 0:
        return Answer(True, done.stdout.strip())
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    reason = lines[-1] if lines else f"the process ended with {done.returncode}"
    return Answer(False, reason)
