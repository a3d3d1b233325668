# SPDX-License-Identifier: Apache-2.0
"""What decides of a live fault, the processes that are broken, and the command line, all without ROS."""

import argparse
import math
import os
import signal
import sys
import time

import pytest

from reflexarc.assurance.injection.live import (
    VOUCHED_S,
    LiveCase,
    live_rows,
    stop_time,
    summarise_live,
    unvouched,
)
from reflexarc.assurance.injection.processes import Processes
from reflexarc.assurance.injection.table import INJECTIONS, NOT_INJECTABLE, injection
from reflexarc.cli import _validate_faults
from reflexarc.cli._validate_faults_live import print_live, watch_study
from reflexarc.core.errors import ConfigError, LaunchError
from reflexarc.robots import load_robot

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]


def case(row="arc_sigkill", zero_s=0.1, **figures):
    return LiveCase(row, 0, "NORMAL", 1.0, 0.5, zero_s=zero_s, **figures)


def test_every_live_row_says_what_decides_and_what_is_expected():
    rows = live_rows()
    assert {row.measure for row in rows} == {"zero", "zero_plant", "standstill", "vouched"}
    for row in rows:
        assert row.channel == "machine"
        assert math.isfinite(row.within_s)
        assert row.within_s > 0.0
        assert bool(row.expects) != bool(row.safe_by), row
    assert not any(row.measure for row in INJECTIONS if row.needs != "live")
    assert all(NOT_INJECTABLE.values())


def test_a_row_of_lock_step_is_refused_live():
    with pytest.raises(ConfigError, match=r"odometry_nan is injected in lock-step; with --live: arc_sigstop"):
        live_rows(("odometry_nan",))


@pytest.mark.parametrize(
    ("row", "late", "in_time", "fail_safe"),
    [
        ("arc_sigkill", 0.0, True, True),
        ("arc_sigkill", 0.4, False, True),
        ("arc_sigkill", 0.6, False, False),
        ("arc_sigkill", math.inf, False, False),
    ],
)
def test_a_zero_command_has_the_limit_and_is_safe_within_the_stop_time(row, late, in_time, fail_safe):
    seen = case(row, injection(row).within_s + late)
    assert (seen.in_time, seen.fail_safe) == (in_time, fail_safe)


def test_without_a_gate_the_standstill_decides_and_a_robot_that_never_stands_is_not_safe():
    limit = injection("gate_sigkill").within_s + 0.5
    assert case("gate_sigkill", math.inf, braking_s=limit).fail_safe
    assert not case("gate_sigkill", 0.0, standstill_s=0.1, braking_s=limit + 0.2).fail_safe
    assert not case("gate_sigkill", 0.0).fail_safe


def test_an_age_that_the_arc_judges_is_judged_on_the_clock_of_the_plant():
    limit = injection("policy_sigkill").within_s
    slow = case("policy_sigkill", 5.0 * limit, zero_plant_s=limit)
    assert slow.in_time
    assert slow.fail_safe
    assert not case("policy_sigkill", limit).fail_safe
    assert not case("arc_sigkill", 5.0, zero_plant_s=0.1).fail_safe, "the gate's clock is the machine's"


def test_a_starved_robot_may_drive_on_only_while_somebody_vouches_for_it():
    assert case("cpu_busy", math.inf, unvouched_s=VOUCHED_S).fail_safe
    assert not case("cpu_busy", 0.0, unvouched_s=VOUCHED_S + 0.01).fail_safe


def test_a_command_after_the_lease_is_found_and_lost_beats_are_not_judged():
    beats = {"arc": [(0.0, 0), (0.1, 1)], "plant": [(0.0, 7), (0.02, 8), (0.4, 20)]}
    stops = [(0.09, True), (0.35, False)]
    assert unvouched(stops, {"arc": beats["arc"]}, 0.0) == (pytest.approx(0.09), 0)
    assert unvouched([*stops, (0.45, True)], {"arc": beats["arc"]}, 0.0) == (pytest.approx(0.35), 0)
    assert unvouched([(0.45, True)], {"arc": beats["arc"]}, 0.5) == (0.0, 0), "before the fault"
    assert unvouched([(0.3, True)], {"plant": beats["plant"]}, 0.0) == (0.0, 1), (
        "beats 9 to 19 were not heard"
    )
    assert unvouched([(0.3, True)], {"supervisor": []}, 0.0) == (0.0, 1)


def test_the_figures_count_late_and_failed_cases_apart():
    cases = [case(zero_s=z, names=("heartbeat_late",)) for z in (0.1, 0.2, 0.5, math.inf)]
    found = summarise_live(cases, {"cpu_busy_above": "no rights"}, 1, 360.0)
    row = found["rows"]["arc_sigkill"]
    assert (row["in_time"], row["fail_safe"], row["stopped"], row["named"]) == (2, 3, 3, 4)
    assert row["zero"]["max_s"] == 0.5
    assert row["zero"]["never"] == 1
    assert [c["zero_s"] for c in found["late"]] == [0.5]
    assert [c["zero_s"] for c in found["failures"]] == [None]
    assert found["false_stops_per_h_interval"][0] < 10.0 < found["false_stops_per_h_interval"][1]
    with pytest.raises(ConfigError, match="cpu_busy_above: no rights"):
        summarise_live([], {"cpu_busy_above": "no rights"}, 0, 1.0)


def test_what_fell_short_is_printed(capsys):
    print_live(summarise_live([case(zero_s=0.3), case(zero_s=math.inf)], {}, 0, 60.0))
    printed = capsys.readouterr().out
    assert "fail-safe: 1 of 2 cases" in printed
    assert "NOT FAIL-SAFE: arc_sigkill" in printed
    assert "late: arc_sigkill, repetition 0: zero after 300 ms" in printed
    for name in NOT_INJECTABLE:
        assert f"not injected: {name}" in printed


def test_the_stop_time_is_that_of_the_model():
    robot = load_robot("segway_e1")
    assert stop_time(robot, 0.0) == robot.actuation_latency
    assert stop_time(robot, 1.5) == pytest.approx(robot.actuation_latency + 1.5 / robot.max_deceleration)


def test_processes_are_stopped_doubled_and_in_any_case_ended(tmp_path):
    processes = Processes(tmp_path, os.environ)
    processes.start("one", SLEEP)
    processes.signal("one", signal.SIGSTOP)
    processes.spin(2, 20.0)
    pids = [process.pid for process in processes.running.values()]
    assert len(pids) == 3
    processes.nice("one", 19)
    assert os.getpriority(os.PRIO_PROCESS, processes.running["one"].pid) == 19
    processes.end_all()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(KeyError):
        processes.nice("one", 0)
    with pytest.raises(ConfigError, match="one does not run"):
        processes.signal("one", signal.SIGKILL)


def test_a_study_that_fails_hangs_or_is_interrupted_leaves_no_process(tmp_path):
    lines = []
    with pytest.raises(LaunchError, match="exit code 3"):
        watch_study([sys.executable, "-c", "print('{}'); raise SystemExit(3)"], 30.0, lines.append)
    assert lines == [{}]
    note = tmp_path / "pid"
    hang = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); print('[]', flush=True); time.sleep(60)"
    begin = time.monotonic()
    with pytest.raises(LaunchError, match="did not end within 1.5 s"):
        watch_study([sys.executable, "-c", hang], 1.5, lines.append)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_study([sys.executable, "-c", hang], 30.0, interrupt)
    assert time.monotonic() - begin < 30.0
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("sidewalk_supervised", "--live", "--seeds", "2", "--full"), "--seeds, --full belong to lock-step"),
        (("sidewalk_supervised", "--live", "--repeat", "0"), "--repeat 0 must be above 0"),
        (("sidewalk_supervised", "--live", "--faults", "scan_nan"), "scan_nan is injected in lock-step"),
        (("sidewalk_delivery", "--live"), "needs supervisor.enabled"),
        (("sidewalk_supervised", "--repeat", "2"), "--repeat belong to --live"),
        (("sidewalk_supervised", "--faults", "arc_sigkill"), "arc_sigkill needs --live"),
        (("sidewalk_supervised", "--modes", "FAST"), "'FAST' is unknown; allowed: NORMAL"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, text):
    parser = argparse.ArgumentParser()
    _validate_faults.add_parser(parser.add_subparsers(dest="action"))
    with pytest.raises(ConfigError, match=text):
        _validate_faults.run(parser.parse_args(["faults", *words]))
