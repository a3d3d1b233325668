# SPDX-License-Identifier: Apache-2.0
"""Traces from recordings, sessions and their parts, and the protocol on short drives of surrogate and twin."""

import numpy as np
import pytest

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.twin.gap import drive_gap
from reflexarc.assurance.twin.protocol import validate
from reflexarc.assurance.twin.report import summary, write_report
from reflexarc.assurance.twin.sessions import Part, deal, manifest_problems, read_sessions, replayed
from reflexarc.assurance.twin.tolerances import read_tolerances
from reflexarc.assurance.twin.trace import PERIOD, trace_from
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.types import Proposal
from reflexarc.report.manifest import manifest
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate import PLANTED, Start, SurrogatePlant, TwinPlant, draw_parameters
from reflexarc_sim.surrogate_drives import empty_place
from reflexarc_sim.surrogate_run import record
from reflexarc_sim.surrogate_twin import MujocoTwin, blind, drive
from tests.assurance.monitor_recordings import calm, recording
from tests.cli.recordings import odometry, twist_stamped

SMALL = {"world.length_m": "40", "world.width_m": "16", "cargo.pieces": "0"}
BURST = ((0.3, 0.0, 0.0), (0.9, 1.0, 0.0), (0.5, 0.0, 0.0))
SECONDS = sum(part[0] for part in BURST)


@pytest.fixture(scope="module")
def place():
    return empty_place(load_scenario("sidewalk_delivery")).with_overrides(SMALL)


@pytest.fixture(scope="module")
def sessions(place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")

    def burst(_, now):
        end = np.cumsum([part[0] for part in BURST])
        part = BURST[min(int(np.searchsorted(end, now, side="right")), len(BURST) - 1)]
        return Proposal(now, np.array(part[1:]))

    plant = SurrogatePlant(place, draw_parameters(3), Start.MIDDLE)
    about = {"drive": "manoeuvres", "source": "surrogate"}
    for number in range(4):
        record(plant, place, number, folder / f"session_{number}" / "manoeuvres.mcap", SECONDS, burst, about)
    return folder


@pytest.fixture(scope="module")
def logs(sessions):
    return read_sessions([sessions])


def test_a_trace_holds_commands_and_interpolates_measurements():
    topics = calm(0.0) | {
        "odom": (2, lambda t: odometry(t, 0.1 * t, 0.1 * t)),
        "cmd_vel": (1, lambda t: twist_stamped(t, 0.5 if t > 1.0 else 0.0, 0.1)),
    }
    trace = trace_from(recording(topics, 2.0))
    time = PERIOD * np.arange(len(trace.twist))
    assert np.allclose(trace.twist[:, 0], 0.1 * time, atol=1e-9)
    assert set(trace.command[:, 0]) == {0.0, 0.5}
    assert np.isnan(trace.push).all()


def test_behind_a_gate_a_trace_holds_what_passed_it():
    gated = {"cmd_vel_gated": (1, lambda t: twist_stamped(t, 0.0 if t < 1.0 else 0.4, 0.1))}
    trace = trace_from(recording(calm(0.0) | gated, 2.0))
    assert set(trace.command[:, 0]) == {0.0, 0.4}


@pytest.mark.parametrize(
    ("odom", "match"),
    [
        (lambda t: odometry(t, 0.0, float("nan") if t > 1.0 else 0.0), "not finite"),
        (lambda t: odometry(0.5 if t > 1.0 else t, 0.0, 0.0), "back in time"),
        (lambda t: None if 1.0 < t < 1.2 else odometry(t, 0.0, 0.0), "missing for"),
        (lambda t: odometry(t, t, 1.0), "standstill"),
        (lambda t: odometry(t, 0.0, 0.0) if t == 0.0 else None, "1 messages"),
        (lambda _: None, "no topic"),
    ],
)
def test_a_log_that_cannot_be_compared_is_an_error(odom, match):
    with pytest.raises(RecordingError, match=match):
        trace_from(recording(calm(0.0) | {"odom": (1, odom)}, 2.0))


def test_sessions_are_dealt_whole_and_at_least_two_judge():
    for count in range(4, 20):
        parts = deal(count)
        assert len(parts) == count and parts == sorted(parts, key=list(Part).index)
        assert parts.count(Part.HELD_OUT) >= 2 and {Part.IDENTIFICATION, Part.TUNING} <= set(parts)


def test_too_few_sessions_a_log_twice_and_an_unfinished_log_are_refused(sessions, tmp_path):
    with pytest.raises(ConfigError, match="3 sessions, at least 4"):
        read_sessions([sessions / f"session_{k}" for k in range(3)])
    with pytest.raises(RecordingError, match="no MCAP recording"):
        read_sessions([tmp_path])
    copy = tmp_path / "copy" / "manoeuvres.mcap"
    copy.parent.mkdir()
    data = (sessions / "session_0" / "manoeuvres.mcap").read_bytes()
    copy.write_bytes(data)
    with pytest.raises(ConfigError, match="one log counts once"):
        read_sessions([sessions, copy])
    copy.write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match="unfinished"):
        read_sessions([sessions, copy])


def test_a_log_of_another_robot_model_is_noticed(logs, place):
    log = logs[0]
    good = manifest(place)
    assert manifest_problems(log, good) == []
    assert len(manifest_problems(log, good | {"robot.yaml_sha256": "0"})) == 1


def test_a_surrogate_log_replays_to_the_bit_and_does_not_name_its_withheld_seed(logs):
    log = logs[0]
    found = replayed(log)
    assert found["same"] and found["ticks"] == 340
    assert log.meta["source"] == "surrogate" and "robot" not in log.meta
    assert set(draw_parameters(3).__class__.__slots__).isdisjoint(log.meta)


def test_the_same_seed_gives_the_same_log(sessions, place, tmp_path):
    plant = SurrogatePlant(place, draw_parameters(3), Start.MIDDLE)
    first = read_recording(sessions / "session_1" / "manoeuvres.mcap")
    record(plant, place, 1, tmp_path / "again.mcap", 0.5, lambda _, now: Proposal(now, np.zeros(2)), {})
    again = trace_from(read_recording(tmp_path / "again.mcap"))
    assert np.array_equal(trace_from(first).twist[:60], again.twist[:60])


def test_planted_errors_show_in_the_metric_that_is_theirs(place):
    here = blind(place).with_overrides(SMALL)
    command = np.concatenate([np.tile(part[1:], (round(part[0] / PERIOD), 1)) for part in BURST])
    twin = drive(TwinPlant(here, Start.MIDDLE), command)
    gap = {
        name: drive_gap(drive(SurrogatePlant(here, draw_parameters(4, name), Start.MIDDLE), command), twin)
        for name in ("none", "mass", "latency")
    }
    assert abs(gap["none"]["velocity_lag"]) < 0.005 and gap["latency"]["velocity_lag"] > 0.02
    assert gap["mass"]["effort_gain"] - gap["none"]["effort_gain"] > 0.15
    assert gap["latency"]["effort_gain"] < 0.1


def test_less_friction_slides_in_a_turn_that_the_tyres_otherwise_hold(place):
    here = blind(place).with_overrides(SMALL)
    command = np.concatenate([np.tile((2.6, 0.0), (560, 1)), np.tile((2.6, 1.5), (240, 1))])
    twin = drive(TwinPlant(here, Start.MIDDLE), command)
    slid, held = (
        drive(SurrogatePlant(here, draw_parameters(4, name), Start.MIDDLE), command)
        for name in ("friction", "none")
    )
    assert drive_gap(slid, twin)["slip"] > 0.1
    assert drive_gap(held, twin)["slip"] < 0.05


def test_an_unknown_planted_error_lists_those_that_exist():
    with pytest.raises(ConfigError, match=", ".join(sorted(PLANTED))):
        draw_parameters(1, "gravity")


def test_the_protocol_fails_what_it_could_not_measure_and_reports_it(logs, place, tmp_path):
    found = validate(
        logs,
        MujocoTwin(place),
        read_tolerances(),
        read_requirements(requirements_file("sidewalk")),
        manifest(place),
        tmp_path,
        lambda _: None,
    )
    by_name = {item.name: item for item in found.held_out}
    assert by_name["velocity_lag"].passed and len(by_name["velocity_lag"].values) == 2
    assert not found.passed
    assert any(text.startswith("event_time: not measured") for text in found.failures)
    assert not any("replay" in text for text in found.failures)
    assert summary(found)["verdict"] == "FAIL"
    page = write_report(found, tmp_path / "report").read_text()
    assert "velocity_lag" in page and "1360 of 1360 verdicts" in page
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.md",
        "report.json",
        "gaps.svg",
        "velocities.svg",
    }
