# SPDX-License-Identifier: Apache-2.0
"""One whole live run: five processes over DDS deliver, everything is recorded, the recording replays bit by bit."""

import json
import math

import numpy as np
import pytest

from reflexarc.arc.config import ArcConfig
from reflexarc.core.interfaces import interface
from reflexarc.core.wire import seconds
from reflexarc.report.recorded_config import recorded_arc_config
from reflexarc.report.recording import read_recording
from reflexarc.report.replay import replay
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.integration]

SCENARIO, SEED = "sidewalk_calm", 0
NODES = ("recorder_node", "arc_node", "task_policy_node", "mission_node", "plant_node")


@pytest.fixture(scope="module")
def live(new_domain, tmp_path_factory, graph_class, probe_class):
    """Run the scenario to its end and return (folder of files, exit codes, exit code of mission_node, graph)."""
    folder = tmp_path_factory.mktemp("live")
    domain = new_domain()
    graph, probe = graph_class(domain, folder), probe_class(domain)
    try:
        for node in NODES:
            graph.start(node, scenario=SCENARIO, seed=SEED, use_sim_time=True, out_dir=folder / "out")
            if node == "recorder_node":
                probe.until(
                    lambda: all(probe.node.count_subscribers(name) for name in ("verdict", "cmd_vel")),
                    60.0,
                    "the recorder listens",
                )
        mission = graph.processes["mission_node"]
        probe.until(lambda: mission.poll() is not None, 240.0, "mission_node ends by itself")
    finally:
        codes = graph.stop()
        probe.close()
    return folder / "out", codes, graph


@pytest.fixture(scope="module")
def recording(live):
    return read_recording(live[0] / "run.mcap")


@pytest.fixture(scope="module")
def summary(live):
    return json.loads((live[0] / "summary.json").read_text(encoding="utf-8"))


def test_every_node_ends_in_order(live):
    _, codes, graph = live
    assert codes == dict.fromkeys(NODES, 0), {
        name: graph.log(name)[-2000:] for name, code in codes.items() if code
    }


def test_the_delivery_is_made_without_touching_anybody(summary):
    assert (summary["missions"], summary["successes"]) == (1, 1)
    assert (summary["contacts"], summary["pedestrian_contacts"]) == (0, 0)
    assert summary["min_distance_m"] > 0.0
    assert summary["distance_m"] > 5.0


def test_tick_figures_come_from_inside_the_node(live, summary, recording):
    figures = json.loads((live[0] / "arc.json").read_text(encoding="utf-8"))
    verdicts = recording.topic("verdict")
    assert figures["ticks"] == verdicts[-1].message.seq + 1
    # a recording begins when the recorder has found a topic, which on a busy machine may be seconds into the run
    assert len(verdicts) > 1000, "what is compared is most of the run"
    late = sum(entry.message.tick_lateness > 0.5 / interface("cmd_vel").rate_hz for entry in verdicts)
    unheard = figures["ticks"] - len(verdicts)
    assert late <= round(figures["deadline_miss_fraction"] * figures["ticks"]) <= late + unheard
    assert 0.0 <= summary["deadline_miss_fraction"] < 0.5, "even a very busy machine ticks"
    used = 1e6 * np.array([entry.message.time_used for entry in verdicts])
    most = min(100.0, 50.0 * figures["ticks"] / len(verdicts))  # all unheard ticks slower: the median of all
    low, high = np.percentile(used, [100.0 - most, most])
    assert low - 6.0 <= figures["tick_p50_us"] <= high + 6.0


def test_every_verdict_is_recorded_once_and_in_order(recording):
    numbers = [entry.message.seq for entry in recording.topic("verdict")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (
        "from the first one heard, without a gap"
    )
    stamps = [entry.message.now for entry in recording.topic("verdict")]
    assert stamps == sorted(stamps)


def test_commands_are_those_of_the_verdicts_and_the_last_is_zero(recording):
    commands = [(e.message.twist.linear.x, e.message.twist.angular.z) for e in recording.topic("cmd_vel")]
    verdicts = [(e.message.command.linear.x, e.message.command.angular.z) for e in recording.topic("verdict")]
    *commands, last = commands
    both = min(len(commands), len(verdicts))  # the recorder may discover one of the two topics first
    assert commands[-both:] == verdicts[-both:]
    assert last == (0.0, 0.0), "one zero command when the node is told to end"


def test_rates_and_frames_are_those_of_the_table(recording):
    for name in ("odom", "scan", "obstacles", "clearance", "pedestrians"):
        item = interface(name)
        stamps = sorted({seconds(e.message.header.stamp) for e in recording.topic(name)})
        heard = stamps[-1] - stamps[0]  # from when the recorder had found the topic
        assert heard > 5.0, name
        assert (len(stamps) - 1) / heard == pytest.approx(item.rate_hz, rel=0.1), name
        assert {e.message.header.frame_id for e in recording.topic(name)} == {item.frame}, name
    assert recording.topic("odom")[0].message.child_frame_id == "base_link"


def test_the_recording_replays_to_the_same_verdicts(recording):
    result = replay(recording, recorded_arc_config(recording))
    assert result.ticks > 1000
    assert (result.differences, result.gaps) == ((), 0)
    assert result.equal == result.ticks - len(result.missing) > 1000
    heard = max(recording.topic(name)[0].log_time for name in ("odom", "obstacles", "scan", "proposal"))
    settled = (
        heard + interface("scan").max_age_s
    )  # what came before the recorder had found a topic may be used so long
    later = {e.message.seq for e in recording.topic("verdict") if e.log_time > settled}
    assert len(later) > 1000 and not later & set(result.missing)


def test_a_replay_with_another_arc_differs(recording):
    other = ArcConfig.from_dict({"mode_limits": {"normal_m_s": 0.5}})
    assert replay(recording, other).differences


def test_both_clocks_tell_the_same_story(summary):
    lockstep = run(load_scenario(SCENARIO), SEED).summary
    assert lockstep.successes == summary["successes"] == 1
    assert lockstep.contacts == summary["contacts"] == 0
    assert summary["duration_s"] == pytest.approx(lockstep.duration_s, rel=0.15, abs=1.0)
    assert summary["distance_m"] == pytest.approx(lockstep.distance_m, rel=0.1)
    assert math.isclose(summary["min_distance_m"], lockstep.min_distance_m, abs_tol=0.5)
