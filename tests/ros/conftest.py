# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Real nodes as processes on a ROS domain of their own, and a probe that listens, speaks and waits with a timeout."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest

SKIP_REASON = ""
try:
    import rclpy
    import reflexarc_msgs.msg  # noqa: F401

    import reflexarc_nodes.qos  # noqa: F401
except ImportError as error:  # pragma: no cover - depends on the machine
    SKIP_REASON = f"ROS 2 or the built workspace is missing ({error}); run `make setup` and `. ./env.sh`"

START_S = 180.0
"""Longest time that the graph may take to start on a busy machine. [s]"""
SETTLE_S = 0.5
"""By how much later a subscriber may find a publisher than the publisher finds it. [s]"""


def pytest_collection_modifyitems(items):
    for item in items:
        if SKIP_REASON and item.get_closest_marker("ros"):
            item.add_marker(pytest.mark.skip(reason=SKIP_REASON))


class Probe:
    """A node in the test's own process."""

    def __init__(self, domain):
        from rclpy.experimental import EventsExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("probe", context=self.context, enable_rosout=False)
        self.executor = EventsExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.messages = defaultdict(list)
        self.publishers = {}

    def listen(self, *names):
        from reflexarc_nodes.qos import listen

        for name in names:
            listen(self.node, name, self.messages[name].append, every=True)
        return self

    def listen_under(self, name, namespace):
        from reflexarc_nodes.qos import listen

        listen(self.node, name, self.messages[f"{namespace}/{name}"].append, every=True, under=namespace)

    def publish_under(self, name, namespace, message):
        from reflexarc_nodes.qos import advertise

        label = f"{namespace}/{name}"
        if label not in self.publishers:
            self.publishers[label] = advertise(self.node, name, namespace)
        self.publishers[label].publish(message)

    def publish(self, name, message):
        from reflexarc_nodes.qos import advertise

        if name not in self.publishers:
            self.publishers[name] = advertise(self.node, name)
            self.until(
                lambda: self.publishers[name].get_subscription_count() > 0,
                START_S,  # nodes that compile their filter or monitor listen only then
                f"a subscriber of {name}",
            )
            settled = time.monotonic() + SETTLE_S
            while time.monotonic() < settled:
                self.spin()
        self.publishers[name].publish(message)

    def last(self, name):
        return self.messages[name][-1] if self.messages[name] else None

    def spin(self, duration=0.02):
        """Wait up to `duration` [s] for something to arrive, and take what is there."""
        self.executor.spin_once(timeout_sec=duration)
        for _ in range(50):
            self.executor.spin_once(timeout_sec=0.0)

    def until(self, condition, timeout, what):
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"did not happen within {timeout} s: {what}"
            self.spin()

    def call(self, kind, name, request, timeout=10.0):
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(timeout_sec=timeout), f"no service {name}"
        future = client.call_async(request)
        self.until(future.done, timeout, f"an answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def health(self, node):
        """Newest diagnostics of a node as (level, text, values)."""
        for array in reversed(self.messages["/diagnostics"]):
            for status in array.status:
                if status.name == node:
                    return status.level[0], status.message, {v.key: v.value for v in status.values}
        return None

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


class Graph:
    """Processes of one ROS domain."""

    def __init__(self, domain, folder):
        self.domain, self.folder = domain, folder
        self.processes = {}
        self.environment = os.environ | {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(folder / "ros_log"),
        }

    def start(self, node, label=None, namespace="", remaps=(), **parameters):
        arguments = ["-r", f"__ns:=/{namespace}"] if namespace else []
        for remap in remaps:
            arguments += ["-r", remap]
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["-p", f"{name}:={text}"]
        label = label or node
        log = (self.folder / f"{label}.log").open("ab")
        command = [sys.executable, "-m", f"reflexarc_nodes.{node}", "--ros-args", *arguments]
        self.processes[label] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        return self.processes[label]

    def log(self, node):
        return (self.folder / f"{node}.log").read_text(errors="replace")

    def kill(self, node):
        self.processes[node].send_signal(signal.SIGKILL)
        self.processes[node].wait(10)

    def alive(self, node):
        return node in self.processes and self.processes[node].poll() is None

    def stop(self):
        """End every node in an orderly way and return the exit codes."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = f"did not end on SIGTERM; log: {self.log(name)[-500:]}"
        return codes


_domains = 0


@pytest.fixture(scope="session")
def new_domain():
    """A ROS domain that no other test of this or another process uses."""

    def choose():
        global _domains  # noqa: PLW0603 - counts the domains of this process
        _domains += 1
        return 1 + (os.getpid() * 7 + _domains) % 100

    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return choose


@pytest.fixture
def probe_and_graph(new_domain, tmp_path):
    domain = new_domain()
    graph, probe = Graph(domain, tmp_path), Probe(domain)
    yield probe, graph
    graph.stop()
    probe.close()
    for name in graph.processes:  # shown by pytest when the test failed
        print(f"--- {name}\n{graph.log(name)[-3000:]}")


class Stack:
    """The five nodes on a quiet street, with a robot that has missions for a long time."""

    SCENARIO = {
        "scenario": "sidewalk_calm",
        "seed": 3,
        "use_sim_time": True,
        "overrides": "['missions.count=100', 'duration_s=2000.0']",
    }
    EXTRA = {"mission_node": {"exit_when_done": False, "silence_s": 600.0}}
    NODES = ("recorder_node", "arc_node", "task_policy_node", "mission_node", "plant_node")

    def __init__(self, domain, folder):
        self.domain, self.folder = domain, folder
        self.runs = 0
        self.graph = self.probe = None

    def begin(self, node):
        out = self.folder / f"run{self.runs}"
        self.graph.start(node, **self.SCENARIO, out_dir=out, **self.EXTRA.get(node, {}))

    def moving(self):
        """Return (probe, graph) of a stack whose robot moves; dead nodes are started again."""
        fresh = self.graph is None or not all(self.graph.alive(n) for n in self.NODES)
        if fresh:
            self.close()
            self.runs += 1
            self.graph, self.probe = Graph(self.domain(), self.folder), None
            self.probe = Probe(self.graph.domain).listen(
                "odom", "verdict", "cmd_vel", "/diagnostics", "mission"
            )
            for node in self.NODES:
                self.begin(node)
        self.until_moving()
        return self.probe, self.graph

    def until_moving(self):
        messages = self.probe.messages
        messages["odom"].clear()
        try:
            self.probe.until(
                lambda: messages["odom"] and messages["odom"][-1].twist.twist.linear.x > 0.4,
                START_S,
                "the robot moves",
            )
        except AssertionError as error:
            last = [
                str(messages[name][-1])[:2000] for name in ("verdict", "mission", "odom") if messages[name]
            ]
            raise AssertionError("\n".join([str(error), *last])) from error

    def close(self):
        if self.graph is not None:
            self.codes = self.graph.stop()
            self.probe.close()
            self.graph = None


@pytest.fixture(scope="module")
def stack(new_domain, tmp_path_factory):
    stack = Stack(new_domain, tmp_path_factory.mktemp("stack"))
    yield stack
    stack.close()


class FakeRobot:
    """Publishes what a standing robot's drivers would, on the system clock, with a proposal to drive."""

    def __init__(self, probe, wanted=(0.5, 0.0), topics=("odom", "obstacles", "scan", "proposal")):
        self.probe = probe
        self.wanted = wanted
        self.topics = topics

    def publish(self, odom_age):
        """Publish one set of measurements; odometry is `odom_age` [s] old."""
        import numpy as np

        from reflexarc.core.plant import Scan
        from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls
        from reflexarc_nodes import convert

        now = time.time()
        state = BaseState(
            now - odom_age,
            FIXED_FRAME,
            np.zeros(3),
            np.zeros(len(self.wanted)),
            Obstacles.none(now),
            Walls.none(FIXED_FRAME),
        )
        scan = Scan(now, 0.0, 2 * np.pi / 360, 0.1, 15.0, np.full(360, np.inf))
        for name, message in (
            ("odom", convert.odometry_to(state)),
            ("obstacles", convert.obstacles_to(Obstacles.none(now))),
            ("scan", convert.scan_to(scan, 0.1)),
            ("proposal", convert.twist_to(now, np.array(self.wanted))),
        ):
            if name in self.topics:
                self.probe.publish(name, message)


@pytest.fixture
def fake_robot():
    return FakeRobot


@pytest.fixture(scope="session")
def fake_robot_class():
    return FakeRobot


@pytest.fixture(scope="session")
def graph_class():
    return Graph


@pytest.fixture(scope="session")
def probe_class():
    return Probe
