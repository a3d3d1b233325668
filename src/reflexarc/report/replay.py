# SPDX-License-Identifier: Apache-2.0
"""Feed a recording's states and proposals through a fresh arc and compare every verdict bit by bit.

Each verdict message names the stamps of the inputs that its tick used, so the tick is repeated with exactly
those: the odometry, the obstacles, the scan (placed with the odometry that placed it live), the map's
keep-outs and the proposal. Wall times are not compared; everything else must be equal, NaN to NaN.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from reflexarc.arc import Arc, ArcConfig, build_arc
from reflexarc.arc.inputs import ArcInputs
from reflexarc.core import wire
from reflexarc.core.errors import RecordingError
from reflexarc.core.types import BaseState, Mode, Proposal, Status, Verdict, Walls
from reflexarc.report.recording import Recorded, Recording
from reflexarc.robots import load_base

COMPARED = tuple(field.name for field in fields(Verdict) if field.compare)
"""Fields of a verdict that a replay must reproduce."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One verdict that came out differently."""

    seq: int
    """Tick counted from activation."""
    now: float
    """[s]"""
    field: str
    recorded: Any
    replayed: Any

    def __str__(self) -> str:
        return (
            f"tick {self.seq} at {self.now:.3f} s: {self.field} was {self.recorded!r} when recorded, "
            f"is {self.replayed!r} in the replay"
        )


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay found."""

    ticks: int
    """Verdicts in the recording."""
    equal: int
    """Verdicts that came out the same."""
    differences: tuple[Difference, ...]
    """First differing field of every other verdict that could be replayed."""
    missing: tuple[int, ...]
    """Ticks whose inputs are not in the recording; the first ones, where its topics were found one by one."""
    gaps: int
    """Ticks missing between recorded verdicts."""

    @property
    def same(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.equal > 0 and not self.differences


def replay(
    recording: Recording, config: ArcConfig, progress: Callable[[float], None] | None = None
) -> ReplayResult:
    """Replay `recording` with an arc of `config`; `progress` receives the share done.

    Raises:
        RecordingError: the recording holds no verdicts.
    """
    verdicts = recording.topic("verdict")
    if not verdicts:
        raise RecordingError(
            f"{recording.path}: no verdict was recorded; a run without the arc cannot be replayed"
        )
    arc, inputs = build_arc(config), _Inputs(recording, config)
    equal = gaps = 0
    missing: list[int] = []
    differences: list[Difference] = []
    last = None
    for number, entry in enumerate(verdicts):
        recorded, tick = wire.verdict_from(entry.message, inputs.components)
        if last is not None and tick.seq <= last:
            arc.reset()  # the arc was activated again
        elif last is not None:
            gaps += tick.seq - last - 1
        last = tick.seq
        try:
            difference = _compare(arc, inputs, entry, recorded, tick)
        except KeyError:
            missing.append(tick.seq)
            continue
        equal += difference is None
        if difference is not None:
            differences.append(difference)
        if progress is not None and number % 500 == 0:
            progress(number / len(verdicts))
    return ReplayResult(len(verdicts), equal, tuple(differences), tuple(missing), gaps)


def first_difference(recorded: Verdict, replayed: Verdict) -> str | None:
    """Return the name of the first field that differs in any bit, None where all are equal."""
    return next(
        (name for name in COMPARED if not _same(getattr(recorded, name), getattr(replayed, name))), None
    )


def _compare(
    arc: Arc, inputs: "_Inputs", entry: Recorded, recorded: Verdict, tick: wire.TickRecord
) -> Difference | None:
    replayed = arc.tick(
        inputs.state(tick, entry.log_time),
        inputs.proposal(tick, entry.log_time),
        inputs.mode(recorded, entry.log_time),
        recorded.now,
    )
    name = first_difference(recorded, replayed)
    if name is None:
        return None
    return Difference(tick.seq, recorded.now, name, getattr(recorded, name), getattr(replayed, name))


def _same(a: Any, b: Any) -> bool:
    """Return whether two values are equal in every bit; NaN equals NaN, 0.0 is not -0.0."""
    if isinstance(a, np.ndarray):
        return np.asarray(a, dtype=np.float64).tobytes() == np.asarray(b, dtype=np.float64).tobytes()
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "change"):
        return (a.stage, a.reason) == (b.stage, b.reason) and _same(a.change, b.change)
    return a == b


class _Inputs:
    """The recorded inputs by their stamps."""

    def __init__(self, recording: Recording, config: ArcConfig) -> None:
        self._config = config
        self.components = load_base(config.robot).components
        self._odometry = _ByStamp(recording.optional_topic("odom"))
        self._obstacles = _ByStamp(recording.optional_topic("obstacles"))
        self._scans = _ByStamp(recording.optional_topic("scan"))
        self._proposals = _ByStamp(recording.optional_topic("proposal"))
        self._modes = recording.optional_topic("mode")
        keepouts = recording.optional_topic("keepouts")
        self._keepouts = wire.walls_from(keepouts[-1].message) if keepouts else None
        self._walls: dict[tuple[float, float], Walls] = {}

    def state(self, tick: wire.TickRecord, log_time: float) -> BaseState | None:
        """Return the state of a tick; KeyError where a message is not in the recording."""
        if tick.state_stamp < 0.0:
            return None
        odometry = wire.odometry_from(self._odometry.find(tick.state_stamp, log_time), self.components)
        obstacles = wire.obstacles_from(self._obstacles.find(tick.obstacles_stamp, log_time))
        walls = self._place(tick, log_time)
        return BaseState(odometry.stamp, odometry.frame_id, odometry.pose, odometry.twist, obstacles, walls)

    def proposal(self, tick: wire.TickRecord, log_time: float) -> Proposal | None:
        """Return the proposal of a tick."""
        if tick.proposal_stamp < 0.0:
            return None
        return wire.proposal_from(self._proposals.find(tick.proposal_stamp, log_time), self.components)

    def mode(self, recorded: Verdict, log_time: float) -> Mode:
        """Return the supervisor's mode; the verdict's own says it unless a latched fault raised it."""
        if recorded.status is not Status.LATCHED:
            return recorded.mode
        earlier = [entry for entry in self._modes if entry.log_time <= log_time]
        return wire.mode_from(earlier[-1].message) if earlier else Mode.NORMAL

    def _place(self, tick: wire.TickRecord, log_time: float) -> Walls:
        key = (tick.walls_stamp, tick.walls_pose_stamp)
        if key not in self._walls:
            message = self._scans.find(tick.walls_stamp, log_time)
            inputs = ArcInputs(self._config, needs_map=False)
            if self._keepouts is not None:
                inputs.add_keepouts(self._keepouts)
            placing = tick.walls_pose_stamp if tick.walls_pose_stamp >= 0.0 else tick.state_stamp
            inputs.add_odometry(wire.odometry_from(self._odometry.find(placing, log_time), self.components))
            inputs.add_obstacles(wire.obstacles_from(self._obstacles.find(tick.obstacles_stamp, log_time)))
            inputs.add_scan(wire.scan_from(message), message.header.frame_id)
            state = inputs.state()
            assert state is not None
            self._walls[key] = state.walls
        return self._walls[key]


class _ByStamp:
    """Messages of one topic by stamp; of several with one stamp, the newest recorded before a given time."""

    def __init__(self, entries: list[Recorded]) -> None:
        self._entries: dict[float, list[Recorded]] = {}
        for entry in entries:
            self._entries.setdefault(wire.seconds(entry.message.header.stamp), []).append(entry)

    def find(self, stamp: float, log_time: float) -> Any:
        """Return the message with this stamp [s]; KeyError where there is none."""
        entries = self._entries[stamp]
        index = bisect_right([entry.log_time for entry in entries], log_time) - 1
        return entries[max(index, 0)].message
