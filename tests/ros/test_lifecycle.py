# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""The lifecycle of the two nodes that can move a robot, and what each transition means for the command."""

import math
import time

import numpy as np
import pytest

from reflexarc.core.interfaces import interface
from reflexarc.core.types import FIXED_FRAME, Mode, Walls

pytestmark = [pytest.mark.ros, pytest.mark.slow]

READY_S = 60.0
"""Longest time for a node to start and answer on a busy machine. [s]"""


def transition(probe, node, name):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    number = getattr(Transition, f"TRANSITION_{name.upper()}")
    request = ChangeState.Request(transition=Transition(id=number))
    return probe.call(ChangeState, f"/{node}/change_state", request, READY_S).success


@pytest.fixture
def arc(probe_and_graph, fake_robot):
    """An arc_node that is not configured, with a robot in front of it that wants to drive."""
    probe, graph = probe_and_graph
    probe.listen("cmd_vel", "verdict", "/diagnostics")
    probe.process = graph.start("arc_node", autostart=False, needs_map=False, use_sim_time=False)
    probe.robot = fake_robot(probe)
    probe.graph = graph
    return probe


def speeds(probe):
    return [m.twist.linear.x for m in probe.messages["cmd_vel"]]


def drive(probe):
    def drives():
        probe.robot.publish(odom_age=0.0)
        return speeds(probe)[-1:] == [0.5]

    probe.until(drives, READY_S, "the proposal goes through")


def quiet(probe, duration=0.5):
    """Let `duration` [s] pass and return the commands that came."""
    probe.messages["cmd_vel"].clear()
    end = time.monotonic() + duration
    probe.until(lambda: time.monotonic() > end, 10.0 * duration + 5.0, "time passes")
    return speeds(probe)


def test_only_an_active_arc_commands_and_it_leaves_with_zero(arc):
    assert transition(arc, "arc_node", "configure")
    assert quiet(arc) == [], "configured is not active"
    assert transition(arc, "arc_node", "activate")
    drive(arc)
    assert transition(arc, "arc_node", "deactivate")
    arc.until(lambda: speeds(arc)[-1:] == [0.0], 5.0, "zero after deactivation")
    assert quiet(arc) == [], "silence after the zero"
    assert transition(arc, "arc_node", "activate")
    drive(arc)
    arc.robot.publish(odom_age=0.0)
    assert arc.graph.stop() == {"arc_node": 0}
    arc.until(lambda: speeds(arc)[-1:] == [0.0], 5.0, "zero when the process is told to end")


def test_cleanup_and_another_configuration(arc):
    assert transition(arc, "arc_node", "configure")
    assert transition(arc, "arc_node", "cleanup")
    assert not transition(arc, "arc_node", "activate"), "nothing to activate"
    assert transition(arc, "arc_node", "configure")
    assert transition(arc, "arc_node", "activate")
    drive(arc)


def test_legged_robot_gets_all_three_components_of_its_velocity(probe_and_graph, fake_robot):
    probe, graph = probe_and_graph
    probe.listen("cmd_vel", "verdict")
    graph.start("arc_node", autostart=True, needs_map=False, use_sim_time=False, robot="go2")
    robot = fake_robot(probe, wanted=(0.5, 0.25, -0.125))

    def walks():
        robot.publish(odom_age=0.0)
        command, verdict = probe.last("cmd_vel"), probe.last("verdict")
        return command and verdict and command.twist.linear.x == verdict.command.linear.x == 0.5

    probe.until(
        walks, READY_S, "the proposal goes through"
    )  # both: one tick's two messages do not arrive at once
    for twist in (probe.last("cmd_vel").twist, probe.last("verdict").command):
        assert (twist.linear.x, twist.linear.y, twist.angular.z) == (0.5, 0.25, -0.125)
    robot.wanted = (0.5, 0.0)  # a wheeled robot's proposal is a legged one's without a side step

    def forward():
        robot.publish(odom_age=0.0)
        return probe.last("cmd_vel").twist.linear.y == 0.0

    probe.until(forward, READY_S, "it walks straight on")


def test_arc_node_of_an_arm_refuses_to_start(probe_and_graph):
    _, graph = probe_and_graph
    process = graph.start("arc_node", autostart=True, needs_map=False, use_sim_time=False, robot="panda")
    assert process.wait(READY_S) != 0


@pytest.mark.parametrize("mode", [Mode.PROTECTIVE_STOP, Mode.EMERGENCY_STOP])
def test_stop_modes_stop_the_robot_and_normal_lets_it_go(arc, mode):
    from reflexarc_nodes.convert import mode_to

    transition(arc, "arc_node", "configure")
    transition(arc, "arc_node", "activate")
    drive(arc)
    arc.publish("mode", mode_to(time.time(), mode, "a test"))

    def stops():
        arc.robot.publish(odom_age=0.0)
        verdict = arc.last("verdict")
        return verdict is not None and verdict.mode == mode and speeds(arc)[-1] == 0.0

    arc.until(stops, 10.0, "the robot is told to stand")
    arc.publish("mode", mode_to(time.time(), Mode.NORMAL, "a test"))
    drive(arc)


def test_without_the_map_the_robot_stands(probe_and_graph, fake_robot):
    from reflexarc_nodes.convert import walls_to

    probe, graph = probe_and_graph
    probe.listen("cmd_vel", "verdict")
    graph.start("arc_node", use_sim_time=False)
    probe.robot = fake_robot(probe)
    end = time.monotonic() + 2.0

    def waits():
        probe.robot.publish(odom_age=0.0)
        return len(probe.messages["verdict"]) > 100 and time.monotonic() > end

    probe.until(waits, READY_S, "the arc ticks")
    assert set(speeds(probe)) == {0.0}
    assert "state_missing" in probe.last("verdict").faults
    probe.publish("keepouts", walls_to(Walls(math.inf, FIXED_FRAME, np.zeros((0, 4))), time.time()))
    drive(probe)


def test_scan_of_a_wrong_sensor_stops_the_robot(arc):
    from sensor_msgs.msg import LaserScan

    from reflexarc_nodes.convert import header_to

    transition(arc, "arc_node", "configure")
    transition(arc, "arc_node", "activate")
    drive(arc)
    arc.messages["verdict"].clear()

    def seen():
        arc.robot.publish(odom_age=0.0)
        arc.publish("scan", LaserScan(header=header_to(time.time(), "rear_lidar")))
        return [v for v in arc.messages["verdict"] if "frame_mismatch" in v.faults]

    bad = arc.until(seen, 10.0, "a verdict with frame_mismatch")[0]
    assert bad.command.linear.x == 0.0
    assert "rear_lidar" in bad.interventions[0].reason


def test_the_arc_reports_its_health_once_a_second(arc):
    arc.until(lambda: arc.health("arc_node"), READY_S, "diagnostics")
    assert arc.health("arc_node")[:2] == (1, "inactive")
    transition(arc, "arc_node", "configure")
    transition(arc, "arc_node", "activate")

    def healthy():
        arc.robot.publish(odom_age=0.0)
        found = arc.health("arc_node")
        return found if int(found[2].get("ticks", 0)) > 400 else None

    values = arc.until(healthy, READY_S, "figures of an active arc")[2]
    assert float(values["rate_hz"]) == interface("cmd_vel").rate_hz
    for name in ("deadline_miss_fraction", "tick_p50_us", "tick_p99_us", "lateness_p99_us", "turn_p99_us"):
        assert math.isfinite(float(values[name]))
    assert 0.0 < float(values["tick_p50_us"]) < 5000.0


def test_a_plant_without_commands_gives_up_with_a_reason(probe_and_graph):
    probe, graph = probe_and_graph
    process = graph.start("plant_node", scenario="sidewalk_calm", use_sim_time=True, start_timeout_s=1.0)
    probe.until(lambda: process.poll() is not None, READY_S, "plant_node gives up")
    assert process.returncode == 1
    assert "the first command did not arrive within" in graph.log("plant_node")


def test_a_plant_that_is_to_be_recorded_gives_up_without_the_recorder(probe_and_graph):
    from reflexarc.core.wire import seconds
    from reflexarc_nodes.convert import twist_to

    probe, graph = probe_and_graph
    probe.listen("odom")
    process = graph.start(
        "plant_node", scenario="sidewalk_calm", use_sim_time=True, recorded=True, start_timeout_s=12.0
    )

    def ends():
        probe.publish("cmd_vel", twist_to(0.0, np.array([0.3, 0.0])))
        return process.poll() is not None

    probe.until(ends, READY_S, "plant_node gives up")
    assert process.returncode == 1
    assert "the recorder did not arrive within" in graph.log("plant_node")
    assert {seconds(m.header.stamp) for m in probe.messages["odom"]} == {0.0}, "time stood"


def test_plant_time_stands_until_the_first_command_and_while_inactive(probe_and_graph):
    from reflexarc.core.wire import seconds
    from reflexarc_nodes.convert import twist_to

    probe, graph = probe_and_graph
    probe.listen("odom", "clock")
    graph.start("plant_node", scenario="sidewalk_calm", use_sim_time=True)
    probe.until(lambda: len(probe.messages["odom"]) > 5, READY_S, "the plant shows its start")
    assert {seconds(m.header.stamp) for m in probe.messages["odom"]} == {0.0}

    def runs(until):
        probe.publish("cmd_vel", twist_to(seconds(probe.last("odom").header.stamp), np.array([0.3, 0.0])))
        return seconds(probe.last("odom").header.stamp) > until

    probe.until(lambda: runs(1.0), 30.0, "time runs once somebody commands")
    assert transition(probe, "plant_node", "deactivate")
    probe.spin()
    end = time.monotonic() + 0.5
    probe.until(lambda: time.monotonic() > end, 5.0, "time passes")
    probe.messages["odom"].clear()
    end = time.monotonic() + 0.5
    probe.until(lambda: time.monotonic() > end, 5.0, "time passes")
    assert probe.messages["odom"] == []
    assert transition(probe, "plant_node", "activate")
    probe.until(lambda: probe.messages["odom"], 10.0, "time runs again")
    assert seconds(probe.messages["odom"][0].header.stamp) > 1.0
