# SPDX-License-Identifier: Apache-2.0
"""Use cases of the welding cell: what holds, what is a known finding, and that planted faults are regressions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.regression.baseline import baseline_file, compare, read_baseline
from reflexarc.assurance.regression.cases import plan
from reflexarc.assurance.regression.pairwise import uncovered
from reflexarc.assurance.regression.run import run_suite
from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.campaign import LENGTH_S, random_setup, run_campaign
from reflexarc_sim.welding.parameters import read_plant
from reflexarc_sim.welding.signals import check_agreement
from reflexarc_sim.welding.suite import USE_CASES, welding_suite


@pytest.fixture(scope="module")
def requirements():
    return read_requirements(requirements_file("welding"))


@pytest.fixture(scope="module")
def chosen():
    """One case of each use case in which the arm works."""
    cases = plan(welding_suite()).cases
    phase = {"U1": "to_weld", "U2": "to_bench", "MU": "to_bench"}
    return [
        next(
            c
            for c in cases
            if c.use_case == name and c.levels["phase"] == phase[name] and c.levels["region"] != "face"
        )
        for name in phase
    ]


def regressions(chosen, **planted):
    """Return the regressions of the chosen cases against the committed baseline."""
    results = run_suite(welding_suite(**planted), cases=chosen)
    found = compare(results, read_baseline(baseline_file("welding"), "welding"))
    return results, [text for text in found.regressions if "was not run" not in text], found


def test_the_baseline_has_every_case_and_every_pair():
    whole = plan(welding_suite())
    baseline = read_baseline(baseline_file("welding"), "welding")
    assert set(baseline.cases) == {case.id for case in whole.cases}
    for item in USE_CASES:
        rows = [case.levels for case in whole.cases if case.use_case == item.name]
        assert set(uncovered(rows, item.factors)) == set(whole.impossible[item.name])
        assert len(rows) <= 1.5 * np.prod(sorted(len(v) for v in item.factors.values())[-2:])


def test_the_verified_policy_keeps_u1_and_u2_and_does_not_see_the_misuse(chosen):
    results, worse, found = regressions(chosen)
    assert not worse
    assert [result.passed for result in results.cases] == [True, True, False]
    assert results.cases[2].scores["ANSWER"].robustness < -1.0
    assert {case.split(" ")[0] for case, _, _ in found.known} == {"MU"}
    assert results.cases[0].scores["DWELL"].exercised


@pytest.mark.parametrize(
    ("planted", "use_case"),
    [
        ({"controller": "never_mitigate"}, "U1"),
        ({"controller": "never_mitigate"}, "U2"),
        ({"blind": ("range_finder",)}, "U1"),
        ({"blind": ("light_curtain",)}, "U2"),
    ],
)
def test_a_planted_fault_is_a_regression(chosen, planted, use_case):
    case = next(c for c in chosen if c.use_case == use_case)
    _, worse, _ = regressions([case], **planted)
    assert any(f"{case.id}: ANSWER was held" in text for text in worse)


def test_the_same_case_gives_the_same_samples(chosen):
    suite = welding_suite()
    one, two = suite.run(chosen[0]), suite.run(chosen[0])
    assert all(np.array_equal(one.samples.values[k], two.samples.values[k]) for k in one.samples.values)


def test_samples_that_are_not_numbers_are_never_a_pass(chosen):
    suite = welding_suite()

    def run(case):
        outcome = suite.run(case)
        outcome.samples.values["separation"][50] = math.nan
        return outcome

    results = run_suite(replace(suite, run=run), cases=chosen[:1])
    assert results.cases[0].scores["SEP"].robustness == -math.inf and not results.cases[0].passed


def test_requirements_of_another_cell_are_refused(requirements):
    plant = read_plant()
    other = replace(plant, supervisor=replace(plant.supervisor, dwell_s=2.0))
    with pytest.raises(ConfigError, match="constants.dwell is 1.0, the simulated cell has 2.0"):
        check_agreement(requirements, other)


def test_the_campaign_is_the_same_for_every_controller_and_stops_cost_work(requirements):
    plant = read_plant()
    setup = random_setup(plant, 2)
    assert setup.duration == LENGTH_S and setup == random_setup(plant, 2) != random_setup(plant, 3)
    rows = {
        name: run_campaign(plant, requirements, name, [2])[0] for name in ("none", "stop_only", "verified")
    }
    assert rows["stop_only"].value < rows["verified"].value <= rows["none"].value
    assert rows["stop_only"].stopped_s > 5.0
    assert rows["none"].robustness["ANSWER"] < 0.0 < rows["verified"].robustness["ANSWER"]
    with pytest.raises(ConfigError, match="seed"):
        random_setup(plant, -1)
