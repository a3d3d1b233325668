# SPDX-License-Identifier: Apache-2.0
"""Running processes: signals, escalation, respawn, exit codes, orphans, logs. Small real programs, no
mocks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reflexarc.core.errors import LaunchError
from reflexarc.launcher import Launch, launch_file

PYTHON = sys.executable
END_AFTER = f'{PYTHON} -c "import sys, time; time.sleep({{}}); sys.exit({{}})"'
FOREVER = "sleep 600"
STUBBORN = f"""{PYTHON} -c "
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
{{}}
print('ready', flush=True)
while True: time.sleep(600)" """
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def executable(command: str, attributes: str = "") -> str:
    escaped = command.strip().replace("&", "&amp;").replace('"', "&quot;").replace("\n", "&#10;")
    return f'<executable cmd="{escaped}" {attributes}/>'


def until(condition, timeout: float = 20.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "the awaited condition did not come true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Lines:
    """Collects the lines of all processes."""

    def __init__(self):
        self.seen: list[tuple[str, str, str]] = []

    def __call__(self, label: str, stream: str, line: str) -> None:
        self.seen.append((label, stream, line))

    def of(self, label: str) -> list[str]:
        return [line for name, _, line in self.seen if name == label]


def test_a_launch_ends_with_0_when_every_process_has_ended(write, tmp_path):
    path = write(executable("echo one") + executable("echo two"))
    result = launch_file(path, {}, tmp_path / "out")
    assert (result.exit_code, result.reason, result.failed) == (0, "every process has ended", ())
    assert [item.returncode for item in result.processes] == [0, 0]


def test_the_end_of_a_required_process_stops_the_others_and_gives_the_exit_code(write, tmp_path):
    path = write(
        executable(FOREVER) + executable(END_AFTER.format(0.5, 7), 'on_exit="shutdown" name="needed"')
    )
    result = launch_file(path, {}, tmp_path / "out")
    assert result.exit_code == 7
    assert result.reason == "needed-2 is required and died (exit code 7)"
    assert result.processes[0].asked_to_stop and not result.processes[1].asked_to_stop
    assert [item.label for item in result.failed] == ["needed-2"]


def test_a_required_process_that_is_done_ends_the_launch_with_0(write, tmp_path):
    path = write(
        executable(FOREVER) + executable(END_AFTER.format(0.5, 0), 'on_exit="shutdown" name="needed"')
    )
    result = launch_file(path, {}, tmp_path / "out")
    assert (result.exit_code, result.reason) == (0, "needed-2 is required and finished")
    assert result.failed == ()


def test_a_required_process_killed_in_mid_run_gives_128_plus_signal(write, tmp_path):
    path = write(executable(FOREVER, 'on_exit="shutdown" name="needed"') + executable(FOREVER))
    with Launch(path, {}, tmp_path / "out") as launch:
        os.kill(launch.pid("needed"), signal.SIGKILL)
        result = launch.wait(timeout=20.0)
    assert result is not None
    assert result.exit_code == 128 + signal.SIGKILL
    assert "needed-1 is required and died (signal SIGKILL)" in result.reason


def test_another_process_that_dies_leaves_the_launch_running_but_not_its_exit_code(write, tmp_path):
    path = write(executable(END_AFTER.format(0, 3)) + executable(END_AFTER.format(0.5, 0)))
    result = launch_file(path, {}, tmp_path / "out")
    assert (result.exit_code, result.reason) == (3, "every process has ended")


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_signals_to_the_launcher_stop_every_process(write, tmp_path, number, name):
    path = write(executable(FOREVER) + executable(FOREVER))
    launcher = start_launcher(path, tmp_path)
    pids = wait_for_pids(launcher, 2)
    launcher.send_signal(number)
    out, _ = launcher.communicate(timeout=20)
    assert launcher.returncode == 128 + number
    assert f"shutting down: received {name}" in out
    assert not any(alive(pid) for pid in pids)


def test_children_do_not_share_the_session_of_the_launcher(write, tmp_path):
    path = write(executable(FOREVER))
    with Launch(path, {}, tmp_path / "out") as launch:
        (pid,) = launch.pids().values()
        assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0)


def test_a_process_that_ignores_sigint_gets_sigterm_after_its_timeout(write, tmp_path):
    lines = Lines()
    path = write(executable(STUBBORN.format(""), 'output="screen" name="deaf" sigterm_timeout="0.4"'))
    with Launch(path, {}, tmp_path / "out", lines) as launch:
        until(lambda: "ready" in lines.of("deaf-1"))
        begin = time.monotonic()
        launch.stop()
        result = launch.wait(timeout=20.0)
    assert result is not None
    assert result.processes[0].returncode == -signal.SIGTERM
    assert not result.processes[0].killed and not result.failed
    assert time.monotonic() - begin >= 0.4


def test_a_process_that_ignores_sigterm_too_is_killed_and_counts_as_failed(write, tmp_path):
    lines = Lines()
    path = write(
        executable(
            STUBBORN.format(DEAF), 'output="screen" name="deaf" sigterm_timeout="0.2" sigkill_timeout="0.3"'
        )
    )
    with Launch(path, {}, tmp_path / "out", lines) as launch:
        until(lambda: "ready" in lines.of("deaf-1"))
        launch.stop()
        result = launch.wait(timeout=20.0)
    assert result is not None
    assert result.processes[0].returncode == -signal.SIGKILL
    assert result.processes[0].killed and result.failed == result.processes
    said = [line for line in lines.of("launch") if "still alive" in line]
    assert said == ["deaf-1 is still alive, sending SIGTERM", "deaf-1 is still alive, sending SIGKILL"]


def test_asking_again_sends_the_next_stronger_signal_at_once(write, tmp_path):
    lines = Lines()
    path = write(executable(STUBBORN.format(DEAF), 'output="screen" name="deaf" sigterm_timeout="60"'))
    with Launch(path, {}, tmp_path / "out", lines) as launch:
        until(lambda: "ready" in lines.of("deaf-1"))
        for _ in range(3):
            launch.stop()
        result = launch.wait(timeout=20.0)
    assert result is not None and result.processes[0].killed


def test_a_process_is_started_again_after_its_delay_and_at_most_so_often(write, tmp_path):
    command = f'{PYTHON} -c "import time; print(time.monotonic(), flush=True)"'
    lines = Lines()
    path = write(
        executable(
            command, 'name="again" output="screen" respawn="true" respawn_delay="0.3" respawn_max_retries="2"'
        )
    )
    result = launch_file(path, {}, tmp_path / "out", lines)
    times = [float(line) for line in lines.of("again-1")]
    assert len(times) == 3 and result.processes[0].restarts == 2
    assert all(later - earlier >= 0.3 for earlier, later in zip(times, times[1:], strict=False))


def test_a_process_without_respawn_is_not_started_again(write, tmp_path):
    lines = Lines()
    result = launch_file(
        write(executable("echo once", 'name="once" output="screen"')), {}, tmp_path / "out", lines
    )
    assert lines.of("once-1") == ["once"] and result.processes[0].restarts == 0


def test_no_process_is_started_again_once_the_launch_shuts_down(write, tmp_path):
    lines = Lines()
    path = write(executable(FOREVER, 'name="again" respawn="true" respawn_delay="0.1"'))
    with Launch(path, {}, tmp_path / "out", lines) as launch:
        first = launch.pid("again")
        os.kill(first, signal.SIGKILL)
        until(lambda: "again-1" in launch.pids() and launch.pid("again") != first)
        launch.stop()
        result = launch.wait(timeout=20.0)
    assert result is not None and result.processes[0].restarts == 1


def test_a_shutdown_while_waiting_for_a_respawn_does_not_wait(write, tmp_path):
    path = write(executable("echo", 'respawn="true" respawn_delay="600"'))
    with Launch(path, {}, tmp_path / "out") as launch:
        until(lambda: not launch.pids())
        launch.stop("enough")
        result = launch.wait(timeout=5.0)
    assert result is not None and result.reason == "enough"


def test_processes_hear_sigint_also_when_the_launcher_was_started_deaf_to_it(write, tmp_path):
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Launch(write(executable(FOREVER)), {}, tmp_path / "out") as launch:
            time.sleep(0.3)  # the program must have replaced the shim
            launch.stop()
            result = launch.wait(timeout=20.0)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert result is not None and result.processes[0].returncode == -signal.SIGINT


def test_no_process_survives_a_killed_launcher(write, tmp_path):
    path = write(executable(STUBBORN.format(DEAF)) + executable(FOREVER))
    launcher = start_launcher(path, tmp_path)
    pids = wait_for_pids(launcher, 2)
    assert all(alive(pid) for pid in pids)
    launcher.kill()
    launcher.communicate(timeout=20)
    until(lambda: not any(alive(pid) for pid in pids), timeout=5.0)


def test_what_a_process_leaves_behind_is_killed_with_it(write, tmp_path):
    note = tmp_path / "pid"
    command = f"sh -c 'sleep 600 & echo $! > {note}'"
    launch_file(write(executable(command)), {}, tmp_path / "out")
    until(lambda: not alive(int(note.read_text())), timeout=5.0)


def test_both_streams_go_to_the_log_but_only_what_is_asked_for_to_the_screen(write, tmp_path):
    command = "sh -c 'echo to-out; echo to-err >&2; printf no-newline'"
    path = write(executable(command, 'name="quiet"') + executable(command, 'name="loud" output="screen"'))
    lines = Lines()
    result = launch_file(path, {}, tmp_path / "out", lines)
    assert lines.of("quiet-1") == ["to-err"]
    assert sorted(lines.of("loud-2")) == ["no-newline", "to-err", "to-out"]
    for item in result.processes:
        rows = [line.split(" ", 2) for line in item.log.read_text(encoding="utf-8").splitlines()]
        assert sorted((stream, text) for _, stream, text in rows) == [
            ("err", "to-err"), ("out", "no-newline"), ("out", "to-out")
        ]  # fmt: skip
        assert all(abs(float(stamp) - time.time()) < 60.0 for stamp, _, _ in rows)


def test_output_without_line_ends_or_in_no_encoding_is_kept_in_bounds(write, tmp_path):
    command = f'{PYTHON} -c "import sys; sys.stdout.buffer.write(bytes([255]) * 200000)"'
    lines = Lines()
    launch_file(write(executable(command, 'name="odd" output="screen"')), {}, tmp_path / "out", lines)
    assert sum(len(line) for line in lines.of("odd-1")) == 200000
    assert max(len(line) for line in lines.of("odd-1")) <= 2 * 65536


def test_a_missing_folder_stops_the_launch_with_a_reason(write, tmp_path):
    path = write(executable(FOREVER) + executable("echo", 'cwd="/no/such/folder" name="lost"'))
    result = launch_file(path, {}, tmp_path / "out")
    assert result.exit_code == 127
    assert "lost-2 cannot be started" in result.reason and "/no/such/folder" in result.reason
    assert result.processes[1].ending == "not started"


def test_the_environment_of_a_process_is_that_of_its_scope(write, tmp_path):
    path = write(
        '<set_env name="TESTED" value="scope"/>'
        '<executable cmd="printenv TESTED" name="a" output="screen"/>'
        '<executable cmd="printenv TESTED" name="b" output="screen">'
        '<env name="TESTED" value="own"/></executable>'
    )
    lines = Lines()
    launch_file(path, {}, tmp_path / "out", lines)
    assert (lines.of("a-1"), lines.of("b-2")) == (["scope"], ["own"])


def test_the_folder_of_the_launcher_is_passed_to_a_file_that_declares_it(write, tmp_path):
    path = write(
        '<arg name="out_dir" default="elsewhere"/>'
        '<executable cmd="echo $(var out_dir)" name="a" output="screen"/>'
    )
    lines = Lines()
    launch_file(path, {}, tmp_path / "out", lines)
    assert lines.of("a-1") == [str(tmp_path / "out")]
    launch_file(path, {"out_dir": "mine"}, tmp_path / "out", lines)
    assert lines.of("a-1")[1:] == ["mine"]


def test_processes_are_found_by_label_and_node_name(write, prefix, tmp_path):
    path = write(
        '<push_ros_namespace namespace="r"/>\n'
        '<node pkg="reflexarc_nodes" exec="arc_node" name="arc" output="screen"/>'
    )
    lines = Lines()
    with Launch(path, {}, tmp_path / "out", lines) as launch:
        assert len({launch.pid(name) for name in ("arc", "/r/arc", "arc_node-1", "arc_node")}) == 1
        with pytest.raises(LaunchError, match="no live process is named 'plant'; alive: arc_node-1"):
            launch.pid("plant")
        until(lambda: lines.of("arc_node-1"))
        assert launch.wait(timeout=0.0) is None
    assert lines.of("arc_node-1") == ["arguments --ros-args -r __node:=arc -r __ns:=/r"]


def test_a_killed_required_node_of_the_simulation_stops_all_others(prefix, tmp_path):
    path = Path(__file__).resolve().parents[2] / "launch" / "launch" / "sim.launch.xml"
    for victim in ("plant_node", "arc_node", "task_policy_node", "mission_node"):
        with Launch(path, {}, tmp_path / victim) as launch:
            assert len(launch.pids()) == 5
            logs = [launch.log_dir / f"{label}.log" for label in launch.pids()]
            until(lambda: all("arguments" in log.read_text(encoding="utf-8") for log in logs))  # noqa: B023
            os.kill(launch.pid(victim), signal.SIGKILL)
            result = launch.wait(timeout=20.0)
        assert result is not None
        assert result.exit_code == 137 and f"{victim}" in result.reason
        assert [item.returncode for item in result.processes if victim not in item.label] == [0] * 4


def test_a_killed_recorder_does_not_stop_the_robot(prefix, tmp_path):
    path = Path(__file__).resolve().parents[2] / "launch" / "launch" / "sim.launch.xml"
    with Launch(path, {}, tmp_path / "out") as launch:
        os.kill(launch.pid("recorder_node"), signal.SIGKILL)
        until(lambda: len(launch.pids()) == 4)
        assert launch.wait(timeout=0.5) is None


def test_the_policy_of_a_real_robot_is_started_again(prefix, tmp_path):
    path = Path(__file__).resolve().parents[2] / "launch" / "launch" / "robot.launch.xml"
    with Launch(path, {"scenario": "yard"}, tmp_path / "out") as launch:
        first = launch.pid("task_policy_node")
        os.kill(first, signal.SIGKILL)
        until(lambda: launch.pids().get("task_policy_node-2", first) != first)


def start_launcher(path: Path, tmp_path: Path) -> subprocess.Popen:
    command = [PYTHON, "-m", "reflexarc.launcher", str(path), "--out", str(tmp_path / "out")]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for_pids(launcher: subprocess.Popen, count: int) -> list[int]:
    """Read the launcher's output until it has reported so many starts."""
    pids: list[int] = []
    assert launcher.stdout is not None
    for line in launcher.stdout:
        if "started, pid" in line:
            pids.append(int(line.rpartition(" ")[2]))
        if len(pids) == count:
            time.sleep(0.3)  # let the programs replace the shim, so that their signal settings hold
            return pids
    raise AssertionError("the launcher ended before it had started everything")
