# SPDX-License-Identifier: Apache-2.0
"""How the newest measurements become the state of a tick. Needs no ROS."""

import math

import numpy as np
import pytest

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.inputs import HISTORY, ArcInputs
from reflexarc.core.plant import Scan
from reflexarc.core.types import Mode, Obstacles, Proposal, Walls
from reflexarc.core.wire import NO_STAMP, Odometry

CONFIG = ArcConfig()


def odometry(stamp, x=0.0, yaw=0.0, frame="odom"):
    return Odometry(stamp, frame, "base_link", np.array([x, 0.0, yaw]), np.zeros(2))


def scan(stamp, distance=2.0):
    """One return straight ahead."""
    ranges = np.full(360, np.inf)
    ranges[0] = distance
    return Scan(stamp, 0.0, 2 * math.pi / 360, 0.1, 15.0, ranges)


@pytest.fixture
def inputs():
    inputs = ArcInputs(CONFIG, needs_map=False)
    inputs.add_odometry(odometry(1.0))
    inputs.add_obstacles(Obstacles.none(1.0))
    inputs.add_scan(scan(1.0), "lidar")
    return inputs


@pytest.mark.parametrize("missing", ["odometry", "obstacles", "scan"])
def test_there_is_no_state_while_a_kind_of_input_is_missing(missing):
    inputs = ArcInputs(CONFIG, needs_map=False)
    add = {
        "odometry": lambda: inputs.add_odometry(odometry(1.0)),
        "obstacles": lambda: inputs.add_obstacles(Obstacles.none(1.0)),
        "scan": lambda: inputs.add_scan(scan(1.0), "lidar"),
    }
    for name, function in add.items():
        if name != missing:
            function()
    assert inputs.state() is None
    add[missing]()
    assert inputs.state() is not None


def test_where_a_map_is_needed_there_is_no_state_before_it():
    inputs = ArcInputs(CONFIG, needs_map=True)
    inputs.add_odometry(odometry(1.0))
    inputs.add_obstacles(Obstacles.none(1.0))
    inputs.add_scan(scan(1.0), "lidar")
    assert inputs.state() is None
    inputs.add_keepouts(Walls(math.inf, "odom", np.array([[0.0, 3.0, 9.0, 3.0]])))
    assert [0.0, 3.0, 9.0, 3.0] in inputs.state().walls.segments.tolist()


def test_a_scan_is_placed_with_the_odometry_nearest_to_its_stamp():
    inputs = ArcInputs(CONFIG, needs_map=False)
    for k in range(10):
        inputs.add_odometry(odometry(1.0 + 0.01 * k, x=float(k)))
    inputs.add_obstacles(Obstacles.none(1.0))
    inputs.add_scan(scan(1.042), "lidar")
    state = inputs.state()
    mount = inputs.mount[0]
    assert state.walls.segments[0, 0] == pytest.approx(4.0 + mount + 2.0)
    assert inputs.walls_pose_stamp == pytest.approx(1.04)
    assert state.stamp == pytest.approx(1.09), "the state itself is the newest"


def test_the_placement_is_kept_until_the_next_scan(inputs):
    first = inputs.state().walls
    inputs.add_odometry(odometry(1.01, x=5.0))
    assert inputs.state().walls is first
    inputs.add_scan(scan(1.1), "lidar")
    assert inputs.state().walls is not first


def test_the_same_state_is_returned_while_nothing_arrives(inputs):
    assert inputs.state() is inputs.state()
    before = inputs.state()
    inputs.add_obstacles(Obstacles.none(1.05))
    assert inputs.state() is not before


def test_history_is_bounded(inputs):
    for k in range(10 * HISTORY):
        inputs.add_odometry(odometry(2.0 + k))
    assert len(inputs._history) == HISTORY


@pytest.mark.parametrize("frame", ["rear_lidar", "", "odom"])
def test_a_scan_in_a_wrong_frame_becomes_walls_in_a_wrong_frame(inputs, frame):
    inputs.add_scan(scan(1.1), frame)
    walls = inputs.state().walls
    assert walls.frame_id != CONFIG.frame_id, "also where the lidar calls its frame like the fixed one"
    assert repr(frame) in walls.frame_id


def test_keepouts_in_a_wrong_frame_show_as_walls_in_that_frame(inputs):
    inputs.add_keepouts(Walls(math.inf, "map", np.zeros((1, 4))))
    inputs.add_scan(scan(1.1), "lidar")
    assert inputs.state().walls.frame_id == "map"


def test_an_empty_scan_is_a_fault_not_a_free_view(inputs):
    inputs.add_scan(Scan(1.1, 0.0, 0.1, 0.1, 15.0, np.zeros(0)), "lidar")
    assert np.isnan(inputs.state().walls.segments).any()


def test_forgetting_keeps_map_and_mode(inputs):
    inputs.mode = Mode.PROTECTIVE_STOP
    inputs.add_keepouts(Walls(math.inf, "odom", np.zeros((2, 4))))
    inputs.proposal = Proposal(1.0, np.zeros(2))
    inputs.forget()
    assert inputs.state() is None
    assert inputs.proposal is None
    assert inputs.mode is Mode.PROTECTIVE_STOP
    assert inputs._keepouts is not None


def test_the_record_names_what_was_used(inputs):
    assert inputs.record(3, 1e-3, None)[:6] == (3, 1e-3, NO_STAMP, NO_STAMP, NO_STAMP, NO_STAMP)
    inputs.proposal = Proposal(0.9, np.zeros(2))
    assert inputs.record(4, 0.0, inputs.state()) == (4, 0.0, 1.0, 1.0, 1.0, 1.0, 0.9)
