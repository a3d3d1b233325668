# SPDX-License-Identifier: Apache-2.0
"""What a drive looked like on one clock: commands, measured pose and velocity, push of the wheels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core import wire
from reflexarc.core.errors import RecordingError
from reflexarc.core.gate_interfaces import GATED
from reflexarc.core.types import Array
from reflexarc.report.recording import Recorded, Recording

PERIOD = 0.005
"""Between two samples: one step of plant and arc. [s]"""
LONGEST_GAP = 0.1
"""Odometry or commands missing for longer cannot be compared: the maximum age of `cmd_vel`. [s]"""
CLOCK_S = 0.01
"""Between two messages of a simulated clock: how well the time of a plant that is kept waiting is known. [s]"""
STANDSTILL = 0.05
"""Speed below which the robot stands. [m/s]"""


@dataclass(frozen=True, slots=True)
class Trace:
    """One drive from standstill, on a grid of `PERIOD`."""

    command: Array
    """Forward and yaw velocity that the robot was sent, shape (n, 2). [m/s, rad/s]"""
    pose: Array
    """x, y and unwrapped yaw, shape (n, 3). [m, m, rad]"""
    twist: Array
    """Measured forward and yaw velocity, shape (n, 2). [m/s, rad/s]"""
    push: Array
    """Sum of the torques of both driven wheels, shape (n,); NaN where it was not measured. [N m]"""

    @property
    def seconds(self) -> float:
        """Length. [s]"""
        return len(self.command) * PERIOD


def trace_from(recording: Recording) -> Trace:
    """Return the drive in a recording: measurements interpolated, commands held, those past their maximum age zero.

    Commands that pause are what the robot saw, unless the numbers of the verdicts say that the recorder missed some.

    Raises:
        RecordingError: odometry or commands are missing, have gaps, are not finite or out of order, or the robot was
            moving at the start, so that a twin cannot begin there.
    """
    stamps, rows = _series(recording, "odom", _odometry)
    sent = next((name for name in (GATED, "cmd_vel") if recording.optional_topic(name)), "verdict")
    longest = LONGEST_GAP if _ticks_are_missing(recording) else math.inf
    command_stamps, commands = _series(
        recording, sent, _command, longest, _on_the_plants_clock(recording, sent)
    )
    begin, end = max(stamps[0], command_stamps[0]), min(stamps[-1], command_stamps[-1])
    count = int(np.floor((end - begin) / PERIOD + 1e-6)) + 1
    if count < 2:
        raise RecordingError(f"{recording.path}: odometry and {sent} do not overlap; nothing was compared")
    time = begin + PERIOD * np.arange(count)
    rows[:, 2] = np.unwrap(rows[:, 2])
    grid = np.stack([np.interp(time, stamps, column) for column in rows.T], axis=1)
    newest = np.searchsorted(command_stamps, time + 1e-9, side="right") - 1
    *_, stamped = held = commands[newest].T
    held = np.where(np.abs(time - stamped) > LONGEST_GAP + 1e-9, 0.0, held[:2]).T
    if abs(grid[:20, 3].mean()) > STANDSTILL:
        raise RecordingError(
            f"{recording.path}: the robot moves at {grid[:20, 3].mean():.2f} m/s at the start; a log must begin at a "
            f"standstill (below {STANDSTILL} m/s), where a twin can begin too"
        )
    return Trace(held, grid[:, :3], grid[:, 3:], _push(recording, time))


def _ticks_are_missing(recording: Recording) -> bool:
    numbers = [entry.message.seq for entry in recording.optional_topic("verdict")]
    return any(b > a + 1 for a, b in zip(numbers, numbers[1:], strict=False))


def _on_the_plants_clock(recording: Recording, topic: str) -> Array:
    """Return when each message was sent, shape (n,): its stamp, unless a simulated plant was kept waiting then. [s]

    Its time stands still meanwhile, while that of the senders goes on; what they send is executed at the next step, at
    the time that the plant published last.
    """
    entries = recording.topic(topic)
    stamps = np.array([wire.seconds(entry.message.header.stamp) for entry in entries])
    clock = recording.optional_topic("clock")
    if not clock:
        return stamps  # a robot, or lock-step: one clock
    published = np.maximum.accumulate([wire.seconds(entry.message.clock) for entry in clock])
    heard = np.searchsorted([e.log_time for e in clock], [e.log_time for e in entries], side="right") - 1
    return np.where(heard >= 0, np.minimum(stamps, published[heard] + CLOCK_S), stamps)


def _series(
    recording: Recording, topic: str, read: Any, longest: float = LONGEST_GAP, stamps: Array | None = None
) -> tuple[Array, Array]:
    entries = recording.topic(topic)
    if stamps is None:
        stamps = np.array([wire.seconds(entry.message.header.stamp) for entry in entries])
    values = np.array([read(entry) for entry in entries], dtype=np.float64)
    if len(stamps) < 2:
        raise RecordingError(f"{recording.path}: {topic} has {len(stamps)} messages, two are needed")
    where, finite = f"{recording.path}: {topic}", np.isfinite(values).all(axis=1)
    if not finite.all():
        raise RecordingError(f"{where} at {stamps[~finite][0]:.3f} s is not finite; nothing was compared")
    if (np.diff(stamps) < 0.0).any():
        raise RecordingError(f"{where} goes back in time; nothing was compared")
    # Time stands still while a live run waits for its nodes: of one stamp the newest counts.
    newest = np.append(np.diff(stamps) > 0.0, True)
    changed = ~newest[:-1] & (np.diff(values, axis=0) != 0.0).any(axis=1)
    if topic == "odom" and changed.any():
        at = stamps[:-1][changed][0]
        raise RecordingError(f"{where} at {at:.3f} s says two things under one stamp; nothing was compared")
    stamps, values = stamps[newest], values[newest]
    gap = np.diff(stamps).max(initial=0.0)
    if gap > longest:
        raise RecordingError(
            f"{where} is missing for {gap:.3f} s, allowed: {longest} s; nothing was compared"
        )
    return stamps, values


def _odometry(entry: Recorded) -> tuple[float, ...]:
    odometry = wire.odometry_from(entry.message)
    return (*odometry.pose.tolist(), *odometry.twist.tolist())


def _command(entry: Recorded) -> list[float]:
    """Return forward and yaw velocity, and the stamp, by which the robot judges the command's age."""
    twist = entry.message.command if hasattr(entry.message, "command") else entry.message.twist
    return [*wire.twist_from(twist).tolist(), wire.seconds(entry.message.header.stamp)]


def _push(recording: Recording, time: Array) -> Array:
    entries = recording.optional_topic("joint_states")
    if len(entries) < 2:
        return np.full(len(time), np.nan)
    stamps = np.array([wire.seconds(entry.message.header.stamp) for entry in entries])
    values = np.array([sum(entry.message.effort) for entry in entries], dtype=np.float64)
    return np.interp(time, stamps, values, left=np.nan, right=np.nan)
