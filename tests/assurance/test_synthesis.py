# SPDX-License-Identifier: Apache-2.0
"""Model, queries, sweep and choice, against an oracle that carries the distribution forward without PRISM."""

import sys

import pytest

from reflexarc.assurance.hazards.policies import policies
from reflexarc.assurance.hazards.read import parse_cell, read_cell
from reflexarc.assurance.synthesis.checker import Checker, Query
from reflexarc.assurance.synthesis.pipeline import choose, failure_values, failure_variant
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import figures, policy_queries, worst_person_queries
from reflexarc.assurance.synthesis.robust import robust_mishap
from reflexarc.assurance.synthesis.sweep import (
    acceptable,
    alarm_grid,
    by_utility,
    configurations,
    pareto,
    sweep,
)
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.paths import models_dir
from tests.assurance.cell_distribution import run

pytest.importorskip("stormpy")
TINY = """
dtmc
module coin
  s : [0..2] init 0;
  [] s = 0 -> 0.25 : (s' = 1) + 0.75 : (s' = 2);
  [] s = 1 -> true;
endmodule
label "one" = s = 1;
"""


@pytest.fixture(scope="module")
def checker():
    with Checker(30.0) as one:
        yield one


@pytest.fixture(scope="module")
def welding():
    return read_cell(models_dir() / "cells" / "welding.yaml")


@pytest.fixture(scope="module")
def sidewalk():
    return read_cell(models_dir() / "cells" / "sidewalk.yaml")


def ask(checker, cell, policy, alarms, steps, values=None):
    queries = [
        Query("mishap", f'P=? [F<={steps} "mishap"]'),
        Query("productivity", f'R{{"productivity"}}=? [C<={steps}]'),
        Query("disruption", f'R{{"disruption"}}=? [C<={steps}]'),
    ]
    answers = checker.check(model_text(cell, policy, alarms, values=values), queries)
    return [answers.number(query.name) for query in queries]


@pytest.mark.parametrize(("index", "share"), [(None, 0.0), (17, 0.1), (35, 0.0)])
def test_the_model_of_the_welding_cell_agrees_with_the_oracle(checker, welding, index, share):
    policy = None if index is None else policies(welding)[index]
    alarms = {"leave_area": 0.3, "leave_workbench": 0.8}
    failure, steps = dict.fromkeys(welding.sensors, share), 15 if share else 50
    expected = run(welding, policy, alarms, steps, failure)
    found = ask(checker, welding, policy, alarms, steps, failure_values(welding, share))
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_model_of_the_sidewalk_agrees_with_the_oracle(checker, sidewalk):
    policy = policies(sidewalk)[-1]
    assert ask(checker, sidewalk, policy, {}, 9) == pytest.approx(run(sidewalk, policy, {}, 9), abs=1e-9)


def test_each_of_36_policies_is_there_once(welding):
    choices = [tuple(policy.choices().values()) for policy in policies(welding)]
    assert len(set(choices)) == len(choices) == 36


def test_a_policy_that_always_stops_has_no_mishap_and_one_without_a_supervisor_has(checker, welding):
    stop = next(
        p
        for p in policies(welding)
        if p.mitigation == {"HRW": "workbench_stop", "HS": "area_stop", "HC": "close_off"}
    )
    queries = worst_person_queries(welding)
    alarms = alarm_grid(welding)[0]
    worst = [
        checker.check(model_text(welding, policy, alarms, random_person=False), queries).number("mishap")
        for policy in (stop, None)
    ]
    assert worst[0] == 0.0
    assert worst[1] > 0.5


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_failing_sensors_deadlock_a_supervisor_unless_it_has_a_default_stop(checker, welding, share):
    point = configurations(welding)[7]
    without = failure_variant(welding, point, share, checker, default_stop=False)
    with_stop = failure_variant(welding, point, share, checker)
    assert without["deadlock"] > 0.01
    assert not acceptable(welding, without)
    assert with_stop["deadlock"] == 0.0
    assert with_stop["live"]
    assert with_stop["resumes"]


def test_a_supervisor_that_ignores_a_hazard_is_not_live(checker, welding):
    point = configurations(welding)[0]
    text = model_text(welding, point.policy, point.alarms)
    blinded = text.replace("formula next_HS = ", "formula next_HS = false & ")
    assert blinded != text
    assert figures(welding, checker.check(text, policy_queries(welding)))["live"]
    assert not figures(welding, checker.check(blinded, policy_queries(welding)))["live"]


def test_a_mitigation_that_never_ends_is_not_resuming(checker, welding):
    point = configurations(welding)[0]
    text = model_text(welding, point.policy, point.alarms, values={"resuming.acknowledge": 0.0})
    assert not figures(welding, checker.check(text, policy_queries(welding)))["resumes"]


def test_a_sweep_keeps_the_order_of_its_points(welding):
    points = configurations(welding, [{"leave_area": 0.05, "leave_workbench": 0.05}])[::18]
    done = []
    rows = sweep(welding, points, jobs=2, progress=done.append)
    assert [row["policy"] for row in rows] == [point.policy.choices() for point in points]
    assert done == [1, 2]


def row(**changed):
    return {
        "undecided": [],
        "deadlock": 0.0,
        "live": True,
        "resumes": True,
        "mishap": 0.01,
        "utility": 1.0,
        "nuisance": 1.0,
        "weighted_risk": 1.0,
        **changed,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"undecided": ["goal"]},
        {"deadlock": 1e-9},
        {"deadlock": None},
        {"live": False},
        {"resumes": False},
        {"mishap": 0.2},
    ],
)
def test_a_point_that_breaks_a_constraint_or_is_undecided_is_never_acceptable(welding, changed):
    assert acceptable(welding, row())
    assert not acceptable(welding, row(**changed))
    assert by_utility(welding, [row(**changed)]) == pareto(welding, [row(**changed)]) == []


def test_the_pareto_front_holds_what_nothing_dominates(welding):
    rows = [
        row(),
        row(utility=0.5),
        row(utility=0.5, mishap=0.001),
        row(utility=9.0, live=False),
        row(utility=None, nuisance=0.0),
    ]
    assert pareto(welding, rows) == [0, 2, 4]
    assert by_utility(welding, rows) == [0, 2, 1, 4]


def test_a_policy_with_less_weighted_risk_can_have_more_mishaps(welding):
    """Both are reported and the limit is on the probability."""
    rows = [row(weighted_risk=1.0, mishap=0.09), row(weighted_risk=2.0, mishap=0.02)]
    assert pareto(welding, rows) == [0, 1]


def test_the_choice_keeps_the_limit_at_the_worst_probabilities_too(checker):
    path = models_dir() / "cells" / "welding.yaml"
    data = read_yaml(path)
    data["hazards"]["HS"]["mishap"] |= {"low": 0.05, "high": 0.2}
    data["limits"]["mishap_probability"] = 0.06
    cell = parse_cell(data, "welding")
    points = configurations(cell)
    chosen = (points[-5], points[4])  # speed and separation, quiet; stops only, loud
    rows = [row(utility=2.0, mishap=0.05), row(utility=1.0, mishap=0.0)]
    choice = choose(cell, chosen, rows, checker)
    assert (choice.index, choice.tried) == (1, 2)
    worst = robust_mishap(cell, chosen[0], checker, inside=0)
    assert worst["nominal"] < cell.limits.mishap_probability < worst["worst"]
    assert worst["worst_at"] == {"hazards.HS.mishap": 0.2}


@pytest.mark.parametrize("alarms", [{}, {"leave_area": 0.5}, {"leave_area": 1.5, "leave_workbench": 0.1}])
def test_an_alarm_setting_that_is_none_of_the_cell_is_refused(welding, alarms):
    with pytest.raises(ConfigError, match="leave_area"):
        configurations(welding, [alarms])


def test_a_query_over_the_states_of_a_label_gives_least_mean_and_largest(checker):
    query = Query("one", 'P=? [F "one"]', "one")
    answers = checker.check(
        TINY, [query, Query("start", 'P=? [F "one"]'), Query("deadlock", 'P=? [F "deadlock"]')]
    )
    assert answers.values["one"] == {"min": 1.0, "mean": 1.0, "max": 1.0, "states": 1}
    assert answers.number("start") == pytest.approx(0.25)
    assert answers.number("deadlock") == pytest.approx(0.75)


def test_a_query_that_is_refused_is_undecided_and_the_others_are_answered(checker):
    answers = checker.check(TINY, [Query("bad", 'P=? [F "two"]'), Query("good", 'P=? [F "one"]')])
    assert list(answers.undecided) == ["bad"]
    assert answers.number("bad") is None
    assert answers.number("good") == pytest.approx(0.25)


def test_a_model_that_is_no_model_is_an_error(checker):
    with pytest.raises(ModelError, match="Storm refuses"):
        checker.check("dtmc nonsense", [Query("x", 'P=? [F "x"]')])


HANGS = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"states": 1, "transitions": 1}), flush=True)
    for query in request["queries"]:
        if query["name"] == "hangs":
            time.sleep(600)
        print(json.dumps({"name": query["name"], "value": 0.5}), flush=True)
"""


def test_a_query_that_hangs_is_ended_and_undecided_and_the_rest_is_answered():
    queries = [Query(name, "") for name in ("first", "hangs", "last")]
    with Checker(0.3, command=[sys.executable, "-c", HANGS]) as checker:
        answers = checker.check("model", queries)
    assert answers.values == {"first": 0.5, "last": 0.5}
    assert list(answers.undecided) == ["hangs"]
    assert "no answer within 0.3 s" in answers.undecided["hangs"]


def test_a_process_that_dies_leaves_its_query_undecided():
    dies = HANGS.replace("time.sleep(600)", "sys.exit(1)")
    with Checker(5.0, command=[sys.executable, "-c", dies]) as checker:
        answers = checker.check("model", [Query("hangs", ""), Query("last", "")])
    assert answers.values == {"last": 0.5}
    assert list(answers.undecided) == ["hangs"]


def test_without_storm_the_error_says_what_to_install():
    fatal = """print('{"fatal": "stormpy cannot be imported; install reflexarc[assurance]"}', flush=True)"""
    with (
        Checker(5.0, command=[sys.executable, "-c", fatal]) as checker,
        pytest.raises(ConfigError, match="assurance"),
    ):
        checker.check("model", [Query("x", "")])


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_limit_that_is_none_is_refused(limit):
    with pytest.raises(ConfigError, match="time limit"):
        Checker(limit)
