# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""A quadruped live: plant, arc, policy, joystick and judge as processes over DDS; what comes of a node that dies."""

import json

import numpy as np
import pytest

from reflexarc.core.interfaces import interface
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc.core.wire import seconds
from tests.walking.walker_scene import HIGH, LOW

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.integration]

NODES = ("walker_task_node", "quadruped_arc_node", "walker_policy_node", "quadruped_plant_node")
DURATION, PUSHED_S = 3.0, 2.0
READY_S = 180.0
"""Longest time for the graph to start and do something on a busy machine. [s]"""
CALM = ["walk.pushes.magnitude=[0.0,0.0]"]
PUSH = [*CALM, f"walk.planned=[{{time_s: {PUSHED_S}, duration_s: 0.2, force: [0.0, 40.0, 0.0]}}]"]


def start(graph, node, overrides, duration, **parameters):
    settings = ", ".join(f"'{text}'" for text in [f"duration_s={duration}", *overrides])
    graph.start(
        node, scenario="quadruped_push", seed=0, use_sim_time=True, out_dir=graph.folder / "out",
        overrides=f"[{settings}]", **parameters,
    )  # fmt: skip


@pytest.fixture(scope="module")
def live(new_domain, tmp_path_factory, graph_class, probe_class):
    """Run a walk with one push to its end; return (folder of files, exit codes, messages, graph)."""
    folder = tmp_path_factory.mktemp("live")
    domain = new_domain()
    graph, probe = graph_class(domain, folder), probe_class(domain)
    probe.listen(
        "quadruped/verdict", "quadruped/proposal", "quadruped/odometry", "quadruped/cmd_vel", POSITIONS
    )
    try:
        for node in NODES:
            start(graph, node, PUSH, DURATION)
        task = graph.processes["walker_task_node"]
        probe.until(lambda: task.poll() is not None, READY_S, "walker_task_node ends by itself")
    finally:
        codes = graph.stop()
        messages = dict(probe.messages)
        probe.close()
    return folder / "out", codes, messages, graph


@pytest.fixture(scope="module")
def summary(live):
    return json.loads((live[0] / "summary.json").read_text(encoding="utf-8"))


def test_every_node_ends_in_order(live):
    _, codes, _, graph = live
    assert codes == dict.fromkeys(NODES, 0), {n: graph.log(n)[-2000:] for n, code in codes.items() if code}


def test_it_walks_is_pushed_and_stays_up_with_nothing_missing(summary):
    assert summary["outcome"] == "time" and summary["success"]
    assert summary["duration_s"] == pytest.approx(DURATION, abs=0.01)
    assert summary["distance_m"] > 0.4 and summary["pushes"] == 1
    assert summary["faults"] == {} and summary["halted"] == 0.0
    assert summary["threshold"] is not None and 0.0 <= summary["risk_most"] <= 1.0


def test_it_walks_as_in_lockstep(live):
    from reflexarc_sim.scenario import load_scenario
    from reflexarc_sim.walker_lockstep import WalkerLog, run_walker

    with np.load(live[0] / "log.npz") as log:
        assert set(WalkerLog.COLUMNS) <= set(log.files)
        time, position, velocity = log["time"], log["position"], log["velocity"]
    assert np.diff(time) == pytest.approx(0.004, abs=1e-9), "every step was seen"
    over = dict(text.split("=", 1) for text in PUSH)
    twin = run_walker(load_scenario("quadruped_push", over), 0, DURATION)
    calm = time < PUSHED_S
    there = np.interp(time[calm], twin.log["time"], twin.log["position"][:, 0])
    assert np.abs(position[calm, 0] - there).max() < 0.25
    assert velocity[(time > 1.6) & calm, 0].mean() == pytest.approx(0.5, abs=0.25)


def test_every_step_is_answered_with_targets_within_range(live):
    targets = np.array([m.data for m in live[2][POSITIONS]])
    assert len(targets) > 0.8 * 250.0 * DURATION, "as far as a listener hears; the arc's own count is below"
    assert (targets >= LOW).all() and (targets <= HIGH).all()


def test_the_policy_decides_on_the_grid_of_simulated_time(live):
    stamps = np.unique([seconds(p.header.stamp) for p in live[2]["quadruped/proposal"]])
    assert len(stamps) > 0.8 * DURATION * interface("quadruped/proposal").rate_hz
    assert np.median(np.diff(stamps)) == pytest.approx(0.02, abs=0.002)


def test_the_loop_says_how_it_kept_its_time(live, summary):
    figures = json.loads((live[0] / "arc.json").read_text(encoding="utf-8"))
    assert figures["ticks"] >= summary["ticks"] > 250.0 * DURATION * 0.9
    assert figures["tick_p50_us"] < 4000.0, "a tick fits into its period"


@pytest.fixture
def walking(probe_and_graph):
    """A graph whose robot walks, for a long time."""
    probe, graph = probe_and_graph
    probe.listen("quadruped/odometry", "quadruped/verdict", "quadruped/fallen", "/diagnostics")
    for node in NODES:
        extra = {"exit_when_done": False, "silence_s": 600.0} if node == "walker_task_node" else {}
        start(graph, node, CALM, 600.0, **extra)
    probe.until(lambda: now(probe) > 2.0 and speed(probe) > 0.2, READY_S, "it walks")
    return probe, graph


def now(probe):
    last = probe.last("quadruped/odometry")
    return -1.0 if last is None else seconds(last.header.stamp)


def speed(probe):
    return float(np.hypot(*[getattr(probe.last("quadruped/odometry").twist.twist.linear, k) for k in "xy"]))


def test_a_robot_whose_policy_is_killed_comes_to_rest_and_the_arc_keeps_it_standing(walking):
    probe, graph = walking
    graph.kill("walker_policy_node")
    killed = now(probe)
    probe.until(lambda: now(probe) > killed + 3.0, READY_S, "three seconds without a policy")
    assert speed(probe) < 0.1, "it came to rest"
    last = probe.last("quadruped/verdict")
    assert list(last.faults) == ["proposal_stale"] and last.reflex == "recovery"
    stopped = [v.now for v in probe.messages["quadruped/verdict"] if "proposal_stale" in v.faults]
    assert stopped[0] <= killed + 0.06 + 0.02 + 0.1, "as soon as the last proposal was too old"
    assert probe.last("quadruped/fallen") is None or not probe.last("quadruped/fallen").data
    start(graph, "walker_policy_node", CALM, 600.0)
    probe.until(lambda: speed(probe) > 0.2, READY_S, "it walks again")


def test_a_robot_whose_arc_is_killed_is_made_to_crouch_by_its_plant(walking):
    probe, graph = walking
    graph.kill("quadruped_arc_node")
    killed = now(probe)
    probe.until(lambda: now(probe) > killed + 2.0, READY_S, "two seconds without an arc")
    probe.messages["/diagnostics"].clear()
    level, text, values = probe.until(
        lambda: probe.health("quadruped_plant_node"), 10.0, "diagnostics of the plant"
    )
    assert (level, values["positions_stale"]) == (2, "1") and "positions_stale: the robot crouches" in text
    assert speed(probe) < 0.1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["arc.walker.fall=nowhere.safetensors"], "not a readable file"),
        (["arc.walker.fall=go1/hinf/walk/hinf.safetensors"], "expected 'reflexarc-fall-1'"),
    ],
)
def test_an_arc_without_its_critic_never_activates(probe_and_graph, overrides, message):
    probe, graph = probe_and_graph
    probe.listen(POSITIONS)
    start(graph, "quadruped_arc_node", overrides, 1.0)
    process = graph.processes["quadruped_arc_node"]
    probe.until(lambda: process.poll() is not None, READY_S, "the node ends")
    log = graph.log("quadruped_arc_node")
    assert process.returncode in (1, 2), log
    assert "not configured" in log and message in log and "Traceback" not in log, log
    assert not probe.messages[POSITIONS]
