# SPDX-License-Identifier: Apache-2.0
"""The study `disturber`: its figures follow from its rows, its tables from its figures, what is committed repeats."""

import importlib
import json
import sys

import pytest

from reflexarc.cli.bench import benchmarks_dir

FOLDER = benchmarks_dir() / "disturber"


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
def parts():
    return json.loads((FOLDER / "results.json").read_text())["figures"]


def test_headlines_follow_from_the_rows(module, parts):
    for name in module("study").PARTS:
        assert module(name).headline(parts[name]["figures"]) == parts[name]["headline"], name


def test_the_linear_systems_are_as_the_library_says_today(module, parts):
    for name, found in parts["linear"]["figures"].items():
        assert module("linear")._truth(name) == pytest.approx(found["true"], rel=1e-6)
        assert len(found["actor"]) == len(found["disturber"]) == 5
        mean, low, high = found["ratio"]
        ratios = [row["ratio"] for row in found["actor"]]
        assert min(ratios) - 1e-9 <= low <= mean <= high <= max(ratios) + 1e-9
        assert min(ratios) >= 1.0, "nothing beats the least"
        assert all(0.0 < row["share"] <= 1.0 + 1e-9 for row in found["disturber"])


def test_the_smallest_push_on_the_arm_fails_again(module, parts):
    attacks = module("attacks")
    rows = [row for row in parts["attacks"]["figures"]["rows"] if row["stack"] == "maze_arm"]
    assert {(row["seed"], row["guided"]) for row in rows} == {
        (s, g) for s in attacks.SEEDS for g in (True, False)
    }
    one = attacks._attacked(attacks._stacks()["maze_arm"](), 0, 12, True)
    assert one["size"] is not None
    assert one["size"] >= min(row["size"] for row in rows if row["size"] is not None) * 0.5


def test_pages_say_what_has_not_been_run(module, tmp_path, parts):
    tables = module("tables")
    assert tables.disturber_tables(tmp_path / "none.json") == "The study has not been repeated in full yet."
    text = tables.disturber_tables(FOLDER / "results.json")
    assert "### Linear systems" in text and "### The smallest push" in text
    unstable = json.loads(json.dumps(parts))
    first = next(iter(unstable["linear"]["figures"].values()))
    first["actor"][0]["ratio"], first["ratio"] = None, [1.1]
    nothing = unstable["attacks"]["figures"]["rows"]
    for row in nothing:
        row.update(size=None, of_weight=None, what="fails without any push")
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"figures": unstable}))
    assert "–, " in tables.disturber_tables(path) and "fails without any push" in tables.disturber_tables(
        path
    )
    assert (
        module("attacks").headline(unstable["attacks"]["figures"])["attack_guided_smaller"].startswith("0 of")
    )
