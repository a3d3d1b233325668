# SPDX-License-Identifier: Apache-2.0
"""Each check of the doctor passes on good input and fails, with advice, on broken input."""

import argparse
import json
from pathlib import Path

import pytest

from reflexarc.cli import checks, doctor
from reflexarc.cli.checks import environment, machine, middleware, simulation, toolchain
from reflexarc.cli.checks.finding import Answer, Finding, Level, run_python
from reflexarc.core.errors import ConfigError

OK, WARNING, FAILED = Level.OK, Level.WARNING, Level.FAILED
BROKEN = Answer(False, "ImportError: libfoo.so.1")


def fails(*_: object) -> object:
    raise OSError(1, "Operation not permitted")


def assert_level(finding: Finding, level: Level, *words: str) -> None:
    assert finding.level is level, finding
    for word in words:
        assert word in f"{finding.text} {finding.mend}", finding


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10), FAILED), ((3, 11), OK), ((3, 13), OK), ((3, 14), FAILED), ((4, 0), FAILED)],
)
def test_python_outside_the_supported_range_fails(version, level):
    assert_level(toolchain.check_python(version), level)


def test_missing_headers_fail(tmp_path):
    assert_level(toolchain.check_headers(tmp_path), FAILED, str(tmp_path), "python3-dev")
    (tmp_path / "Python.h").touch()
    assert_level(toolchain.check_headers(tmp_path), OK)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (None, FAILED),
        ("", WARNING),
        ("no number here", WARNING),
        ("cmake version 3.19.9\n", FAILED),
        ("cmake version 3.20.0\n", OK),
        ("cmake version 4.1\n", OK),
    ],
)
def test_a_missing_old_or_unreadable_program_is_reported(text, level):
    assert_level(
        toolchain.check_program("cmake", (3, 20), lambda _: text), level, "cmake" if level is not OK else ""
    )


def test_the_version_of_gcc_is_not_taken_from_its_distribution():
    text = "gcc (Ubuntu 8.4.0-1ubuntu1~18.04) 8.4.0\nCopyright 99.0"
    assert_level(toolchain.check_program("gcc", (9,), lambda _: text), FAILED, "8.4.0")


def test_a_program_that_does_not_exist_has_no_version():
    assert toolchain.version_text("no-such-program-anywhere") is None


def test_little_disk_space_warns():
    assert_level(toolchain.check_disk(0.5e9), WARNING, "0.5 GB")
    assert_level(toolchain.check_disk(5e9), OK)


def test_another_environment_warns(tmp_path):
    (tmp_path / ".venv").mkdir()
    assert_level(environment.check_venv(tmp_path / ".venv", tmp_path), OK)
    assert_level(environment.check_venv(Path("/usr"), tmp_path), WARNING, "/usr", "make setup")
    assert_level(environment.check_venv(Path("/usr"), None), WARNING)


def test_env_file_must_exist_and_be_sourced(tmp_path):
    assert_level(environment.check_env_file(tmp_path, {}), FAILED, "make setup")
    (tmp_path / "env.sh").touch()
    assert_level(environment.check_env_file(tmp_path, {}), FAILED, "not sourced")
    assert_level(environment.check_env_file(tmp_path, {"REFLEXARC_ROOT": "/elsewhere"}), FAILED, "/elsewhere")
    assert_level(environment.check_env_file(tmp_path, {"REFLEXARC_ROOT": str(tmp_path)}), OK)


def test_a_wheel_of_another_version_fails(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# comment\nnumpy==2.4.6 \\\n    --hash=sha256:00\npyright[nodejs]==1.1.414 ; python_version > '3'\n"
    )
    locked = {"numpy": "2.4.6", "pyright": "1.1.414"}
    assert_level(environment.check_wheels([lock], locked.get), OK, "2 at their locked versions")
    assert_level(
        environment.check_wheels([lock], (locked | {"numpy": "2.0.0"}).get), FAILED, "numpy 2.0.0", "2.4.6"
    )
    assert_level(environment.check_wheels([lock], {}.get), FAILED, "missing", "make clean setup")


def test_a_missing_lock_file_fails(tmp_path):
    assert_level(environment.check_wheels([tmp_path / "no.lock"], {}.get), FAILED, "no.lock")


def test_a_numba_cache_that_cannot_be_written_warns(tmp_path):
    assert_level(environment.check_numba_cache(tmp_path / "new"), OK)
    (tmp_path / "file").touch()
    assert_level(environment.check_numba_cache(tmp_path / "file"), WARNING, "NUMBA_CACHE_DIR")


def test_ros_that_does_not_load_fails():
    assert_level(middleware.check_ros(lambda _: BROKEN, None), FAILED, "libfoo.so.1", "make setup")
    answer = Answer(True, json.dumps(["/somewhere/rclpy", "rmw_x"]))
    assert_level(middleware.check_ros(lambda _: answer, None), OK, "wheels", "rmw_x")
    assert_level(middleware.check_ros(lambda _: answer, "jazzy"), OK, "jazzy")


def test_messages_must_be_built_load_and_match_the_sources(tmp_path):
    source, built = tmp_path / "source", tmp_path / "prefix/share/reflexarc_msgs/msg"
    source.mkdir()
    (source / "Mode.msg").write_text("uint8 mode\n")
    prefixes = [tmp_path / "other", tmp_path / "prefix"]

    def check(answer: Answer = Answer(True, "")) -> Finding:  # noqa: B008 - a frozen value
        return middleware.check_messages(source, prefixes, lambda _: answer)

    assert_level(check(), FAILED, "not built")
    built.mkdir(parents=True)
    assert_level(check(), FAILED, "Mode.msg")
    (built / "Mode.msg").write_text("uint8 mode\n")
    assert_level(check(), OK)
    assert_level(check(BROKEN), FAILED, "libfoo.so.1")
    (built / "Mode.msg").write_text("uint16 mode\n")
    assert_level(check(), FAILED, "Mode.msg", "make setup")
    (built / "Mode.msg").write_text("uint8 mode\n")
    (built / "Removed.msg").touch()
    assert_level(check(), FAILED, "Removed.msg")


def test_slow_or_silent_dds_is_reported():
    def silent() -> float:
        raise RuntimeError("nothing was received")

    assert_level(middleware.check_dds(lambda: 0.1), OK)
    assert_level(middleware.check_dds(lambda: 5.0), WARNING, "5.00 s")
    assert_level(middleware.check_dds(silent), FAILED, "nothing was received", "multicast")


def test_a_domain_that_is_wrong_or_in_use_is_reported():
    def wrong() -> int:
        raise ConfigError("ROS_DOMAIN_ID='x' is not a domain")

    def owner(port: int) -> int:
        return (port - 7400) // 250

    assert_level(middleware.check_domain("x", wrong, set(), owner), FAILED, "'x'")
    assert_level(middleware.check_domain("3", lambda: 3, {7400 + 750, 22}, owner), WARNING, "1 ports")
    assert_level(middleware.check_domain("3", lambda: 3, {7400 + 1000}, owner), OK)
    assert_level(middleware.check_domain(None, lambda: 3, set(), owner), OK)


def test_mujoco_that_does_not_load_fails_but_missing_rendering_only_warns():
    assert_level(simulation.check_mujoco(lambda _: BROKEN), FAILED, "libfoo.so.1")
    assert_level(simulation.check_rendering(lambda _: BROKEN), WARNING, "libegl1")
    assert_level(simulation.check_rendering(lambda _: Answer(True, "EGL")), OK)


def test_the_physics_probe_runs_here():
    assert_level(simulation.check_mujoco(run_python), OK)


def test_one_core_warns():
    assert_level(machine.check_cores(1), WARNING)
    assert_level(machine.check_cores(2), OK)


def test_a_coarse_clock_fails_and_a_late_one_warns():
    assert_level(machine.check_clock(1e-9, 1e-4), OK)
    assert_level(machine.check_clock(1e-9, 5e-3), WARNING, "5.00 ms")
    assert_level(machine.check_clock(4e-3, 1e-4), FAILED, "4000000 ns")


def test_refused_real_time_priority_warns():
    assert_level(machine.check_scheduling(fails), WARNING, "Operation not permitted", "limits.conf")
    assert_level(machine.check_scheduling(lambda: None), OK)


def test_a_process_that_fails_or_hangs_is_an_answer():
    assert run_python("print(6 * 7)") == Answer(True, "42")
    assert run_python("import sys; sys.exit('no luck')") == Answer(False, "no luck")
    assert run_python("raise ValueError('x')").text == "ValueError: x"
    assert "1 s" in run_python("import time; time.sleep(60)", timeout=1.0).text
    assert "-9" in run_python("import os; os.kill(os.getpid(), 9)").text


def test_only_findings_that_are_not_ok_have_advice():
    with pytest.raises(ValueError, match="mend"):
        Finding("x", OK, "fine", "do something")
    with pytest.raises(ValueError, match="mend"):
        Finding("x", FAILED, "bad")


@pytest.mark.parametrize(("levels", "code"), [([OK], 0), ([OK, WARNING], 0), ([WARNING, FAILED, OK], 1)])
def test_the_exit_code_tells_failures_from_warnings(levels, code, monkeypatch, capsys):
    findings = [
        Finding(f"check {k}", level, "text", "" if level is OK else "advice")
        for k, level in enumerate(levels)
    ]
    monkeypatch.setattr(checks, "examine", lambda: iter(findings))
    assert doctor.run(argparse.Namespace(json=False)) == code
    table = capsys.readouterr().out
    assert all(f"check {k}" in table for k in range(len(levels)))
    assert ("advice" in table) == (levels != [OK])
    assert doctor.run(argparse.Namespace(json=True)) == code
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["ok"] == (code == 0)
    assert [f["level"] for f in report["findings"]] == levels


@pytest.mark.ros
def test_two_processes_hear_each_other_over_dds():
    pytest.importorskip("rclpy", reason="ROS 2 is not set up: make setup, then . ./env.sh")
    assert 0.0 <= middleware.dds_loopback(domain=77) < middleware.DDS_TIMEOUT


@pytest.mark.ros
def test_a_listener_without_a_talker_gives_up(monkeypatch):
    pytest.importorskip("rclpy", reason="ROS 2 is not set up: make setup, then . ./env.sh")
    monkeypatch.setattr(middleware, "TALKER", "")
    with pytest.raises(RuntimeError, match="nothing was received"):
        middleware.dds_loopback(domain=78, timeout=0.5)
