# SPDX-License-Identifier: Apache-2.0
"""The verb `economics`: keys of its JSON, exit codes, plots."""

import json

import pytest

from reflexarc.cli import main

KEYS = (
    "capex",
    "electricity",
    "service",
    "pedestrian",
    "property",
    "repair",
    "opex",
    "revenue",
    "margin",
    "bep_runs",
    "payback_days",
)
SUMMARY = {
    "n": 100,
    "capex": {"robot": 8000, "lidar": 3000, "gps": 2000},
    "S_SLA": 0.46,
    "S_Spoiled": 0.29,
    "S_Timeout": 0.03,
    "S_Phys": 0.22,
    "avg_power_kw": 0.0229,
    "injury_usd_per_run": 20.58,
    "property_per_run": {"mailbox": 0.02},
}


def episodes(tmp_path, name="a", slower=0.0):
    rows = [
        {
            "mission": f"m{i}",
            "outcome": "success" if i % 5 else "timeout",
            "duration_s": 25.0 + i + slower,
            "distance_m": 30.0,
            "energy_kwh": 2e-4,
            "contacts": [{"class": "pedestrian", "impulse": 60.0, "delta_v": 0.8, "time": 4.0}]
            if i % 3 == 0
            else [],
        }
        for i in range(20)
    ]
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"robot": "e1", "name": name, "episodes": rows}))
    return path


def call(capsys, *args):
    code = main(["economics", *map(str, args)])
    return code, capsys.readouterr()


def test_statement_of_a_summary(tmp_path, capsys):
    path = tmp_path / "gps.json"
    path.write_text(json.dumps(SUMMARY))
    code, out = call(capsys, "statement", path, "--model", "v5", "--revenue", "gross", "--json")
    data = json.loads(out.out)
    assert code == 0 and set(KEYS) <= set(data) and "ci95" not in data
    assert data["margin"] == pytest.approx(-35.4582, abs=5e-5) and data["bep_runs"] is None


@pytest.mark.parametrize("model", ["v2", "v5", "v6", "reflexarc", "reflexarc_run"])
def test_statement_of_episodes_has_an_interval_for_every_figure(tmp_path, capsys, model):
    code, out = call(
        capsys, "statement", episodes(tmp_path), "--model", model, "--json", "--resamples", "200"
    )
    data = json.loads(out.out)
    assert code == 0 and set(KEYS) <= set(data["ci95"])
    for key in KEYS[:-2]:
        low, high = data["ci95"][key]
        assert low <= data[key] <= high, key
    assert 0.0 <= data["probability_margin_positive"] <= 1.0
    assert data["n"] == 20 and data["skipped"] == 0


def test_compare_pairs_by_mission(tmp_path, capsys):
    first, second = episodes(tmp_path, "quick"), episodes(tmp_path, "slow", slower=600.0)
    plot = tmp_path / "plot.svg"
    code, out = call(
        capsys,
        "compare",
        first,
        second,
        "--model",
        "reflexarc_run",
        "--json",
        "--resamples",
        "200",
        "--plot",
        plot,
    )
    data = json.loads(out.out)
    assert code == 0 and plot.read_text().startswith("<svg")
    (pair,) = data["pairs"]
    assert pair["missions"] == 20 and pair["difference"]["operator"] == pytest.approx(1.0)
    assert [row["name"] for row in data["ranking"]] == ["quick", "slow"]


def test_breakeven_and_tornado(tmp_path, capsys):
    path = episodes(tmp_path)
    for action, key in (("breakeven", "changes"), ("tornado", "swings")):
        plot, out_file = tmp_path / f"{action}.svg", tmp_path / f"{action}.json"
        code, out = call(
            capsys, action, path, "--json", "--plot", plot, "--out", out_file, "--resamples", "100"
        )
        assert code == 0 and json.loads(out.out)[key] and json.loads(out_file.read_text())[key]
        assert plot.read_text().startswith("<svg")


def test_tables_are_shown(tmp_path, capsys):
    path = episodes(tmp_path)
    for action, word in (
        ("statement", "margin"),
        ("compare", "P(margin > 0)"),
        ("breakeven", "enough alone"),
        ("tornado", "trip_km"),
    ):
        code, out = call(capsys, action, path, "--resamples", "100")
        assert code == 0 and word in out.out, out.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--model", "v9"), "unknown cost model 'v9'"),
        (("--revenue", "net"), "unknown revenue convention 'net'"),
        (("--resamples", "many"), "--resamples"),
        (("--policy", "nobody"), "unknown policy 'nobody'"),
        (("--sensors", "sonar"), "unknown sensor 'sonar'"),
        (("--data-collection-hours", "-1"), "--data-collection-hours"),
        (("--plot", "plot.png"), "must end in .svg"),
        (("--params", "no.yaml"), "no such file"),
    ],
)
def test_unacceptable_requests_end_with_2_and_say_why(tmp_path, capsys, args, message):
    code, out = (
        call(capsys, "statement", episodes(tmp_path), "--resamples", "20", *args)
        if "--resamples" not in args
        else call(capsys, "statement", episodes(tmp_path), *args)
    )
    assert code == 2 and message in out.err and not out.out


def test_shares_that_do_not_sum_to_one(tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(SUMMARY | {"S_SLA": 0.5}))
    code, out = call(capsys, "statement", path, "--model", "v5", "--json")
    assert code == 2 and "S_SLA" in out.err and not out.out


def test_parameters_and_capital_from_the_command_line(tmp_path, capsys):
    prices = tmp_path / "prices.yaml"
    prices.write_text("delivery_fee: {value: 9.0, unit: usd}\n")
    path = episodes(tmp_path)
    code, out = call(
        capsys,
        "statement",
        path,
        "--model",
        "v5",
        "--json",
        "--params",
        prices,
        "--sensors",
        "lidar,gps",
        "--data-collection-hours",
        "10",
        "--resamples",
        "0",
    )
    data = json.loads(out.out)
    assert code == 0 and data["revenue"] == 9.0 and data["capex"] == pytest.approx(13330.0)
