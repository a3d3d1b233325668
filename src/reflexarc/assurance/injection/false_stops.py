# SPDX-License-Identifier: Apache-2.0
"""Why a live robot stopped, or a fault was named, while nothing was injected.

The gate says whose beat was late and by how much, on its own clock. Beside it stands how long each source did not send,
by its own stamps, and for how long the study itself did not run:

    the source did not send for so long      the sender was late
    it sent all the time                     the way to the gate, or the gate, was
    and the study did not run either         the whole machine stood still
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

WINDOW_S = 1.0
"""Before a stop in which beats are looked at. [s]"""


@dataclass(frozen=True, slots=True)
class FalseStop:
    """One of them, and what was seen of it."""

    after_s: float
    """Time of driving without a fault before it. [s]"""
    closed: bool
    """Whether the gate let nothing pass; else a fault was named only."""
    said: tuple[str, ...] = ()
    """Why no command passed, in the gate's words."""
    names: tuple[str, ...] = ()
    """Faults that anybody named."""
    mode: str = ""
    mode_reason: str = ""
    """What the supervisor said of its mode last."""
    silent_s: Mapping[str, float] = field(default_factory=dict)
    """Per source the longest time between two of its beats, by its stamps. [s]"""
    unheard: Mapping[str, int] = field(default_factory=dict)
    """Per source how many beats the study did not hear, by their numbers."""
    study_paused_s: float = 0.0
    """Longest time for which the study did not look. [s]"""
    gate_log: tuple[str, ...] = ()
    """Last lines that the gate printed."""

    @property
    def words(self) -> str:
        """One sentence."""
        why = "; ".join(self.said) or ", ".join(self.names) or "nobody said why"
        sent = ", ".join(f"{name} {1e3 * gap:.0f} ms" for name, gap in self.silent_s.items())
        mode = f"; mode {self.mode} ({self.mode_reason})" if self.mode else ""
        return (
            f"after {self.after_s:.1f} s: {why}; longest silence by the senders' stamps: {sent or 'no beats'}; "
            f"the study paused for {1e3 * self.study_paused_s:.0f} ms{mode}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def silences(
    beats: Mapping[str, Sequence[tuple[float, int]]], begin: float, end: float
) -> tuple[dict[str, float], dict[str, int]]:
    """Return the longest time between two beats of each source that reaches into a window, and the beats not heard.

    Args:
        beats: per source (sent [s], number), in order of time.
        begin: of the window. [s]
        end: of the window; a source whose last beat is older was silent until then at least. [s]
    """
    longest, unheard = {}, {}
    for source, every in beats.items():
        steps = [(a, b) for a, b in pairwise(every) if b[0] >= begin and a[0] <= end]
        tail = [end - every[-1][0]] if every and every[-1][0] < end else []
        gaps = [b[0] - a[0] for a, b in steps] + tail
        if gaps:
            longest[source] = max(gaps)
        unheard[source] = sum(max(0, b[1] - a[1] - 1) for a, b in steps)
    return longest, unheard


def longest_pause(looks: Sequence[float], begin: float, end: float) -> float:
    """Return the longest time between two looks that reaches into a window. [s]

    Args:
        looks: when the study looked, in order of time. [s]
        begin: of the window. [s]
        end: of the window. [s]
    """
    return max((b - a for a, b in pairwise(looks) if b >= begin and a <= end), default=0.0)
