# SPDX-License-Identifier: Apache-2.0
"""First stage: are the inputs there, finite, in the right frame, in order and fresh?

Whatever fails has one decided answer, zero velocity, and a name from the fault table. Time that runs
backwards is latched: after it no age can be trusted until somebody has looked.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Array, Obstacles, Status, Walls

T = TypeVar("T")


def all_finite(array: Array) -> bool:
    """Whether every entry is finite."""
    return bool(np.isfinite(array).all())


def obstacles_valid(obstacles: Obstacles) -> bool:
    """Whether every number is finite and no radius or deviation is negative."""
    o = obstacles
    return (
        math.isfinite(o.stamp)
        and all(all_finite(a) for a in (o.position, o.velocity, o.radius, o.position_std, o.velocity_std))
        and not any((a < 0.0).any() for a in (o.radius, o.position_std, o.velocity_std))
    )


def walls_valid(walls: Walls) -> bool:
    """Whether every coordinate is finite; a map's stamp may be +inf."""
    return (math.isfinite(walls.stamp) or walls.stamp == math.inf) and all_finite(walls.segments)


class SanityStage:
    """Stops the robot on any input that cannot be trusted."""

    name = "sanity"

    def __init__(self, config: ArcConfig):
        """Take the ages and the frame from `config`."""
        self._fresh = config.freshness
        self._frame = config.frame_id
        self.reset()

    def reset(self) -> None:
        """Acknowledge a latched fault and forget the last stamps."""
        self._last_now = -math.inf
        self._last_state = -math.inf
        self._latched = ""
        self._checked: dict[str, tuple[Any, bool]] = {}

    def apply(self, tick: Tick) -> None:
        """Check clock, state, obstacles, walls and proposal, in this order; the first fault decides the status."""
        if self._clock(tick) and self._state(tick) and self._surroundings(tick):
            self._proposal(tick)

    def _clock(self, tick: Tick) -> bool:
        now = tick.now
        if not math.isfinite(now) or now < self._last_now:
            self._latched = f"time ran backwards from {self._last_now:.6f} s to {now:.6f} s"
        else:
            self._last_now = now
        if self._latched:
            tick.stop(self.name, Status.LATCHED, self._latched, "clock_backwards")
            return False
        return True

    def _state(self, tick: Tick) -> bool:
        state = tick.state
        if state is None:
            return self._stop(tick, "state_missing", "no state has arrived yet")
        if state.frame_id != self._frame:
            return self._stop(
                tick, "frame_mismatch", f"state is in frame {state.frame_id!r}, expected {self._frame!r}"
            )
        if not (math.isfinite(state.stamp) and all_finite(state.pose) and all_finite(state.twist)):
            return self._stop(tick, "state_not_finite", "pose, twist or stamp of the state is not finite")
        if state.stamp < self._last_state:
            return self._stop(
                tick,
                "state_out_of_order",
                f"state of {state.stamp:.6f} s came after one of {self._last_state:.6f} s",
            )
        self._last_state = state.stamp
        return self._is_fresh(tick, "state", state.stamp, self._fresh.state_s)

    def _surroundings(self, tick: Tick) -> bool:
        state = tick.state
        assert state is not None
        obstacles, walls = state.obstacles, state.walls
        for name, item in (("obstacles", obstacles), ("walls", walls)):
            if item.frame_id != self._frame:
                return self._stop(
                    tick, "frame_mismatch", f"{name} are in frame {item.frame_id!r}, expected {self._frame!r}"
                )
        if not self._once("obstacles", obstacles, obstacles_valid):
            return self._stop(
                tick,
                "obstacles_not_finite",
                "an obstacle is not finite or has a negative radius or deviation",
            )
        if not self._once("walls", walls, walls_valid):
            return self._stop(tick, "walls_not_finite", "a wall or its stamp is not finite")
        return self._is_fresh(tick, "obstacles", obstacles.stamp, self._fresh.obstacles_s) and self._is_fresh(
            tick, "walls", walls.stamp, self._fresh.walls_s
        )

    def _once(self, name: str, item: T, check: Callable[[T], bool]) -> bool:
        """Check an immutable input once, when it is new; most ticks see the one of the tick before."""
        known, verdict = self._checked.get(name, (None, False))
        if known is not item:
            verdict = check(item)
            self._checked[name] = (item, verdict)
        return verdict

    def _proposal(self, tick: Tick) -> None:
        proposal = tick.proposal
        if proposal is None:
            tick.stop(self.name, Status.NO_PROPOSAL, "no proposal has arrived yet", "proposal_missing")
        elif not (math.isfinite(proposal.stamp) and all_finite(proposal.twist)):
            tick.stop(self.name, Status.NO_PROPOSAL, "the proposal is not finite", "proposal_not_finite")
        elif self._is_fresh(tick, "proposal", proposal.stamp, self._fresh.proposal_s, Status.NO_PROPOSAL):
            tick.command[:] = proposal.twist

    def _is_fresh(
        self, tick: Tick, name: str, stamp: float, limit: float, status: Status = Status.STOPPED
    ) -> bool:
        age = tick.now - stamp
        if age <= limit and (age >= -limit or stamp == math.inf):
            return True
        if age < 0.0:
            text = f"{name} is stamped {-age:.3f} s in the future, allowed {limit:.3f} s"
        else:
            text = f"{name} is {age:.3f} s old, allowed {limit:.3f} s"
        tick.stop(self.name, status, text, f"{name}_stale")
        return False

    def _stop(self, tick: Tick, fault: str, reason: str) -> bool:
        tick.stop(self.name, Status.STOPPED, reason, fault)
        return False
