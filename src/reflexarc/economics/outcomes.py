# SPDX-License-Identifier: Apache-2.0
"""How a run ends and which contacts count, exactly as CostNav's mission manager and metrics decide it.

Order at every tick (mission manager, `_step_waiting_for_completion`): goal reached, then the food; tilt;
impulse health; timeout. The thresholds are strict or not as written here. Times are simulated seconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended; every run that was not skipped has exactly one."""

    SUCCESS = "success"
    SPOILED = "spoiled"
    TIMEOUT = "timeout"
    ASSISTANCE = "physical_assistance"


OUTCOMES = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers of the outcome rules."""

    goal_tolerance_m: float = 2.0
    """Reached when the distance is <= this; 1.0 before 2026-03-03. [m]"""
    spoiled_loss: float = 0.05
    """Spoiled when the lost share is > this."""
    tilt_rad: float = 0.5
    """Rolled over when the tilt is > this. [rad]"""
    health_ns: float = 177.8
    """Impulse that a run may collect; assistance when none is left. [N s]"""
    timeout_s: float | None = 241.0
    """Too late when the time is >= this; 169 s until 2026-03-09; None: never. [s]"""
    contact_ns: float = 50.0
    """A contact counts when its impulse is >= this; 10 before 2026-01-28. [N s]"""
    property_ns: float = 100.0
    """Property is damaged when the impulse is >= this. [N s]"""
    cooldown_callbacks: int = 30
    """Contact callbacks skipped after one that counted."""


V5_THRESHOLDS = Thresholds()
V2_THRESHOLDS = Thresholds(goal_tolerance_m=1.0, timeout_s=169.0)


def food_spoiled(initial: int, final: int, thresholds: Thresholds = V5_THRESHOLDS) -> bool:
    """Return whether too much was lost of `initial` pieces; nothing to lose is never spoiled."""
    return initial > 0 and (initial - final) / initial > thresholds.spoiled_loss


def judge(
    distance_m: float,
    tilt_rad: float,
    health_ns: float,
    elapsed_s: float,
    spoiled: bool,
    thresholds: Thresholds,
) -> Outcome | None:
    """Return the outcome at one tick, None while the run goes on.

    Args:
        distance_m: planar distance to the goal. [m]
        tilt_rad: angle between the body's z axis and the vertical. [rad]
        health_ns: impulse health that is left. [N s]
        elapsed_s: time since the start. [s]
        spoiled: result of `food_spoiled`, asked for at the goal only.
        thresholds: the rules.
    """
    if distance_m <= thresholds.goal_tolerance_m:
        return Outcome.SPOILED if spoiled else Outcome.SUCCESS
    if tilt_rad > thresholds.tilt_rad or health_ns <= 0.0:
        return Outcome.ASSISTANCE
    if thresholds.timeout_s is not None and elapsed_s >= thresholds.timeout_s:
        return Outcome.TIMEOUT
    return None


@dataclass(slots=True)
class ContactCounter:
    """CostNav's contact callback: of each callback the first contact point that counts, then a cooldown."""

    thresholds: Thresholds = V5_THRESHOLDS
    counted: list[float] = field(default_factory=list)
    """Impulses that counted. [N s]"""
    health_ns: float = field(init=False)
    """Impulse health that is left. [N s]"""
    _skip: int = 0

    def __post_init__(self) -> None:
        self.health_ns = self.thresholds.health_ns

    def callback(self, impulses: tuple[float, ...]) -> float | None:
        """Take one callback with the impulse norms of its contact points [N s]; return what counted."""
        if self._skip:
            self._skip -= 1
            return None
        for impulse in impulses:
            if impulse >= self.thresholds.contact_ns:
                self.counted.append(impulse)
                self.health_ns = max(0.0, self.health_ns - impulse)
                self._skip = self.thresholds.cooldown_callbacks
                return impulse
        return None

    def damages_property(self, impulse: float) -> bool:
        """Return whether a counted impulse [N s] damages what it hit."""
        return impulse >= self.thresholds.property_ns
