# SPDX-License-Identifier: Apache-2.0
"""Every fault of the inputs stops the robot, has its name, and lets go when it is over (or stays, if latched)."""

import math

import numpy as np
import pytest

from reflexarc.core.faults import FAULTS
from reflexarc.core.types import Mode, Obstacles, Proposal, Status, Walls
from tests.arc.scenes import ROOM, obstacles, proposal, state

NOW = 10.0
LIMITS = {"state": 0.1, "obstacles": 0.3, "walls": 0.5, "proposal": 0.3}


def bad_obstacles(**replaced):
    good = obstacles([(3.0, 1.0, 0.0, 0.0)], NOW)
    values = {n: getattr(good, n) for n in good.__dataclass_fields__}
    return Obstacles(**{**values, **replaced})


def room(stamp=NOW, frame="odom", segments=ROOM):
    return Walls(stamp, frame, np.array(segments, dtype=float))


def aged(name, age):
    """State and proposal in which one input has the given age at NOW."""
    stamp = NOW - age
    if name == "state":
        return state(now=NOW, stamp=stamp), proposal(now=NOW)
    if name == "obstacles":
        return state(now=NOW, obstacles=obstacles((), stamp)), proposal(now=NOW)
    if name == "walls":
        return state(now=NOW, walls=room(stamp)), proposal(now=NOW)
    return state(now=NOW), proposal(now=stamp)


CASES = {
    "state_missing": (None, proposal(now=NOW)),
    "proposal_missing": (state(now=NOW), None),
    "state_not_finite": (state(now=NOW, pose=(math.nan, 0, 0)), proposal(now=NOW)),
    "proposal_not_finite": (state(now=NOW), proposal(math.inf, now=NOW)),
    "obstacles_not_finite": (state(now=NOW, obstacles=bad_obstacles(radius=[-0.1])), proposal(now=NOW)),
    "walls_not_finite": (state(now=NOW, walls=room(segments=[[0, 0, math.nan, 1]])), proposal(now=NOW)),
    "frame_mismatch": (state(now=NOW, obstacles=obstacles((), NOW, "map")), proposal(now=NOW)),
    **{f"{name}_stale": aged(name, 1.01 * limit) for name, limit in LIMITS.items()},
}


@pytest.mark.parametrize("fault", CASES)
def test_fault_stops_the_robot_and_is_named(arc, fault):
    bad_state, bad_proposal = CASES[fault]
    verdict = arc.tick(bad_state, bad_proposal, Mode.NORMAL, NOW)
    assert not verdict.command.any()
    assert verdict.faults == (fault,)
    expected = Status.NO_PROPOSAL if fault.startswith("proposal") else Status.STOPPED
    assert verdict.status is expected


@pytest.mark.parametrize("fault", CASES)
def test_robot_moves_again_when_the_fault_is_over(arc, fault):
    arc.tick(*CASES[fault], Mode.NORMAL, NOW)
    verdict = arc.tick(state(now=NOW + 0.005), proposal(now=NOW + 0.005), Mode.NORMAL, NOW + 0.005)
    assert verdict.status is Status.PASSED


@pytest.mark.parametrize("fault", CASES)
def test_fault_is_in_the_table(fault):
    assert fault in {f.name for f in FAULTS}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_input_just_young_enough_is_accepted(arc, name, share):
    assert arc.tick(*aged(name, share * LIMITS[name]), Mode.NORMAL, NOW).faults == ()


@pytest.mark.parametrize("name", LIMITS)
def test_stamp_from_the_future_is_stale(arc, name):
    assert arc.tick(*aged(name, -1.01 * LIMITS[name]), Mode.NORMAL, NOW).faults == (f"{name}_stale",)


@pytest.mark.parametrize(
    "replaced",
    [
        {"position": [[math.nan, 0.0]]},
        {"velocity": [[0.0, math.inf]]},
        {"radius": [math.nan]},
        {"position_std": [-1.0]},
        {"velocity_std": [math.inf]},
        {"stamp": math.nan},
    ],
)
def test_every_number_of_an_obstacle_is_checked(arc, replaced):
    verdict = arc.tick(
        state(now=NOW, obstacles=bad_obstacles(**replaced)), proposal(now=NOW), Mode.NORMAL, NOW
    )
    assert verdict.faults == ("obstacles_not_finite",)


@pytest.mark.parametrize("where", ["state", "obstacles", "walls"])
def test_wrong_frame_is_refused_by_name(arc, where):
    scene = {
        "state": state(now=NOW, frame="map", obstacles=obstacles((), NOW), walls=room()),
        "obstacles": state(now=NOW, obstacles=obstacles((), NOW, "base_link")),
        "walls": state(now=NOW, walls=room(frame="lidar")),
    }[where]
    verdict = arc.tick(scene, proposal(now=NOW), Mode.NORMAL, NOW)
    assert verdict.faults == ("frame_mismatch",)
    assert "'odom'" in verdict.interventions[-1].reason


@pytest.mark.parametrize("bad_now", [NOW - 0.001, math.nan, -math.inf])
def test_time_running_backwards_is_latched_until_reset(arc, bad_now):
    assert arc.tick(state(now=NOW), proposal(now=NOW), Mode.NORMAL, NOW).status is Status.PASSED
    first = arc.tick(state(now=NOW), proposal(now=NOW), Mode.NORMAL, bad_now)
    assert first.status is Status.LATCHED
    assert first.mode is Mode.PROTECTIVE_STOP
    later = NOW + 1.0
    held = arc.tick(state(now=later), proposal(now=later), Mode.NORMAL, later)
    assert (held.status, held.faults) == (Status.LATCHED, ("clock_backwards",))
    assert not held.command.any()
    arc.reset()
    assert arc.tick(state(now=later), proposal(now=later), Mode.NORMAL, later).status is Status.PASSED


def test_state_older_than_the_last_one_is_refused(arc):
    arc.tick(state(now=NOW), proposal(now=NOW), Mode.NORMAL, NOW)
    verdict = arc.tick(state(now=NOW, stamp=NOW - 0.01), proposal(now=NOW), Mode.NORMAL, NOW + 0.005)
    assert verdict.faults == ("state_out_of_order",)
    assert not verdict.command.any()


def test_same_state_twice_is_no_fault(arc):
    scene = state(now=NOW)
    arc.tick(scene, proposal(now=NOW), Mode.NORMAL, NOW)
    assert arc.tick(scene, proposal(now=NOW), Mode.NORMAL, NOW + 0.005).faults == ()


def test_map_without_age_is_never_stale(arc):
    scene = state(now=NOW, walls=room(stamp=math.inf))
    assert arc.tick(scene, proposal(now=NOW), Mode.NORMAL, NOW).status is Status.PASSED


@pytest.mark.parametrize("speed", [20.1, 1e6])
def test_track_that_is_too_fast_to_be_true_stops_the_robot(arc, speed):
    # A person ahead whose track seems to flee would take itself out of the barrier.
    fleeing = obstacles([(1.5, 0.0, speed, 0.0)], NOW)
    verdict = arc.tick(state(now=NOW, obstacles=fleeing), proposal(1.5, now=NOW), Mode.NORMAL, NOW)
    assert verdict.faults == ("obstacles_implausible",)
    assert not verdict.command.any()
    assert "20.0 m/s" in verdict.interventions[-1].reason


def test_cyclist_is_not_too_fast_to_be_true(arc):
    cyclist = obstacles([(6.0, 1.5, 10.0, 0.0)], NOW)
    assert arc.tick(state(now=NOW, obstacles=cyclist), proposal(0.5, now=NOW), Mode.NORMAL, NOW).faults == ()


def test_velocity_of_a_legged_robot_is_no_proposal_for_a_wheeled_one(arc):
    legged = Proposal(NOW, [1.0, 0.2, 0.0])
    verdict = arc.tick(state(now=NOW), legged, Mode.NORMAL, NOW)
    assert (verdict.faults, verdict.status) == (("proposal_misfit",), Status.NO_PROPOSAL)
    verdict = arc.tick(state(now=NOW, twist=(1.0, 0.2, 0.0)), proposal(now=NOW), Mode.NORMAL, NOW)
    assert (verdict.faults, verdict.status) == (("state_misfit",), Status.STOPPED)
