# SPDX-License-Identifier: Apache-2.0
"""What is said of a fault."""

from dataclasses import dataclass

from reflexarc.core.interfaces import interface


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong."""

    name: str
    """snake_case name, as in `Verdict.faults` and in diagnostics."""
    detector: str
    """Who notices: a stage of the arc (`arc: sanity`) or a node."""
    detection: str
    """How it is noticed."""
    within_s: float
    """Longest time from the fault to the reaction on the command; nan where no motion depends on it. [s]"""
    reaction: str
    """What the stack does."""
    recovery: str
    """What ends the reaction."""
    test: str
    """Test that proves detection and reaction: `file::function`."""


TICK_S = 1.0 / interface("cmd_vel").rate_hz
"""One period of the arc. [s]"""
SANITY = "arc: sanity"
NEXT = "the next good message"


def until_stale(topic: str) -> float:
    """Return the longest time from the last message of a topic to the reaction. [s]"""
    return interface(topic).max_age_s + TICK_S
