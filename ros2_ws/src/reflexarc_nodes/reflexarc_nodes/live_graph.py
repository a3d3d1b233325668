# SPDX-License-Identifier: Apache-2.0
"""The nodes of a supervised run as processes on a ROS domain of their own, and what a study hears of them.

Times are the senders' stamps of the middleware, on the machine's clock: how late the study itself is does not matter.
It takes its messages itself, without an executor: that of events hands no stamps on, the other one is too slow for a
machine that is kept busy.
"""

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from reflexarc.assurance.gate import SOURCES
from reflexarc.assurance.injection.processes import Processes
from reflexarc.core.errors import ReflexArcError
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, GATED, LEASE_S, heartbeat_topic
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Mode
from reflexarc_nodes.qos import advertise, listen

OVERRIDES = ("crowd.count=0", "missions.timeout_s=600.0", "duration_s=20000.0")
MISSIONS = 50
"""More than a study of half an hour drives; they take a tenth of a second each to plan."""
NODES = ("plant_node", "arc_node", "task_policy_node", "mission_node", "supervisor_node", "gate_node")
EXTRA: dict[str, dict[str, Any]] = {
    "plant_node": {"heartbeat": True},
    "arc_node": {"heartbeat": True},
    "mission_node": {"exit_when_done": False, "silence_s": 600.0},
}
MOVING, STANDING = 1.0, 0.02
"""Speeds above which the robot drives and below which it stands. [m/s]"""
SLOW = 0.9
"""A robot that has begun to drive may be slower by this factor until a fault begins."""
PATIENCE_S, START_S = 90.0, 300.0
"""Longest wait for something to happen, and for the robot to drive after a start: on a machine that does other things
beside, missions take minutes to plan. [s]"""
HISTORY = 20_000
"""Commands and beats that are kept: more than a minute."""
FAR = "far"
"""Namespace of the topic of beats that come through a relay."""
QUIET_S = 0.7
"""After this time of commands of which none moves the robot it has been stopped. [s]"""
FOREIGN_CLOCKS = 20
"""Foreign clock messages in a tenth of a second."""
TURN_S = 0.005
"""Time between two looks at what has come. [s]"""


class LiveGraph:
    """Processes and what is heard of them."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        domain: int,
        scenario: str,
        lease_s: float = LEASE_S,
        missions: int = MISSIONS,
    ):
        """Start every node.

        Args:
            folder: for logs.
            environment: of the processes; gets the domain.
            domain: of ROS.
            scenario: name or path of a supervised scenario.
            lease_s: of the gate. [s]
            missions: that the robot drives one after the other, with nobody in the way.
        """
        local = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.processes = Processes(folder, environment | local)
        self.lease_s, self.scenario = lease_s, scenario
        self.overrides = (f"missions.count={missions}", *OVERRIDES)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("fault_study", context=self.context, enable_rosout=False)
        self._heard: list[tuple[Any, Callable[[Any, Any], None]]] = []
        self.commands: deque[tuple[float, bool]] = deque(maxlen=HISTORY)
        """When each command after the gate was sent [s], and whether it moves the robot."""
        self.beats: dict[str, deque[tuple[float, int]]] = {s: deque(maxlen=HISTORY) for s in SOURCES}
        """Per source when each beat was sent [s], and its number."""
        self.plant_times: deque[tuple[float, float]] = deque(maxlen=HISTORY)
        """When each odometry was sent, and the plant's time. [s, s]"""
        self.names: list[tuple[float, str]] = []
        """When each fault was named [s]."""
        self.told: list[tuple[float, str]] = []
        """When the gate said that no command passes [s], and why."""
        self.looks: deque[float] = deque(maxlen=HISTORY)
        """When the study looked at what has come. [s]"""
        self.loops: list[float] = []
        """From a measurement of people to the command on it, of every tick without a fault. [s]"""
        self.last_motion = self.first_zero = self.stood = self.speed = 0.0
        self.mode, self.mode_reason, self.open, self.relaying = "", "", False, True
        self.foreign = 0.0
        """When a beat with a lower number than the one before was sent last. [s]"""
        self._listen()
        try:
            self.start_all()
        except BaseException:
            self.close()
            raise

    def start_all(self) -> None:
        """Start every node, or start it again."""
        self.processes.end_all()
        self.begun = time.monotonic()
        for name in NODES:
            self.start(name)

    def start(self, name: str, label: str = "", remaps: tuple[str, ...] = ()) -> None:
        """Start a node, under another label a second one."""
        parameters = {
            "scenario": self.scenario,
            "use_sim_time": True,
            "overrides": str(list(self.overrides)),
        } | EXTRA.get(name, {})
        if name == "gate_node":
            parameters = {"use_sim_time": True, "lease_s": self.lease_s}
        words = [f"{key}:={str(v).lower() if isinstance(v, bool) else v}" for key, v in parameters.items()]
        command = [sys.executable, "-m", f"reflexarc_nodes.{name}", "--ros-args"]
        command += [word for pair in words for word in ("-p", pair)]
        if name == "plant_node":
            remaps = (*remaps, f"cmd_vel:={GATED}")
        command += [word for remap in remaps for word in ("-r", remap)]
        self.processes.start(label or name, command)

    def until(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Listen until something holds.

        Raises:
            ReflexArcError: it does not within `patience_s`.
        """
        end = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(self.processes.tail(name, 300) for name in NODES)
                raise ReflexArcError(f"did not happen within {patience_s:g} s: {what}\n{logs}")
            self.take()
            time.sleep(TURN_S)

    def take(self) -> None:
        """Take every message that is there."""
        self.looks.append(time.time())
        for subscription, callback in self._heard:
            with subscription.handle:
                while (found := subscription.handle.take_message(subscription.msg_type, False)) is not None:
                    callback(*found)

    def listen_for(self, duration_s: float) -> None:
        """Listen for some time. [s]"""
        end = time.monotonic() + duration_s
        self.until(lambda: time.monotonic() > end, "time passes", duration_s + 1.0)

    def drive(self, steady_s: float = 0.0) -> None:
        """Acknowledge every half second until the robot drives, and has driven for `steady_s`. [s]

        Raises:
            ReflexArcError: it does not.
        """
        due, since = 0.0, 0.0

        def moving() -> bool:
            nonlocal due, since
            now = time.monotonic()
            if not self.open and now > due:
                due = now + 0.5
                self.operator.publish(String(data="the study"))
            if not self.open or self.speed < MOVING * (SLOW if since else 1.0):
                since = 0.0
            elif not since:
                since = now
            return bool(since) and now - since >= steady_s

        left = START_S - (time.monotonic() - self.begun)
        self.until(moving, "the robot drives", max(PATIENCE_S, left))

    def stopped(self, begun: float) -> bool:
        """Whether the gate has sent nothing but zero for a while, by its own stamps."""
        newest = self.commands[-1][0] if self.commands else 0.0
        return newest - max(self.last_motion, begun) > QUIET_S

    def moved(self, begun: float) -> bool:
        """Whether a command moved the robot when something began, or later."""
        return self.last_motion > begun - interface(GATED).max_age_s

    def plant_time(self, sent: float) -> float:
        """Return the plant's time of the newest odometry that was sent by then; inf: none was. [s]"""
        return next((stamp for when, stamp in reversed(self.plant_times) if when <= sent), math.inf)

    def foreign_clock(self, offset_s: float) -> float:
        """Publish foreign clock messages beside the true ones, `offset_s` off; return when the first was sent. [s]

        Nodes keep the newest message only, so one alone might be missed between two true ones.
        """
        begun = time.time()
        for _ in range(FOREIGN_CLOCKS):
            self.take()
            seconds = max(0.0, self._clock + offset_s)
            message = Clock()
            message.clock.sec, message.clock.nanosec = int(seconds), int(1e9 * (seconds % 1.0))
            self._clock_sender.publish(message)
            time.sleep(TURN_S)
        return begun

    def close(self) -> None:
        """End every node and stop listening."""
        try:
            self.processes.end_all()
        finally:
            self.node.destroy_node()
            rclpy.shutdown(context=self.context)

    def _listen(self) -> None:
        self._clock = 0.0
        self._subscribe(GATED, self._command)
        self._subscribe("odom", self._odometry)
        self._subscribe("verdict", self._verdict)
        self._subscribe("/diagnostics", self._diagnostics)
        self._subscribe("mode", self._mode)
        self._subscribe(heartbeat_topic("gate"), lambda m, _: setattr(self, "open", m.motion))
        for source in SOURCES:
            self._subscribe(heartbeat_topic(source), self._beat)
        self.operator = advertise(self.node, ACKNOWLEDGE)
        self._clock_sender = advertise(self.node, "clock")
        beats = heartbeat_topic("supervisor")
        self._near = advertise(self.node, beats)
        self._subscribe(beats, self._relay, FAR)

    def _subscribe(self, name: str, callback: Callable[[Any, Any], None], under: str = "") -> None:
        made = listen(self.node, name, lambda _: None, every=True, under=under)
        self._heard.append((made, callback))

    def _mode(self, message: Any, _: Any) -> None:
        self.mode, self.mode_reason = Mode(message.mode).name, message.reason

    def _relay(self, message: Any, _: Any) -> None:
        if self.relaying:
            self._near.publish(message)

    def _beat(self, message: Any, info: Any) -> None:
        sent, beats = 1e-9 * info["source_timestamp"], self.beats.get(message.source)
        if beats is None:
            return
        if beats and message.seq < beats[-1][1]:
            self.foreign = sent
        beats.append((sent, message.seq))

    def _command(self, message: Any, info: Any) -> None:
        sent = 1e-9 * info["source_timestamp"]
        moves = message.twist.linear.x != 0.0 or message.twist.angular.z != 0.0
        self.commands.append((sent, moves))
        if moves:
            self.last_motion = sent
        elif self.first_zero <= self.last_motion:
            self.first_zero = sent

    def _odometry(self, message: Any, info: Any) -> None:
        speed, sent = abs(message.twist.twist.linear.x), 1e-9 * info["source_timestamp"]
        self._clock = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.plant_times.append((sent, self._clock))
        if speed < STANDING <= self.speed:
            self.stood = sent
        self.speed = speed

    def _verdict(self, message: Any, info: Any) -> None:
        sent = 1e-9 * info["source_timestamp"]
        self.names.extend((sent, name) for name in message.faults)
        if message.obstacles_stamp >= 0.0 and not message.faults:
            self.loops.append(message.now - message.obstacles_stamp + message.time_used)

    def _diagnostics(self, message: Any, info: Any) -> None:
        """Take why no command passes, and the name before the colon where it is a fault."""
        sent = 1e-9 * info["source_timestamp"]
        for status in message.status:
            if status.name != "gate_node" or "no command passes" not in status.message:
                continue
            self.told.append((sent, status.message))
            if ": no command passes" in status.message:
                self.names.append((sent, status.message.split(":")[0]))
