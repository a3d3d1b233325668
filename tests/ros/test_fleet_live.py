# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""A small fleet live: two robots, each with its arc and its policy, one plant, one planner, one clock.

Judged in plant time and by meaning, never by the wall clock.
"""

import json
import math
import signal
import time

import numpy as np
import pytest

from reflexarc.core.wire import seconds
from reflexarc_sim.fleet_tasks import FleetTasks
from reflexarc_sim.scenario import load_scenario

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.integration]

SEED = 12
"""Two short ways: 7 and 22 m."""
SETTINGS = {
    "fleet.robots": 2,
    "fleet.stops.robots": 0,
    "crowd.count": 0,
    "missions.count": 1,
    "missions.min_distance_m": 3.0,
    "missions.max_distance_m": 8.0,
    "fleet.pace": 0.5,
}
ROBOTS = ("robot_1", "robot_2")
PATIENCE_S = 400.0
"""Wall time after which something does not happen any more, on a machine that is busy with other things. [s]"""


def tasks():
    return FleetTasks(load_scenario("fleet_delivery", SETTINGS), SEED)


class Fleet:
    """The processes of a fleet, and a probe that listens in their namespaces."""

    def __init__(self, domain, folder, graph_class, probe_class):
        self.graph, self.probe, self.folder = graph_class(domain, folder), probe_class(domain), folder
        self.common = {
            "scenario": "fleet_delivery",
            "seed": SEED,
            "use_sim_time": True,
            "overrides": "[" + ",".join(f"{k}={v}" for k, v in SETTINGS.items()) + "]",
        }

    def start(self, node, name, *remaps, under="", **parameters):
        return self.graph.start(node, label=name, namespace=under, remaps=remaps, **self.common, **parameters)

    def start_all(self, **planner):
        for robot in ROBOTS:
            for node in ("arc_node", "task_policy_node"):
                self.start(node, f"{robot}-{node}", "clock:=/clock", under=robot)
        self.start("fleet_planner_node", "planner", out_dir=self.folder / "out", **planner)
        self.start("fleet_plant_node", "plant")

    def listen(self, *names):
        for name in names:
            self.probe.listen(name)
        for robot in ROBOTS:
            for name in ("odom", "route"):
                self.probe.listen_under(name, robot)
        return self.probe

    def end(self):
        codes = self.graph.stop()
        self.probe.close()
        return codes


@pytest.fixture
def fleet(new_domain, tmp_path, graph_class, probe_class):
    made = Fleet(new_domain(), tmp_path, graph_class, probe_class)
    yield made
    made.end()
    for name in made.graph.processes:  # shown by pytest when the test failed
        print(f"--- {name}\n{made.graph.log(name)[-1500:]}")


def place(message):
    return np.array([message.pose.pose.position.x, message.pose.pose.position.y])


def end_of(route):
    last = route.poses[-1].pose.position
    return np.array([last.x, last.y])


def test_two_robots_deliver_in_one_world_on_one_clock(fleet):
    probe = fleet.listen("/fleet_plan", "/fleet_progress", "/fleet_delays")
    fleet.start_all()
    planner = fleet.graph.processes["planner"]
    probe.until(lambda: planner.poll() is not None, PATIENCE_S, "the planner ends by itself")
    assert planner.returncode == 0, fleet.graph.log("planner")[-2000:]
    summary = json.loads((fleet.folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["goals"], summary["reached"], summary["robot_contacts"]) == (2, 2, 0)
    assert summary["least_gap_m"] > 0.9
    assert {d["robot"] for d in summary["deliveries"]} == set(ROBOTS)
    plan = probe.last("/fleet_plan")
    assert [p.robot for p in plan.paths] == list(ROBOTS)
    assert all(len(p.x) == len(p.y) == len(p.time) and list(p.time) == sorted(p.time) for p in plan.paths)
    progress = probe.last("/fleet_progress")
    assert list(progress.robots) == list(ROBOTS)
    assert all(d <= p + 0.5 for d, p in zip(progress.driven, progress.permitted, strict=True))
    assert all(d >= 0.0 for m in probe.messages["/fleet_delays"] for d in m.delays)


def test_robots_stop_where_they_may_when_the_planner_is_killed(fleet):
    probe = fleet.listen()
    fleet.start_all()

    def drives(robot):
        messages = probe.messages[f"{robot}/odom"]
        return bool(messages) and messages[-1].twist.twist.linear.x > 0.3

    # after it is killed nobody hears of a route again that was not heard before
    probe.until(lambda: all(probe.messages[f"{r}/route"] for r in ROBOTS), PATIENCE_S, "routes")
    probe.until(lambda: any(drives(r) for r in ROBOTS), PATIENCE_S, "somebody drives")
    fleet.graph.kill("planner")
    killed = seconds(probe.messages["robot_1/odom"][-1].header.stamp)

    def stand():
        newest = [probe.messages[f"{r}/odom"][-1] for r in ROBOTS]
        return (
            all(abs(m.twist.twist.linear.x) < 0.02 for m in newest)
            and seconds(newest[0].header.stamp) > killed + 2.0
            and newest
        )

    for robot, message in zip(ROBOTS, probe.until(stand, PATIENCE_S, "everybody stands"), strict=True):
        route = probe.messages[f"{robot}/route"][-1]
        assert math.dist(place(message), end_of(route)) < 0.3, "it drove to the end of what it was permitted"
        way = [place(m) for m in probe.messages[f"{robot}/odom"]]
        points = np.array([[p.pose.position.x, p.pose.position.y] for p in route.poses])
        beyond = max(float((w - end_of(route)) @ _heading(points)) for w in way[-200:])
        assert beyond < 0.3, "and not beyond"


class Told:
    """A planner alone, with clock and odometry from here."""

    def __init__(self, fleet):
        self.probe, self.began = fleet.listen("/fleet_progress"), time.monotonic()
        self.tasks = tasks()
        self.poses = dict(zip(ROBOTS, self.tasks.start_poses(), strict=True))
        self.frames = {}
        """Robot to the frame of its odometry, where it is another than the fixed one."""

    def tell(self, *robots):
        from rosgraph_msgs.msg import Clock

        from reflexarc_nodes import convert

        now = time.monotonic() - self.began
        self.probe.publish_under("clock", "", Clock(clock=convert.time_to(now)))
        for robot in robots:
            message = convert.odometry_to(_state(now, self.poses[robot]))
            message.header.frame_id = self.frames.get(robot, message.header.frame_id)
            self.probe.publish_under("odom", robot, message)

    def until(self, condition, what, robots=ROBOTS):
        return self.probe.until(lambda: self.tell(*robots) or condition(), PATIENCE_S, what)

    def states(self):
        last = self.probe.last("/fleet_progress")
        return () if last is None else tuple(last.states)


def test_a_silent_robot_is_stale_then_lost_and_the_others_go_on(fleet):
    """The first robot falls silent before it has moved."""
    from reflexarc_msgs.msg import FleetProgress

    told = Told(fleet)
    fleet.start(
        "fleet_planner_node", "planner", out_dir=fleet.folder / "out", exit_when_done=False, lost_s=8.0
    )
    way = (FleetProgress.UNDER_WAY, FleetProgress.WITHOUT_WAY)
    told.until(lambda: told.states() and told.states()[0] == FleetProgress.UNDER_WAY, "goals")
    others = ("robot_2",)
    told.until(
        lambda: told.states()[0] == FleetProgress.STALE and told.states()[1] in way,
        "robot_1 is stale",
        others,
    )
    told.until(
        lambda: told.states()[0] == FleetProgress.LOST and told.states()[1] in way, "robot_1 is lost", others
    )
    events = (fleet.folder / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert any(json.loads(line)["kind"] == "fleet_lost" for line in events)


def test_a_planner_that_stood_still_gives_nobody_up_for_it(fleet):
    """Its process is halted for longer than `lost_s`, and wakes before anybody has spoken again."""
    from reflexarc_msgs.msg import FleetProgress

    told = Told(fleet)
    fleet.start(
        "fleet_planner_node", "planner", out_dir=fleet.folder / "out", exit_when_done=False, lost_s=4.0
    )
    told.until(lambda: told.states() and told.states()[0] == FleetProgress.UNDER_WAY, "goals")
    planner = fleet.graph.processes["planner"]
    planner.send_signal(signal.SIGSTOP)
    time.sleep(6.0)
    planner.send_signal(signal.SIGCONT)
    time.sleep(1.0)
    heard = len(told.probe.messages["/fleet_progress"])
    told.until(lambda: len(told.probe.messages["/fleet_progress"]) > heard + 2, "it goes on")
    assert FleetProgress.LOST not in told.states()
    assert planner.poll() is None
    events = (fleet.folder / "out" / "events.jsonl").read_text(encoding="utf-8")
    assert "fleet_lost" not in events


def test_a_robot_whose_odometry_cannot_be_right_makes_no_progress(fleet):
    """It jumps to the end of the map, then reports in another frame; the other robot goes on."""
    from reflexarc_msgs.msg import FleetProgress

    told = Told(fleet)
    told.probe.listen("/diagnostics")
    fleet.start(
        "fleet_planner_node", "planner", out_dir=fleet.folder / "out", exit_when_done=False, lost_s=60.0
    )

    def health():
        return (told.probe.health("fleet_planner_node") or ("", ""))[1]

    def jump(sign):
        told.poses["robot_1"][0] += sign * 30.0

    def reframe(sign):
        told.frames = {"robot_1": "map"} if sign > 0 else {}

    told.until(lambda: told.states() and told.states()[0] == FleetProgress.UNDER_WAY, "goals")
    driven = told.probe.last("/fleet_progress").driven[0]
    for change, reason in (
        (jump, "robot_1 (30.00 m in"),
        (reframe, "robot_1 (in frame 'map', expected 'odom')"),
    ):
        change(1)
        told.until(lambda: told.states()[0] == FleetProgress.STALE, "robot_1 is not believed")
        assert told.states()[1] != FleetProgress.STALE
        assert told.probe.last("/fleet_progress").driven[0] == driven
        told.until(lambda reason=reason: f"progress_refused: {reason}" in health(), reason)
        change(-1)
        told.until(lambda: told.states()[0] == FleetProgress.UNDER_WAY, "robot_1 is believed again")


def test_goals_come_by_the_action_and_bad_ones_are_refused(fleet):
    from geometry_msgs.msg import Point
    from rclpy.action import ActionClient
    from reflexarc_msgs.action import FleetGoal

    told = Told(fleet)
    probe, poses = told.probe, told.poses
    graph, bays, taken = told.tasks.road.graph, told.tasks.road.bays, told.tasks.starts.values()
    bay = next(b for b in bays if b not in taken)
    told.tasks.fleet.send("robot_1", bay, 0.0)
    track = told.tasks.fleet.track("robot_1")
    fleet.start("fleet_planner_node", "planner", tasks=False, stale_s=10.0, lost_s=600.0)
    client = ActionClient(probe.node, FleetGoal, "fleet_goal")

    def send(robot, goal):
        request = FleetGoal.Goal(robot=robot, goal=Point(x=float(goal[0]), y=float(goal[1])))
        future = client.send_goal_async(request)
        told.until(future.done, "an answer")
        return future.result()

    told.until(told.states, "progress")
    told.until(client.server_is_ready, "the action server")
    assert not send("robot_9", (0.0, 0.0)).accepted
    assert not send("robot_1", (500.0, 0.0)).accepted
    handle = send("robot_1", graph.positions[bay])
    assert handle.accepted
    result = handle.get_result_async()
    for point, length in zip(
        track.points[1:], track.lengths[1:], strict=True
    ):  # the same way, as it is permitted
        told.until(
            lambda length=length: probe.last("/fleet_progress").permitted[0] >= length - 1e-3, "a permission"
        )
        poses["robot_1"][:2] = point
        told.until(
            lambda length=length: probe.last("/fleet_progress").driven[0] >= length - 0.2,
            "progress on the way",
        )
    told.until(result.done, "the arrival")
    assert result.result().result.reached
    client.destroy()


def _state(now, pose):
    from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls

    return BaseState(now, FIXED_FRAME, pose, np.zeros(2), Obstacles.none(now), Walls.none(FIXED_FRAME))


def _heading(points):
    step = points[-1] - points[-2]
    return step / max(float(np.hypot(*step)), 1e-9)
