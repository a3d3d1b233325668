# SPDX-License-Identifier: Apache-2.0
"""Checks of ROS 2: the client library, our messages, and data over DDS between two processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from reflexarc.cli.checks.finding import Finding, Level, Probe
from reflexarc.core.errors import ConfigError

DDS_LIMIT = 2.0
"""Two nodes that need longer to find each other make the live clock's start unreliable. [s]"""
DDS_TIMEOUT = 10.0
"""[s]"""
_SETUP = "run make setup, then: . ./env.sh"

ROS_PROBE = """
import json, os, rclpy
from rclpy.utilities import get_rmw_implementation_identifier as rmw
print(json.dumps([os.path.dirname(rclpy.__file__), rmw()]))
"""
MESSAGES_PROBE = """
from reflexarc_msgs.msg import Verdict
Verdict.__class__.__import_type_support__()
assert Verdict.__class__._TYPE_SUPPORT is not None, "its C type support does not load"
"""
# Talker and listener are processes of their own, as the nodes are. The listener prints how long it waited. [s]
TALKER = """
import sys, time, rclpy
from std_msgs.msg import String
with rclpy.init(domain_id=int(sys.argv[1])):
    node = rclpy.create_node("doctor_talker")
    publisher = node.create_publisher(String, "doctor", 1)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        publisher.publish(String(data=sys.argv[3]))
        time.sleep(0.02)
"""
LISTENER = """
import sys, time, rclpy
from std_msgs.msg import String
with rclpy.init(domain_id=int(sys.argv[1])):
    node = rclpy.create_node("doctor_listener")
    heard = []
    node.create_subscription(String, "doctor", lambda message: heard.append(message.data), 1)
    start = time.monotonic()
    while sys.argv[3] not in heard:
        if time.monotonic() - start > float(sys.argv[2]):
            sys.exit("nothing was received")
        rclpy.spin_once(node, timeout_sec=0.05)
    print(time.monotonic() - start)
"""


def check_ros(probe: Probe, ros_distro: str | None) -> Finding:
    """Judge whether rclpy loads, and say where it comes from."""
    answer = probe(ROS_PROBE)
    if not answer.ok:
        return Finding("ROS 2", Level.FAILED, f"rclpy does not load: {answer.text}", _SETUP)
    folder, middleware = json.loads(answer.text)
    source = f"installation {ros_distro}" if ros_distro else "Kilted wheels"
    return Finding("ROS 2", Level.OK, f"{source}, {middleware}, {folder}")


def check_messages(source: Path, prefixes: Iterable[Path], probe: Probe) -> Finding:
    """Judge whether our messages are built, load, and are those of the sources.

    Args:
        source: folder of the .msg files.
        prefixes: where to look for share/reflexarc_msgs, as in AMENT_PREFIX_PATH; the first one counts.
        probe: loads the generated Python classes and their C type support.
    """
    built = next((p for prefix in prefixes if (p := prefix / "share/reflexarc_msgs/msg").is_dir()), None)
    if built is None:
        return Finding(
            "messages", Level.FAILED, "reflexarc_msgs is not built or env.sh is not sourced", _SETUP
        )
    ours, theirs = ({p.name: p.read_text(encoding="utf-8") for p in d.glob("*.msg")} for d in (source, built))
    stale = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if stale:
        return Finding(
            "messages", Level.FAILED, f"built from other sources: {', '.join(stale)}", "run make setup"
        )
    answer = probe(MESSAGES_PROBE)
    if not answer.ok:
        return Finding(
            "messages", Level.FAILED, f"reflexarc_msgs does not load: {answer.text}", "run make clean setup"
        )
    return Finding("messages", Level.OK, f"{len(ours)} types as in the sources")


def check_dds(loopback: Callable[[], float]) -> Finding:
    """Judge whether a message gets from one process to another, and how soon.

    Args:
        loopback: returns the time from the listener's start to the first message [s], or raises RuntimeError.
    """
    try:
        waited = loopback()
    except RuntimeError as error:
        mend = (
            "allow UDP multicast on the loopback interface (ip link set lo multicast on) and check firewalls"
        )
        return Finding("DDS", Level.FAILED, f"no message between two processes: {error}", mend)
    text = f"first message between two processes after {waited:.2f} s"
    if waited <= DDS_LIMIT:
        return Finding("DDS", Level.OK, text)
    return Finding(
        "DDS",
        Level.WARNING,
        f"{text}; expected: {DDS_LIMIT:.0f} s",
        "stop other load, or check the network interfaces",
    )


def dds_loopback(domain: int, timeout: float = DDS_TIMEOUT) -> float:
    """Send a message from one process to another and return how long the listener waited. [s]

    Raises:
        RuntimeError: it did not arrive within `timeout` [s], or a process failed.
    """
    word = os.urandom(8).hex()
    arguments = [str(domain), str(timeout), word]
    talker = subprocess.Popen(
        [sys.executable, "-c", TALKER, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        listener = subprocess.run(
            [sys.executable, "-c", LISTENER, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout + 10.0,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the listener did not end within {timeout + 10.0:.0f} s") from error
    finally:
        talker.kill()
        talker.wait()
    if listener.returncode:
        raise RuntimeError((listener.stderr.strip().splitlines() or ["the listener failed"])[-1])
    return float(listener.stdout.split()[-1])


def check_domain(
    configured: str | None, choose: Callable[[], int], ports: set[int], used_by: Callable[[int], int]
) -> Finding:
    """Judge the ROS domain that a live run would take.

    Args:
        configured: ROS_DOMAIN_ID, None if it is not set.
        choose: returns the domain of the next run or raises ConfigError.
        ports: local UDP ports in use.
        used_by: domain to which a port belongs.
    """
    try:
        domain = choose()
    except ConfigError as error:
        return Finding(
            "ROS domain", Level.FAILED, str(error), "unset ROS_DOMAIN_ID, or set it to a free number"
        )
    taken = sum(used_by(port) == domain for port in ports)
    if taken:
        text = f"ROS_DOMAIN_ID={configured}: {taken} ports of it are in use on this machine"
        return Finding("ROS domain", Level.WARNING, text, "other nodes will hear ours; unset ROS_DOMAIN_ID")
    if configured is None:
        return Finding("ROS domain", Level.OK, "each run takes a free one; ROS_DOMAIN_ID is not set")
    return Finding("ROS domain", Level.OK, f"{domain}, nobody on this machine uses it")
