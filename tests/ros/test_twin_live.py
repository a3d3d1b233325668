# SPDX-License-Identifier: Apache-2.0
"""Recordings of live nodes go through the validation of the twin like a robot's would."""

import contextlib
import os

import numpy as np
import pytest

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.twin.contact import contact_gap, recorded_contacts
from reflexarc.assurance.twin.protocol import validate
from reflexarc.assurance.twin.report import write_report
from reflexarc.assurance.twin.sessions import Log, Part, manifest_problems, replayed
from reflexarc.assurance.twin.tolerances import read_tolerances
from reflexarc.assurance.twin.trace import PERIOD, trace_from
from reflexarc.cli._validate_live import record_drive
from reflexarc.core.errors import RecordingError
from reflexarc.launcher.packages import package_prefix
from reflexarc.report.manifest import manifest
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate_drives import TOUCH
from reflexarc_sim.surrogate_twin import MujocoTwin

SECONDS, SEED = 4.0, 3


def _missing() -> str:
    try:
        for package in ("reflexarc_msgs", "reflexarc_nodes", "reflexarc_bringup"):
            package_prefix(package, os.environ)
    except LookupError as error:
        return str(error)
    return ""


pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.skipif(bool(_missing()), reason=f"{_missing()}; run `make setup` and `. ./env.sh`"),
]


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("sidewalk_delivery")


@contextlib.contextmanager
def refused_where_nodes_starve():
    """Skip, visibly, where a machine starves the nodes so that what was recorded must be refused."""
    try:
        yield
    except RecordingError as error:
        if not any(words in str(error) for words in ("goes back in time", "is missing for")):
            raise
        pytest.skip(f"the nodes starved, and the recording is refused as it must be: {error}")


@pytest.fixture(scope="module")
def logs(scenario, tmp_path_factory):
    """A drive of contact and one of the scenario, by drive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ROS_DOMAIN_ID", raising=False)
        folder = tmp_path_factory.mktemp("logs") / "session_000"
        paths = {d: record_drive(scenario, d, SEED, SECONDS, folder) for d in ("contact", "scenario")}
    return {d: Log("session_000", Part.HELD_OUT, d, read_recording(path)) for d, path in paths.items()}


def test_what_was_driven_and_with_what_is_in_the_recording(logs, scenario):
    assert all(log.recording.complete for log in logs.values())
    assert logs["contact"].contact and logs["scenario"].of_scenario
    for drive, log in logs.items():
        assert log.meta["source"] == "live" and log.meta["drive"] == drive and log.meta["seed"] == str(SEED)
        assert manifest_problems(log, manifest(scenario)) == []
    other = manifest_problems(logs["scenario"], manifest(scenario.with_overrides({"crowd.count": "3"})))
    assert len(other) == 1 and "scenario_sha256" in other[0]


def test_every_verdict_whose_inputs_were_heard_replays_to_the_bit(logs):
    found = replayed(logs["scenario"])
    assert found["same"], found
    assert found["equal"] > 100
    assert not logs["contact"].recording.optional_topic("verdict"), "driven without the arc"


def test_the_touch_of_the_live_robot_is_that_of_the_twin(logs, scenario):
    recording = logs["contact"].recording
    with refused_where_nodes_starve():
        trace = trace_from(recording)
    wanted = {tuple(part[1:]) for part in TOUCH} | {(0.0, 0.0)}
    assert {tuple(row) for row in np.unique(trace.command, axis=0)} == wanted
    still = PERIOD * np.flatnonzero(trace.command[:, 0] > 0.0)[0]
    assert still > 0.1, "it stands until a late recorder has found its topics, and then drives"
    peaks = recorded_contacts(recording)
    if not peaks:
        pytest.skip("the busy machine stopped the robot for so long that it did not reach the bollard")
    assert peaks and {event.partner for event in peaks} == {"bollard_0"}
    gap = contact_gap(peaks, MujocoTwin(scenario).touch(trace.command))["contact_force"]
    assert abs(gap) < read_tolerances()["contact_force"].tolerance


def test_a_verdict_comes_out_and_names_what_was_not_measured(logs, scenario, tmp_path):
    every = [
        Log(f"session_{number}", part, log.sha256, log.recording)
        for number, part in enumerate((Part.IDENTIFICATION, Part.TUNING, Part.HELD_OUT, Part.HELD_OUT))
        for log in logs.values()
        if number < 3 or log.of_scenario
    ]  # one session in every part, the last without contact: what is judged here is the way, not the twin
    with refused_where_nodes_starve():
        found = validate(
            every,
            MujocoTwin(scenario),
            read_tolerances(),
            read_requirements(requirements_file("sidewalk")),
            manifest(scenario),
            tmp_path,
            lambda _: None,
        )
    by_name = {item.name: item for item in found.held_out}
    assert not found.passed and not found.problems
    assert "contact_force: not measured in every held-out session" in found.failures
    assert next(item for item in found.tuning if item.name == "contact_force").measured
    # how near the twin comes, and whether the arc intervened within these seconds, is the busy machine's affair
    for name in ("velocity_nrmse", "drift", "loop_w1", "tick_w1"):
        assert by_name[name].measured, name
    assert 0.0 < found.noise < 0.01
    page = write_report(found, tmp_path / "report").read_text()
    assert "| session_000/scenario.mcap | " in page and "| live log |" in page
