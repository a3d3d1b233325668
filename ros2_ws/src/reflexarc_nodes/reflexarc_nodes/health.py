# SPDX-License-Identifier: Apache-2.0
"""Health of a node as a plain value; becomes a diagnostic message at the edge."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from reflexarc.core.figures import for_json


class Level(IntEnum):
    """Severity, with the numbers of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Health:
    """What a node says about itself once a second."""

    level: Level
    text: str
    """One sentence."""
    values: Mapping[str, float | int | str] = field(default_factory=dict)
    """Figures; a key ends in its unit."""

    @classmethod
    def judge(
        cls,
        problems: list[str],
        values: Mapping[str, float | int | str],
        *,
        warnings: list[str] | None = None,
    ) -> "Health":
        """Return ERROR with the problems, else WARN with the warnings, else OK."""
        if problems:
            return cls(Level.ERROR, "; ".join(problems), values)
        if warnings:
            return cls(Level.WARN, "; ".join(warnings), values)
        return cls(Level.OK, "as it should be", values)

    def warned(self, text: str) -> "Health":
        """Return the same with one more warning."""
        if self.level is Level.OK:
            return Health(Level.WARN, text, self.values)
        return Health(self.level, f"{self.text}; {text}", self.values)


def write_figures(path: Path, figures: Mapping[str, float | int]) -> None:
    """Write figures as one JSON object; what is not finite becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(for_json(figures)) + "\n", encoding="utf-8")
