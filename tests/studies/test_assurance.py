# SPDX-License-Identifier: Apache-2.0
"""The study `assurance`: what must hold of its committed figures."""

import json

import pytest

from reflexarc.cli.bench import benchmarks_dir

FIGURES = json.loads((benchmarks_dir() / "assurance" / "results.json").read_text())["figures"]


@pytest.fixture
def part():
    return lambda name: FIGURES[name]["figures"]


def test_every_policy_is_judged_in_time_and_none_deadlocks_with_the_default_stop(part):
    found = part("synthesis")
    sweep = found["sweep"]
    assert sweep["configurations"] == 36 * 5 and sweep["wall_s"] < 300.0
    assert sweep["undecided"] == sweep["deadlocked"] == sweep["not_live"] == 0
    assert {row["share"] for row in found["failing_sensors"]} == {0.05, 0.1, 0.2}
    for row in found["failing_sensors"]:
        assert row["deadlock_with"] == 0.0 and row["policies"] == 36


def test_every_injected_loss_means_zero_within_lease_and_turn(part):
    found = FIGURES["gate"]["headline"]
    assert found["gate_injections"] >= 3000 and found["gate_failures"] == 0
    assert found["gate_failure_upper_95"] <= 0.001
    assert found["gate_max_s"] <= found["gate_limit_s"] and found["gate_false_closings"] == 0


def test_a_monitor_takes_less_than_60_microseconds():
    assert FIGURES["monitors"]["headline"]["monitor_worst_p99_us"] < 60.0
