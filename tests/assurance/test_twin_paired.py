# SPDX-License-Identifier: Apache-2.0
"""Pairs of closed-loop runs, and what fails a validation."""

import math

import pytest

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.twin.judgement import Judged
from reflexarc.assurance.twin.paired import compare
from reflexarc.assurance.twin.protocol import Validation
from reflexarc.assurance.twin.report import summary, write_report
from reflexarc.assurance.twin.tolerances import read_tolerances
from reflexarc.core.types import Status
from tests.assurance.monitor_recordings import calm, pedestrian, recording, verdict


def run(first: float = math.inf, speed: float = 0.5, near: float = 0.0):
    """Return a run whose arc intervenes from `first` [s] on, with the person nearer by `near` [m]."""
    topics = calm(speed) | {
        "verdict": (1, lambda t: verdict(t, speed, status=Status.FILTERED if t >= first else Status.PASSED)),
        "obstacles": (5, lambda t: pedestrian(t, 3.0 - near, 5.0 - 0.5 * t, -0.5)),
    }
    return recording(topics, 2.0)


@pytest.fixture(scope="module")
def requirements():
    return read_requirements(requirements_file("sidewalk"))


@pytest.mark.parametrize(
    ("log", "twin", "expected"),
    [(1.0, 1.2, -0.2), (math.inf, math.inf, 0.0), (0.5, math.inf, 0.5 - 1.99), (math.inf, 0.5, 1.99 - 0.5)],
)
def test_the_event_time_is_the_difference_of_the_first_interventions(requirements, log, twin, expected):
    found, _ = compare("s", run(log), run(twin), requirements)
    assert found["event_time"] == pytest.approx(expected, abs=0.011)


def test_equal_runs_agree_in_every_requirement(requirements):
    found, pairs = compare("s", run(), run(), requirements)
    assert found["stl_sign"] == 0.0
    assert all(pair.log == pair.twin for pair in pairs if pair.compared)
    assert sum(pair.compared for pair in pairs) >= 4


def test_a_requirement_that_only_one_run_violates_is_a_disagreement(requirements):
    fast = run(speed=4.0)  # above the drive's limit, which ACT-V forbids
    found, pairs = compare("s", fast, run(), requirements)
    wrong = {pair.id for pair in pairs if pair.compared and not pair.agrees}
    assert "ACT-V" in wrong
    assert found["stl_sign"] == pytest.approx(len(wrong) / sum(pair.compared for pair in pairs))


def validation(**changed) -> Validation:
    """Return one in which every metric is 0, with some values changed."""
    judged = []
    for name, tolerance in read_tolerances().items():
        value = changed.get(name, 0.0)
        judged.append(Judged(name, (value, value), value, value, value, tolerance))
    ages = {"p50_s": 0.004, "p99_s": 0.01, "max_s": math.nan}
    good = {
        "log": "x", "ticks": 5, "equal": 5, "missing": 0, "unheard": 0, "gaps": 0, "odometry_age": ages,
        "recorder_pause_s": 0.1, "first": "", "same": True,
    }  # fmt: skip
    return Validation([], [], 0.0, [good], judged, judged)


def test_without_a_failure_the_verdict_is_pass(tmp_path):
    found = validation()
    assert found.passed and summary(found)["verdict"] == "PASS"
    assert "Verdict: **PASS**" in write_report(found, tmp_path).read_text()


def test_one_metric_one_replay_or_one_hash_is_enough_to_fail():
    assert validation(stop_time=0.02).failures[0].startswith("stop_time: mean 0.02")
    replayed = validation()
    replayed.replays.append(replayed.replays[0] | {"equal": 4, "same": False})
    assert len(replayed.failures) == 1 and "1 of 5 verdicts" in replayed.failures[0]
    hashed = validation()
    hashed.problems.append("robot.yaml differs")
    assert hashed.failures == ["robot.yaml differs"]
