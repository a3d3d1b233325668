# SPDX-License-Identifier: Apache-2.0
"""First stage: are the inputs there, finite, in the right frame, in order and fresh?

Whatever fails has one decided answer, zero velocity, and a name from the fault table. Time that runs
backwards is latched: after it no age can be trusted until somebody has looked.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Array, BaseState, Obstacles, Proposal, Spheres, Status, Walls

SOUND = ("", "")
"""An item without a fault."""


class Surrounding(NamedTuple):
    """One kind of thing around the robot, and what is asked of it."""

    name: str
    """As in the fault table: `NAME_stale`, `NAME_not_finite`."""
    item: Any
    """With `stamp` and `frame_id`."""
    judge: Callable[[Any], tuple[str, str]]
    """Return the fault of an item and why, or `SOUND`."""
    max_age: float
    """[s]"""


def all_finite(array: Array) -> bool:
    """Whether every entry is finite."""
    return bool(np.isfinite(array).all())


def judge_obstacles(obstacles: Obstacles | Spheres, top_speed: float) -> tuple[str, str]:
    """Return the fault of tracked obstacles and why, or `SOUND`.

    A number that is not finite or a negative radius or deviation is a broken message. A speed above
    `top_speed` [m/s] is a broken track: believed, a thing that seems to flee would take itself out of the barrier.
    """
    o = obstacles
    if not (
        math.isfinite(o.stamp)
        and all(all_finite(a) for a in (o.position, o.velocity, o.radius, o.position_std, o.velocity_std))
        and not any((a < 0.0).any() for a in (o.radius, o.position_std, o.velocity_std))
    ):
        return "obstacles_not_finite", "an obstacle is not finite or has a negative radius or deviation"
    fastest = math.sqrt(float((o.velocity * o.velocity).sum(axis=1).max(initial=0.0)))
    if fastest > top_speed:
        reason = f"an obstacle seems to move at {fastest:.1f} m/s, plausible are {top_speed:.1f} m/s"
        return "obstacles_implausible", reason
    return SOUND


def judge_walls(walls: Walls) -> tuple[str, str]:
    """Return the fault of walls and why, or `SOUND`; a map's stamp may be +inf."""
    if (math.isfinite(walls.stamp) or walls.stamp == math.inf) and all_finite(walls.segments):
        return SOUND
    return "walls_not_finite", "a wall or its stamp is not finite"


class SanityStage:
    """Stops the robot on any input that cannot be trusted."""

    name = "sanity"

    def __init__(self, config: ArcConfig, components: int):
        """Take ages and frame from `config`.

        Args:
            config: of the arc.
            components: size of the robot's velocity: 2 for a wheeled base, 3 for a legged one.
        """
        self._fresh = config.freshness
        self._frame = config.frame_id
        self._top_speed = config.max_obstacle_speed_m_s
        self._components = components
        self.reset()

    def reset(self) -> None:
        """Acknowledge a latched fault and forget the last stamps."""
        self._last_now = -math.inf
        self._last_state = -math.inf
        self._latched = ""
        self._checked: dict[str, tuple[Any, tuple[str, str]]] = {}

    def apply(self, tick: Tick) -> None:
        """Check clock, state, surroundings and proposal, in this order; the first fault decides the status."""
        if self._clock(tick) and self._state(tick) and self._surroundings(tick):
            self._proposal(tick)

    def state_misfit(self, state: Any) -> str:
        """Say why a state is not one of this robot, or nothing."""
        if not isinstance(state, BaseState) or len(state.twist) != self._components:
            return f"the state is not that of a base with {self._components} velocity components"
        return ""

    def state_numbers(self, state: Any) -> tuple[Array, ...]:
        """Return the arrays of a state that must be finite."""
        return state.pose, state.twist

    def surroundings(self, state: Any) -> tuple[Surrounding, ...]:
        """Return what is around the robot and how it is checked."""
        return (
            Surrounding("obstacles", state.obstacles, self.judge_obstacles, self._fresh.obstacles_s),
            Surrounding("walls", state.walls, judge_walls, self._fresh.walls_s),
        )

    def judge_obstacles(self, obstacles: Any) -> tuple[str, str]:
        """Return the fault of the tracked obstacles and why, or `SOUND`."""
        return judge_obstacles(obstacles, self._top_speed)

    def proposal_misfit(self, proposal: Any) -> str:
        """Say why a proposal is not one for this robot, or nothing."""
        if not isinstance(proposal, Proposal) or len(proposal.twist) != self._components:
            return f"the proposal is not a velocity of {self._components} components"
        return ""

    def proposed(self, proposal: Any) -> Array:
        """Return the command that a proposal asks for."""
        return proposal.twist

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
        if misfit := self.state_misfit(state):
            return self._stop(tick, "state_misfit", misfit)
        if state.frame_id != self._frame:
            return self._stop(
                tick, "frame_mismatch", f"state is in frame {state.frame_id!r}, expected {self._frame!r}"
            )
        if not (math.isfinite(state.stamp) and all(all_finite(a) for a in self.state_numbers(state))):
            return self._stop(tick, "state_not_finite", "a number or the stamp of the state is not finite")
        if state.stamp < self._last_state:
            return self._stop(
                tick,
                "state_out_of_order",
                f"state of {state.stamp:.6f} s came after one of {self._last_state:.6f} s",
            )
        self._last_state = state.stamp
        return self._is_fresh(tick, "state", state.stamp, self._fresh.state_s)

    def _surroundings(self, tick: Tick) -> bool:
        around = self.surroundings(tick.state)
        for name, item, _, _ in around:
            if item.frame_id != self._frame:
                return self._stop(
                    tick, "frame_mismatch", f"{name} are in frame {item.frame_id!r}, expected {self._frame!r}"
                )
        for name, item, judge, _ in around:
            fault, reason = self._once(name, item, judge)
            if fault:
                return self._stop(tick, fault, reason)
        return all(self._is_fresh(tick, name, item.stamp, max_age) for name, item, _, max_age in around)

    def _once(self, name: str, item: Any, judge: Callable[[Any], tuple[str, str]]) -> tuple[str, str]:
        """Judge an immutable input once, when it is new; most ticks see the one of the tick before."""
        known, found = self._checked.get(name, (None, SOUND))
        if known is not item:
            found = judge(item)
            self._checked[name] = (item, found)
        return found

    def _proposal(self, tick: Tick) -> None:
        proposal = tick.proposal
        if proposal is None:
            tick.stop(self.name, Status.NO_PROPOSAL, "no proposal has arrived yet", "proposal_missing")
        elif misfit := self.proposal_misfit(proposal):
            tick.stop(self.name, Status.NO_PROPOSAL, misfit, "proposal_misfit")
        elif not (math.isfinite(proposal.stamp) and all_finite(self.proposed(proposal))):
            tick.stop(self.name, Status.NO_PROPOSAL, "the proposal is not finite", "proposal_not_finite")
        elif self._is_fresh(tick, "proposal", proposal.stamp, self._fresh.proposal_s, Status.NO_PROPOSAL):
            tick.command[:] = self.proposed(proposal)

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
