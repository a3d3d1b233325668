# SPDX-License-Identifier: Apache-2.0
"""What a drive looked like on one clock: commands, measured pose and velocity, push of the wheels."""

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
    """Return the drive in a recording: measurements interpolated, commands held.

    Raises:
        RecordingError: odometry or commands are missing, have gaps, are not finite or out of order, or the robot was
            moving at the start, so that a twin cannot begin there.
    """
    stamps, rows = _series(recording, "odom", _odometry)
    sent = next((name for name in (GATED, "cmd_vel") if recording.optional_topic(name)), "verdict")
    command_stamps, commands = _series(recording, sent, _command)
    begin, end = max(stamps[0], command_stamps[0]), min(stamps[-1], command_stamps[-1])
    count = int(np.floor((end - begin) / PERIOD + 1e-6)) + 1
    if count < 2:
        raise RecordingError(f"{recording.path}: odometry and {sent} do not overlap; nothing was compared")
    time = begin + PERIOD * np.arange(count)
    rows[:, 2] = np.unwrap(rows[:, 2])
    grid = np.stack([np.interp(time, stamps, column) for column in rows.T], axis=1)
    held = commands[np.searchsorted(command_stamps, time + 1e-9, side="right") - 1]
    if abs(grid[:20, 3].mean()) > STANDSTILL:
        raise RecordingError(
            f"{recording.path}: the robot moves at {grid[:20, 3].mean():.2f} m/s at the start; a log must begin at a "
            f"standstill (below {STANDSTILL} m/s), where a twin can begin too"
        )
    return Trace(held, grid[:, :3], grid[:, 3:], _push(recording, time))


def _series(recording: Recording, topic: str, read: Any) -> tuple[Array, Array]:
    entries = recording.topic(topic)
    stamps = np.array([wire.seconds(entry.message.header.stamp) for entry in entries])
    values = np.array([read(entry) for entry in entries], dtype=np.float64)
    if len(stamps) < 2:
        raise RecordingError(f"{recording.path}: {topic} has {len(stamps)} messages, two are needed")
    steps = np.diff(stamps)
    if not np.isfinite(values).all():
        first = stamps[~np.isfinite(values).all(axis=1)][0]
        raise RecordingError(
            f"{recording.path}: {topic} at {first:.3f} s is not finite; nothing was compared"
        )
    if (steps <= 0.0).any():
        raise RecordingError(f"{recording.path}: {topic} goes back in time or repeats a stamp")
    if steps.max() > LONGEST_GAP:
        raise RecordingError(
            f"{recording.path}: {topic} is missing for {steps.max():.3f} s, allowed: {LONGEST_GAP} s; nothing was "
            "compared"
        )
    return stamps, values


def _odometry(entry: Recorded) -> tuple[float, ...]:
    odometry = wire.odometry_from(entry.message)
    return (*odometry.pose.tolist(), *odometry.twist.tolist())


def _command(entry: Recorded) -> list[float]:
    twist = entry.message.command if hasattr(entry.message, "command") else entry.message.twist
    return wire.twist_from(twist).tolist()


def _push(recording: Recording, time: Array) -> Array:
    entries = recording.optional_topic("joint_states")
    if len(entries) < 2:
        return np.full(len(time), np.nan)
    stamps = np.array([wire.seconds(entry.message.header.stamp) for entry in entries])
    values = np.array([sum(entry.message.effort) for entry in entries], dtype=np.float64)
    return np.interp(time, stamps, values, left=np.nan, right=np.nan)
