# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Faults of the running nodes: an arc that is stopped, a clock message that nobody may send, and no process survives.

And the participant without shared memory, which the gate is.
"""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from reflexarc.assurance.injection.live import LiveCase

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(scope="module")
def seen(new_domain):
    """What a study of two faults says, with the numbers of the processes that it had."""
    from reflexarc_nodes.live_study import run_study

    lines, pids = [], set()

    def say(line):
        lines.append(line)
        pids.update(children())

    request = {
        "scenario": "sidewalk_supervised",
        "robot": "segway_e1",
        "rows": ["arc_sigstop", "clock_foreign_back"],
        "repetitions": 1,
        "fault_free_s": 1.0,
        "wall_s": 300.0,
        "domain": new_domain(),
    }
    run_study(request, say)
    return lines, pids


def children():
    """Numbers of the processes that this one has started."""
    path = f"/proc/self/task/{threading.get_native_id()}/children"
    with open(path, encoding="ascii") as file:
        return {int(number) for number in file.read().split()}


def cases_of(lines):
    return {line["case"]["row"]: LiveCase(**line["case"]) for line in lines if "case" in line}


def test_a_stopped_arc_and_a_foreign_clock_mean_zero_by_the_stamps_of_the_gate(seen):
    lines, _ = seen
    cases = cases_of(lines)
    assert set(cases) == {"arc_sigstop", "clock_foreign_back"}, lines
    assert "heartbeat_late" in cases["arc_sigstop"].names
    assert "clock_backwards" in cases["clock_foreign_back"].names
    for case in cases.values():
        assert case.speed_m_s > 0.5
        assert case.mode == "NORMAL"
        assert case.fail_safe, case
        assert 0.0 < case.zero_s < case.standstill_s
    assert lines[-1]["done"]
    assert lines[-1]["fault_free_s"] >= 1.0


def test_no_process_survives_the_study(seen):
    _, pids = seen
    assert len(pids) >= 6
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_the_gate_has_no_shared_memory_and_is_heard_by_those_who_have(reach, new_domain):
    words = (
        "import rclpy, sys\n"
        "from std_msgs.msg import String\n"
        "from reflexarc_nodes.transport import shared_memory, without_shared_memory\n"
        "with without_shared_memory():\n"
        "    rclpy.init()\n"
        "    node = rclpy.create_node('quiet', enable_rosout=False)\n"
        "sender = node.create_publisher(String, 'told', 1)\n"
        "for line in sys.stdin:\n"
        "    sender.publish(String(data=str(shared_memory())))\n"
    )
    import rclpy
    from std_msgs.msg import String

    domain = new_domain()
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": reach}
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("listener", context=context, enable_rosout=False)
    heard = node.create_subscription(String, "told", lambda _: None, 10)
    command = [sys.executable, "-c", words]
    try:
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True) as quiet:
            try:
                assert told(quiet, heard) == "False"
            finally:
                quiet.kill()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def told(quiet, heard):
    """Return the first message; the sender is asked every tenth of a second."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        quiet.stdin.write("\n")
        quiet.stdin.flush()
        with heard.handle:
            if (found := heard.handle.take_message(heard.msg_type, False)) is not None:
                return found[0].data
        time.sleep(0.1)
    raise AssertionError("nothing was heard within 60 s")


def test_the_module_says_what_it_was_asked_for_wrongly(new_domain):
    request = {
        "scenario": "sidewalk_supervised",
        "robot": "segway_e1",
        "rows": ["scan_nan"],
        "repetitions": 1,
    }
    request |= {"fault_free_s": 1.0, "wall_s": 10.0, "domain": new_domain()}
    ended = subprocess.run(
        [sys.executable, "-m", "reflexarc_nodes.live_study", json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "scan_nan is injected in lock-step" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"ROS_STATIC_PEERS": "192.0.2.1"},
        {"FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT"},
        {"FASTDDS_DEFAULT_PROFILES_FILE": "own.xml"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"},
    ],
)
def test_what_somebody_has_set_is_kept(settings, monkeypatch):
    from reflexarc_nodes.transport import without_shared_memory

    for name in ("ROS_STATIC_PEERS", "FASTDDS_BUILTIN_TRANSPORTS", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with without_shared_memory():
        assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT", "nothing is set"
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in os.environ
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with without_shared_memory():
        assert dict(os.environ) == before


def test_shared_memory_is_seen_in_the_map_of_the_process(tmp_path, monkeypatch):
    from reflexarc_nodes import transport

    maps = tmp_path / "maps"
    monkeypatch.setattr(transport, "_MAPPED", maps)
    assert not transport.shared_memory(), "a system that does not tell"
    maps.write_text("7f00-7f01 rw-s 00000000 00:18 9 /dev/shm/fastdds_port7411\n", encoding="utf-8")
    assert transport.shared_memory()
    maps.write_text("7f00-7f01 rw-s 00000000 00:18 9 /dev/shm/somebody\n", encoding="utf-8")
    assert not transport.shared_memory()
