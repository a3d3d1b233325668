# SPDX-License-Identifier: Apache-2.0
"""What the table of topics (`reflexarc.core.interfaces`) says of one topic."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Reliability(StrEnum):
    """Whether a lost message is sent again."""

    RELIABLE = "reliable"
    BEST_EFFORT = "best_effort"


class Durability(StrEnum):
    """Whether a late subscriber receives the last message."""

    VOLATILE = "volatile"
    TRANSIENT_LOCAL = "transient_local"


@dataclass(frozen=True, slots=True)
class Interface:
    """One topic."""

    name: str
    """Topic name relative to the robot's namespace; only names shared by all robots start with a slash."""
    type: str
    """`package/msg/Name`."""
    publisher: str
    """Node that publishes it in simulation; on a robot a driver takes the plant_node's place."""
    frame: str
    """Frame of the content (`header.frame_id`); empty where there is none."""
    rate_hz: float
    """Expected rate; 0 for a topic that is published when something happens. [Hz]"""
    max_age_s: float
    """Age beyond which the content must not be acted upon; inf where it does not age. [s]"""
    doc: str
    """What it carries."""
    reliability: Reliability = Reliability.RELIABLE
    durability: Durability = Durability.VOLATILE
    depth: int = 10
    """Messages that the publisher keeps for subscribers that fell behind."""
    deadline_s: float = math.inf
    """Longest time between two messages that the publisher promises; inf for no promise. [s]"""
    optional: bool = False
    """Published only where its message package is installed."""

    @property
    def package(self) -> str:
        """Message package."""
        return self.type.split("/")[0]

    @property
    def is_stream(self) -> bool:
        """Whether it is published at a fixed rate and only the newest message matters to a controller."""
        return self.rate_hz > 0.0 and self.durability is Durability.VOLATILE

    def __post_init__(self) -> None:
        if self.type.count("/") != 2 or "/msg/" not in self.type:
            raise ValueError(f"{self.name}: type must be package/msg/Name, got {self.type!r}")
        if (
            not 0.0 <= self.rate_hz < math.inf
            or not self.max_age_s > 0.0
            or self.depth < 1
            or not self.deadline_s > 0.0
        ):
            raise ValueError(
                f"{self.name}: rate >= 0 and finite, max_age > 0, depth >= 1 and deadline > 0 are required"
            )
        if self.rate_hz > 0.0 and self.max_age_s < 2.0 / self.rate_hz:
            raise ValueError(f"{self.name}: a maximum age of {self.max_age_s} s is shorter than two periods")


LATCHED = {"durability": Durability.TRANSIENT_LOCAL, "depth": 1}
"""Kept for late subscribers: what is published when something changes."""
