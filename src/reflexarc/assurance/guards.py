# SPDX-License-Identifier: Apache-2.0
r"""What a supervisor perceives: signals that are true, false, or None where nothing can be said.

    person_near     d <= S_p(v_r, v_h), the protective separation distance (ISO/TS 15066:2016, 5.5.4)
    person_close    d <= close_m
    person_ahead    a person in the strip that the robot drives over within x <= v T_r + v^2 / (2 a) + ahead_m
    tracker_lost    tracked obstacles older than tracker_s, or from the future by as much
    lidar_lost      scan older than lidar_s, or from the future by as much
    arc_fault       the arc has latched, has sent no verdict for verdict_s, has answered with BACKUP or with faults for
                    arc_fault_s, or has run in a less restrictive mode than it was told for obey_s; or the loop took
                    longer than T_r. A silent policy (NO_PROPOSAL) is no fault of the arc.

d is the gap between the robot's circumscribed circle and the person's disc, some standard deviations of the track taken
off. v_r is the robot's speed towards the person; v_h is 1.6 m/s (ISO 13855), or the person's own speed of approach
where that is measured to be higher. T_r is the 99.9th percentile of the measured time from a measurement of a person to
the command; a loop that is slower than it makes S_p too small, hence arc_fault.
While a person's signals cannot be computed (tracks or odometry old, not finite, of another frame) they are None.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reflexarc.barrier.analytic.separation import WALKING_SPEED, SeparationParameters, protective_distance
from reflexarc.core.config import quantity
from reflexarc.core.gate_interfaces import LEASE_S
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Array, BaseState, Mode, Obstacles, Status, Verdict
from reflexarc.robots import BaseRobot, LeggedRobot

Base = BaseRobot | LeggedRobot
PERSON_SIGNALS = ("person_near", "person_close", "person_ahead")
SIGNALS = (*PERSON_SIGNALS, "tracker_lost", "lidar_lost", "arc_fault")
"""Every signal that can be computed here."""
SLOW_S = 0.05
"""So long a loop that took too long counts: longer than a turn of the supervisor, which hence misses none. [s]"""
_ROUNDING = 1e-9
"""[s] Far below any period."""


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """Limits of the signals."""

    reaction_s: float = quantity(
        0.25,
        unit="s",
        low=0.01,
        high=2.0,
        doc="T_r: 99.9th percentile of the measured time from measurement to command",
    )
    walking_speed_m_s: float = quantity(
        WALKING_SPEED, unit="m/s", low=0.1, high=5.0, doc="v_h of a person whose approach is not faster"
    )
    position_std_factor: float = quantity(
        2.0, low=0.0, high=5.0, doc="standard deviations of a track that are taken off the distance (Z_d)"
    )
    close_m: float = quantity(0.2, unit="m", low=0.05, high=5.0, doc="distance that is contact range")
    ahead_m: float = quantity(0.5, unit="m", low=0.0, high=5.0, doc="room ahead beyond the stopping distance")
    side_m: float = quantity(0.2, unit="m", low=0.0, high=2.0, doc="room beside the strip driven over")
    tracker_s: float = quantity(
        interface("obstacles").max_age_s, unit="s", low=0.02, high=5.0, doc="older tracks are lost"
    )
    state_s: float = quantity(
        0.3, unit="s", low=0.02, high=5.0, doc="with older odometry nothing can be said about persons"
    )
    lidar_s: float = quantity(
        interface("scan").max_age_s, unit="s", low=0.02, high=5.0, doc="an older scan is lost"
    )
    verdict_s: float = quantity(
        LEASE_S, unit="s", low=0.01, high=5.0, doc="without a verdict for so long the arc is silent"
    )
    arc_fault_s: float = quantity(
        0.1, unit="s", low=0.0, high=5.0, doc="faults that the arc itself answers may last so long"
    )
    obey_s: float = quantity(
        0.2, unit="s", low=0.01, high=5.0, doc="the arc may take so long to run in the mode that it was told"
    )


def separation(state: BaseState, robot: Base, config: GuardConfig) -> tuple[Array, Array]:
    """Return the gap d and the protective distance S_p to every obstacle, each of shape (n,). [m]"""
    o = state.obstacles
    x, y, yaw = state.pose
    offset = o.position - (x, y)  # (n, 2)
    distance = np.hypot(offset[:, 0], offset[:, 1])
    towards = offset / np.maximum(distance, 1e-9)[:, None]  # (n, 2)
    gap = distance - 0.5 * math.hypot(robot.length, robot.width) - o.radius
    gap = gap - config.position_std_factor * o.position_std
    sideways = state.twist[1] if len(state.twist) == 3 else 0.0
    ahead = np.array((math.cos(yaw), math.sin(yaw)))
    left = np.array((-ahead[1], ahead[0]))
    own = towards @ (state.twist[0] * ahead + sideways * left)
    person = np.maximum(-np.sum(towards * o.velocity, axis=1), config.walking_speed_m_s)
    parameters = SeparationParameters(config.reaction_s, robot.max_deceleration)
    needed = [protective_distance(v, parameters, h) for v, h in zip(own, person, strict=True)]
    return gap, np.array(needed)


def ahead(state: BaseState, robot: Base, config: GuardConfig) -> bool:
    """Whether somebody stands or walks where the robot drives before it could stop."""
    o = state.obstacles
    x, y, yaw = state.pose
    c, s = math.cos(yaw), math.sin(yaw)
    offset = o.position - (x, y)
    along, across = c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0]
    room = o.radius + config.position_std_factor * o.position_std
    speed = max(float(state.twist[0]), 0.0)
    stop = speed * config.reaction_s + speed**2 / (2.0 * robot.max_deceleration) + config.ahead_m
    reach = 0.5 * robot.length
    inside = (along >= -reach) & (along <= reach + stop + room)
    return bool((inside & (np.abs(across) <= 0.5 * robot.width + config.side_m + room)).any())


def person_signals(state: BaseState | None, robot: Base, config: GuardConfig) -> Mapping[str, bool | None]:
    """Return the three signals of persons; None where a number they need is missing, not finite or of another frame."""
    if state is None or not _sound(state):
        return dict.fromkeys(PERSON_SIGNALS)
    gap, needed = separation(state, robot, config)
    return {
        "person_near": bool((gap <= needed).any()),
        "person_close": bool((gap <= config.close_m).any()),
        "person_ahead": ahead(state, robot, config),
    }


def lost(stamp: float, now: float, limit: float) -> bool:
    """Whether a measurement is too old, too far in the future, or has a stamp that is no time."""
    return not abs(now - stamp) <= limit


def loop_time(verdict: Verdict, obstacles_stamp: float) -> float:
    """Return the time from the measurement of the persons to the command of a tick. [s]

    Args:
        verdict: of the tick.
        obstacles_stamp: stamp of the tracked obstacles that it used. [s]
    """
    return verdict.now - obstacles_stamp + verdict.time_used


class ArcWatch:
    """The signal arc_fault, from the newest verdicts."""

    def __init__(self, config: GuardConfig):
        """Take the limits; no verdict has come yet."""
        self._config = config
        self._newest: Verdict | None = None
        self._faulty_since = self._disobeys_since = math.nan
        self._slow_at = math.nan
        self._told = Mode.NORMAL
        self._arrival = math.nan
        self.longest_loop = 0.0
        """Longest time from measurement to command so far. [s]"""

    def take(self, verdict: Verdict, obstacles_stamp: float, steady: float) -> None:
        """Take a verdict.

        Args:
            verdict: of a tick.
            obstacles_stamp: stamp of the tracked obstacles that it used; negative: none. [s]
            steady: when it arrived, on a clock that always advances. [s]
        """
        silent_policy = verdict.status is Status.NO_PROPOSAL
        faulty = verdict.status is Status.BACKUP or (bool(verdict.faults) and not silent_policy)
        if not faulty:
            self._faulty_since = math.nan
        elif math.isnan(self._faulty_since):
            self._faulty_since = verdict.now
        self._newest, self._arrival = verdict, steady
        if obstacles_stamp >= 0.0 and not faulty:
            loop = loop_time(verdict, obstacles_stamp)
            self.longest_loop = max(self.longest_loop, loop)
            if not loop <= self._config.reaction_s:
                self._slow_at = steady

    def obeyed(self, mode: Mode) -> bool:
        """Whether the arc's newest verdict is of this mode or a more restrictive one."""
        return self._newest is not None and self._newest.mode >= mode

    def told(self, mode: Mode, steady: float) -> None:
        """Compare the mode that the arc was told with the one it runs in, at a time that always advances. [s]"""
        self._told = mode
        if self.obeyed(mode):
            self._disobeys_since = math.nan
        elif math.isnan(self._disobeys_since):
            self._disobeys_since = steady

    def fault(self, steady: float) -> str:
        """Return why arc_fault holds at time `steady` [s]; empty where it does not."""
        verdict, limit = self._newest, self._config
        if verdict is None:
            return "no verdict has arrived"
        if not abs(steady - self._arrival) <= limit.verdict_s:
            return (
                f"the newest verdict came {steady - self._arrival:.3f} s ago, allowed {limit.verdict_s:g} s"
            )
        if verdict.status is Status.LATCHED:
            return "the arc has latched"
        if verdict.now - self._faulty_since >= limit.arc_fault_s - _ROUNDING:
            return f"{', '.join(verdict.faults) or verdict.status.name} for {limit.arc_fault_s:g} s"
        if steady - self._slow_at <= SLOW_S:
            return f"the loop took longer than T_r = {limit.reaction_s:g} s"
        if steady - self._disobeys_since >= limit.obey_s - _ROUNDING:
            return f"the arc runs in mode {verdict.mode.name}, told {self._told.name}"
        return ""


class Guards:
    """All signals at once."""

    def __init__(self, robot: Base, config: GuardConfig):
        """Take the robot whose size and deceleration count, and the limits."""
        self._robot, self._config = robot, config
        self.arc = ArcWatch(config)

    def look(self, state: BaseState | None, now: float, steady: float) -> Mapping[str, bool | None]:
        """Return every signal.

        Args:
            state: newest measurements; None while a kind has never arrived.
            now: time on their clock. [s]
            steady: time on a clock that always advances. [s]
        """
        obstacles = state.obstacles if state is not None else None
        gone = obstacles is None or lost(obstacles.stamp, now, self._config.tracker_s)
        blind = gone or state is None or lost(state.stamp, now, self._config.state_s)
        return {
            **person_signals(None if blind else state, self._robot, self._config),
            "tracker_lost": gone,
            "lidar_lost": state is None or self._scan_lost(state.walls.stamp, now),
            "arc_fault": bool(self.arc.fault(steady)),
        }

    def _scan_lost(self, stamp: float, now: float) -> bool:
        """Whether the surroundings are old; a map, stamp inf, never is."""
        if stamp == math.inf and math.isfinite(now):
            return False
        return lost(stamp, now, self._config.lidar_s)


def _sound(state: BaseState) -> bool:
    """Whether pose, velocity and tracks are numbers in one frame, with no negative size or deviation."""
    o = state.obstacles
    same = o.frame_id == state.frame_id
    return same and _finite(o) and bool(np.isfinite(state.pose).all() and np.isfinite(state.twist).all())


def _finite(o: Obstacles) -> bool:
    parts = (o.position, o.velocity, o.radius, o.position_std, o.velocity_std)
    positive = (o.radius >= 0.0).all() and (o.position_std >= 0.0).all()
    return bool(positive and all(np.isfinite(part).all() for part in parts))
