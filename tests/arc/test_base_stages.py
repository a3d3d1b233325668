# SPDX-License-Identifier: Apache-2.0
"""The small stages of a base's arc one by one, at the edges of their limits; nothing is compiled for them."""

import dataclasses
import math

import numpy as np
import pytest

from reflexarc.arc.actuator_limits import ActuatorLimitStage
from reflexarc.arc.arc import Arc
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.inputs import HISTORY, ArcInputs, place_scan
from reflexarc.arc.legged_limits import LeggedLimitStage
from reflexarc.arc.stage import Tick
from reflexarc.arc.surroundings import walls_from_scan
from reflexarc.core.plant import Scan
from reflexarc.core.types import Mode, Obstacles, Status, Walls
from reflexarc.core.wire import NO_STAMP, Odometry
from reflexarc.robots import load_legged, load_robot

WHEELED = dataclasses.replace(load_robot("segway_e1"), max_speed=2.0, max_yaw_rate=1.5, track=0.8)
LEGGED = load_legged("go2")


def tick(*command, mode=Mode.NORMAL, halt=None):
    still = [0.0] * len(command)
    return Tick(0.0, None, None, mode, np.array(command), lambda _: still if halt is None else halt)


@pytest.mark.parametrize(
    ("wanted", "share"),
    [
        ((2.0, 0.0), 1.0),
        ((-2.0, 0.0), 1.0),
        ((0.0, 1.5), 1.0),
        ((1.6, 1.0), 1.0),  # the outer wheel at 1.6 + 1.0 * 0.4
        ((1.6, -1.0), 1.0),
        ((2.5, 0.0), 0.8),
        ((-2.5, 0.0), 0.8),
        ((0.0, 3.0), 0.5),
        ((0.0, -3.0), 0.5),
        ((2.0, 1.25), 0.8),
        ((-2.0, 1.25), 0.8),
        ((2.0, 2.5), 0.6),  # the wheel alone would leave a yaw rate of 5/3
        ((1.6, 1.01), 2.0 / 2.004),
        ((0.0, 1.51), 1.5 / 1.51),
    ],
)
def test_a_drive_gets_the_largest_share_that_wheels_and_yaw_rate_allow(wanted, share):
    asked = tick(*wanted)
    stage = ActuatorLimitStage(WHEELED, "proposal_limits")
    stage.apply(asked)
    assert asked.command == pytest.approx(share * np.array(wanted))
    assert [i.stage for i in asked.interventions] == ([] if share == 1.0 else ["proposal_limits"])
    again = tick(*asked.command)
    ActuatorLimitStage(WHEELED).apply(again)
    assert again.command == pytest.approx(asked.command, rel=1e-12), "what was limited is within the limits"


def test_who_limits_a_drive_says_which_speed_was_too_high():
    asked = tick(2.0, 1.25)
    ActuatorLimitStage(WHEELED).apply(asked)
    assert asked.interventions[0].stage == "actuator_limits"
    assert asked.interventions[0].reason.startswith("wheel speed 2.50 m/s or yaw rate 1.25 rad/s")


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (-1.0, 0.3, 0.8), (0.0, 0.0, 1.0)])
def test_a_gait_gets_what_it_can_walk_and_no_more(direction):
    edge = np.array(direction) * LEGGED.share(*(1e3 * v for v in direction)) * 1e3
    within, beyond = tick(*(0.9999 * edge)), tick(*(1.3 * edge))
    LeggedLimitStage(LEGGED).apply(within)
    LeggedLimitStage(LEGGED).apply(beyond)
    assert (within.status, within.command.tolist()) == (Status.PASSED, (0.9999 * edge).tolist())
    assert beyond.status is Status.FILTERED
    assert beyond.command == pytest.approx(edge, abs=1e-9)


def test_a_change_is_as_large_as_the_way_from_the_old_command_to_the_new_one():
    changed = tick(1.0, 2.0)
    changed.change("somebody", [4.0, 6.0], "for a reason")
    assert changed.interventions[0].change == pytest.approx(5.0)
    assert (changed.command.tolist(), changed.status) == ([4.0, 6.0], Status.FILTERED)


def test_a_stop_is_named_once_and_one_without_a_fault_names_none():
    stopped = tick(1.0, 0.0, halt=[0.25, 0.0])
    stopped.stop("mode", Status.STOPPED, "for a reason")
    assert (stopped.faults, stopped.done, stopped.command.tolist()) == ([], True, [0.25, 0.0])
    stopped.stop("sanity", Status.LATCHED, "for another", "state_stale")
    stopped.stop("sanity", Status.LATCHED, "for another", "state_stale")
    stopped.stop("sanity", Status.LATCHED, "for a third", "clock_backwards")
    assert stopped.faults == ["state_stale", "clock_backwards"]


class Plain:
    """A stage that does what it is told, and how often it was asked."""

    def __init__(self, name, act=lambda tick: None):
        self.name, self.act, self.asked = name, act, 0

    def reset(self):
        self.asked = 0

    def apply(self, tick):
        self.asked += 1
        self.act(tick)


def test_stages_after_a_stop_are_not_asked_and_each_has_its_time():
    stages = [
        Plain("a"),
        Plain("b", lambda t: t.stop("b", Status.STOPPED, "no")),
        Plain("c", lambda t: t.change("c", [9.0, 9.0], "never")),
    ]
    arc = Arc(ArcConfig(), stages, 2)
    verdict = arc.tick(None, None, Mode.NORMAL, 1.0)
    assert [s.asked for s in stages] == [1, 1, 0]
    assert verdict.command.tolist() == [0.0, 0.0]
    assert len(verdict.stage_times) == 3
    assert all(0.0 <= t <= verdict.time_used < 1.0 for t in verdict.stage_times)
    assert sum(verdict.stage_times) == pytest.approx(verdict.time_used)


def test_what_stops_the_robot_is_what_the_arc_was_given_for_it():
    stop = Plain("a", lambda t: t.stop("a", Status.STOPPED, "no"))
    assert Arc(ArcConfig(), [stop], 2).tick(None, None, Mode.NORMAL, 0.0).command.tolist() == [0.0, 0.0]
    braking = Arc(ArcConfig(), [stop], 2, lambda _: [0.5, 0.1])
    assert braking.tick(None, None, Mode.NORMAL, 0.0).command.tolist() == [0.5, 0.1]


@pytest.mark.parametrize("status", [Status.LATCHED, Status.STOPPED, Status.FILTERED])
@pytest.mark.parametrize("mode", Mode)
def test_a_latched_fault_is_a_protective_stop_and_nothing_weakens_an_emergency_stop(status, mode):
    arc = Arc(ArcConfig(), [Plain("a", lambda t: t.stop("a", status, "no"))], 2)
    latched = status is Status.LATCHED and mode is not Mode.EMERGENCY_STOP
    assert arc.tick(None, None, mode, 0.0).mode is (Mode.PROTECTIVE_STOP if latched else mode)


def scan(ranges, angle_min=0.0, increment=math.pi / 2.0, stamp=1.0):
    return Scan(stamp, angle_min, increment, 0.5, 10.0, np.array(ranges, dtype=float))


def ends(walls):
    assert walls.segments[:, :2].tolist() == walls.segments[:, 2:].tolist(), "walls of zero length"
    return walls.segments[:, :2]


def test_a_return_is_placed_by_mount_and_pose():
    seen = scan([3.0, 2.0, math.inf, math.inf], angle_min=0.1)
    mount, pose = np.array([0.4, -0.2, 0.3]), np.array([5.0, -7.0, 0.7])
    found = ends(walls_from_scan(seen, pose, mount, 4, frame_id="odom"))
    expected = []
    for bearing, distance in ((0.1 + 0.3, 3.0), (0.1 + 0.3 + math.pi / 2.0, 2.0)):
        on_base = complex(0.4, -0.2) + distance * np.exp(1j * bearing)
        fixed = complex(5.0, -7.0) + on_base * np.exp(0.7j)
        expected.append([fixed.real, fixed.imag])
    assert found == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("distance", "counts"),
    [(0.5, True), (10.0, True), (0.4999, False), (10.001, False), (math.nan, False), (math.inf, False)],
)
def test_a_return_counts_within_the_range_of_the_lidar_both_ends_included(distance, counts):
    found = walls_from_scan(scan([distance] * 4), np.zeros(3), np.zeros(3), 4)
    assert len(found) == (4 if counts else 0)
    assert found.stamp == 1.0


@pytest.mark.parametrize("beams", [6, 7, 8])
def test_of_each_sector_the_nearest_return_is_left(beams):
    ranges = np.full(beams, 5.0)
    ranges[1], ranges[-1] = 2.0, 3.0
    found = ends(walls_from_scan(scan(ranges, increment=2.0 * math.pi / beams), np.zeros(3), np.zeros(3), 2))
    angle = 2.0 * math.pi / beams
    assert found == pytest.approx(
        np.array(
            [[2.0 * math.cos(angle), 2.0 * math.sin(angle)], [3.0 * math.cos(-angle), 3.0 * math.sin(-angle)]]
        )
    )


def test_keepouts_of_the_map_join_what_was_seen():
    kerb = np.array([[0.0, 3.0, 9.0, 3.0]])
    found = walls_from_scan(scan([math.inf, 2.0, math.inf, math.inf]), np.zeros(3), np.zeros(3), 4, kerb)
    assert found.segments == pytest.approx(np.array([[0.0, 2.0, 0.0, 2.0], [0.0, 3.0, 9.0, 3.0]]))


def odometry(stamp, x=0.0, frame="odom"):
    return Odometry(stamp, frame, "base_link", np.array([x, 0.0, 0.0]), np.zeros(2))


def placed(ranges, keepouts, frame="odom"):
    return place_scan(scan(ranges), odometry(1.0, frame=frame), np.zeros(3), 4, keepouts, "odom")


def test_keepouts_in_a_wrong_frame_become_walls_in_that_frame_and_no_map_is_none():
    kerb = np.array([[0.0, 3.0, 9.0, 3.0]])
    assert placed([2.0] * 4, None).segments.shape == (4, 4)
    assert placed([2.0] * 4, Walls(math.inf, "odom", kerb)).segments.shape == (5, 4)
    wrong = placed([2.0] * 4, Walls(math.inf, "map", kerb))
    assert (wrong.frame_id, wrong.stamp, wrong.segments.tolist()) == ("map", 1.0, kerb.tolist())


def test_an_empty_scan_is_a_broken_lidar_and_not_a_free_view():
    empty = placed([], None)
    assert (empty.frame_id, empty.segments.shape) == ("odom", (1, 4))
    assert np.isnan(empty.segments).all()


def filled(needs_map=False):
    inputs = ArcInputs(ArcConfig(), needs_map)
    inputs.add_odometry(odometry(1.0))
    inputs.add_obstacles(Obstacles.none(1.0))
    inputs.add_scan(scan([2.0] * 4), "lidar")
    return inputs


@pytest.mark.parametrize("missing", ["_odometry", "_obstacles", "_scan"])
def test_a_state_needs_every_kind_of_input_and_stays_the_same_until_one_is_new(missing):
    inputs = filled()
    first = inputs.state()
    assert first is not None and first is inputs.state()
    assert (first.stamp, first.walls.frame_id, len(first.walls)) == (1.0, "odom", 4)
    inputs.add_obstacles(Obstacles.none(1.1))
    assert inputs.state().obstacles.stamp == 1.1
    assert inputs.state().walls is first.walls, "the scan is placed once"
    lacking = filled()
    setattr(lacking, missing, None)
    assert lacking.state() is None


def test_a_map_is_waited_for_only_where_it_is_needed():
    kerb = Walls(math.inf, "odom", np.array([[0.0, 3.0, 9.0, 3.0]]))
    assert filled(needs_map=True).state() is None
    with_map = filled(needs_map=True)
    with_map.add_keepouts(kerb)
    assert len(with_map.state().walls) == 5


def test_a_scan_in_a_wrong_frame_becomes_walls_in_no_frame_of_ours():
    inputs = filled()
    inputs.add_scan(scan([2.0] * 4, stamp=1.3), "camera")
    walls = inputs.state().walls
    assert (walls.stamp, walls.frame_id, walls.segments.shape) == (1.3, "scan in 'camera'", (0, 4))
    inputs.add_scan(scan([2.0] * 4, stamp=1.4), "lidar")
    assert inputs.state().walls.frame_id == "odom"


def test_a_scan_is_placed_where_the_robot_was_when_it_was_taken():
    inputs = ArcInputs(ArcConfig(), needs_map=False)
    inputs.add_obstacles(Obstacles.none(1.0))
    for k in range(100):  # a second at 100 Hz
        inputs.add_odometry(odometry(1.0 + 0.01 * k, x=float(k)))
    mount = load_robot("segway_e1").lidar_mount
    ahead = 2.0 + mount[0]
    for late, driven in ((0.0, 99), (0.5, 49), (0.63, 36), (0.9, 100 - HISTORY)):
        inputs.add_scan(scan([2.0, math.inf, math.inf, math.inf], -mount[2], stamp=1.99 - late), "lidar")
        assert ends(inputs.state().walls)[0][0] == pytest.approx(driven + ahead)
        assert inputs.walls_pose_stamp == pytest.approx(1.0 + 0.01 * driven)
    assert HISTORY == 64, "older places are not kept"


def test_forgetting_leaves_mode_and_map():
    kerb = Walls(math.inf, "odom", np.array([[0.0, 3.0, 9.0, 3.0]]))
    inputs = filled(needs_map=True)
    inputs.add_keepouts(kerb)
    inputs.mode = Mode.SPEED_SEPARATION
    inputs.forget()
    assert inputs.state() is None
    inputs.add_odometry(odometry(2.0))
    inputs.add_obstacles(Obstacles.none(2.0))
    inputs.add_scan(scan([2.0] * 4), "lidar")
    assert len(inputs.state().walls) == 5
    assert inputs.mode is Mode.SPEED_SEPARATION


def test_a_record_has_the_stamps_of_what_was_used_and_none_where_nothing_was():
    inputs = filled()
    assert tuple(inputs.record(3, 0.2, None))[2:] == (NO_STAMP,) * 5
    state = inputs.state()
    record = inputs.record(4, 0.1, state)
    assert tuple(record) == (4, 0.1, 1.0, 1.0, 1.0, 1.0, NO_STAMP)
