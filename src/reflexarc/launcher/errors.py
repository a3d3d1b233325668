# SPDX-License-Identifier: Apache-2.0
"""Errors of the launcher: every one names the launch file and the line it comes from."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reflexarc.core.errors import ConfigError, LaunchError


class Place(NamedTuple):
    """Where something stands in a launch file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class LaunchFileError(LaunchError, ConfigError):
    """A launch file or an argument to it is not acceptable; nothing was started."""

    def __init__(self, place: Place | None, what: str, allowed: Iterable[str] | None = None) -> None:
        self.place, self.what = place, what
        listing = "" if allowed is None else f"; understood here: {', '.join(sorted(allowed)) or 'nothing'}"
        super().__init__(f"{place}: {what}{listing}" if place else f"{what}{listing}")


class AlreadyRunningError(LaunchError):
    """A node of this name already runs in this ROS domain on this machine."""
