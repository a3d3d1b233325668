# SPDX-License-Identifier: Apache-2.0
"""The timing of an arm in contact: a replay is the run, both inferences agree, and the promises are kept."""

import importlib
import json
import sys

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.cli.bench import benchmarks_dir, load_study
from reflexarc.core.errors import ReflexArcError

TICK, LIVE = benchmarks_dir() / "arc_tick", benchmarks_dir() / "live_rate"
SHORT_S = 0.6


@pytest.fixture(scope="module")
def module():
    """Import a module that stands beside the study of the tick."""
    sys.path.insert(0, str(TICK))
    before = set(sys.modules)
    yield importlib.import_module
    sys.path.remove(str(TICK))
    for name in set(sys.modules) - before:
        if str(TICK) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture(scope="module")
def weights(module, tmp_path_factory):
    networks = module("contact_networks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "LEARNED", "reflex/maze/not_learned.safetensors")
        path, learned = networks.weights_file(tmp_path_factory.mktemp("weights"))
    assert not learned
    return path


@pytest.fixture(scope="module")
def recorded(module, weights):
    """Arc, ticks and views of a short run that touches a wall."""
    return module("contact_scenes").recorded(weights, (3,), SHORT_S)


def test_every_tick_of_the_run_is_recorded_and_the_critic_looks_at_all_but_those_of_a_fresh_recovery(
    recorded,
):
    _, (scenes,), views = recorded
    assert np.diff([s.now for s in scenes]) == pytest.approx(0.001)
    assert len(scenes) == round(SHORT_S / 0.001)
    assert all(s.state.wrench is not None and s.proposal is not None for s in scenes)
    assert 0.5 * len(scenes) < len(views) <= len(scenes) and np.isfinite(views).all()


def test_a_replay_answers_as_the_run_did_and_stages_fit_into_their_tick(module, recorded):
    arc, runs, _ = recorded
    contact = module("contact")
    figures = contact._arc_times(arc, runs)
    assert figures["replayed_alike"] == 1.0
    assert figures["ticks"] == sum(figures["statuses"].values()) == len(runs[0])
    for clock in ("wall_us", "cpu_us"):
        table = figures[clock]["all"]
        assert {stage.name for stage in arc.stages} < set(table)
        assert table["critic"]["p50"] <= table["critic_reflex"]["p50"] < table["tip_critic_reflex"]["p50"]
        assert table["tip_critic_reflex"]["p50"] < table["tick"]["p50"]
        assert 0.0 < table["tick"]["p50"] <= table["tick"]["p99"]


def test_a_replay_of_other_inputs_is_noticed(module, recorded):
    arc, runs, _ = recorded
    changed = [scene for k, scene in enumerate(runs[0]) if not 200 <= k < 220]
    assert module("contact")._arc_times(arc, [changed])["replayed_alike"] < 0.9


def test_both_inferences_are_timed_on_the_same_views_and_agree(module, recorded, weights):
    networks = module("contact_networks")
    times = networks.networks_times(weights, recorded[2], 60)
    assert (times["width"], times["members"], times["calls"]) == (64, 2, 60)
    assert times["critic_ratio_jax"] > 1.0 and times["both_ratio_jax"] > 1.0
    assert set(times["cpu_mean_us"]) == {"critic", "critic_jax", "both", "both_jax"}


def test_inferences_that_disagree_are_an_error(module):
    ways = {"both": lambda v: (0.5, np.zeros(4)), "both_jax": lambda v: (0.5, np.full(4, 0.01))}
    with pytest.raises(ReflexArcError, match="JAX"):
        module("contact_networks")._check(ways, np.zeros((1, 9)))


def live_run(seed, ticks, missed, factor):
    return {
        "seed": seed, "ticks": ticks, "deadline_miss_fraction": missed, "tick_p50_us": 200.0,
        "tick_p99_us": 400.0 + seed, "turn_p99_us": 800.0 + seed, "real_time_factor": factor,
    }  # fmt: skip


def test_misses_of_the_arm_are_weighted_by_ticks_and_stated_with_the_real_time_factor():
    study = load_study(LIVE)
    arm = {"runs": [live_run(0, 1000, 0.0, 0.9), live_run(1, 3000, 0.02, 0.5)]}
    found = study.headline({"arm": arm})
    assert (found["arm_ticks"], found["arm_deadline_miss_fraction"]) == (4000, 0.015)
    assert (found["arm_least_real_time_factor"], found["arm_worst_turn_p99_us"]) == (0.5, 801.0)
    assert (found["arm_tick_p50_us"], found["arm_worst_tick_p99_us"]) == (200.0, 401.0)


@pytest.mark.parametrize("folder", [TICK, LIVE])
def test_committed_headlines_follow_from_the_committed_figures(folder):
    results = json.loads((folder / "results.json").read_text())
    assert load_study(folder).headline(results["figures"]) == results["headline"]


def test_committed_tick_of_an_arm_in_contact_is_as_fast_as_promised():
    results = json.loads((TICK / "results.json").read_text())
    headline, figures = results["headline"], results["figures"]["contact"]["figures"]
    assert headline["contact_critic_reflex_p50_us"] <= 40.0
    assert headline["contact_critic_reflex_p99_us"] <= 150.0
    assert headline["contact_tick_p50_us"] <= 250.0
    assert headline["contact_tick_p99_us"] <= 700.0
    assert (
        headline["contact_critic_ratio_jax"] > 1.0 and headline["contact_critic_and_recovery_ratio_jax"] > 1.0
    )
    assert figures["replayed_alike"] == 1.0
    assert figures["in_contact_fraction"] > 0.02 and figures["looked_fraction"] > 0.5
    assert (figures["networks"]["width"], figures["networks"]["members"]) == (64, 2)


def test_committed_live_arm_keeps_its_rate():
    results = json.loads((LIVE / "results.json").read_text())
    assert results["figures"]["arm"]["rate_hz"] == 1000 and len(results["figures"]["arm"]["runs"]) == 3
    assert all(not run["faults"] for run in results["figures"]["arm"]["runs"])
    assert results["headline"]["arm_deadline_miss_fraction"] < 0.01
