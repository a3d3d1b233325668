# SPDX-License-Identifier: Apache-2.0
r"""The signals that a recording gives: the topics that each needs, its unit, and how it is read from the messages.

`separation` and `protective_distance` belong to the one tracked person whose distance d exceeds its S_p by the least,

    S_p of `reflexarc.barrier.analytic.separation`,   v_r = max(v n_x, 0),   v_h = max(-(v_person . n), 0),

with n from the footprint's nearest point to the person's disc, d the gap between them. With nobody tracked both are
finite: d = FAR and S_p = 0.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.assurance.monitors.requirements import Separation
from reflexarc.assurance.monitors.units import BOOL
from reflexarc.barrier.analytic.separation import protective_distance
from reflexarc.core import wire
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.interfaces import INTERFACES
from reflexarc.core.types import Mode, Status
from reflexarc.robots import load_base

FAR = 10.0
"""Separation with nobody tracked, and the largest that is reported. [m]"""


@dataclass(frozen=True, slots=True)
class Setting:
    """What signals need beyond the messages."""

    half_length: float
    """Of the footprint. [m]"""
    half_width: float
    """[m]"""
    mode_speed: Mapping[int, float]
    """Largest speed per mode; stop modes 0. [m/s]"""
    components: int
    """Of the base's velocity."""
    separation: Separation | None


@dataclass(frozen=True, slots=True)
class RecordedSignal:
    """One signal."""

    topics: tuple[str, ...]
    """Last names of the topics; the signal's stamp is the oldest of their messages'."""
    unit: str
    text: str
    read: Callable[..., float]
    """(setting, one message per topic) to the value."""


def setting(config: ArcConfig, separation: Separation | None) -> Setting:
    """Return the setting of a base that ran with this arc.

    Raises:
        ConfigError: the robot is no base.
    """
    robot = load_base(config.robot)
    limits = config.mode_limits
    speeds = {
        int(Mode.NORMAL): limits.normal_m_s,
        int(Mode.SPEED_SEPARATION): limits.speed_separation_m_s,
        int(Mode.POWER_FORCE_LIMITED): limits.power_force_limited_m_s,
    }
    return Setting(0.5 * robot.length, 0.5 * robot.width, speeds, robot.components, separation)


def _speed(twist: Any) -> float:
    return math.hypot(twist.linear.x, twist.linear.y)


def _nearest(s: Setting, odom: Any, obstacles: Any) -> tuple[float, float]:
    """Return d and S_p of the person whose d - S_p is the smallest. [m]"""
    if s.separation is None:
        raise ConfigError("separation and protective_distance need the section 'separation' of the file")
    state, people = wire.odometry_from(odom, s.components), wire.obstacles_from(obstacles)
    if not len(people):
        return FAR, 0.0
    x, y, yaw = state.pose
    cosine, sine = math.cos(yaw), math.sin(yaw)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre, velocity = (people.position - (x, y)) @ turn.T, people.velocity @ turn.T  # in base_link
    offset = centre - np.clip(centre, (-s.half_length, -s.half_width), (s.half_length, s.half_width))
    distance = np.hypot(offset[:, 0], offset[:, 1])
    normal = offset / np.maximum(distance, 1e-9)[:, None]
    gap = distance - people.radius
    robot = normal @ np.append(state.twist[:-1], 0.0)[:2]
    person = -(normal * velocity).sum(axis=1)
    p = s.separation.parameters
    needed = [protective_distance(float(r), p, float(h)) for r, h in zip(robot, person, strict=True)]
    worst = int(np.argmin(gap - needed))
    return min(float(gap[worst]), FAR), needed[worst]


def _stopped_by_fault(_: Setting | None, verdict: Any) -> float:
    status = wire.STATUS_CODES[verdict.status]
    return float(bool(verdict.faults) and status is not Status.BACKUP)


def _braking(_: Setting | None, verdict: Any) -> float:
    return float(wire.STATUS_CODES[verdict.status] in (Status.BACKUP, Status.LATCHED))


def _force(_: Setting | None, wrench: Any) -> float:
    f = wrench.wrench.force
    return math.sqrt(f.x * f.x + f.y * f.y + f.z * f.z)


SIGNALS: dict[str, RecordedSignal] = {
    "speed": RecordedSignal(
        ("odom",), "m/s", "measured speed over ground", lambda _, m: _speed(m.twist.twist)
    ),
    "yaw_rate": RecordedSignal(("odom",), "rad/s", "measured yaw rate", lambda _, m: m.twist.twist.angular.z),
    "separation": RecordedSignal(
        ("odom", "obstacles"),
        "m",
        "gap to the person who is most nearly too close",
        lambda *m: _nearest(*m)[0],
    ),
    "protective_distance": RecordedSignal(
        ("odom", "obstacles"), "m", "S_p towards the same person", lambda *m: _nearest(*m)[1]
    ),
    "command_speed": RecordedSignal(
        ("cmd_vel",), "m/s", "speed that the robot is sent", lambda _, m: _speed(m.twist)
    ),
    "command_yaw_rate": RecordedSignal(
        ("cmd_vel",), "rad/s", "yaw rate that the robot is sent", lambda _, m: m.twist.angular.z
    ),
    "proposal_speed": RecordedSignal(
        ("proposal",), "m/s", "speed that the task policy wants", lambda _, m: _speed(m.twist)
    ),
    "verdict_speed": RecordedSignal(
        ("verdict",), "m/s", "speed that the arc decided on", lambda _, m: _speed(m.command)
    ),
    "mode_speed": RecordedSignal(
        ("verdict",), "m/s", "largest speed of the mode", lambda s, m: s.mode_speed.get(m.mode, 0.0)
    ),
    "mode": RecordedSignal(("mode",), "1", "mode of the supervisor", lambda _, m: float(wire.mode_from(m))),
    "stop_mode": RecordedSignal(
        ("verdict",), BOOL, "the mode forbids motion", lambda _, m: float(m.mode >= Mode.PROTECTIVE_STOP)
    ),
    "fault": RecordedSignal(("verdict",), BOOL, "a fault for which the arc sends zero", _stopped_by_fault),
    "braking": RecordedSignal(("verdict",), BOOL, "the arc brakes: backup or latched", _braking),
    "tick_lateness": RecordedSignal(
        ("verdict",), "s", "how much later than planned the tick began", lambda _, m: m.tick_lateness
    ),
    "force": RecordedSignal(("arm/wrench",), "N", "measured force on the tip", _force),
    "impedance": RecordedSignal(
        ("arm/verdict",), BOOL, "the impedance drives the arm", lambda _, m: float(any(m.stiffness))
    ),
    "tank": RecordedSignal(
        ("arm/verdict",), "J", "energy left for changes of stiffness", lambda _, m: m.tank
    ),
}
"""Every signal by its name, beside the ages of `signal`."""
NEED_ROBOT = frozenset({"separation", "protective_distance", "mode_speed"})
"""Those that are read with a `Setting`."""
AGE = "_age"
_TOPICS = {item.name.replace("/", "_"): item.name for item in INTERFACES}


def signal(name: str) -> RecordedSignal:
    """Return one of `SIGNALS`, or for `TOPIC_age` the time since the newest message of a topic (`arm_verdict_age`).

    Raises:
        UnknownNameError: there is no such signal.
    """
    if name in SIGNALS:
        return SIGNALS[name]
    topic = _TOPICS.get(name.removesuffix(AGE))
    if not name.endswith(AGE) or topic is None:
        raise UnknownNameError("recorded signal", name, [*SIGNALS, "TOPIC_age"])
    return RecordedSignal((topic,), "s", f"time since the newest message of {topic}", lambda *_: 0.0)
