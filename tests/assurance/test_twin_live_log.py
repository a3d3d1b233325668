# SPDX-License-Identifier: Apache-2.0
"""What only a live recording has: repeated stamps, pauses of the arc, topics found one by one."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.assurance.twin.sessions import HEARING_S, Log, Part, odometry_ages, recorder_pause, replayed
from reflexarc.assurance.twin.trace import LONGEST_GAP, PERIOD, trace_from
from reflexarc.core import wire
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.plant import ContactClass
from reflexarc.policies import make_policy
from reflexarc.report.recording import read_recording
from reflexarc_sim import make_plant
from reflexarc_sim.live_drives import POLICY, live_place
from reflexarc_sim.mujoco_plant.start import GAP
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate import TwinPlant
from reflexarc_sim.surrogate_drives import MANOEUVRES, MANOEUVRES_S, TOUCH_S
from reflexarc_sim.surrogate_run import record
from tests.assurance.monitor_recordings import calm, recording, verdict
from tests.cli.recordings import odometry, twist_stamped

SECONDS = 1.5


@pytest.fixture(scope="module")
def lock_step(tmp_path_factory):
    """A short run among people, in lock-step."""
    scenario = load_scenario("sidewalk_calm")
    path = tmp_path_factory.mktemp("log") / "scenario.mcap"
    plant = TwinPlant(scenario)
    record(plant, scenario, 0, path, SECONDS, None, {"source": "twin"})
    plant.close()
    return read_recording(path)


def log(made, source):
    made = copy.copy(made)
    made.metadata = {"reflexarc": made.meta("reflexarc") | {"source": source}}
    made.topics = dict(made.topics)
    return Log("session", Part.HELD_OUT, "0", made)


def without(found, topic, lost):
    full = next(name for name in found.recording.topics if name.rsplit("/", 1)[-1] == topic)
    found.recording.topics[full] = [e for e in found.recording.topics[full] if not lost(e.log_time)]
    return found


def test_while_time_stands_still_the_newest_command_of_a_stamp_counts():
    topics = calm(0.0) | {
        "cmd_vel": (1, lambda t: twist_stamped(max(0.0, t - 0.5), 0.01 * round(100 * t), 0.1))
    }
    trace = trace_from(recording(topics, 1.0))
    assert trace.command[0, 0] == pytest.approx(0.5), "what was sent last at time 0"
    assert trace.command[-1, 0] == pytest.approx(0.99)


def test_odometry_may_be_repeated_but_not_change_within_a_stamp():
    still = calm(0.0) | {"odom": (1, lambda t: odometry(max(0.0, t - 0.5), 0.0, 0.0))}
    assert len(trace_from(recording(still, 2.0)).pose) > 100
    coarse = calm(0.0) | {"odom": (1, lambda t: odometry(round(t, 1), 0.01 * t, 0.0))}
    with pytest.raises(RecordingError, match="odom at 0.000 s says two things under one stamp"):
        trace_from(recording(coarse, 2.0))


def paused(**topics):
    """Commands of 0.4 m/s that pause from 1.0 to 1.3 s."""
    sent = (1, lambda t: None if 1.0 < t < 1.3 else twist_stamped(t, 0.4, 0.1))
    return recording(calm(0.0) | {"cmd_vel": sent} | topics, 2.0)


def numbered(t):
    """A verdict whose number follows the one before the pause."""
    return None if 1.0 < t < 1.3 else verdict(t) | {"seq": round(100 * t) - (29 if t > 1.1 else 0)}


@pytest.mark.parametrize(
    "topics",
    [
        {"verdict": (1, numbered)},
        {"verdict": (1, lambda _: None)},
        {
            "cmd_vel": (1, lambda t: twist_stamped(t, 0.4, 0.1)),
            "cmd_vel_gated": (1, lambda t: None if 1.0 < t < 1.3 else twist_stamped(t, 0.4, 0.1)),
        },
    ],
    ids=["the arc paused", "no arc", "the gate paused"],
)
def test_in_a_pause_the_robot_was_commanded_zero_once_the_last_command_was_old(topics):
    command = trace_from(paused(**topics)).command[:399, 0]
    time = PERIOD * np.arange(399)
    zero = (time > 1.0 + LONGEST_GAP + 1e-9) & (time < 1.3 - 1e-9)
    assert zero.sum() == 39
    assert np.array_equal(command == 0.0, zero) and set(command) == {0.0, 0.4}


@pytest.mark.parametrize(("waits_s", "begun"), [(0.0, 1.03), (0.08, 1.01)])
def test_commands_reach_a_plant_that_was_kept_waiting_at_its_own_time(waits_s, begun):
    def plant(t):
        return min(t, 1.0) if t < 1.0 + waits_s else t - waits_s

    def told(t):
        return twist_stamped(max(t - waits_s, min(t, 1.0 + waits_s)), 0.4 if t > 1.03 - 1e-9 else 0.0, 0.1)

    def clock(t):
        sec, nanosec = wire.split(plant(t))
        return {"clock": {"sec": sec, "nanosec": nanosec}}

    topics = {"clock": (1, clock), "odom": (1, lambda t: odometry(plant(t), 0.0, 0.0)), "cmd_vel": (1, told)}
    command = trace_from(recording(calm(0.0) | topics, 2.0)).command[:, 0]
    assert PERIOD * np.flatnonzero(command)[0] == pytest.approx(begun)
    assert (command[round(begun / PERIOD) :] == 0.4).all()


def test_a_command_stamped_far_ahead_of_the_plant_is_refused_by_it():
    clock = (1, lambda t: {"clock": {"sec": int(0.5 * t), "nanosec": int(1e9 * (0.5 * t % 1.0))}})
    slow = {"clock": clock, "odom": (1, lambda t: odometry(0.5 * t, 0.0, 0.0))}
    command = trace_from(recording(calm(0.4) | slow, 2.0)).command[:, 0]
    time = PERIOD * np.arange(len(command))
    assert (command[time < 0.08] == 0.4).all(), "it leads by as much as the time that has passed"
    assert (command[time > 0.12] == 0.0).all()


def test_the_longest_pause_of_the_recorder_is_over_all_topics():
    assert recorder_pause(recording(calm())) == pytest.approx(0.01)
    first = (1, lambda t: odometry(t, 0.0, 0.0) if t == 0.5 else None)
    quiet = (1, lambda t: None if 0.0 < t < 0.5 or 1.0 < t < 1.4 else twist_stamped(t, 0.4, 0.1))
    found = recorder_pause(recording({"odom": first, "cmd_vel": quiet}))
    assert found == pytest.approx(0.4), "the wait for the first odometry is no pause"


def test_commands_that_the_recorder_missed_are_an_error():
    with pytest.raises(RecordingError, match="cmd_vel is missing for 0.3"):
        trace_from(paused(verdict=(1, lambda t: None if 1.0 < t < 1.3 else verdict(t))))


def test_ticks_from_before_the_recorder_found_a_topic_are_counted_and_no_difference(lock_step):
    found = replayed(without(log(lock_step, "live"), "scan", lambda t: t < 0.25))
    assert found["same"] and found["unheard"] == found["missing"] > 20
    assert found["equal"] + found["unheard"] == found["ticks"] == round(SECONDS / PERIOD)


@pytest.mark.parametrize(
    ("source", "topic", "lost"),
    [
        ("twin", "scan", lambda t: t < 0.25),
        ("live", "odom", lambda t: 1.0 < t < 1.1),
        ("live", "verdict", lambda t: 1.0 < t < 1.1),
        ("live", "scan", lambda _: True),
    ],
    ids=["in lock-step", "later on", "a gap", "never found"],
)
def test_other_ticks_that_cannot_be_replayed_fail(lock_step, source, topic, lost):
    assert not replayed(without(log(lock_step, source), topic, lost))["same"]


def test_finding_the_topics_may_not_take_for_ever(lock_step):
    found = log(lock_step, "live")
    for name, entries in found.recording.topics.items():  # the same run, heard twenty times as slowly
        found.recording.topics[name] = [replace(e, log_time=20.0 * e.log_time) for e in entries]
    lost = without(found, "scan", lambda t: t < 20.0 * 0.45)
    assert 20.0 * 0.45 > HEARING_S
    assert not replayed(lost)["same"]


def test_the_age_of_odometry_is_that_of_the_ticks(lock_step):
    assert odometry_ages(lock_step) == pytest.approx({"p50_s": 0.0, "p99_s": 0.0, "max_s": 0.0}, abs=1e-9)
    made = recording(calm() | {"verdict": (1, lambda t: verdict(t) | {"state_stamp": t - 0.02})}, 1.0)
    assert odometry_ages(made)["p50_s"] == pytest.approx(0.02)


def test_a_live_drive_proposes_its_list_after_a_standstill():
    policy = make_policy(POLICY, {"drive": "manoeuvres", "settle_s": 0.5})
    begun = 7.0
    times = begun + np.cumsum([0.0, 0.5, *(part[0] for part in MANOEUVRES)])
    wanted = [policy.propose(None, t + 1e-3).twist.tolist() for t in times]  # type: ignore[arg-type]
    assert wanted[0] == [0.0, 0.0]
    assert wanted[1:-1] == [list(part[1:]) for part in MANOEUVRES]
    assert wanted[-1] == [0.0, 0.0]
    with pytest.raises(ConfigError, match="drive"):
        make_policy(POLICY, {"drive": "scenario"})


def test_a_live_drive_begins_where_the_twin_begins():
    scenario = load_scenario("sidewalk_delivery")
    there = live_place(scenario, "contact")
    plant = make_plant(there)
    pose = plant.reset(3).pose
    bollard = next(o for o in plant.world.obstacles if o.contact_class is ContactClass.BOLLARD)
    assert bollard.distance(pose[None, :2])[0] - 0.5 * plant.robot.length == pytest.approx(GAP, abs=1e-3)
    assert there.duration_s > TOUCH_S and live_place(scenario, "manoeuvres").duration_s > MANOEUVRES_S
    bare = live_place(scenario, "manoeuvres").with_overrides({"plant.start": "bollard"})
    with pytest.raises(ConfigError, match="the world has none"):
        make_plant(bare).reset(0)
