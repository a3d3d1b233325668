# SPDX-License-Identifier: Apache-2.0
"""The maze part of the study `bresa`: episodes are those of `run_arm`, figures follow from rows, nothing runs twice."""

import importlib
import json
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from reflexarc.cli.bench import benchmarks_dir
from reflexarc.cli.journal import Journal
from reflexarc.core.errors import ModelError
from reflexarc.reflex.agent import ReflexAgent
from reflexarc.reflex.contact.agent import load_contact_agent
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.learner import Learned, Training
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.methods import METHODS
from reflexarc.reflex.networks import Networks
from reflexarc.reflex.recipe import Recipe, contact_file
from reflexarc_sim.arm_lockstep import run_arm

FOLDER = benchmarks_dir() / "bresa"
TINY = Recipe(problem="maze", mazes=1, training=Training(width=8))
SHIELD = Shield(0.5, 1, 20, 0.8)


@pytest.fixture
def module(monkeypatch):
    """Import a module that stands beside the study."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delenv("REFLEXARC_JOURNAL", raising=False)
    monkeypatch.delenv("REFLEXARC_JOBS", raising=False)
    names = {path.stem for path in FOLDER.glob("*.py")}
    held = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(held)


def networks(seed=0):
    return Networks(ContactProblem(mazes=1), 8, 2, jax.random.key(seed))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An agent that has learned nothing."""
    file = tmp_path_factory.mktemp("agent") / "contact.safetensors"
    agent = ReflexAgent(networks(), SHIELD, replace(TINY, method="ours").content())
    contact_file(agent, METHODS["ours"]).save(file, 0.005)
    return file


def row(maze, **other):
    usual = {
        "maze": maze, "success": False, "violation": False, "outcome": "time", "peak_n": 10.0, "cvar95_n": 5.0,
        "completion_s": None, "reflexes": 0, "untouched": 0, "latencies_ms": [], "underflows": 0, "tank_least_j": 1.0,
        "above_peak_s": 0.0, "above_sustained_s": 0.0, "faults": 0,
    }  # fmt: skip
    return usual | other


def test_an_episode_of_a_station_is_that_of_a_run_that_was_built_for_it(module, weights):
    station, units = module("maze_station"), module("maze_units")
    unit = units.Unit("x", "ours", 0, weights, "held_out", 0, 1, ())
    short = (("cell.horizon_s", 0.4), ("arc.contact.peak_n", 26.0))
    scenario = units.scenario_of(unit, units.Form("x", True, short), weights)
    here = station.Station(scenario)
    here.episode(3)
    again = here.run(4)
    assert again.summary.to_json() == run_arm(scenario, 4).summary.to_json()


def test_the_longest_run_of_a_force_above_a_limit_is_found(module):
    longest = module("maze_station").longest
    assert longest(np.array([False, True, True, False, True])) == 2
    assert longest(np.array([True] * 3)) == 3 and longest(np.zeros(4, bool)) == 0


def test_how_long_a_force_stays_is_measured_beyond_the_end_of_the_episode(module, weights):
    station, units = module("maze_station"), module("maze_units")
    unit = units.Unit("x", "sac", 0, weights, "held_out", 0, 1, ())
    weak = (("arc.contact.peak_n", 2.5), ("arc.contact.sustained_n", 1.0), ("arc.contact.touching_n", 0.5))
    here = station.Station(units.scenario_of(unit, units.Form("x", False, weak), weights))
    rows = [here.episode(seed) for seed in range(6)]
    broken = [r for r in rows if r["violation"]]
    assert broken, "none of these mazes was touched; take others"
    assert all(r["peak_n"] > 2.5 or r["above_sustained_s"] > 0.05 for r in broken)
    assert max(r["above_sustained_s"] for r in broken) > 0.06  # an episode ends at 0.051
    assert all(r["above_peak_s"] <= r["above_sustained_s"] <= 10.2 for r in rows)


def test_a_reflex_is_false_where_the_same_maze_without_critic_had_no_violation(module, weights, monkeypatch):
    units = module("maze_units")
    ran = []

    def rows(unit, form, mazes):
        ran.append((form.name, list(mazes)))
        if form.name == "alone":
            return [row(m, violation=m == 8) for m in mazes]
        return [row(m, reflexes=int(m != 7)) for m in mazes]

    monkeypatch.setattr(units, "_rows", rows)
    unit = units.Unit("x", "ours", 0, weights, "train", 7, 3, (units.Form("a"), units.Form("b")), True)
    got = units.measured(unit)["forms"]
    assert ran == [("a", [7, 8, 9]), ("b", [7, 8, 9]), ("alone", [8, 9])]
    assert [[r["false"] for r in rows] for rows in got.values()] == [[None, False, True]] * 2


def test_methods_without_a_critic_are_deployed_without_one_and_baselines_without_the_inner_layer(
    module, weights
):
    units, agents = module("maze_units"), module("maze_agents")
    for name in METHODS:
        made = units.comparison(agents.Agents(name, (weights, weights), [], [], 0.0))
        assert [(u.seed, u.family) for u in made] == [(0, "held_out"), (1, "held_out")]
        assert made[0].first != made[1].first and made[0].first >= 100_000
        contact = units.scenario_of(made[0], made[0].forms[0], weights).arc_config.contact
        assert contact.critic == (name not in ("sac", "sac_lagrangian", "fixed_300", "fixed_1000"))
        assert not contact.barrier and len(made[0].forms) == (2 if name == "ours" else 1)
    assert units.scenario_of(made[0], units.Form("x", True), weights).arc_config.contact.barrier


def test_every_ablation_can_be_built_and_no_two_units_are_the_same(module, weights, tmp_path):
    units, agents = module("maze_units"), module("maze_agents")
    ours = agents.Agents("ours", (weights, weights), [], [], 0.0)
    bresa = agents.Agents("bresa", (weights, weights), [], [], 0.0)
    varied = units.ablations({"ours": ours, "bresa": bresa})
    assert len(varied) == 2 * len(units.ABLATIONS)
    made = [*varied, *units.comparison(ours), *units.proof(weights, 60)]
    made += [*units.calibrating(weights, 0.1, 60), *units.calibrating(weights, 0.2, 60)]
    assert len({unit.key for unit in made}) == len(made)
    assert sum(unit.count for unit in units.proof(weights, 60)) == 60
    scenarios = {form.name: units.scenario_of(unit, form, weights) for unit in varied for form in unit.forms}
    assert scenarios["1000 Hz"].arc_config.contact.every_s == 0.001
    assert scenarios["never empty"].arc_config.contact.tank_j == 100.0
    assert scenarios["sensor delay 10 ms, inner"].cell.sensor.delay_s == 0.01
    other = tmp_path / "other.safetensors"
    agents.with_threshold(weights, other, 0.33)
    assert load_contact_agent(other).threshold == 0.33 and load_contact_agent(weights).threshold == 0.5
    view = np.linspace(-1.0, 1.0, 9)
    assert load_contact_agent(other).risk(view) == load_contact_agent(weights).risk(view)


def test_agents_are_trained_once_and_again_when_the_recipe_changes(module, tmp_path, monkeypatch):
    m = module("maze_agents")
    trained = []

    def train(how, problem, training, seeds, alpha, progress, checkpoint, calibration):
        trained.append((how.doc, training.width))
        assert calibration == "tested"
        totals = {"failed": 3, "reached": 1, "over": 9, "reflex": 0}
        return [(Learned(networks(s), totals | {"failed": s}), Shield()) for s in seeds], []

    monkeypatch.setattr(m, "train_method", train)
    for _ in range(2):
        found = m.agents("sac", TINY, tmp_path, print, 2)
    assert len(trained) == 1 and [t["failed"] for t in found.training] == [0, 1]
    assert (
        load_contact_agent(found.files[1]).threshold == 1.0
    )  # finite: a file with infinity could not be read
    assert m.fingerprint(found.files[0]) != m.fingerprint(found.files[1])
    m.agents("sac", replace(TINY, alpha=0.05), tmp_path, print, 2)
    assert len(trained) == 2


def test_calibration_stops_at_the_first_threshold_that_breaks_the_bound(module, weights, monkeypatch):
    maze = module("maze")
    asked = []

    def measured(unit):
        (form,) = unit.forms
        asked.append(form.threshold)
        bad = form.threshold > 0.15
        mazes = range(unit.first, unit.first + unit.count)
        return {"forms": {form.name: [row(k, violation=bad and k % 50 == 0) for k in mazes]}, "cpu_s": 1.0}

    monkeypatch.setattr(maze, "measured", measured)
    found = maze.calibrated_in_the_loop(Journal("maze"), weights, 0.01, print)
    assert found["threshold"] == 0.1 and found["held"]
    assert sorted(set(asked)) == [0.05, 0.1, 0.2]
    assert [r["violations"] for r in found["rows"]] == [0, 0, 2]


def test_units_in_the_journal_are_not_run_again(module, weights, tmp_path, monkeypatch):
    maze, units = module("maze"), module("maze_units")
    monkeypatch.setenv("REFLEXARC_JOURNAL", str(tmp_path / "journal"))
    ran = []

    def measured(unit):
        ran.append(unit.first)
        return {"forms": {"inner": [row(unit.first)]}, "cpu_s": 1.0}

    monkeypatch.setattr(maze, "measured", measured)
    made = units.proof(weights, 75)
    maze.run_units(Journal("maze"), made[:2], print)
    found = maze.run_units(Journal("maze"), made, print)
    assert ran == [unit.first for unit in made]
    assert [got["forms"]["inner"][0]["maze"] for _, got in found] == ran


def test_the_proof_counts_what_must_not_happen(module):
    maze = module("maze")
    rows = [row(k, success=True) for k in range(998)]
    rows += [row(998, violation=True, above_peak_s=0.06, above_sustained_s=0.07, underflows=2)]
    rows += [row(999, violation=True, above_peak_s=0.01, above_sustained_s=0.02)]
    found = maze.proof_figures(rows, 0.01)
    assert (found["episodes"], found["violations"], found["successes"]) == (1000, 2, 998)
    assert (found["long_above_peak"], found["long_above_sustained"], found["underflows"]) == (1, 1, 2)
    assert found["rate_kept"] and found["kept_surely"]
    assert 0.007 < found["interval"][1] < 0.0073  # Clopper and Pearson of 2 of 1,000
    json.dumps(found, allow_nan=False)


def test_methods_are_compared_seed_by_seed_on_the_same_mazes(module, weights):
    units, figures = module("maze_units"), module("maze_figures")
    found = []
    for name, lost in (("ours", 0), ("recovery_rl", 1)):
        for seed in range(4):
            unit = units.Unit("methods", name, seed, weights, "held_out", 0, 4, ())
            good = 3 - seed % 2 - lost
            rows = [row(k, success=k < good, violation=k >= good, latencies_ms=[float(k)]) for k in range(4)]
            found.append((unit, {"forms": {"plain": rows}, "cpu_s": 1.0}))
    rows = figures.compared(found, ("ours", "recovery_rl"))
    held_out = rows[0]
    assert held_out["of"] == ["ours", "plain"] and held_out["over"] == ["recovery_rl", "plain"]
    assert held_out["success"] == pytest.approx([0.25] * 3)  # the same of every pair: no spread
    assert held_out["violation"] == pytest.approx([-0.25] * 3)
    one = figures.deployment(figures.by_seed(found, "methods", "ours", "plain"))
    assert one["successes"] == [3, 2, 3, 2] and one["success"][0] == pytest.approx(0.625)
    assert one["latency_ms"] == {"p50": 1.5, "p99": 3.0, "max": 3.0, "count": 16}
    assert one["false_reflexes"] is None
    json.dumps([rows, one], allow_nan=False)


def test_a_short_run_without_a_committed_agent_says_so(module, tmp_path, monkeypatch):
    maze = module("maze")
    monkeypatch.setattr(maze, "COMMITTED", tmp_path)
    told = []
    part = maze.run(False, told.append)
    assert part == {"agent": None} and str(tmp_path) in told[0]
    assert maze.headline(part) == {"maze_agent": "not committed"}


def test_a_training_that_diverged_keeps_nothing(module, tmp_path, monkeypatch):
    m = module("maze_agents")
    broken = jax.tree.map(lambda x: x * np.nan if isinstance(x, jax.Array) else x, networks())
    monkeypatch.setattr(m, "train_method", lambda *_: ([(Learned(broken, {}), Shield())], []))
    with pytest.raises(ModelError, match="sac: its training diverged"):
        m.agents("sac", TINY, tmp_path, print, 1)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_full_run_leads_to_a_page(module, weights, tmp_path, monkeypatch):
    maze, units, agents = module("maze"), module("maze_units"), module("maze_agents")
    tables = module("tables")

    def learned(name, recipe, folder, progress):
        totals = {"failed": 3, "reached": 1, "over": 9, "reflex": 0}
        return agents.Agents(name, (weights, weights), [totals, totals], [0.5, 0.5], 1.0)

    def measured(unit):
        mazes = range(unit.first, unit.first + unit.count)
        rows = [row(k, violation=k % 7 == 0, reflexes=1, latencies_ms=[3.0], false=True) for k in mazes]
        return {"forms": {form.name: rows for form in unit.forms}, "cpu_s": 1.0}

    monkeypatch.setattr(maze, "agents", learned)
    monkeypatch.setattr(maze, "measured", measured)
    monkeypatch.setattr(maze, "COMMITTED", tmp_path)
    part = maze.run(True, lambda _: None)
    assert not part["calibration"]["held"] and part["calibration"]["threshold"] == maze.GRID[0]
    assert (
        len(part["methods"]) == len(METHODS) + 1 and part["proof"]["violations"] == 1000 // 7
    )  # 300,000 to 300,999
    assert len(part["ablations"]) == sum(len(a.forms) for a in units.ABLATIONS.values())
    json.dumps([part, maze.headline(part)], allow_nan=False)
    lines = tables.maze_tables(part)
    text = "\n".join(lines)
    for words in ("`srl_vic`", "never empty", "sensor delay 10 ms, inner layer off", "1000 Hz", "must be 0"):
        assert words in text
    for k, line in enumerate(lines):  # no row of another width than the one above it
        if line.startswith("|") and lines[k - 1].startswith("|"):
            assert line.count("|") == lines[k - 1].count("|"), line
