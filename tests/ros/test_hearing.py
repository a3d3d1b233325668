# SPDX-License-Identifier: Apache-2.0
"""Who has gone silent: at first as long as the start may take, afterwards as long as silence may last."""

import pytest

from reflexarc_nodes import hearing as hearing_module
from reflexarc_nodes.hearing import Hearing


@pytest.fixture
def clock(monkeypatch):
    """Steady time, set by the test. [s]"""
    now = [100.0]
    monkeypatch.setattr(hearing_module.time, "monotonic", lambda: now[0])
    return now


def test_a_topic_that_never_comes_and_one_that_stops_are_named(clock):
    hearing = Hearing(("state", "verdict"), start_timeout=30.0, silence=5.0)
    assert hearing.waiting() == ["waiting for state, verdict"]
    clock[0] += 29.0
    hearing.hear("state")
    hearing.hear("weather")  # nobody needs it
    assert hearing.silent() == "" and hearing.waiting() == ["waiting for verdict"]
    clock[0] += 1.5
    assert hearing.silent() == "node_killed: nothing has ever arrived on verdict within 30 s"
    hearing.hear("verdict")
    assert hearing.silent() == "" and hearing.waiting() == []
    clock[0] += 4.0
    hearing.hear("verdict")
    assert hearing.silent() == "node_killed: state has been silent for 5.5 s, allowed 5 s"
    hearing.hear("state")
    assert hearing.silent() == ""
