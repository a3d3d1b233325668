# SPDX-License-Identifier: Apache-2.0
"""Campaigns in lock-step: faults are named and stop the robot in time, and a bad arc fails."""

import argparse
import json
from collections import deque

import numpy as np
import pytest

from reflexarc.assurance.injection.table import INJECTIONS, injection
from reflexarc.cli import _validate_faults
from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc_sim.inject import Drive
from reflexarc_sim.inject_campaign import CampaignRequest, applicable, never_reached, run_campaign
from reflexarc_sim.scenario import load_scenario

pytestmark = pytest.mark.integration

ROWS = (
    "odometry_nan",
    "odometry_reorder",
    "all_drop",
    "clock_backward",
    "supervisor_killed",
    "actuator_half",
)


def campaign(scenario, names, window_s=0.4):
    rows = tuple(injection(name) for name in names)
    request = CampaignRequest(scenario, rows, ("person_near",), (0,), window_s, 3.0)
    return run_campaign(request, lambda *_: None)


@pytest.fixture(scope="module")
def supervised():
    return load_scenario("sidewalk_supervised")


def test_faults_are_named_and_the_command_is_zero_in_time(supervised):
    found = campaign(supervised, ROWS)
    assert [case.row for case in found.cases] == list(ROWS), found.missing
    assert found.false_stops == 0
    assert 2.0 < found.fault_free_s <= 3.0
    for case in found.cases:
        row = injection(case.row)
        assert case.fail_safe, case
        assert not case.unaffected, case
        assert case.detected == bool(row.expects)
        if row.zero:
            assert case.zero_s <= case.named_s + 0.005


def test_every_phase_is_met_in_each_mode_that_occurs_and_the_others_are_listed(supervised):
    modes = ("SPEED_SEPARATION", "EMERGENCY_STOP")
    rows = (injection("odometry_nan"),)
    found = run_campaign(
        CampaignRequest(supervised, rows, ("person_near",), (0,), 0.1, 2.5, modes), lambda *_: None
    )
    assert [(case.phase, case.mode) for case in found.cases] == [("person_near", "SPEED_SEPARATION")]
    assert found.missing == [(0, "person_near", "EMERGENCY_STOP")]
    assert never_reached(found, 1) == [("person_near", "EMERGENCY_STOP")]
    assert never_reached(found, 2) == [], "another seed has reached it"


def test_a_contact_tells_how_fast_the_robot_drove_towards_it():
    drive = Drive.__new__(Drive)
    drive.touch, drive.touches_from = None, 1.0
    drive._way = deque([(0.5 * k, np.array([0.25 * k, 0.0, 0.0]), 0.5) for k in range(6)])

    def touch(start, speed, x, kind=ContactClass.PEDESTRIAN):
        drive._touches([ContactEvent(start, start, kind, "somebody", 1.0, 1.0, 0.0, speed, (x, 0.0))])
        return drive.touch

    assert touch(2.0, 0.05, 2.0) is None, "the robot stands"
    assert touch(0.5, 0.5, 2.0) is None, "before the fault"
    assert touch(2.0, 0.5, 2.0, ContactClass.BOLLARD) is None
    assert touch(2.0, 0.5, 0.0) == pytest.approx((0.5, -0.5)), "somebody walks into its back"
    assert touch(2.0, 0.5, 2.0) == pytest.approx((0.5, -0.5)), "the first one counts"


def test_an_arc_that_accepts_old_tracks_fails_the_campaign(supervised):
    careless = supervised.with_overrides({"arc": {"freshness": {"obstacles_s": 2.0}}})
    (case,) = campaign(careless, ("obstacles_drop",)).cases
    assert not case.detected
    assert not case.fail_safe


def test_rows_that_a_scenario_has_no_part_for_are_left_out(supervised):
    assert {row.needs for row in applicable(supervised)} == {"", "gate"}
    learned = load_scenario("sidewalk_learned")
    assert {row.needs for row in applicable(learned)} == {"", "learned"}
    assert len(applicable(supervised)) < len(INJECTIONS)


def test_a_scenario_without_the_arc_is_refused(supervised):
    with pytest.raises(ConfigError, match=r"arc\.enabled"):
        Drive(supervised.with_overrides({"arc": {"enabled": False}}), 0)


def arguments(*words):
    parser = argparse.ArgumentParser()
    _validate_faults.add_parser(parser.add_subparsers(dest="action"))
    return parser.parse_args(["faults", *words])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--seeds", "0"), "--seeds 0 must be above 0"),
        (("--seeds", "1.5"), "whole number"),
        (("--window", "nan"), "--window nan must be above 0"),
        (("--drive", "long"), "'long' is not a number"),
        (("--faults", "learned_always_safe"), "needs a scenario with a learned"),
        (("--faults", "mad"), "clock_nan"),
        (("--phases", "flying"), "allowed: driving"),
        (("--modes", "fast"), "allowed: NORMAL"),
    ],
)
def test_a_request_that_is_not_acceptable_says_what_is(words, text):
    with pytest.raises(ConfigError, match=text):
        _validate_faults.run(arguments("sidewalk_supervised", *words))


def test_the_command_line_writes_figures_and_returns_zero(tmp_path, capsys):
    words = (
        "--faults",
        "proposal_nan",
        "--phases",
        "person_near",
        "--window",
        "0.1",
        "--drive",
        "8",
        "--json",
    )
    assert _validate_faults.run(arguments("sidewalk_supervised", *words, "--out", str(tmp_path))) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["rows"]["proposal_nan"]["fail_safe"] == 1
    assert printed["failures"] == printed["residual"] == []
    assert printed["cells"] == {
        "person_near": {"SPEED_SEPARATION": printed["cells"]["person_near"]["SPEED_SEPARATION"]}
    }
    assert printed["rows"]["proposal_nan"]["modes"] == {"SPEED_SEPARATION": {"cases": 1, "fail_safe": 1}}
    assert json.loads((tmp_path / "faults.json").read_text(encoding="utf-8"))["cases"] == 1
    assert (tmp_path / "faults.svg").exists()
