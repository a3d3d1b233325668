# SPDX-License-Identifier: Apache-2.0
"""One node of a name per ROS domain: a second launch of the same stack is refused and told who holds it."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.launcher import AlreadyRunningError, Launch, running_nodes
from reflexarc.launcher.lock import NodeLocks, domain_of

NODE = '<node pkg="reflexarc_nodes" exec="arc_node" name="arc_node"/>'


def test_a_second_launch_of_the_same_nodes_in_the_same_domain_is_refused(write, prefix, tmp_path):
    path = write(NODE)
    with Launch(path, {}, tmp_path / "a"):
        second = Launch(path, {}, tmp_path / "b")
        with pytest.raises(
            AlreadyRunningError, match=rf"node /arc_node in ROS domain 61 .* process {os.getpid()}\. Nothing"
        ):
            second.start()
        assert not second.pids()
    with Launch(path, {}, tmp_path / "c") as third:
        assert third.pids()


def test_another_domain_or_namespace_is_free(write, prefix, tmp_path, monkeypatch):
    with Launch(write(NODE), {}, tmp_path / "a"):
        other = write(f'<push_ros_namespace namespace="r2"/>{NODE}', "other.launch.xml")
        with Launch(other, {}, tmp_path / "b") as launch:
            assert launch.pids()
        monkeypatch.setenv("ROS_DOMAIN_ID", "62")
        with Launch(write(NODE), {}, tmp_path / "c") as launch:
            assert {(node.domain, node.name) for node in running_nodes()} >= {
                (61, "/arc_node"),
                (62, "/arc_node"),
            }


def test_the_command_line_says_who_holds_the_name_and_fails(write, prefix, tmp_path):
    path = write(NODE)
    with Launch(path, {}, tmp_path / "a"):
        command = [sys.executable, "-m", "reflexarc.launcher", str(path), "--out", str(tmp_path / "b")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert re.search(rf"already taken by process {os.getpid()}\b", done.stderr)


def test_a_killed_launcher_leaves_no_lock_behind(write, prefix, tmp_path):
    path = write(NODE)
    command = [sys.executable, "-m", "reflexarc.launcher", str(path), "--out", str(tmp_path / "a")]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    assert "started" in launcher.stdout.readline()
    assert (61, "/arc_node", launcher.pid) in running_nodes()
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate(timeout=20)
    end = time.monotonic() + 5.0
    while any(node.domain == 61 for node in running_nodes()) and time.monotonic() < end:
        time.sleep(0.02)
    with Launch(path, {}, tmp_path / "b") as launch:
        assert launch.pids()


def test_either_all_names_are_taken_or_none():
    holder = NodeLocks(63, ["/b"])
    with pytest.raises(AlreadyRunningError, match="/b"):
        NodeLocks(63, ["/a", "/b", "/c"])
    assert [node.name for node in running_nodes() if node.domain == 63] == ["/b"]
    holder.release()
    assert not [node for node in running_nodes() if node.domain == 63]


@pytest.mark.parametrize("text", ["-1", "233", "1.5", "x", "٣"])
def test_a_domain_that_dds_cannot_use_is_refused(write, prefix, tmp_path, monkeypatch, text):
    with pytest.raises(ConfigError, match="whole number from 0 to 232"):
        domain_of({"ROS_DOMAIN_ID": text})
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(ConfigError, match="ROS_DOMAIN_ID"):
        Launch(write(NODE), {}, tmp_path).start()


@pytest.mark.parametrize(
    ("environment", "domain"), [({}, 0), ({"ROS_DOMAIN_ID": ""}, 0), ({"ROS_DOMAIN_ID": "232"}, 232)]
)
def test_the_domain_comes_from_the_environment(environment, domain):
    assert domain_of(environment) == domain
