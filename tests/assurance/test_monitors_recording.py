# SPDX-License-Identifier: Apache-2.0
"""Requirements files are checked, and recordings are judged by them in physical units."""

import argparse
import functools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from reflexarc.assurance.monitors.monitor import Outcome
from reflexarc.assurance.monitors.recorded import judge, sample_recording
from reflexarc.assurance.monitors.recorded_signals import SIGNALS, signal
from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.cli import _assurance_monitor as verb
from reflexarc.core.errors import ConfigError, RecordingError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode, Status
from reflexarc.report.recording import Recorded, Recording
from reflexarc.robots import load_base
from tests.assurance.monitor_recordings import calm, recording, verdict, write
from tests.cli.recordings import odometry, pedestrian, twist_stamped

SIDEWALK = requirements_file("sidewalk")


@functools.cache
def sidewalk():
    return read_requirements(SIDEWALK)


def findings(made):
    requirements = sidewalk()
    samples = sample_recording(made, requirements)
    return {f.requirement.id: f for f in judge(samples, requirements)}


def outcomes(found):
    return {name for name, f in found.items() if f.outcome is Outcome.VIOLATED}


def changed(**topics):
    return findings(recording(calm() | topics))


def test_a_calm_run_keeps_every_requirement():
    found = findings(recording(calm()))
    assert outcomes(found) == set()
    assert found["ACT-V"].robustness == pytest.approx(3.06, abs=1e-4)
    assert found["ACT-W"].robustness == pytest.approx(1.4, abs=1e-4)
    assert found["RATE"].robustness == pytest.approx(0.02, abs=1e-6)
    assert not found["FLT"].exercised
    assert not found["RES"].exercised
    assert found["SEP"].exercised


def test_a_person_within_the_protective_distance_of_a_moving_robot_is_a_violation():
    odom = (1, lambda t: odometry(t, 2.0 * t, 2.0) | yaw_zero(t, 2.0))
    found = changed(odom=odom, obstacles=(5, lambda t: pedestrian(t, 6.0, 0.0, 0.0)))
    assert outcomes(found) == {"SEP"}
    # S_p = 2 * 0.15 + 2^2 / (2 * 2.4) + 0.12 for a person at rest; the gap closes from 6 - 0.445 - 0.25 at 2 m/s
    needed = 2.0 * 0.15 + 4.0 / 4.8 + 0.12
    assert found["SEP"].when == pytest.approx((6.0 - 0.445 - 0.25 - needed) / 2.0, abs=0.02)


def yaw_zero(t, v):
    message = odometry(t, v * t, v)
    message["pose"]["pose"]["orientation"] = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}
    return message


@pytest.mark.parametrize(
    ("stops_after", "violated"), [(0.01, set()), (0.02, set()), (0.05, {"FLT"}), (10.0, {"FLT"})]
)
def test_after_a_fault_the_command_must_be_zero_in_time(stops_after, violated):
    def command(t):
        return twist_stamped(t, 0.5 if t < 1.0 + stops_after - 1e-9 else 0.0, 0.0)

    def decided(t):
        return verdict(t, 0.0, status=Status.STOPPED, faults=("state_stale",)) if t > 0.995 else verdict(t)

    found = changed(cmd_vel=(1, command), verdict=(1, decided))
    assert outcomes(found) == violated
    assert found["FLT"].exercised


def test_a_command_above_the_speed_of_the_mode_is_a_violation():
    slow = (1, lambda t: verdict(t, mode=Mode.POWER_FORCE_LIMITED if t > 0.995 else Mode.NORMAL))
    found = changed(verdict=slow)
    assert outcomes(found) == {"MOD-C", "MOD-V"}
    assert found["MOD-C"].robustness == pytest.approx(-0.25, abs=1e-4)
    assert found["MOD-C"].when == pytest.approx(1.01, abs=1e-6)
    assert found["MOD-V"].when == pytest.approx(2.6, abs=0.011)


@pytest.mark.parametrize(("person_leaves", "violated"), [(0.2, set()), (0.8, {"RES"})])
def test_a_stop_mode_may_end_only_after_people_were_clear_for_the_dwell(person_leaves, violated):
    def stop(t):
        return verdict(t, 0.0, Mode.PROTECTIVE_STOP if t < 2.495 else Mode.NORMAL, Status.STOPPED)

    still = {
        "odom": (1, lambda t: yaw_zero(t, 0.0)),
        "cmd_vel": (1, lambda t: twist_stamped(t, 0.0, 0.0)),
        "verdict": (1, stop),
        "obstacles": (1, lambda t: pedestrian(t, 1.2 if t < person_leaves else 4.0, 0.0, 0.0)),
    }
    found = changed(**still)
    assert outcomes(found) == violated
    assert found["RES"].exercised


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "violated"), [(3.57, 0.0, "ACT-V"), (0.0, -1.6, "ACT-W"), (math.nan, 0.0, "ACT-V")]
)
def test_commands_beyond_the_drive_or_not_finite_are_violations(speed, yaw_rate, violated):
    command = (1, lambda t: twist_stamped(t, speed if abs(t - 1.0) < 0.005 else 0.5, yaw_rate))
    assert violated in outcomes(changed(cmd_vel=command))


def test_a_track_that_is_not_finite_is_a_violation():
    found = changed(
        obstacles=(5, lambda t: pedestrian(t, math.nan if abs(t - 1.0) < 0.005 else 3.0, 5.0, 0.0))
    )
    assert outcomes(found) == {"SEP", "RES"}
    assert found["SEP"].untrusted == found["SEP"].violated == 5
    assert "is nan" in found["SEP"].reason


def test_verdicts_that_stop_coming_are_violations_of_rate_and_freshness():
    found = changed(verdict=(1, lambda t: verdict(t) if t < 1.0 else None))
    assert {"RATE", "MOD-C", "FLT"} <= outcomes(found)
    assert found["RATE"].when == pytest.approx(1.02, abs=0.011)
    assert "fault is 0.11 s old" in found["FLT"].reason
    assert found["FLT"].untrusted == found["FLT"].violated
    assert found["FLT"].robustness == math.inf
    assert not found["FLT"].exercised


def test_a_command_without_a_fresh_proposal_is_a_violation():
    found = changed(proposal=(5, lambda t: twist_stamped(t, 0.5, 0.0) if t < 1.0 else None))
    assert outcomes(found) == {"PROP"}
    assert found["PROP"].when == pytest.approx(0.95 + 0.3 + 0.03, abs=0.011)


def test_a_message_that_goes_back_in_time_is_a_violation_where_it_arrived():
    def odom(t):
        return odometry(t - 0.2 if abs(t - 1.0) < 0.005 else t, 0.5 * t, 0.5)

    found = changed(odom=(1, odom))
    assert outcomes(found) == {"SEP", "MOD-V", "RES"}
    assert found["MOD-V"].violated == found["MOD-V"].untrusted == 1
    assert found["MOD-V"].when == pytest.approx(0.99, abs=1e-6)
    assert "no usable stamp" in found["MOD-V"].reason


def test_the_part_before_the_last_topic_begins_is_said_to_be_unjudged():
    late = calm() | {"cmd_vel": (1, lambda t: twist_stamped(t, 0.5, 0.0) if t > 0.795 else None)}
    requirements = sidewalk()
    samples = sample_recording(recording(late), requirements)
    assert samples.time[0] - samples.begin == pytest.approx(0.8)


def test_a_recording_without_a_topic_or_its_configuration_is_an_error():
    without = {name: topic for name, topic in calm().items() if name != "cmd_vel"}
    with pytest.raises(
        RecordingError, match="no topic 'cmd_vel'; recorded: /obstacles, /odom, /proposal, /verdict"
    ):
        findings(recording(without))
    with pytest.raises(RecordingError, match="configuration is not known"):
        findings(recording(calm(), attach=False))


def test_the_separation_is_that_of_every_side_of_the_footprint():
    robot = load_base("segway_e1")
    where = SimpleNamespace(
        half_length=robot.length / 2,
        half_width=robot.width / 2,
        components=2,
        separation=read_requirements(SIDEWALK).separation,
    )

    def message(data):
        return json.loads(json.dumps(data), object_hook=lambda d: SimpleNamespace(**d))

    for x, y, gap in [(2.0, 0.0, 2.0 - 0.445), (0.0, -1.5, 1.5 - 0.31), (-1.445, 1.31, math.sqrt(2.0))]:
        near = message(pedestrian(0.0, x, y, 0.0))
        read = SIGNALS["separation"].read(where, message(yaw_zero(0.0, 0.0)), near)
        assert read == pytest.approx(gap - 0.25)
    needed = SIGNALS["protective_distance"].read
    away, towards = (needed(where, message(yaw_zero(0.0, 1.0)), message(person(0.0, v))) for v in (1.0, -1.0))
    stop = 1.0 / 2.4
    assert away == pytest.approx(0.15 + 0.5 * stop + 0.12)
    assert towards == pytest.approx(1.0 * (0.15 + stop) + 0.15 + 0.5 * stop + 0.12)


def person(t, vx):
    message = pedestrian(t, 3.0, 0.0, 0.0)
    message["obstacles"][0]["velocity"]["x"] = vx
    return message


def arm_recording(force_at, tank=lambda t: (1.0, 400.0)):
    """An arm's recording in memory: what the decoder gives has attributes."""

    def stamped(t, **fields):
        stamp = SimpleNamespace(sec=int(t + 1e-9), nanosec=round((t - int(t + 1e-9)) * 1e9))
        return SimpleNamespace(header=SimpleNamespace(stamp=stamp), **fields)

    times = [round(0.001 * k, 3) for k in range(1000)]
    wrench = [
        stamped(t, wrench=SimpleNamespace(force=SimpleNamespace(x=0.0, y=0.0, z=-force_at(t)))) for t in times
    ]
    said = [(t, *tank(t)) for t in times[::10]]
    verdicts = [stamped(t, tank=energy, stiffness=[stiffness] * 9) for t, energy, stiffness in said]
    return Recording(
        Path("arm.mcap"),
        {
            "/arm/wrench": [Recorded(0.0, "/arm/wrench", 0, m) for m in wrench],
            "/arm/verdict": [Recorded(0.0, "/arm/verdict", 0, m) for m in verdicts],
        },
    )


@pytest.mark.parametrize(
    ("force", "long", "violated"),
    [
        (24.0, 0.5, set()),
        (30.0, 0.05, set()),
        (30.0, 0.06, {"HOLD"}),
        (41.0, 0.01, {"PEAK"}),
        (41.0, 0.2, {"PEAK", "HOLD"}),
    ],
)
def test_an_arm_may_press_harder_only_for_50_ms(force, long, violated):
    requirements = read_requirements(requirements_file("arm_contact"))
    recording = arm_recording(lambda t: force if 0.4995 <= t < 0.4995 + long else 1.0)
    found = judge(sample_recording(recording, requirements), requirements)
    assert {f.requirement.id for f in found if f.outcome is Outcome.VIOLATED} == violated
    assert found[0].robustness == pytest.approx(40.0 - force)


@pytest.mark.parametrize(("driven", "outcome"), [(True, Outcome.VIOLATED), (False, Outcome.SATISFIED)])
def test_an_empty_tank_counts_only_while_the_impedance_drives_the_arm(driven, outcome):
    requirements = read_requirements(requirements_file("arm_contact"))
    recording = arm_recording(
        lambda t: 1.0, tank=lambda t: (1.0, 400.0) if t > 0.2 else (0.0, 400.0 if driven else 0.0)
    )
    found = {f.requirement.id: f for f in judge(sample_recording(recording, requirements), requirements)}
    assert found["TANK"].outcome is outcome


def parse(*arguments):
    parser = argparse.ArgumentParser()
    verb.add_parser(parser.add_subparsers())
    return parser.parse_args(["monitor", *map(str, arguments)])


def test_the_command_line_prints_a_table_draws_and_ends_with_json(tmp_path, capsys):
    path = write(tmp_path / "run.mcap", calm())
    picture = tmp_path / "robustness.png"
    assert verb.run(parse(path, "--json", "--out", picture)) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert [f["id"] for f in figures["findings"]] == [r.id for r in read_requirements(SIDEWALK).requirements]
    assert {f["outcome"] for f in figures["findings"]} == {"satisfied"}
    assert any("not exercised" in line for line in lines)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_line_fails_on_a_violation_and_on_a_broken_request(tmp_path, capsys):
    fast = calm() | {"cmd_vel": (1, lambda t: twist_stamped(t, 5.0, 0.0))}
    path = write(tmp_path / "run.mcap", fast, finish=False)
    assert verb.run(parse(path, "--requirements", "sidewalk")) == 1
    captured = capsys.readouterr()
    assert "did not finish" in captured.err
    assert "-1.44 m/s" in captured.out
    with pytest.raises(UnknownNameError, match="allowed: arm_contact, encounter, sidewalk, welding"):
        verb.run(parse(path, "--requirements", "sidewalks"))
    with pytest.raises(ConfigError, match="suffix"):
        verb.run(parse(path, "--out", "a.pdf"))


def test_every_shipped_file_is_acceptable_and_its_signals_can_be_had():
    files = sorted((models_dir() / "requirements").glob("*.yaml"))
    simulated = {"encounter", "welding"}  # judged from the truth of a simulation, not from topics
    assert {p.stem for p in files} == {"arm_contact", "sidewalk"} | simulated
    for path in files:
        for name in read_requirements(path).signals:
            assert path.stem in simulated or signal(name).text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.update(speed=1), "unknown key 'speed'"),
        (lambda d: d["requirements"][0].update(severity="high"), "allowed: critical, major, minor"),
        (lambda d: d["requirements"][0].pop("source"), "'source' is required"),
        (lambda d: d["requirements"][0].update(source=" "), "source says nothing"),
        (lambda d: d["requirements"][0].update(formula="force <="), "column 9"),
        (lambda d: d["requirements"][0].update(unit="J"), "the robustness is in N, the requirement says J"),
        (lambda d: d["requirements"].append(d["requirements"][0]), "the id 'PEAK' is given twice"),
        (lambda d: d.update(requirements=[]), "no requirements"),
        (lambda d: d["constants"]["peak"].update(source=""), "constants.peak has no source"),
        (lambda d: d["constants"]["peak"].update(value=math.nan), "out of bounds"),
        (lambda d: d["constants"].update(force=d["constants"]["peak"]), "both a signal and a constant"),
        (
            lambda d: d["signals"].update(speed={"unit": "m/s", "max_age_s": 1.0, "text": "x"}),
            "no formula uses",
        ),
        (lambda d: d["signals"]["force"].update(max_age_s=0.0), "out of bounds"),
        (lambda d: d["signals"]["force"].update(unit="kN"), "not SI"),
        (lambda d: d["requirements"][0].update(scales={"N": 0.0}, unit="1"), "must be positive"),
        (
            lambda d: d["requirements"][0].update(scales={"N": 1.0, "kN": 2.0}, unit="1"),
            "two scales for units like kN",
        ),
        (lambda d: d.update(period_s=0.003), "no multiple of the sample period"),
    ],
)
def test_a_requirements_file_that_is_not_acceptable_is_refused(tmp_path, change, text):
    data = yaml.safe_load(requirements_file("arm_contact").read_text())
    change(data)
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=text):
        read_requirements(path)


def test_a_signal_declared_in_another_unit_than_recordings_give_is_refused(tmp_path):
    data = yaml.safe_load(requirements_file("arm_contact").read_text())
    data["signals"]["force"]["unit"] = "J"
    data["constants"]["peak"]["unit"] = data["constants"]["sustained"]["unit"] = "J"
    for requirement in data["requirements"]:
        requirement["unit"] = requirement["unit"].replace("N", "J")
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump(data))
    requirements = read_requirements(path)
    with pytest.raises(ConfigError, match="force is declared in J, recordings give it in N"):
        sample_recording(arm_recording(lambda _: 1.0), requirements)
    with pytest.raises(UnknownNameError, match="TOPIC_age"):
        signal("nothing_age")


def test_ages_of_topics_are_signals():
    requirements = read_requirements(requirements_file("arm_contact"))
    samples = sample_recording(arm_recording(lambda _: 1.0), requirements)
    assert samples.values["arm_verdict_age"][:4] == pytest.approx([0.0, 0.005, 0.0, 0.005])
