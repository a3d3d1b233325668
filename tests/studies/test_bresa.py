# SPDX-License-Identifier: Apache-2.0
"""The study `bresa`: its figures follow from its rows, the committed agents still do what is committed."""

import importlib
import json
import sys

import numpy as np
import pytest
from scipy.stats import beta

from reflexarc.cli.bench import benchmarks_dir
from reflexarc.core.errors import ReflexArcError

FOLDER = benchmarks_dir() / "bresa"
PROBLEMS = ("navigation1", "navigation2")


@pytest.fixture
def module(monkeypatch):
    """Import a module that stands beside the study."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {path.stem for path in FOLDER.glob("*.py")}
    held = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(held)


@pytest.fixture(scope="module")
def part():
    return json.loads((FOLDER / "results.json").read_text())["figures"]["navigation"]["figures"]


def one(part, group, problem, **wanted):
    found = [c for c in part["configurations"] if (c["group"], c["problem"]) == (group, problem)]
    found = [c for c in found if all(c[k] == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_the_ratio_exists_without_violations_and_pairs_are_compared_seed_by_seed(module):
    figures = module("figures")
    assert figures.ratio(9, 0) == 10.0 and figures.ratio(0, 9) == 0.1
    slow = [1.0, 10.0, 100.0, 1000.0]
    middle, low, high = figures.advantage([3.0 * x for x in slow], slow)
    assert (middle, low, high) == pytest.approx((3.0, 3.0, 3.0))  # unpaired it would be wide
    middle, low, high = figures.geometric_mean(slow)
    assert middle == pytest.approx(10.0**1.5) and low < 0.5 * middle and high > 2.0 * middle
    assert figures.advantage([2.0, 2.0, 50.0], [1.0, 1.0])[0] == pytest.approx(2.0)
    assert figures.mean([None, None]) is None and figures.mean([1.0, None, 3.0])[0] == 2.0


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say(module):
    figures, rng = module("figures"), np.random.default_rng(3)
    draws = rng.normal(5.0, 1.0, (200, 30))
    held = sum(low <= 5.0 <= high for _, low, high in map(figures.mean, draws))
    assert 0.88 * 200 <= held <= 0.985 * 200


def test_every_configuration_is_another_and_the_slowest_critic_looks_once_per_decision(module):
    m = module("configurations")
    found = m.configurations()
    assert len({c.key for c in found}) == len(found)
    rates = [c for c in found if c.group == "rates"]
    assert {(c.problem, c.rate, c.how.every) for c in rates} == {
        (p, rate, every) for p in PROBLEMS for rate, every in ((10, 100), (50, 20), (200, 5), (1000, 1))
    }
    assert all(c.where.length == 100 and c.training.updates == 20 for c in rates)
    assert not any(c.how.calibrate for c in found)  # the study does it itself, on the same networks


def test_a_configuration_is_measured_from_training_to_deployment(module, monkeypatch):
    m = module("configurations")
    training = m.Training(episodes=4, pretraining=20, probes=256, ring=256, width=8)
    monkeypatch.setattr(m, "DEPLOYED", 20)
    monkeypatch.setattr(m, "PROBES", 50)
    monkeypatch.setattr(m, "calibrated", lambda *_: 0.07)
    monkeypatch.setattr(m, "tested", lambda *a: (None, 0.4)[a[-1] - 1])  # the first seed passes nothing
    found = m.measured(m.Configuration("methods", "navigation2", "ours", 2, calibrated=1, training=training))
    first, second = found["rows"]
    kinds = ["published", "calibrated", "tested"]
    assert list(first["deployments"]) == ["none", *kinds, *(f"{kind}_at_once" for kind in kinds)]
    kinds.remove("calibrated")
    assert list(second["deployments"]) == ["none", *kinds, *(f"{kind}_at_once" for kind in kinds)]
    assert first["deployments"]["calibrated"]["threshold"] == 0.07
    assert first["deployments"]["none"]["threshold"] is None
    assert first["passed"] is None and first["deployments"]["tested"]["threshold"] == 0.2
    assert second["passed"] == second["deployments"]["tested"]["threshold"] == 0.4
    for row in found["rows"]:
        assert 0.0 <= row["calibration_error"] <= 1.0 and row["training"]["over"] >= 0
        for d in row["deployments"].values():
            assert 0 <= d["reached"] + d["failed"] <= d["episodes"] == 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_parts_without_results_are_named_on_the_page(module, tmp_path):
    tables = module("tables")
    assert tables.bresa_tables(tmp_path / "none.json") == "The study has not been repeated in full yet."
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"figures": {}}))
    assert "navigation" in tables.bresa_tables(path)


def test_the_committed_figures_follow_from_their_rows(part):
    for c in part["configurations"]:
        failed = [row["training"]["failed"] for row in c["rows"]]
        assert c["training"]["failed"][0] == pytest.approx(np.mean(failed))
        ratios = [(r["training"]["reached"] + 1) / (r["training"]["failed"] + 1) for r in c["rows"]]
        assert c["training"]["ratio"][0] == pytest.approx(np.prod(ratios) ** (1.0 / len(ratios)))
        for kind, d in c["deployments"].items():
            there = [r["deployments"][kind] for r in c["rows"] if kind in r["deployments"]]
            assert len(there) == d["seeds"]
            assert d["violation"][0] == pytest.approx(np.mean([x["failed"] / x["episodes"] for x in there]))
            assert d["violation"][1] <= d["violation"][0] <= d["violation"][2]
    for row in part["calibration"]:
        c = one(part, "methods", row["problem"], method=row["method"])
        there = [r["deployments"].get(row["threshold"]) for r in c["rows"]]
        k, n = (sum(x[key] for x in there if x) for key in ("failed", "episodes"))
        assert (k, n) == (row["failed"], row["episodes"])
        high = beta.ppf(0.975, k + 1, n - k)
        assert row["interval"][1] == pytest.approx(high, rel=1e-6)


def test_a_committed_comparison_is_that_of_the_rows(part):
    ours, other = (
        [(r["training"]["reached"] + 1) / (r["training"]["failed"] + 1) for r in c["rows"]]
        for c in (one(part, "methods", "navigation2", method=m) for m in ("ours", "recovery_rl"))
    )
    row = next(
        r
        for r in part["comparisons"]
        if (r["problem"], r["stage"], r["of"], r["over"])
        == ("navigation2", "training", "ours", "recovery_rl")
    )
    assert row["seeds"] == len(ours) == 10
    assert row["advantage"][0] == pytest.approx(np.exp(np.mean(np.log(ours) - np.log(other))))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_fresh_deployment_of_a_committed_agent_is_near_the_committed_one(module, part, problem):
    navigation = module("navigation")
    fresh = navigation.committed(navigation.MODELS / problem)
    kept = next(row for row in part["agents"] if row["problem"] == problem)
    assert fresh["calibration_error"] == pytest.approx(kept["calibration_error"], abs=0.01)
    for kind, d in kept["deployments"].items():
        # the same episodes; other versions of XLA round otherwise
        assert fresh["deployments"][kind]["reached"] == pytest.approx(d["reached"], abs=10), kind
        assert fresh["deployments"][kind]["failed"] == pytest.approx(d["failed"], abs=10), kind


def test_two_parts_must_not_report_the_same_figure(module):
    study = module("study")
    twice = {"navigation": {"headline": {"x": 1}}, "maze": {"headline": {"x": 2}}}
    with pytest.raises(ReflexArcError, match="'x'"):
        study.headline(twice)
