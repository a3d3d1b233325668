# SPDX-License-Identifier: Apache-2.0
import time

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chisquare

from reflexarc.core.errors import ConfigError
from reflexarc.economics import (
    Capex,
    break_even,
    compare,
    cost_model,
    ranking,
    state_episodes,
    state_summary,
    tornado,
)
from reflexarc.economics.components import discounted_payback_days
from reflexarc.economics.models import MODELS
from reflexarc.economics.readers.tables import episodes_from
from reflexarc.economics.statement import Summary
from reflexarc.economics.uncertainty import interval, resampled_means


def runs(rng, n, success=0.7, injury=0.3, robot="e1"):
    outcomes = rng.choice(
        ["success", "timeout", "cargo_lost", "physical_assistance"], n, p=[success, 0.9 - success, 0.05, 0.05]
    )
    rows = []
    for i, outcome in enumerate(outcomes):
        contacts = []
        if rng.random() < injury:
            dv = rng.uniform(0.1, 2.0)
            contacts = [
                {
                    "class": "pedestrian",
                    "impulse": 75 * dv,
                    "delta_v": dv,
                    "time": 5.0,
                    "peak_force": 900.0,
                    "robot_speed": 1.0,
                }
            ]
        rows.append(
            {
                "mission": f"seed{i}",
                "outcome": str(outcome),
                "duration_s": rng.uniform(20, 40),
                "distance_m": rng.uniform(20, 40),
                "energy_kwh": rng.uniform(1e-4, 3e-4),
                "contacts": contacts,
            }
        )
    return episodes_from({"robot": robot, "episodes": rows}, "test")[0]


@pytest.mark.parametrize("n", [1, 2, 37, 511, 512, 513, 1300])
def test_resampled_means_have_the_moments_of_the_bootstrap(n):
    table = np.random.default_rng(n).normal(3.0, 2.0, (n, 3))
    means = resampled_means(table, 4000, 5)
    spread = table.std(axis=0) / np.sqrt(n)
    assert means.mean(axis=0) == pytest.approx(
        table.mean(axis=0), abs=5 * spread.max() / np.sqrt(4000) + 1e-12
    )
    if n > 1:
        assert means.std(axis=0) == pytest.approx(spread, rel=0.06)


@pytest.mark.parametrize("n", [7, 512, 700])
def test_every_row_is_drawn_equally_often_and_n_are_drawn(n):
    table = np.eye(n)
    counts = resampled_means(table, 2000, 11) * n
    assert counts.sum(axis=1) == pytest.approx(np.full(2000, n))
    assert chisquare(counts.sum(axis=0)).pvalue > 1e-4
    # Within a resample the count of one row is binomial(n, 1 / n): variance 1 - 1 / n.
    assert counts.var(axis=0).mean() == pytest.approx(1.0 - 1.0 / n, rel=0.05)


def test_same_seed_same_numbers_and_columns_move_together():
    table = np.random.default_rng(0).normal(size=(900, 2))
    table = np.column_stack((table, table[:, 0] + table[:, 1], np.full(900, 7.25)))
    a, b = resampled_means(table, 50, 3), resampled_means(table, 50, 3)
    assert (a == b).all() and not (a == resampled_means(table, 50, 4)).all()
    assert a[:, 2] == pytest.approx(a[:, 0] + a[:, 1], abs=1e-12)
    assert (a[:, 3] == 7.25).all()


def test_refuses_what_is_no_table():
    for bad in (np.zeros((0, 2)), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="finite with at least one row"):
            resampled_means(bad, 10, 0)


def test_intervals_cover_the_true_margin():
    rng = np.random.default_rng(2)
    model = cost_model("reflexarc_run")
    truth = state_episodes(runs(rng, 40000), model, Capex(), resamples=0).figures["margin"]
    hits = 0
    for k in range(200):
        low, high = state_episodes(runs(rng, 150), model, Capex(), resamples=400, seed=k).ci95["margin"]
        hits += low <= truth <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_interval_of_a_break_even_that_may_not_exist():
    low, high = interval(np.array([1.0] * 50 + [np.inf] * 50))
    assert low == 1.0 and np.isinf(high)


def test_pairing_removes_what_the_missions_share():
    rng = np.random.default_rng(3)
    first = runs(rng, 120, injury=0.0)
    rows = np.arange(120)
    worse = first.select(rows)
    object.__setattr__(worse, "duration_s", worse.duration_s + 3600.0)
    model = cost_model("reflexarc_run")
    pair = compare(first, worse, model, (Capex(), Capex()))
    hour = 24.0 / 4.0 + 0.06 * 0.2704 / (0.95 * 0.82 * 0.99 * 0.95)
    assert pair.difference["margin"] == pytest.approx(-hour, rel=1e-9)
    assert pair.ci95["margin"] == pytest.approx((-hour, -hour), rel=1e-9)
    assert pair.probability_better == 0.0 and pair.missions == 120 and pair.unpaired == 0


def test_comparison_refuses_mixed_robots_and_strangers():
    rng = np.random.default_rng(4)
    a, b = runs(rng, 5), runs(rng, 5, robot="carter")
    with pytest.raises(ConfigError, match=r"mixed robots.*'e1'.*'carter'"):
        compare(a, b, cost_model("v5"), (Capex(), Capex()))
    c = runs(rng, 5)
    object.__setattr__(c, "keys", tuple(f"other{i}" for i in range(5)))
    with pytest.raises(ConfigError, match="no mission in common"):
        compare(a, c, cost_model("v5"), (Capex(), Capex()))


def test_no_rank_without_a_delivery():
    rng = np.random.default_rng(5)
    idle = runs(rng, 30, injury=0.0)
    idle = idle.select([i for i in range(30) if idle.outcome[i] != 0])
    busy = runs(rng, 30)
    model = cost_model("reflexarc")
    statements = [
        state_episodes(t, model, Capex(), resamples=0, name=n) for t, n in ((idle, "idle"), (busy, "busy"))
    ]
    assert [(rank, s.name) for rank, s in ranking(statements)] == [(1, "busy"), (None, "idle")]
    assert "not ranked" in statements[0].notes[-1]
    pair = compare(idle, busy, model, (Capex(), Capex()), names=("idle", "busy"))
    assert "idle" in pair.refused


def test_break_even_changes_reach_zero_exactly():
    statement = state_episodes(
        runs(np.random.default_rng(6), 50), cost_model("v5"), Capex(8000.0), resamples=0
    )
    deficit = -statement.figures["margin"]
    assert deficit > 0.0
    for row in break_even(statement):
        if row.enough:
            assert abs(row.change) == pytest.approx(deficit)
        else:
            assert row.needed == 0.0 and row.now < deficit


def test_tornado_moves_only_stated_ranges_and_orders_them():
    episodes = runs(np.random.default_rng(7), 50)
    model = cost_model("reflexarc")

    def margin(changed):
        return state_episodes(episodes, changed, Capex(8000.0), resamples=0).figures["margin"]

    swings = tornado(model, margin)
    assert {s.parameter for s in swings} == {
        p.name for p in model.parameters.all() if p.low is not None and p.low < p.high
    }
    assert [s.width for s in swings] == sorted((s.width for s in swings), reverse=True)
    adjust = next(s for s in swings if s.parameter == "injury_adjustment")
    assert adjust.margin_low > adjust.margin_high  # a smaller injury cost is a larger margin


def test_rates_do_not_reward_short_runs():
    rng = np.random.default_rng(8)
    full = runs(rng, 60)
    half = full.select(range(60))
    for name in ("distance_m", "duration_s", "energy_kwh"):
        object.__setattr__(half, name, getattr(half, name) / 2)
    model = cost_model("reflexarc")
    a, b = (state_episodes(t, model, Capex(), resamples=0).figures for t in (full, half))
    assert b["pedestrian"] == pytest.approx(2 * a["pedestrian"])
    assert b["electricity"] == pytest.approx(a["electricity"])
    assert b["trip_assistance"] > a["trip_assistance"]


def test_corrections_of_the_better_model():
    v5, own = MODELS["v5"], MODELS["reflexarc_run"]
    means = {
        "spoiled": 0.0,
        "timeout": 0.0,
        "assistance": 0.1,
        "success": 0.9,
        "power_kw": 0.02,
        "injury_usd": 0.0,
        "property_usd": 0.0,
        "km": 0.03,
        "hours": 0.5,
        "traction_kwh": 0.001,
    }
    a, b = v5.figures(means, 10000.0, "gross"), own.figures(means, 10000.0)
    assert b["repair"] == pytest.approx(2 * a["repair"])  # an annual rate over the runs of one year
    assert b["operator"] == pytest.approx(24 / 4 * 0.5) and b["rescue"] == pytest.approx(24 * 0.1)
    assert b["electricity"] == pytest.approx(0.2704 * (0.001 + 0.06 * 0.5) / (0.95 * 0.82 * 0.99 * 0.95))
    capex = Capex(robot=8000.0, data_collection_hours=65.63)
    assert v5.capital(capex, v5.parameters) == pytest.approx(8000 + 33 * 65.63)
    assert own.capital(capex, own.parameters) == pytest.approx(8000 + 33 * 65.63 / 100)


def test_discounted_payback_solves_its_equation():
    days = float(discounted_payback_days(10000.0, 1.5, 25.0, 0.08))
    paid, _ = quad(lambda t: 1.5 * 25.0 * np.exp(-0.08 / 365 * t), 0.0, days)
    assert paid == pytest.approx(10000.0, rel=1e-9)
    assert float(discounted_payback_days(10000.0, 1.5, 25.0, 0.0)) == pytest.approx(10000 / 37.5)
    assert np.isinf(
        discounted_payback_days(1e9, 1.5, 25.0, 0.08)
    )  # the discounted cash flow never gets there


def test_payback_beyond_the_robots_life_is_said():
    good = {"success": 1.0, "spoiled": 0.0, "timeout": 0.0, "assistance": 0.0}
    means = good | {"power_kw": 0.02, "injury_usd": 3.0, "property_usd": 0.0}
    statement = state_summary(Summary("x", 10, means, Capex(robot=13000.0)), cost_model("v5"))
    assert statement.within_life is False and "beyond the robot's life" in statement.notes[-1]


@pytest.mark.slow
def test_a_hundred_thousand_episodes_with_ten_thousand_resamples_within_ten_seconds():
    rng = np.random.default_rng(9)
    table = rng.random((100_000, 8))
    resampled_means(table[:1000], 10, 0)
    started = time.perf_counter()
    resampled_means(table, 10_000, 0)
    assert time.perf_counter() - started < 10.0
