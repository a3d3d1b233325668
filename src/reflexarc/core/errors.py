# SPDX-License-Identifier: Apache-2.0
"""The exception tree of reflexarc: every error a caller may want to catch derives from `ReflexArcError`.

A message says what was wrong, what was allowed and what was done about it.
"""

from collections.abc import Iterable


class ReflexArcError(Exception):
    """Base of all errors raised on purpose by this project."""


class ConfigError(ReflexArcError):
    """A scenario, parameter file or argument is not acceptable; the command line exits with 2 on it."""


class UnknownNameError(ConfigError):
    """A name that is not in the table it was looked up in; the message lists the valid names."""

    def __init__(self, kind: str, name: str, allowed: Iterable[str], where: str = ""):
        self.kind, self.name, self.allowed = kind, name, sorted(allowed)
        place = f" in {where}" if where else ""
        listing = ", ".join(self.allowed) or "none"
        super().__init__(f"unknown {kind} {name!r}{place}; allowed: {listing}")


class ModelError(ReflexArcError):
    """A robot, world or weights file is missing, malformed or for another robot."""


class PlantError(ReflexArcError):
    """The plant (simulator or robot) failed: diverged, died or answered nonsense."""


class RecordingError(ReflexArcError):
    """A log cannot be read or does not hold what the caller needs."""


class LaunchError(ReflexArcError):
    """A launch file is not understood or a process could not be started."""
