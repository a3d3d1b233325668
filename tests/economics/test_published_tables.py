# SPDX-License-Identifier: Apache-2.0
"""Every published table and the arithmetic around it; numbers and their sources are in data/*.json."""

import json
from pathlib import Path

import numpy as np
import pytest

from reflexarc.economics import MODELS, cost_model, state_summary
from reflexarc.economics.components import break_even_runs
from reflexarc.economics.extraction import level_costs
from reflexarc.economics.injury import cumulative_probabilities, injury_cost, level_probabilities
from reflexarc.economics.readers.tables import summary_from

DATA = Path(__file__).parent / "data"
V1, V2, V5, V6, BREAK_EVEN, INJURY = (
    json.loads((DATA / f"{name}.json").read_text())
    for name in ("v1", "v2", "v5", "v6", "break_even", "injury")
)
CELLS = ("electricity", "service", "pedestrian", "property", "repair", "opex", "revenue")
COLUMNS = [pytest.param(i, id=row["name"]) for i, row in enumerate(V5["inputs"])]


def figures(data, model, convention=None):
    model = cost_model(model)
    return state_summary(summary_from(data, "test", model), model, convention).figures


@pytest.mark.parametrize("column", COLUMNS)
def test_every_cell_of_a_v5_column(column):
    got, expected = figures(V5["inputs"][column], "v5", "gross"), V5["expected"][column]
    for key in CELLS:
        assert got[key] == pytest.approx(expected[key], abs=V5["tolerance"]["cells"]), key
    assert got["margin"] == pytest.approx(expected["margin"], abs=V5["tolerance"]["margin"])
    assert got["capex"] == pytest.approx(expected["capex"], abs=V5["tolerance"]["capex"])
    assert np.isinf(got["bep_runs"]) and np.isinf(got["payback_days"])


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("convention", ["sla_scaled", "no_double_refund"])
def test_margin_of_the_other_revenue_conventions(column, convention):
    expected = V5[f"{convention}_margin"]
    got = figures(V5["inputs"][column], "v5", convention)["margin"]
    assert got == pytest.approx(expected["values"][column], abs=expected["tolerance"])


@pytest.mark.parametrize("column", COLUMNS)
def test_unrounded_electricity(column):
    expected = V5["electricity_unrounded"]
    got = figures(V5["inputs"][column], "v5")["electricity"]
    assert got == pytest.approx(expected["values"][column], abs=expected["tolerance"])


@pytest.mark.parametrize("name", V6["margins"])
def test_v6_margins_with_its_own_revenue_convention(name):
    (row,) = [row for row in V5["inputs"] if row["name"] == name]
    assert MODELS["v6"].convention == "sla_scaled"
    assert figures(row, "v6")["margin"] == pytest.approx(V6["margins"][name], abs=V6["tolerance"])


@pytest.mark.parametrize("column", V2["columns"], ids=lambda c: c["name"])
def test_v2_columns(column):
    got = figures(column["input"], "v2")
    for key in ("capex", *CELLS):
        assert got[key] == pytest.approx(column["expected"][key], abs=V2["tolerance"]["cells"]), key
    assert got["margin"] == pytest.approx(column["expected"]["margin"], abs=V2["tolerance"]["margin"])
    scaled = figures(column["input"], "v2", "sla_scaled")["margin"]
    assert scaled == pytest.approx(column["sla_scaled_margin"], abs=V2["tolerance"]["margin"])


def test_v1_legacy_case():
    got = figures(V1["input"], "v1")
    for key, (value, tolerance) in V1["expected"].items():
        assert got[key] == pytest.approx(value, abs=tolerance), key
    assert np.isinf(got["bep_runs"])
    # The paper adds its rounded lines; so do these.
    lines = V1["rounded_lines"]
    assert lines["revenue"] - (lines["energy"] + lines["maintenance"]) == pytest.approx(
        lines["margin"], abs=1e-9
    )
    assert 1000 * lines["margin"] - round(got["capex"]) == pytest.approx(lines["after_1000_runs"], abs=0.5)


def test_v1_hypothetical_break_even():
    case = V1["hypothetical"]
    data = V1["input"] | {
        "S_SLA": case["S_SLA"],
        "S_Timeout": 0.05,
        "S_Phys": 0.05,
        "impulse_ns_per_run": case["impulse_ns_per_run"],
    }
    got = figures(data, "v1")
    assert got["margin"] == pytest.approx(case["margin"][0], abs=case["margin"][1])
    runs, tolerance = case["bep_runs_of_the_rounded_margin"]
    assert break_even_runs(round(got["capex"]), round(got["margin"], 2)) == pytest.approx(runs, abs=tolerance)


@pytest.mark.parametrize("case", BREAK_EVEN["cases"], ids=lambda c: c["name"])
@pytest.mark.parametrize("convention", ["gross", "sla_scaled"])
def test_break_even_cases(case, convention):
    got = figures(case["input"], "v5", convention)
    for key, (value, tolerance) in case[convention].items():
        assert got[key] == pytest.approx(value, abs=tolerance), key


@pytest.mark.parametrize(("capex", "runs"), BREAK_EVEN["upper_bounds"]["bep_runs"].items())
def test_break_even_without_operating_cost(capex, runs):
    assert break_even_runs(float(capex), 3.49) == pytest.approx(
        runs, abs=BREAK_EVEN["upper_bounds"]["tolerance"]
    )


@pytest.mark.parametrize("row", INJURY["rows"], ids=lambda r: f"{r[0]} m/s")
def test_injury_golden_vectors(row):
    delta_v, impulse, *probabilities, raw, usd = row
    p = MODELS["v5"].parameters
    got = level_probabilities(cumulative_probabilities(delta_v))
    assert got[:4] == pytest.approx(probabilities, abs=INJURY["tolerance"])
    assert got.sum() == pytest.approx(1.0, abs=1e-12)
    assert injury_cost(delta_v, level_costs(p), 1.0) == pytest.approx(raw, abs=INJURY["tolerance"])
    assert injury_cost(delta_v, level_costs(p), p["injury_adjustment"]) == pytest.approx(
        usd, abs=INJURY["tolerance"]
    )
    assert impulse / p["robot_mass"] == pytest.approx(delta_v, abs=1e-4)


def test_repair_ratio_is_seventy_five():
    p = MODELS["v5"].parameters
    assert p["repair_rate"] / p["assistance_rate"] == pytest.approx(75.0, abs=1e-12)
    data = V5["inputs"][0] | {"S_SLA": 0.0, "S_Spoiled": 0.0, "S_Timeout": 0.0, "S_Phys": 1.0}
    assert figures(data, "v5")["repair"] == pytest.approx(32.8767123, abs=1e-7)


def test_every_parameter_has_unit_source_and_status():
    for model in MODELS.values():
        for item in model.parameters.all():
            assert item.unit and item.source and item.known, item
    assert all(
        item.known != "estimate"
        for name in ("v1", "v2", "v5", "v6")
        for item in MODELS[name].parameters.all()
    )
