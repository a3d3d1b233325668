# SPDX-License-Identifier: Apache-2.0
"""The table of injected faults: where, how, which name must appear, within how long, or what keeps the robot safe."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.faults import fault
from reflexarc.core.interfaces import interface

PHASES = ("driving", "braking", "person_near", "turning")
"""What the robot does when a fault begins."""
CHANNELS = {
    "odometry": "pose and twist that the arc and the supervisor see",
    "obstacles": "tracked people",
    "scan": "walls, from the lidar's scan",
    "proposal": "what the task policy wants",
    "all": "every sensor: the plant's process is dead",
    "clock": "time that the arc reads",
    "ticks": "periods in which the arc ticks",
    "solver": "answer of the quadratic programme",
    "learned": "the learned barrier",
    "actuator": "what the drive makes of the command",
    "process": "a process and its beats",
    "machine": "the running processes and what they share, live only",
}
"""Where a fault is injected."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One row."""

    name: str
    """Channel and mode: `scan_drop`."""
    channel: str
    """One of `CHANNELS`."""
    mode: str
    """How it goes wrong."""
    expects: tuple[str, ...] = ()
    """Names in the fault table, one of which must appear; empty: nobody on board can tell."""
    within_s: float = math.nan
    """Longest time from the first tick that is affected to the name. [s]"""
    zero: bool = False
    """Whether the command must be zero within the same time."""
    safe_by: str = ""
    """What keeps the robot safe where nothing detects the fault."""
    residual: str = ""
    """Why nobody on board can tell and the robot may drive into a person: a contact is a residual risk that is
    reported, not an answer that failed. Empty: every contact is a failure."""
    needs: str = ""
    """`gate` or `learned`: applies only where the scenario has one; `live`: only to running processes behind a gate."""
    measure: str = ""
    """Of a live row, what decides: `zero` command after the gate, `zero_plant`, the same on the plant's clock,
    `standstill` of the robot, or `vouched`, that no command moves it for whom a beat is missing."""


_INPUTS = {
    "odometry": ("state", "odom"),
    "obstacles": ("obstacles", "obstacles"),
    "scan": ("walls", "scan"),
    "proposal": ("proposal", "proposal"),
}
_ONE_POSE = "there is no second source of the pose"
_ONE_TRACKER = "there is no second tracker: the lidar shows people, but as things that stand"
_ONE_DRIVE = "there is no brake beside the drive, so no command reaches the wheels"
_RESIDUAL = {
    ("odometry", "freeze"): f"{_ONE_POSE}; one that stands looks like a robot that stands",
    ("odometry", "bias"): _ONE_POSE,
    ("obstacles", "freeze"): _ONE_TRACKER,
    ("obstacles", "bias"): _ONE_TRACKER,
}
_UNSEEN = {
    "freeze": {
        "odometry": "not detectable by the arc: a frozen pose with new stamps looks like standing",
        "obstacles": "not detectable by the arc: the lidar shows the same people, but as things that stand",
        "scan": "not detectable by the arc: the tracks of people remain",
        "proposal": "no danger: the barrier judges every proposal",
    },
    "repeat": dict.fromkeys(
        ("odometry", "obstacles", "scan", "proposal"), "a repeated message is older by its age"
    ),
    "reorder": dict.fromkeys(
        ("obstacles", "scan", "proposal"),
        "an older message is older by its age, which the barrier carries forward",
    ),
    "bias": {
        "odometry": "not detectable by the arc: no second source of the pose",
        "obstacles": "not detectable by the arc: the lidar shows the same people, but as things that stand",
        "scan": "not detectable by the arc: the tracks of people remain",
    },
}


def _detected(channel: str, mode: str, name: str) -> Injection:
    return Injection(f"{channel}_{mode}", channel, mode, (name,), fault(name).within_s, zero=True)


def _inputs() -> Iterable[Injection]:
    for channel, (prefix, _) in _INPUTS.items():
        for mode in ("drop", "delay", "ahead"):
            yield _detected(channel, mode, f"{prefix}_stale")
        yield _detected(channel, "nan", f"{prefix}_not_finite")
        if channel != "proposal":
            yield _detected(channel, "frame", "frame_mismatch")
        for mode, reasons in _UNSEEN.items():
            if channel in reasons:
                yield Injection(
                    f"{channel}_{mode}",
                    channel,
                    mode,
                    safe_by=reasons[channel],
                    residual=_RESIDUAL.get((channel, mode), ""),
                )


_LATE = fault("heartbeat_late").within_s


def _live() -> Iterable[Injection]:
    """Yield what is done to the processes of a running graph."""
    hold = interface("cmd_vel").max_age_s
    for signal in ("sigstop", "sigkill"):
        for node in ("arc", "supervisor", "plant"):
            yield Injection(
                f"{node}_{signal}",
                "machine",
                signal,
                ("heartbeat_late",),
                _LATE,
                True,
                needs="live",
                measure="zero",
            )
        yield Injection(
            f"policy_{signal}",
            "machine",
            signal,
            ("proposal_stale",),
            fault("proposal_stale").within_s + 0.1,  # the clock of a simulation may lag that of the machine
            True,
            needs="live",
            measure="zero_plant",
        )
        yield Injection(
            f"gate_{signal}",
            "machine",
            signal,
            within_s=hold,
            safe_by="the plant applies zero when no command has come for the greatest age of cmd_vel",
            needs="live",
            measure="standstill",
        )
    for mode, why in (
        ("pulsed", "the arc sleeps for 30 ms again and again: shorter than a lease, so commands hold"),
        ("busy", "four busy processes per core: beats are late and the gate closes, or they are not"),
        ("busy_above", "the same above the priority of every node: the gate closes as soon as it runs"),
        ("starved", "the supervisor at the lowest priority among busy processes: the gate misses its beats"),
    ):
        where = {"pulsed": "arc", "starved": "supervisor"}.get(mode, "cpu")
        name = f"{where}_{mode}"
        yield Injection(name, "machine", mode, within_s=_LATE, safe_by=why, needs="live", measure="vouched")
    for name, mode, names, within in (
        ("supervisor_cut", "cut", ("heartbeat_late",), _LATE),
        ("arc_twice", "twice", _FOREIGN_BEATS, _WAY_S + fault("heartbeat_out_of_order").within_s),
        (
            "clock_foreign_back",
            "clock_back",
            ("clock_backwards",),
            _WAY_S + fault("clock_backwards").within_s,
        ),
        (
            "clock_foreign_ahead",
            "clock_ahead",
            ("state_stale", "clock_backwards"),
            _WAY_S + fault("state_stale").within_s,
        ),
    ):
        measure = "zero_plant" if mode.startswith("clock") else "zero"
        yield Injection(name, "machine", mode, names, within, True, needs="live", measure=measure)


_WAY_S = 0.05
"""Room for a foreign message on its way, and for what it causes on its way through the gate. [s]"""
_FOREIGN_BEATS = ("heartbeat_out_of_order", "heartbeat_repeated", "heartbeat_gap", "heartbeat_clock")
INJECTIONS: tuple[Injection, ...] = (
    *_inputs(),
    Injection(
        "odometry_reorder",
        "odometry",
        "reorder",
        ("state_out_of_order",),
        fault("state_out_of_order").within_s
        + 2.0 / interface("odom").rate_hz,  # the third message is the first late one
        zero=True,
    ),
    _detected("obstacles", "spike", "obstacles_implausible"),
    Injection(
        "obstacles_miss",
        "obstacles",
        "miss",
        safe_by="not detectable by the arc: the lidar shows the same people, but as things that stand",
        residual=_ONE_TRACKER,
    ),
    Injection(
        "obstacles_box",
        "obstacles",
        "box",
        (),
        fault("state_stale").within_s,
        True,
        "zero is always admissible",
    ),
    _detected("all", "drop", "state_stale"),
    Injection("proposal_adversarial", "proposal", "adversarial", safe_by="the barrier bounds every proposal"),
    _detected("clock", "forward", "state_stale"),
    _detected("clock", "backward", "clock_backwards"),
    _detected("clock", "nan", "clock_backwards"),
    Injection(
        "ticks_overrun", "ticks", "overrun", safe_by="a command holds for four periods; clearance and latency"
    ),
    Injection(
        "solver_late", "solver", "late", safe_by="the admissible share of the proposal needs no solver"
    ),
    Injection(
        "learned_always_safe",
        "learned",
        "always_safe",
        safe_by="the stopping barrier is enforced after the learned one",
        needs="learned",
    ),
    Injection("actuator_loss", "actuator", "loss", safe_by="the drive that gets nothing brakes"),
    Injection(
        "actuator_half", "actuator", "half", safe_by="not detectable by the arc: less speed than commanded"
    ),
    Injection(
        "actuator_stuck",
        "actuator",
        "stuck",
        safe_by="not detectable by the arc: needs the drive's own brake",
        residual=_ONE_DRIVE,
    ),
    Injection("arc_killed", "process", "arc", ("heartbeat_late",), _LATE, True, needs="gate"),
    Injection("supervisor_killed", "process", "supervisor", ("heartbeat_late",), _LATE, True, needs="gate"),
    Injection("gate_partition", "process", "partition", ("heartbeat_late",), _LATE, True, needs="gate"),
    *_live(),
)
NOT_INJECTABLE: dict[str, str] = {
    "a lock that a process of low priority holds": "the locks are inside the middleware, and no process can be stopped "
    "at the moment at which it holds one; a process of low priority that others wait for is `supervisor_starved`",
    "packets dropped between processes": "needs the rights of an administrator; `supervisor_cut` stops what carries "
    "the supervisor's beats instead",
    "the hardware of an emergency stop": "there is none",
}
"""Faults of the list that cannot be injected here, and why."""


def delay_s(row: Injection) -> float:
    """Return the delay of a `delay` row, twice the oldest age that the arc accepts. [s]"""
    return 2.0 * interface(_INPUTS[row.channel][1]).max_age_s


def injection(name: str) -> Injection:
    """Return the row of the given name.

    Raises:
        UnknownNameError: no such row; the message lists those that exist.
    """
    for row in INJECTIONS:
        if row.name == name:
            return row
    raise UnknownNameError(
        "injected fault", name, (row.name for row in INJECTIONS), "the table of injections"
    )
