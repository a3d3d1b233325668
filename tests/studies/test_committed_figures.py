# SPDX-License-Identifier: Apache-2.0
"""The committed results of the studies support what the documents claim, and a fresh run agrees with them."""

import json
from pathlib import Path

import numpy as np
import pytest

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.types import Mode
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario
from tests.clocks.test_lockstep import STORE, fingerprint

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SLOWER = 5.0
"""How much slower than the committed figure, measured on an idle machine, a tick may be where tests run."""


def committed(study):
    return json.loads((BENCHMARKS / study / "results.json").read_text())


def test_arc_prevents_every_moving_contact_of_the_twenty_seeds():
    results = committed("sidewalk_delivery")
    assert results["seeds"] == list(range(20))
    with_arc, without = results["figures"]["with_arc"], results["figures"]["without_arc"]
    assert with_arc["runs"] == without["runs"] == 20
    assert with_arc["moving_contacts"] == 0
    assert with_arc["mission_success"] >= 0.85
    assert without["runs_with_moving_contact"] > 10
    assert "postcheck_failed" not in with_arc["faults"]


@pytest.mark.parametrize("arc", [True, False])
def test_a_fresh_run_of_the_delivery_study_is_the_committed_one(arc):
    if json.loads(STORE.read_text())["fingerprint"] != fingerprint():
        pytest.skip("other package versions or another processor than the committed runs; bytes may differ")
    row = next(
        r for r in committed("sidewalk_delivery")["figures"]["runs"] if (r["seed"], r["arc"]) == (6, arc)
    )
    fresh = run(load_scenario("sidewalk_delivery"), 6, arc).summary
    # What happened, not the bits: those were seen to differ between machines with the same fingerprint, also without
    # the arc. That equal seeds give equal bytes on one machine is tested in tests/clocks.
    for key in ("missions", "successes", "contacts", "pedestrian_contacts_moving", "cargo_lost"):
        assert getattr(fresh, key) == row[key], key
    assert fresh.duration_s == pytest.approx(row["duration_s"], rel=0.1)
    assert fresh.distance_m == pytest.approx(row["distance_m"], rel=0.1)


def test_tick_is_as_fast_as_promised_and_faster_than_the_peer():
    headline = committed("arc_tick")["headline"]
    assert headline["barrier_p50_us"] <= 60.0
    assert headline["tick_p50_us"] <= 150.0
    assert headline["tick_p99_us"] <= 500.0
    assert headline["ratio_cbfpy_qpax"] >= 2.0
    assert headline["ratio_cbfpy_elastiqp"] >= 1.0


def test_live_arc_keeps_its_rate():
    assert committed("live_rate")["headline"]["deadline_miss_fraction"] < 0.01


class TickTimes:
    """Observer that ticks a second arc on what the first one sees, and keeps how long each tick took."""

    def __init__(self):
        self.arc = build_arc(ArcConfig())
        self.times = []

    def tick(self, state, proposal, command, verdict, min_distance):
        self.times.append(self.arc.tick(state, proposal, Mode.NORMAL, verdict.now).time_used)

    def pedestrians(self, *_):
        pass

    def plant_event(self, *_):
        pass

    def event(self, *_, **__):
        pass


def test_a_fresh_tick_is_not_far_from_the_committed_figure():
    observer = TickTimes()
    run(load_scenario("sidewalk_delivery"), 0, duration=5.0, observers=[observer])
    # The fastest tenth is what the code takes; the median is also what else the machine was doing.
    fastest = 1e6 * np.percentile(observer.times, 10)
    assert fastest < SLOWER * committed("arc_tick")["headline"]["tick_p50_us"]


BARRIER_CASES = {"velocity_1": (120.0, 250.0, 2.5), "velocity_25": (250.0, 400.0, 4.0)}
"""Case: longest median and 99th percentile of a call that solves [us], least ratio to cbfpy with qpax."""


@pytest.mark.parametrize("case", BARRIER_CASES)
def test_arm_filter_is_as_fast_as_promised_and_faster_than_the_peers(case):
    headline, (p50, p99, ratio) = committed("barrier")["headline"], BARRIER_CASES[case]
    for kind in ("when_solving", "every_row_when_solving"):
        assert headline[f"{case}_{kind}_p50_us"] <= p50
        assert headline[f"{case}_{kind}_p99_us"] <= p99
    assert headline[f"{case}_ratio_cbfpy_qpax"] >= ratio
    assert headline[f"{case}_ratio_cbfpy_elastiqp"] >= 1.0


def test_learned_barrier_of_the_boat_holds_what_is_claimed():
    headline = committed("barrier")["headline"]
    assert headline["boat_vocbf_violations_percent"] <= 0.5 < headline["boat_published_violations_percent"]
    assert headline["boat_vocbf_return"] >= 1.05 * headline["boat_grid_return"]
    assert headline["boat_vocbf_false_safe_ring_percent"] < 10.0
    assert headline["boat_grid_violations_percent"] == 0.0


def test_margins_programmes_and_certificates_hold_what_is_claimed():
    headline = committed("barrier")["headline"]
    assert headline["ladder_min_h_m"] >= 0.0 > headline["ladder_plain_20ms_min_h_m"]
    assert headline["delay_min_h_m"] >= 0.0
    assert headline["suite_violating"] == 0.0
    assert headline["qp_default_worst_error"] <= 1e-6
    assert headline["qp_default_wrong_status"] == headline["qp_wrong_answers_used"] == 0
    assert headline["perceptron_p50_us"] <= 30.0
    assert headline["scenario_certificates_held"] == headline["certificates_matched"] >= 4
