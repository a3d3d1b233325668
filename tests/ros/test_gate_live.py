# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Supervisor and gate as processes beside a real arc_node: a dead or stopped one means zero, and a person reopens.

The probe stands for plant, sensors and policy of a robot that does not move. The lease is longer than on a robot, since
the machine that tests run on does other things beside.
"""

import importlib.util
import math
import signal
import sys
import time
from pathlib import Path

import pytest

from reflexarc.core.types import FIXED_FRAME, Mode, Obstacles

pytestmark = [pytest.mark.ros, pytest.mark.slow]

_SPEC = importlib.util.spec_from_file_location(
    "small_table", Path(__file__).parents[1] / "assurance" / "small_table.py"
)
small_table = importlib.util.module_from_spec(_SPEC)
sys.modules["small_table"] = small_table
_SPEC.loader.exec_module(small_table)

LEASE_S, DWELL_S = 0.5, 0.3
ROOM_S = 0.5
"""Added to declared times for a machine that does other things beside. [s]"""
TURN_S = 0.02


class Robot:
    """Sensors, policy and plant beats of a standing robot, and what comes out of the gate."""

    def __init__(self, probe, graph, fake, table):
        from reflexarc.assurance.heartbeat import Heart
        from reflexarc.core.interfaces import interface

        self.probe, self.graph, self.table = probe, graph, table
        self.fake = fake
        self.person = 50.0
        self.heart = Heart(interface("heartbeat/plant").rate_hz)
        self.measured = 0.0
        probe.listen("cmd_vel_gated", "heartbeat/gate", "mode", "/diagnostics")

    def begin(self, node):
        special = {
            "arc_node": {"needs_map": False, "heartbeat": True},
            "supervisor_node": {"table": self.table},
            "gate_node": {"lease_s": LEASE_S, "dwell_s": DWELL_S},
        }
        self.graph.start(node, use_sim_time=False, **special[node])

    def begin_all(self):
        """Start the three nodes; the probe finds a subscriber of everything that it publishes, which takes its time."""
        for node in ("arc_node", "supervisor_node", "gate_node"):
            self.begin(node)
        self.live()
        self.acknowledge("")

    def live(self):
        """Publish what is due."""
        from reflexarc_msgs.msg import Heartbeat

        now = time.monotonic()
        seq = self.heart.beat(now)
        if seq is not None:
            self.probe.publish("heartbeat/plant", Heartbeat(source="plant", seq=seq, steady=now, motion=True))
        if now - self.measured >= 0.03:
            self.measured = now
            self.fake.publish(odom_age=0.0)
            self.probe.publish("obstacles", self.tracks())

    def tracks(self):
        """Somebody to the left of the robot."""
        from reflexarc_nodes.convert import obstacles_to

        now = time.time()
        return obstacles_to(
            Obstacles(now, FIXED_FRAME, [[0.0, self.person]], [[0, 0]], [0.3], [0.05], [0.05], ("somebody",))
        )

    def until(self, condition, timeout, what):
        return self.probe.until(lambda: self.live() or condition(), timeout, what)

    def open(self):
        beat = self.probe.last("heartbeat/gate")
        return beat is not None and beat.motion

    def passes(self):
        """Whether the newest commands move the robot."""
        last = self.probe.messages["cmd_vel_gated"][-3:]
        return self.open() and len(last) == 3 and all(m.twist.linear.x > 0.0 for m in last)

    def acknowledge(self, name="the test"):
        from std_msgs.msg import String

        self.probe.publish("acknowledge_events", String(data=name))

    def acknowledge_until_it_passes(self):
        """Acknowledge as an operator who looks again every half second."""
        due = 0.0

        def look():
            nonlocal due
            if time.monotonic() > due:
                due = time.monotonic() + 0.5
                self.acknowledge()
            return self.passes()

        self.until(look, 30.0, "commands pass after an acknowledgement")

    def until_mode(self, mode):
        """Wait for a mode and return its reason."""
        last = self.until(
            lambda: (m := self.probe.last("mode")) and m.mode == mode and m, 30.0, f"mode {mode.name}"
        )
        return last.reason

    def time_to_zero(self, wound):
        """Do something to a process and return the time until the last command that was not zero. [s]"""
        moving = [time.monotonic()]
        self.probe.messages["cmd_vel_gated"].clear()
        begun = time.monotonic()
        wound()
        seen = 0

        def zero():
            nonlocal seen
            messages = self.probe.messages["cmd_vel_gated"]
            for message in messages[seen:]:
                if message.twist.linear.x != 0.0 or message.twist.angular.z != 0.0:
                    moving.append(time.monotonic())
            seen = len(messages)
            return not self.open() and time.monotonic() - moving[-1] > 0.3

        self.until(zero, 10.0, "the gate closes and commands are zero")
        return moving[-1] - begun

    def gate(self, condition, what):
        """Wait for new diagnostics of the gate that fulfil a condition and return them."""
        self.probe.messages["/diagnostics"].clear()
        return self.until(
            lambda: (h := self.probe.health("gate_node")) and condition(*h) and h, 60.0, f"the gate: {what}"
        )

    def is_ready(self):
        return self.gate(lambda level, text, values: values["ready"] == "1", "ready")


@pytest.fixture(scope="module")
def robot(new_domain, graph_class, probe_class, fake_robot_class, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    domain = new_domain()
    graph, probe = graph_class(domain, folder), probe_class(domain)
    table = folder / "small.table.json"
    small_table.write_small_table(table)
    try:
        made = Robot(probe, graph, fake_robot_class(probe, topics=("odom", "scan", "proposal")), table)
        made.begin_all()
        yield made
    finally:
        codes = graph.stop()
        probe.close()
        for name in graph.processes:  # shown by pytest when a test failed
            print(f"--- {name}\n{graph.log(name)[-3000:]}")
    assert {name: code for name, code in codes.items() if code} == {"gate_node": -9}


def test_the_gate_of_a_node_is_that_of_lock_step():
    from reflexarc.assurance.gate import GateConfig
    from reflexarc_nodes.gate_node import GateParameters

    assert GateParameters().gate_config() == GateConfig()


def test_good_beats_alone_do_not_open_the_gate_and_an_acknowledgement_needs_a_name(robot):
    robot.is_ready()
    assert not robot.open()
    assert robot.probe.last("mode").mode == Mode.PROTECTIVE_STOP
    robot.acknowledge_until_it_passes()
    assert "acknowledged by '': refused: nobody put a name to it" in robot.graph.log("gate_node")
    assert robot.probe.last("mode").mode == Mode.NORMAL


def test_a_person_near_slows_the_arc_and_an_unknown_one_stops_it_until_it_is_acknowledged(robot):
    robot.person = 1.2
    assert "near" in robot.until_mode(Mode.SPEED_SEPARATION)
    robot.person = math.nan
    assert "unknown" in robot.until_mode(Mode.PROTECTIVE_STOP)
    robot.person = 50.0
    end = time.monotonic() + 1.3
    robot.until(lambda: time.monotonic() > end, 10.0, "the dwell passes")
    assert robot.probe.last("mode").mode == Mode.PROTECTIVE_STOP, "it is latched"
    robot.acknowledge_until_it_passes()


def test_a_stopped_or_killed_process_means_zero_within_the_lease(robot):
    arc = robot.graph.processes["arc_node"]
    stopped = robot.time_to_zero(lambda: arc.send_signal(signal.SIGSTOP))
    assert stopped <= LEASE_S + TURN_S + ROOM_S
    level, _, values = robot.gate(
        lambda level, text, values: "heartbeat_late: no command passes: arc" in text, "arc is late"
    )
    assert (level, values["open"], values["closings"]) == (2, "0", "1")
    arc.send_signal(signal.SIGCONT)
    robot.is_ready()
    assert not robot.open(), "an arc that goes on does not open it"
    robot.acknowledge_until_it_passes()

    killed = robot.time_to_zero(lambda: robot.graph.kill("supervisor_node"))
    assert killed <= LEASE_S + TURN_S + ROOM_S
    robot.gate(
        lambda level, text, values: "heartbeat_late: no command passes: supervisor" in text,
        "supervisor is late",
    )
    robot.begin("supervisor_node")
    robot.acknowledge_until_it_passes()


def test_a_killed_gate_is_missed_by_the_supervisor(robot):
    robot.graph.kill("gate_node")
    assert "gate_silent" in robot.until_mode(Mode.PROTECTIVE_STOP)


def test_a_lease_of_zero_is_refused(probe_and_graph):
    probe, graph = probe_and_graph
    process = graph.start("gate_node", lease_s=0.0)
    probe.until(lambda: process.poll() is not None, 30.0, "gate_node ends")
    assert process.returncode == 2
    assert "parameter 'lease_s'" in graph.log("gate_node") and "from 0.005 to 5 s" in graph.log("gate_node")


def test_a_tampered_table_keeps_the_supervisor_from_starting(probe_and_graph, tmp_path):
    probe, graph = probe_and_graph
    table = tmp_path / "small.table.json"
    small_table.write_small_table(table)
    table.write_text(table.read_text().replace('"SPEED_SEPARATION"', '"NORMAL"'))
    process = graph.start("supervisor_node", table=table)
    probe.until(lambda: process.poll() is not None, 30.0, "supervisor_node ends")
    assert process.returncode == 1
    assert "does not agree with its digest" in graph.log("supervisor_node")
    assert "Traceback" not in graph.log("supervisor_node")
