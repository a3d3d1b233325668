# SPDX-License-Identifier: Apache-2.0
"""Encounters of the supervised delivery robot: the person's path, the signals, one case against the baseline."""

import math

import numpy as np
import pytest

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.regression.baseline import baseline_file, compare, read_baseline
from reflexarc.assurance.regression.cases import plan
from reflexarc.assurance.regression.pairwise import uncovered
from reflexarc.assurance.regression.run import run_suite
from reflexarc.assurance.supervision import SupervisionConfig
from reflexarc.core.errors import ConfigError
from reflexarc_sim.crowd.recorded import read_tracks
from reflexarc_sim.encounters.scripted import PHASES, Drive, grid, meetings, track
from reflexarc_sim.encounters.suite import USE_CASES, encounter_suite, required, samples

LEVELS = {"angle": "0", "speed": "1.0", "kind": "walks_into", "phase": "driving"}


def straight(person=(), gap=math.inf, mode=0, speed=1.0) -> Drive:
    """Return 10 s along x at a speed [m/s], with one person or none at rest."""
    time = 0.005 * np.arange(2000)
    pose = np.stack([speed * time, 0.0 * time, 0.0 * time], axis=1)
    people = tuple((0.05 * k, np.array([person]) if person else np.zeros((0, 2))) for k in range(200))
    twist = np.tile((speed, 0.0), (2000, 1))
    return Drive(time, pose, twist, np.full(2000, float(mode)), np.full(2000, gap), people, 0, True)


def path(tmp_path, **levels):
    """Return times [s] and positions [m] of a person who meets a robot at (5, 0) at 6 s, driving along x."""
    file = tmp_path / "person.txt"
    file.write_text(track(LEVELS | levels, (6.0, np.array((5.0, 0.0, 0.0))), 14.0))
    (found,) = read_tracks(file)
    return found.times, found.positions


def test_who_walks_into_the_robot_is_at_the_meeting_point_in_time_from_the_angle(tmp_path):
    times, places = path(tmp_path)
    assert np.interp(6.0, times, places[:, 0]) == pytest.approx(5.0, abs=0.01)
    assert np.interp(4.0, times, places[:, 0]) == pytest.approx(7.0, abs=0.01), "head-on"
    times, places = path(tmp_path, angle="90", speed="2.0")
    assert np.interp(5.0, times, places[:, 1]) == pytest.approx(2.0, abs=0.01), "from the left"
    times, places = path(tmp_path, angle="180")
    assert np.interp(4.0, times, places[:, 0]) == pytest.approx(3.0, abs=0.01), "from behind"


def test_kinds_of_encounters(tmp_path):
    times, places = path(tmp_path, kind="walks_past")
    assert np.abs(places[:, 1]) == pytest.approx(0.9)
    times, places = path(tmp_path, kind="stops_ahead")
    assert np.interp(8.5, times, places[:, 0]) == pytest.approx(5.0, abs=0.01)
    assert np.interp(10.0, times, places[:, 0]) == pytest.approx(4.0, abs=0.01)


def test_meetings_are_along_the_drive_and_a_short_drive_is_refused():
    found = meetings(straight())
    assert list(found) == list(PHASES)
    assert [pose[0] for _, pose in found.values()] == pytest.approx([2.0, 5.0, 7.0], abs=0.02)
    with pytest.raises(ConfigError, match="too short"):
        meetings(straight(speed=0.3))


def test_signals_of_a_drive_past_nobody_and_towards_somebody():
    requirements = read_requirements(requirements_file("encounter"))
    alone = samples(straight(), requirements)
    assert len(alone.time) == len(grid(straight(), 0.01)) == 1000
    assert (alone.values["separation"] == 10.0).all() and not alone.values["protective_distance"].any()
    assert not alone.values["unanswered"].any()
    near = samples(straight((10.5, 0.0), 0.7), requirements)
    assert near.values["approach"][0] == pytest.approx(1.0)
    away = samples(straight((-3.0, 0.0), 0.7), requirements)
    assert away.values["approach"][0] == pytest.approx(-1.0)
    assert near.values["protective_distance"][0] == pytest.approx(0.15 + 0.5 / 2.4)
    assert near.values["unanswered"][-1] > 0.5, "close to somebody in mode NORMAL"
    assert not samples(straight((10.5, 0.0), 0.7, mode=3), requirements).values["unanswered"].any()


def test_the_limits_of_the_requirements_are_those_of_the_supervisor():
    constants = read_requirements(requirements_file("encounter")).constants
    config = SupervisionConfig()
    assert constants["dwell"].value == config.dwell_s
    assert constants["reaction"].value == config.guards.reaction_s
    assert required() == {"NEAR": 1, "AHEAD": 1, "CLOSE": 3}


def test_a_case_is_as_its_baseline_says_and_without_the_supervisor_it_is_not():
    suite = encounter_suite()
    whole = plan(suite)
    baseline = read_baseline(baseline_file(suite.name), suite.name)
    assert set(baseline.cases) == {case.id for case in whole.cases}
    rows = [case.levels for case in whole.cases]
    assert set(uncovered(rows, USE_CASES[0].factors)) == set(whole.impossible["ENCOUNTER"])
    case = next(c for c in whole.cases if c.levels["phase"] == "setting_off" and c.levels["angle"] == "45")
    found = compare(run_suite(suite, cases=[case]), baseline)
    assert not [text for text in found.regressions if "was not run" not in text]
    alone = encounter_suite({"supervisor": {"enabled": False}})
    found = compare(run_suite(alone, cases=[case]), baseline)
    assert any(f"{case.id}: ANSWER was held" in text for text in found.regressions)
