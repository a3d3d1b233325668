# SPDX-License-Identifier: Apache-2.0
"""Crowds: constant number, room at the start, attentive people go round the robot, distracted ones bump into it."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given
from hypothesis import strategies as st

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactEvent
from reflexarc.robots import load_robot
from reflexarc_sim import load_scenario
from reflexarc_sim.crowd import CROWD_PERIOD, Surroundings, read_tracks
from reflexarc_sim.crowd.avoidance import PASSING_DISTANCE, Walker, evasive_aim, keep_off, step_aside
from reflexarc_sim.crowd.recorded import Recorded
from reflexarc_sim.crowd.walkers import Walkers
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.scenario import CrowdConfig, WorldConfig
from reflexarc_sim.world import make_world

SIZE = (0.89, 0.62)  # [m] footprint of the robot
FAR = np.array([35.0, 40.0, 0.0])  # a robot that nobody meets


def _walk(crowd, seconds, robot=FAR, touched=frozenset()):
    """Let bodies follow their agents perfectly; yield positions and velocities."""
    intent = crowd.start(robot)
    for k in range(round(seconds / CROWD_PERIOD)):
        seen = Surroundings(k * CROWD_PERIOD, intent.position, robot, np.zeros(2), SIZE, touched)
        intent = crowd.step(seen)
        yield intent.position, intent.velocity


def _walkers(count=20, seed=0, **config):
    world = make_world(WorldConfig(), seed, load_robot("segway_e1"))
    return Walkers(CrowdConfig(count=count, **config), world, np.random.default_rng(seed)), world


def test_the_number_is_constant_and_everybody_stays_on_the_sidewalk():
    crowd, world = _walkers()
    x0, y0, x1, y1 = world.walk_bounds
    for position, velocity in _walk(crowd, 120.0):
        assert position.shape == (20, 2)
        assert np.all(
            (position[:, 0] > x0) & (position[:, 0] < x1) & (position[:, 1] > y0) & (position[:, 1] < y1)
        )
        assert np.hypot(*velocity.T).max() < 3.0


def test_people_keep_walking_at_about_their_desired_speed_in_both_directions():
    crowd, _ = _walkers()
    steps = list(_walk(crowd, 60.0))
    velocity = np.array([v for _, v in steps])
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    assert speed.mean() == pytest.approx(1.34, abs=0.15)
    assert 0.3 < (velocity[..., 0] > 0).mean() < 0.7
    assert (speed < 0.2).mean() < 0.05


def test_desired_speeds_have_the_stated_distribution():
    crowd, _ = _walkers(count=60, speed_mean=1.2, speed_std=0.2)
    crowd.start(FAR)
    assert crowd._speed.mean() == pytest.approx(1.2, abs=0.08)
    assert crowd._speed.std() == pytest.approx(0.2, abs=0.06)
    assert np.all(np.abs(crowd._speed - 1.2) <= 0.4 + 1e-9)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_the_distracted_share_is_the_stated_one(fraction):
    crowd, _ = _walkers(distracted_fraction=fraction)
    crowd.start(FAR)
    assert crowd.distracted.sum() == round(20 * fraction)


@pytest.mark.parametrize("seed", range(5))
def test_nobody_starts_near_the_robot_or_in_somebody(seed):
    crowd, _ = _walkers(count=40, seed=seed)
    robot = np.array([30.0, 2.5, 0.0])
    position = crowd.start(robot).position
    assert np.hypot(*(position - robot[:2]).T).min() >= 3.0
    gaps = np.linalg.norm(position[:, None] - position[None], axis=-1) + 9 * np.eye(40)
    assert gaps.min() >= 0.8


def test_more_people_than_there_is_room_for_are_refused():
    crowd, _ = _walkers(count=500)
    with pytest.raises(ConfigError, match=r"crowd\.count: there is room for \d+ pedestrians"):
        crowd.start(FAR)


def _passes(distracted, robot=(0.0, 0.0)):
    """One pedestrian walks down the street in which a robot stands in its lane; smallest centre distance."""
    crowd, _ = _walkers(count=1, distracted_fraction=distracted)
    crowd.start(FAR)
    crowd._goal[0] = (crowd._ends[1], 2.5)
    robot = np.array([crowd._position[0, 0] + 8.0, crowd._position[0, 1], 0.0])
    crowd._goal[0, 1] = crowd._position[0, 1]
    intent_position = crowd._position.copy()
    nearest = np.inf
    for k in range(800):
        seen = Surroundings(k * CROWD_PERIOD, intent_position, robot, np.zeros(2), SIZE, frozenset())
        intent_position = crowd.step(seen).position
        nearest = min(nearest, float(np.hypot(*(intent_position[0] - robot[:2]))))
    return nearest, intent_position[0, 0] - robot[0]


def test_an_attentive_pedestrian_goes_round_a_standing_robot_and_a_distracted_one_does_not():
    around, beyond = _passes(0.0)
    assert around > 0.8
    assert beyond > 2.0
    through, _ = _passes(1.0)
    assert through < 0.3


def test_a_pedestrian_does_not_see_a_robot_behind_it():
    crowd, _ = _walkers(count=1, distracted_fraction=0.0, field_of_view=3.14)
    crowd.start(FAR)
    ahead = np.sign(crowd._goal[0, 0] - crowd._position[0, 0])
    place = crowd._position[0]
    for offset, expected in ((2.0, True), (-2.0, False)):
        robot = np.array([place[0] + offset * ahead, place[1], 0.0])
        seen = Surroundings(0.0, crowd._position, robot, np.zeros(2), SIZE, frozenset())
        assert crowd._aware(seen)[0] == expected


def test_who_was_bumped_notices_the_robot_for_a_while():
    crowd, _ = _walkers(count=1, distracted_fraction=1.0)
    crowd.start(FAR)
    robot = np.array([*crowd._position[0] + (0.6, 0.0), 0.0])
    quiet = Surroundings(0.0, crowd._position.copy(), robot, np.zeros(2), SIZE, frozenset())
    assert not crowd._aware(quiet)[0]
    intent = crowd.step(Surroundings(0.0, crowd._position.copy(), robot, np.zeros(2), SIZE, frozenset({0})))
    assert np.allclose(intent.velocity, 0.0)  # startled
    later = Surroundings(2.0, intent.position, robot, np.zeros(2), SIZE, frozenset())
    assert crowd._aware(later)[0]
    aside = crowd.step(later).velocity[0]
    assert abs(aside[1]) > 0.5
    assert not crowd._aware(Surroundings(9.0, intent.position, robot, np.zeros(2), SIZE, frozenset()))[0]


def test_a_pushed_body_takes_its_agent_with_it():
    crowd, _ = _walkers(count=1, distracted_fraction=1.0)
    crowd.start(FAR)
    body = crowd._position + (0.0, 0.6 if crowd._position[0, 1] < 2.5 else -0.6)
    crowd.step(Surroundings(0.0, body, FAR, np.zeros(2), SIZE, frozenset({0})))
    assert np.allclose(crowd._position, body)


@given(
    st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2), st.floats(-2, 2), st.sampled_from([-1, 0, 1])
)  # fmt: skip
def test_an_evasive_aim_is_in_the_lanes_and_only_for_conflicts(x, y, vx, vy, side):
    walker = Walker(np.array([x, y]), np.array([1.3, 0.0]), side, (-4.0, 4.0))
    robot, velocity = np.zeros(2), np.array([vx, vy])
    aim, chosen = evasive_aim(walker, robot, velocity)
    relative = walker.velocity - velocity
    times = np.linspace(0.0, 4.0, 4001)[:, None]
    closest = np.hypot(*(-walker.position - relative * times).T).min()
    if aim is None:
        assert chosen == 0
        assert closest > PASSING_DISTANCE - 0.01 or -walker.position @ relative < 1e-3
    else:
        assert -4.0 <= aim[1] <= 4.0
        assert chosen in (-1, 1)
        assert closest < PASSING_DISTANCE + 0.01


def test_a_step_aside_leads_away_from_the_robots_axis_and_ends():
    near = Walker(np.array([0.6, 0.2]), np.zeros(2), 0, (-5.0, 5.0))
    aim, side = step_aside(near, np.zeros(3))
    assert side == 1 and aim[1] > 1.0
    beside = Walker(np.array([0.0, -0.6]), np.zeros(2), 1, (-5.0, 5.0))
    aim, side = step_aside(beside, np.zeros(3))
    assert side == -1 and aim[1] < -1.0  # never through the robot
    assert step_aside(Walker(np.array([0.0, 1.2]), np.zeros(2), 0, (-5.0, 5.0)), np.zeros(3)) == (None, 0)
    walled = Walker(np.array([0.6, 0.2]), np.zeros(2), 0, (-5.0, 0.5))
    assert step_aside(walled, np.zeros(3))[1] == -1


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2), st.floats(-2, 2), st.floats(-3.1, 3.1))
def test_who_keeps_off_never_walks_faster_towards_the_robot_than_it_can_brake(x, y, vx, vy, yaw):
    walker = Walker(np.array([x, y]), np.array([vx, vy]), 0, (-9.0, 9.0))
    kept = keep_off(walker, np.array([0.0, 0.0, yaw]), SIZE, 0.25)
    footprint = shapely.affinity.rotate(
        shapely.box(-0.445, -0.31, 0.445, 0.31), yaw, origin=(0, 0), use_radians=True
    )

    def gap(p):
        return shapely.Point(p).distance(footprint) - 0.25

    here = gap(walker.position)
    if here > -0.2:
        dt = 1e-3
        closing = (here - gap(walker.position + kept * dt)) / dt
        assert closing <= math.sqrt(3.0 * max(here - 0.1, 0.0)) + 0.01
    assert np.hypot(*kept) <= np.hypot(vx, vy) + 1e-9  # it only takes away


def test_in_the_plant_attentive_people_do_not_walk_into_a_standing_robot():
    scenario = load_scenario("sidewalk_calm", {"crowd.count": "8", "cargo.pieces": "0"})
    plant = MujocoPlant(scenario)
    for seed in range(2):
        plant.reset(seed)
        events = []
        for _ in range(round(25.0 / plant.step_period)):
            events.extend(plant.step(np.zeros(2))[1])
        assert [e for e in events if isinstance(e, ContactEvent)] == []
        assert len(plant.pedestrian_names) == 8


RECORDING = """\
0 1 0.0 0.0
0 2.0 5.0 1.0
10 1 0.4 0.0
10 2 5.0 1.0

20 1 0.8 0.4
30\t3\t9.0\t9.0
40 3 9.0 8.0
"""


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "crowd.txt"
    path.write_text(RECORDING)
    return path


def test_a_recording_is_read_with_times_in_seconds(recording):
    tracks = read_tracks(recording)
    assert [t.person for t in tracks] == ["1", "2", "3"]
    assert np.allclose(tracks[0].times, (0.0, 0.4, 0.8))
    assert np.allclose(tracks[0].positions[2], (0.8, 0.4))


def test_a_recording_plays_between_its_points_and_people_come_and_go(recording):
    crowd = Recorded(read_tracks(recording), start=0.0)
    assert crowd.count == 2  # the third person uses a body that has become free
    intent = crowd.start(FAR)
    assert intent.present.sum() == 2

    def at(t):
        seen = Surroundings(t - CROWD_PERIOD, intent.position, FAR, np.zeros(2), SIZE, frozenset())
        return crowd.step(seen)

    assert np.allclose(at(0.2).position[0], (0.2, 0.0))
    assert np.allclose(at(0.6).position[0], (0.6, 0.2))
    assert np.allclose(at(0.6).velocity[0], (1.0, 1.0))
    assert at(0.6).present.sum() == 1
    assert at(1.0).present.sum() == 0
    later = at(1.4)
    assert later.present.sum() == 1
    assert np.allclose(later.position[later.present][0], (9.0, 8.5))


def test_a_recording_can_be_placed(recording):
    crowd = Recorded(read_tracks(recording), start=0.4, rotate=math.pi / 2, translate=(10.0, 20.0))
    intent = crowd.start(FAR)
    assert np.allclose(intent.position[intent.present][0], (10.0, 20.4))


def test_a_recorded_person_steps_aside_after_a_bump_and_returns(recording):
    crowd = Recorded(read_tracks(recording), start=0.0)
    intent = crowd.start(FAR)
    robot = np.array([0.9, -0.1, math.pi])
    touched = crowd.step(Surroundings(0.2, intent.position, robot, np.zeros(2), SIZE, frozenset({0})))
    assert touched.velocity[0, 1] > 1.0  # away from the robot's axis
    assert np.allclose(touched.velocity[1], 0.0)  # the other person has nothing to do with it
    away = crowd.step(Surroundings(0.3, intent.position, FAR, np.zeros(2), SIZE, frozenset()))
    assert np.allclose(away.velocity[0], (1.0, 0.0))


def test_nobody_appears_inside_the_robot(recording):
    robot = np.array([0.2, 0.0, 0.0])
    crowd = Recorded(read_tracks(recording), start=0.0)
    assert crowd.start(robot).present.sum() == 1
    seen = Surroundings(0.1, np.zeros((2, 2)), robot, np.zeros(2), SIZE, frozenset())
    assert crowd.step(seen).present.sum() == 1
    away = Surroundings(0.1, np.zeros((2, 2)), FAR, np.zeros(2), SIZE, frozenset())
    assert crowd.step(away).present.sum() == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("30 1 2.0", r"crowd\.txt, line 9: 3 columns; expected four finite numbers"),
        ("30 1 2.0 3.0 4.0", "line 9: 5 columns"),
        ("30 1 x 3.0", "line 9: '30 1 x 3.0'; expected four finite"),
        ("30 1 nan 3.0", "line 9: '30 1 nan 3.0'"),
        ("20 1 1.0 1.0", "line 9: frame 20 of person 1 is not after the one before"),
    ],
)
def test_a_malformed_line_is_refused_with_file_and_number(recording, line, message):
    recording.write_text(RECORDING + line + "\n")
    with pytest.raises(ConfigError, match=message):
        read_tracks(recording)


def test_an_empty_or_binary_recording_is_refused(tmp_path):
    path = tmp_path / "crowd.txt"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no line with the columns"):
        read_tracks(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not readable as text"):
        read_tracks(path)


def test_a_plant_plays_a_recording(recording):
    overrides = {
        "crowd.file": str(recording),
        "crowd.start_s": "0",
        "crowd.transform.translate": "[4.0, 4.0]",
    }
    plant = MujocoPlant(load_scenario("recorded_eth", overrides))
    state = plant.reset(0)
    counts = []
    for _ in range(320):
        state, _ = plant.step(np.zeros(2))
        counts.append(len(plant.pedestrian_names))
    assert counts[20] == 2 and counts[120] == 1 and counts[200] == 0 and counts[280] == 1
    assert len(state.obstacles) == 0 or state.obstacles.position.max() < 30.0


def _data_folder():
    configured = os.environ.get("REFLEXARC_DATA")
    return Path(configured) if configured else Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.mark.data
@pytest.mark.parametrize("name", ["biwi_eth", "biwi_hotel"])
def test_the_public_recordings_can_be_read(name):
    path = _data_folder() / "pedestrians" / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"no {path}; set REFLEXARC_DATA to the folder of public data sets")
    tracks = read_tracks(path)
    assert len(tracks) > 300
    speed = [
        np.hypot(*np.diff(t.positions, axis=0).T).sum() / np.ptp(t.times) for t in tracks if len(t.times) > 5
    ]
    assert 0.5 < np.median(speed) < 2.5  # people walk


@pytest.mark.data
def test_the_recorded_scenario_runs(monkeypatch):
    if not (_data_folder() / "pedestrians" / "biwi_eth.txt").is_file():
        pytest.skip(f"no pedestrians/biwi_eth.txt under {_data_folder()}; set REFLEXARC_DATA")
    monkeypatch.setenv("REFLEXARC_DATA", str(_data_folder()))
    plant = MujocoPlant(load_scenario("recorded_eth"))
    seen = 0
    for seed in range(2):
        plant.reset(seed)
        for _ in range(1000):
            plant.step(np.zeros(2))
            seen = max(seen, len(plant.pedestrian_names))
    assert seen >= 2
