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
    for name in parts:
        assert name in module("study").PARTS
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


def test_methods_differ_by_what_they_say_and_attacks_leave_the_walker_alone(module):
    methods = module("walker_methods")
    budget = methods.Budget(first=3, method=2, attack=1, episodes=4)
    ours = methods.method_recipe(methods.OURS, 7, budget).content()
    assert (ours["seed"], ours["episodes"], ours["training"]["iterations"]) == (7, 4, 2)
    seen = []
    for name, change in methods.METHODS.items():
        found = methods.method_recipe(name, 7, budget).content()
        differ = {key for key in found["training"] if found["training"][key] != ours["training"][key]}
        assert differ <= ({"dual"} if "fixed" in change else set(change)), name
        assert found | {"training": None} == ours | {"training": None}
        seen.append(json.dumps(found["training"], sort_keys=True))
    assert len(set(seen)) == len(methods.METHODS), "two methods are the same"
    fixed = methods.method_recipe("fixed", 7, budget).training
    assert fixed.constrained and fixed.dual.rate == 0.0 and fixed.dual.start == methods.FIXED
    attack = methods.attack_recipe("rarl", 7, budget)
    assert not attack.training.actor and attack.training.pushes == "learned" and attack.start == "rarl"
    assert attack.training.limits == methods.method_recipe("uniform", 7, budget).training.limits


def test_a_short_run_of_walkers_trains_judges_and_trains_nothing_twice(module, tmp_path, monkeypatch):
    monkeypatch.setenv("REFLEXARC_JOURNAL", str(tmp_path / "journal"))
    walkers = module("walkers")
    found = walkers.run(False, lambda _: None)
    assert [row["method"] for row in found["rows"]] == list(walkers.SHORT_METHODS)
    for row in found["rows"]:
        assert {"calm", "adversarial 30 N", "sudden 200 N", "continuous 25 N"} <= set(row["cases"])
        assert all(0.0 <= case["survival"] <= 1.0 for case in row["cases"].values())
        assert row["cases"]["adversarial 30 N"]["gain_worst"] > 0.0
    assert walkers.headline(found)["calm error, ours over uniform"] > 0.0
    (tmp_path / "journal.walkers").unlink()
    monkeypatch.setattr(module("walker_methods"), "follow", None)
    again = walkers.run(False, lambda _: None)
    strip = [{**row, "cpu_s": None} for row in found["rows"]]
    assert [{**row, "cpu_s": None} for row in again["rows"]] == strip, "the same weights are judged the same"
    text = "\n".join(module("tables").walker_tables(found))
    assert "| sudden 100 N |" in text and "uniform" in text


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
