# SPDX-License-Identifier: Apache-2.0
"""Edges of requirements files and of the signals that a recording gives: bounds, scales, who counts, which sample."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from reflexarc.arc.config import ArcConfig
from reflexarc.assurance.monitors import recorded_signals
from reflexarc.assurance.monitors.monitor import Outcome
from reflexarc.assurance.monitors.recorded import Samples, judge, sample_recording
from reflexarc.assurance.monitors.recorded_signals import SIGNALS, setting, signal
from reflexarc.assurance.monitors.requirements import Separation, read_requirements, requirements_file
from reflexarc.core import wire
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Mode, Obstacles, Status
from reflexarc.robots import load_base
from tests.assurance.monitor_recordings import calm, recording
from tests.cli.recordings import twist_stamped

NUMBERS = {
    "reaction_s": 0.2, "deceleration_m_s2": 2.0, "intrusion_m": 0.1, "person_uncertainty_m": 0.05,
    "robot_uncertainty_m": 0.02, "source": "made up",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("reaction_s", 0.0, 5.0),
        ("deceleration_m_s2", 0.01, 50.0),
        ("intrusion_m", 0.0, 2.0),
        ("person_uncertainty_m", 0.0, 2.0),
        ("robot_uncertainty_m", 0.0, 2.0),
    ],
)
def test_a_number_of_the_separation_cannot_leave_its_bounds(name, low, high):
    for good in (low, high):
        assert getattr(from_mapping(Separation, NUMBERS | {name: good}, "file"), name) == good
    for bad in (0.99 * low - 1e-9, 1.01 * high):
        with pytest.raises(ConfigError, match=f"{name}: .*out of bounds"):
            from_mapping(Separation, NUMBERS | {name: bad}, "file")


def test_the_numbers_of_the_separation_are_those_of_its_formula():
    found = from_mapping(Separation, NUMBERS, "file").parameters
    assert tuple(found) == (0.2, 2.0, 0.1, 0.05, 0.02)


def written(path, change=lambda data: None):
    data = yaml.safe_load(requirements_file("arm_contact").read_text())
    change(data)
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(("age", "good"), [(1e-4, True), (1e6, True), (0.99e-4, False), (1.01e6, False)])
def test_a_value_may_be_so_old(tmp_path, age, good):
    path = written(tmp_path / "r.yaml", lambda d: d["signals"]["force"].update(max_age_s=age))
    if good:
        assert read_requirements(path).signals["force"].max_age == age
    else:
        with pytest.raises(ConfigError, match="max_age_s: .*out of bounds"):
            read_requirements(path)


def single(d, period, formula="force <= peak"):
    d["requirements"] = [d["requirements"][0] | {"formula": formula}]
    d["signals"] = {"force": d["signals"]["force"]}
    d["period_s"] = period


@pytest.mark.parametrize(("period", "good"), [(1e-4, True), (10.0, True), (0.99e-4, False), (10.1, False)])
def test_samples_may_be_so_far_apart(tmp_path, period, good):
    path = written(tmp_path / "r.yaml", lambda d: single(d, period))
    if good:
        found = read_requirements(path)
        assert found.period == found.monitor(found.requirements[0]).period == period
    else:
        with pytest.raises(ConfigError, match="period_s: .*out of bounds"):
            read_requirements(path)


@pytest.mark.parametrize("size", [True, False, "1", math.inf, math.nan, None])
def test_a_scale_is_a_finite_number(tmp_path, size):
    def change(d):
        d["requirements"][0] |= {"scales": {"N": size}, "unit": "1"}

    with pytest.raises(ConfigError, match=r"scales\.N: expected a finite number"):
        read_requirements(written(tmp_path / "r.yaml", change))


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_a_scale_is_positive(tmp_path, size):
    def change(d):
        d["requirements"][0] |= {"scales": {"N": size}, "unit": "1"}

    with pytest.raises(ConfigError, match="it must be positive"):
        read_requirements(written(tmp_path / "r.yaml", change))


def test_a_scale_counts_in_its_unit(tmp_path):
    def change(d):
        single(d, 0.1)
        d["requirements"][0] |= {"scales": {"kN": 0.02}, "unit": "1", "formula": "force <= 40 [N]"}
        d["constants"] = {}

    found = read_requirements(written(tmp_path / "r.yaml", change))
    assert found.monitor(found.requirements[0]).update(0.0, [30.0]).low == pytest.approx(0.5)


def test_a_requirements_file_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(UnknownNameError, match="unknown requirements file 'none'.*sidewalk"):
        requirements_file("none")
    assert requirements_file("sidewalk").name == "sidewalk.yaml"


# Signals.


def where(components=2, **numbers):
    separation = from_mapping(Separation, NUMBERS | numbers, "file")
    return SimpleNamespace(half_length=0.5, half_width=0.3, components=components, separation=separation)


@pytest.fixture
def seen(monkeypatch):
    """Messages are what they are read to."""
    monkeypatch.setattr(wire, "odometry_from", lambda message, components: message)
    monkeypatch.setattr(wire, "obstacles_from", lambda message: message)


def people(*rows):
    table = np.array(rows, dtype=float).reshape(-1, 4)
    n = len(table)
    return Obstacles(0.0, "odom", table[:, :2], table[:, 2:], np.full(n, 0.3), np.zeros(n), np.zeros(n))


def robot(twist=(0.0, 0.0), pose=(0.0, 0.0, 0.0)):
    return SimpleNamespace(pose=np.array(pose), twist=np.array(twist))


def nearest(odom, tracks, setting=None):
    setting = where() if setting is None else setting
    return tuple(SIGNALS[name].read(setting, odom, tracks) for name in ("separation", "protective_distance"))


def test_nobody_and_somebody_far_away_are_ten_metres_away(seen):
    assert recorded_signals.FAR == 10.0
    assert nearest(robot(), people()) == (10.0, 0.0)
    assert nearest(robot(), people((30.0, 0.0, 0.0, 0.0)))[0] == 10.0
    assert nearest(robot(), people((9.0, 0.0, 0.0, 0.0)))[0] == pytest.approx(9.0 - 0.5 - 0.3)


@pytest.mark.parametrize("yaw", [0.0, 0.8, -2.0])
@pytest.mark.parametrize(
    ("offset", "gap"),
    [((2.0, 0.1), 1.2), ((-2.0, -0.1), 1.2), ((0.2, 1.5), 0.9), ((-0.2, -1.5), 0.9), ((3.5, 4.3), 4.7)],
)
def test_the_separation_is_from_the_footprint_wherever_the_robot_stands(seen, offset, gap, yaw):
    place = complex(7.0, -3.0) + complex(*offset) * np.exp(1j * yaw)
    found, _ = nearest(robot(pose=(7.0, -3.0, yaw)), people((place.real, place.imag, 0.0, 0.0)))
    assert found == pytest.approx(gap)


def needed(robot_speed, person_speed):
    """S_p of ISO/TS 15066 by hand: T_r 0.2 s, 2 m/s^2, C 0.1 m, Z 0.05 and 0.02 m."""
    stop = robot_speed / 2.0
    return person_speed * (0.2 + stop) + robot_speed * 0.2 + 0.5 * robot_speed * stop + 0.1 + 0.05 + 0.02


@pytest.mark.parametrize("yaw", [0.0, 1.1])
def test_the_distance_that_is_needed_counts_only_what_comes_nearer(seen, yaw):
    turn = np.exp(1j * yaw)

    def distance(offset, moving, twist, components=2):
        place, going = complex(*offset) * turn, complex(*moving) * turn
        odom = robot(twist, (0.0, 0.0, yaw))
        return nearest(odom, people((place.real, place.imag, going.real, going.imag)), where(components))[1]

    assert distance((2.0, 0.0), (-0.7, 0.4), (1.0, 0.5)) == pytest.approx(needed(1.0, 0.7))
    assert distance((2.0, 0.0), (0.7, 0.4), (-1.0, 0.5)) == pytest.approx(needed(0.0, 0.0))
    assert distance((0.0, 2.0), (0.4, -0.7), (1.0, 0.5)) == pytest.approx(needed(0.0, 0.7))
    assert distance((0.0, 2.0), (0.4, -0.7), (1.0, 0.6, 0.5), 3) == pytest.approx(needed(0.6, 0.7))
    assert distance((0.0, -2.0), (0.4, 0.7), (1.0, 0.6, 0.5), 3) == pytest.approx(needed(0.0, 0.7))
    assert distance((2.0, 0.0), (-0.7, 0.0), (1.0, 0.6, 0.5), 3) == pytest.approx(needed(1.0, 0.7))


def test_who_counts_is_who_exceeds_the_distance_that_is_needed_by_the_least(seen):
    near, runner = (0.0, 1.5, 0.0, 0.0), (2.5, 0.0, -2.0, 0.0)
    gap, distance = nearest(robot((1.0, 0.0)), people(near, runner))
    assert (gap, distance) == (pytest.approx(2.5 - 0.8), pytest.approx(needed(1.0, 2.0)))
    gap, distance = nearest(robot(), people(near, (4.0, 0.0, -0.1, 0.0)))
    assert (gap, distance) == (pytest.approx(0.9), pytest.approx(needed(0.0, 0.0)))


def test_a_separation_without_its_numbers_is_refused(seen):
    without = SimpleNamespace(half_length=0.5, half_width=0.3, components=2, separation=None)
    with pytest.raises(ConfigError, match="need the section 'separation'"):
        nearest(robot(), people(), without)


@pytest.mark.parametrize("name", ["segway_e1", "go2"])
def test_the_setting_is_that_of_the_robot_and_its_modes(name):
    limits = {"normal_m_s": 1.1, "speed_separation_m_s": 0.7, "power_force_limited_m_s": 0.2}
    found = setting(ArcConfig.from_dict({"robot": name, "mode_limits": limits}), None)
    base = load_base(name)
    assert (2.0 * found.half_length, 2.0 * found.half_width) == (base.length, base.width)
    assert found.components == base.components
    read = SIGNALS["mode_speed"].read
    speeds = {mode: read(found, SimpleNamespace(mode=int(mode))) for mode in Mode}
    assert list(speeds.values()) == [1.1, 0.7, 0.2, 0.0, 0.0]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("faults", [[], ["state_stale"]])
def test_a_fault_sends_zero_but_for_a_backup_which_brakes(status, faults):
    message = SimpleNamespace(status=wire.STATUS_CODES.index(status), faults=faults)
    assert SIGNALS["fault"].read(None, message) == float(bool(faults) and status is not Status.BACKUP)
    assert SIGNALS["braking"].read(None, message) == float(status in (Status.BACKUP, Status.LATCHED))


@pytest.mark.parametrize("mode", Mode)
def test_a_stop_mode_forbids_motion(mode):
    assert SIGNALS["stop_mode"].read(None, SimpleNamespace(mode=int(mode))) == float(
        mode >= Mode.PROTECTIVE_STOP
    )


def test_a_force_is_that_of_all_three_axes():
    for x, y, z in ((2.0, 3.0, 6.0), (-2.0, 6.0, -3.0), (6.0, -3.0, 2.0)):
        force = SimpleNamespace(wrench=SimpleNamespace(force=SimpleNamespace(x=x, y=y, z=z)))
        assert SIGNALS["force"].read(None, force) == 7.0


def test_ages_are_signals_of_every_topic_and_nothing_else_is():
    assert signal("arm_verdict_age").topics == ("arm/verdict",)
    assert signal("speed") is SIGNALS["speed"]
    for name in ("nothing_age", "verdict", "velocity"):
        with pytest.raises(UnknownNameError, match="unknown recorded signal"):
            signal(name)


# Samples and findings.


def test_samples_begin_with_the_last_topic_and_end_with_the_newest_message():
    requirements = read_requirements(requirements_file("sidewalk"))
    samples = sample_recording(recording(calm(), 1.0), requirements)
    assert samples.time == pytest.approx(0.01 * np.arange(100))
    assert samples.begin == 0.0
    assert samples.values["speed"] == pytest.approx(np.full(100, 0.5))
    longer = calm() | {"cmd_vel": (1, lambda t: twist_stamped(t, 0.5, 0.1) if 0.195 < t < 0.505 else None)}
    samples = sample_recording(recording(longer, 1.0), requirements)
    assert samples.time == pytest.approx(0.2 + 0.01 * np.arange(80))
    ages = samples.time - samples.stamps["command_speed"]
    assert ages[:31] == pytest.approx(np.zeros(31), abs=1e-9)
    assert ages[-1] == pytest.approx(0.99 - 0.5)


def judged(tmp_path, forces, stamps=None, formula="force <= peak", window=0.1):
    path = written(tmp_path / "r.yaml", lambda d: single(d, window, formula))
    time = 5.0 + window * np.arange(len(forces))
    stamps = time if stamps is None else np.array(stamps)
    told = []
    samples = Samples(time, {"force": np.array(forces, dtype=float)}, {"force": stamps}, 5.0)
    (found,) = judge(samples, read_requirements(path), told.append)
    assert told == ["PEAK"]
    assert judge(samples, read_requirements(path))[0].outcome is found.outcome
    return found


def test_a_finding_is_the_smallest_robustness_and_when_it_was(tmp_path):
    found = judged(tmp_path, [10.0, 30.0, 20.0])
    assert (found.outcome, found.robustness, found.when) == (Outcome.SATISFIED, 10.0, pytest.approx(5.1))
    assert (found.satisfied, found.violated, found.untrusted, found.unknown) == (3, 0, 0, 0)
    assert found.series.tolist() == [30.0, 10.0, 20.0]
    assert found.exercised and found.reason == ""


def test_a_finding_is_violated_if_one_sample_is_and_tells_the_first(tmp_path):
    found = judged(tmp_path, [10.0, 41.0, 20.0, 45.0])
    assert (found.outcome, found.robustness, found.when) == (Outcome.VIOLATED, -5.0, pytest.approx(5.1))
    assert (found.satisfied, found.violated, found.untrusted) == (2, 2, 0)
    assert found.series.tolist() == [30.0, -1.0, 20.0, -5.0]


def test_samples_that_cannot_be_trusted_are_violations_without_a_number(tmp_path):
    found = judged(tmp_path, [10.0, math.nan, 20.0, 20.0], [5.0, 5.1, math.nan, 5.3])
    assert (found.outcome, found.robustness, found.when) == (Outcome.VIOLATED, 20.0, pytest.approx(5.1))
    assert (found.satisfied, found.violated, found.untrusted) == (2, 2, 2)
    assert found.reason == "force is nan"
    assert np.isnan(found.series[[1, 2]]).all() and not np.isnan(found.series[[0, 3]]).any()
    assert found.exercised
    nothing = judged(tmp_path, [math.nan, math.nan])
    assert math.isnan(nothing.robustness) and not nothing.exercised
    assert nothing.when == 5.0


def test_before_its_window_is_filled_nothing_is_known(tmp_path):
    found = judged(tmp_path, [10.0, 10.0], formula="historically[0, 0.3] force <= peak")
    assert (found.outcome, found.unknown, found.satisfied) == (Outcome.UNKNOWN, 2, 0)
    assert math.isnan(found.robustness) and math.isnan(found.when) and not found.exercised
    found = judged(tmp_path, [10.0, 10.0, 15.0], formula="historically[0, 0.1] force <= peak")
    assert (found.outcome, found.unknown, found.satisfied) == (Outcome.SATISFIED, 1, 2)
    assert (found.robustness, found.when) == (25.0, pytest.approx(5.2))
    found = judged(tmp_path, [41.0, 10.0, 10.0], formula="historically[0, 0.1] force <= peak")
    assert (found.violated, found.unknown, found.satisfied) == (2, 0, 1)
    assert found.series.tolist() == [-1.0, -1.0, 30.0]
