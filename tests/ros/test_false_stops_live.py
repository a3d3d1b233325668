# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""A stop that the study did not cause is kept with its cause: here somebody else stops the arc for a second."""

import os
import signal
import threading

import pytest

from reflexarc.assurance.injection.false_stops import FalseStop
from reflexarc.assurance.injection.live import VOUCHED_S
from reflexarc.robots import load_base

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(scope="module")
def told(new_domain, tmp_path_factory):
    """What a study says of a quiet time in which the arc is stopped for a second, and how many stops it counts."""
    from reflexarc_nodes.live_graph import LiveGraph
    from reflexarc_nodes.live_study import LiveStudy

    lines = []
    folder = tmp_path_factory.mktemp("study")
    graph = LiveGraph(folder, dict(os.environ), new_domain(), "sidewalk_supervised", missions=4)
    try:
        study = LiveStudy(graph, load_base("segway_e1"), say=lines.append)
        graph.drive(0.5)
        hands = [
            threading.Timer(delay, graph.processes.signal, ("arc_node", number))
            for delay, number in ((0.5, signal.SIGSTOP), (1.5, signal.SIGCONT))
        ]
        for hand in hands:
            hand.start()
        study.quiet(2.0)
        for hand in hands:
            hand.join()
    finally:
        graph.close()
    return [FalseStop(**line["false_stop"]) for line in lines], study.false_stops


def test_the_gate_names_the_late_beat_and_the_stamps_the_silent_sender(told):
    stops, counted = told
    assert counted == len(stops) >= 1
    found = next(stop for stop in stops if stop.silent_s["arc"] > 0.9)
    assert found.closed and "heartbeat_late" in found.names
    assert any("arc: the newest beat is" in text and "s old, allowed" in text for text in found.said), found
    assert max(found.silent_s, key=lambda name: found.silent_s[name]) == "arc"
    assert found.silent_s["arc"] > VOUCHED_S
    assert any("heartbeat_late" in line for line in found.gate_log), found.gate_log
    assert "arc: the newest beat is" in found.words
