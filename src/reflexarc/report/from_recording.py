# SPDX-License-Identifier: Apache-2.0
"""The run log of a live run, read from its recording."""

from bisect import bisect_right
from typing import Any

import numpy as np

from reflexarc.core import wire
from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls
from reflexarc.report.recording import Recorded, Recording
from reflexarc.report.runlog import RunLog, RunLogBuilder

OUTCOME_WORDS = ("", "success", "cargo lost", "physical assistance", "timeout", "unfinished")
"""`MissionStatus.outcome` in words."""
UNKNOWN_POSE, UNKNOWN_TWIST = np.full(3, np.nan), np.full(2, np.nan)
"""Of ticks before the first odometry."""
UNDER_WAY, ENDED = 1, 2
"""`MissionStatus.state`."""


def log_from_recording(recording: Recording) -> RunLog:
    """Return the log of a recorded run: one row per verdict; without the arc, per odometry message.

    Without the arc the proposal goes straight to the robot, as its command.

    Raises:
        RecordingError: the recording has no odometry.
    """
    log = RunLogBuilder()
    _events(recording, log)
    _pedestrians(recording, log)
    odometry = _Series(recording.topic("odom"))
    clearance = _Series(recording.optional_topic("clearance"))
    verdicts = recording.optional_topic("verdict")
    proposals = _Series(recording.optional_topic("proposal" if verdicts else "cmd_vel"))
    for entry in verdicts or odometry.entries:
        verdict, record = wire.verdict_from(entry.message) if verdicts else (None, None)
        now = verdict.now if verdict else wire.seconds(entry.message.header.stamp)
        measured, proposal, near = odometry.at(now), proposals.at(now), clearance.at(now)
        pose, twist = (UNKNOWN_POSE, UNKNOWN_TWIST) if measured is None else wire.odometry_from(measured)[3:]
        state = BaseState(now, FIXED_FRAME, pose, twist, Obstacles.none(now), Walls.none())
        wanted = wire.proposal_from(proposal) if proposal is not None else None
        if verdict is not None:
            command = verdict.command
        else:
            command = wanted.twist if wanted is not None else np.zeros(2)
        distance = near.range if near is not None else np.nan
        log.tick(state, wanted, command, verdict, distance, record.lateness if record else np.nan)
    return log.finish()


def mission_text(message: Any) -> str:
    """Say in a sentence what a reflexarc_msgs/MissionStatus reports; empty when it is no start and no end."""
    if message.state == UNDER_WAY:
        return f"mission {message.number} started, goal ({message.goal.x:.1f}, {message.goal.y:.1f}) m"
    if message.state == ENDED:
        return (
            f"mission {message.number} ended: {OUTCOME_WORDS[message.outcome]} after {message.duration:.1f} s"
        )
    return ""


class _Series:
    """Messages of one topic by their stamps."""

    def __init__(self, entries: list[Recorded]) -> None:
        self.entries = sorted(entries, key=lambda entry: wire.seconds(entry.message.header.stamp))
        self._stamps = [wire.seconds(entry.message.header.stamp) for entry in self.entries]

    def at(self, time: float) -> Any | None:
        """Return the newest message not newer than `time` [s], None before the first."""
        index = bisect_right(self._stamps, time) - 1
        return self.entries[index].message if index >= 0 else None


def _events(recording: Recording, log: RunLogBuilder) -> None:
    for topic, convert in (
        ("contact_events", wire.contact_from),
        ("cargo_events", wire.cargo_from),
        ("rollover_events", wire.rollover_from),
    ):
        for entry in recording.optional_topic(topic):
            log.plant_event(convert(entry.message))
    for entry in recording.optional_topic("mission"):
        message = entry.message
        text = mission_text(message)
        if text:
            details = {"number": message.number, "ended": message.state == ENDED, "state": "started"}
            if message.state == ENDED:
                word = OUTCOME_WORDS[message.outcome].replace(" ", "_")
                details |= {"state": "ended", "outcome": word, "duration": message.duration}
            goal = [message.goal.x, message.goal.y]
            log.event(wire.seconds(message.header.stamp), "mission", text, goal=goal, **details)


def _pedestrians(recording: Recording, log: RunLogBuilder) -> None:
    """Add the true positions, or the tracked ones where no truth was recorded (on a robot)."""
    for entry in recording.optional_topic("pedestrians") or recording.optional_topic("obstacles"):
        people = wire.obstacles_from(entry.message)
        names = people.ids or tuple(str(number) for number in range(len(people)))
        log.pedestrians(people.stamp, names, people.position)
