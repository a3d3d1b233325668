# SPDX-License-Identifier: Apache-2.0
"""What is a regression: drops, new violations, cases that are missing, samples that are no good."""

import json
import math
from dataclasses import replace

import pytest

from reflexarc.assurance.regression.baseline import compare, from_results, read_baseline, write_baseline
from reflexarc.assurance.regression.cases import Outcome, plan
from reflexarc.assurance.regression.report import summary, verdict, write_report
from reflexarc.assurance.regression.run import run_suite
from reflexarc.cli import _validate_regression, main
from reflexarc.core.errors import ConfigError, ModelError
from tests.assurance.small_suite import down_is_bad, small_suite


def results(gap=down_is_bad, asked=True):
    return run_suite(small_suite(gap, asked))


def worse(**changed):
    """Return the regressions of a run in which one gap differs: `down`, `up`, ... to its gap [m]."""
    now = results(lambda case: changed.get(case.levels["side"], down_is_bad(case)))
    return compare(now, from_results(results())).regressions


def test_the_same_run_is_no_regression_and_known_findings_are_no_pass():
    found = compare(results(), from_results(results()))
    assert not found.regressions and not found.improved
    assert {case.split(" ")[1] for case, _, _ in found.known} == {"side=down"}
    assert verdict(found) == "NO REGRESSION, known findings"
    figures = summary(results(), found)
    assert figures["use_cases"]["A"]["passed"] == figures["use_cases"]["A"]["cases"] == 4
    assert figures["use_cases"]["B"]["passed"] == 2
    assert verdict(compare(results(lambda _: 2.0), from_results(results(lambda _: 2.0)))) == "PASS"


def test_a_drop_beyond_the_tolerance_fails_and_a_smaller_one_does_not():
    assert not worse(up=1.91)
    assert any("GAP dropped from 2 to 1.89" in text for text in worse(up=1.89))


def test_a_known_finding_that_gets_worse_fails():
    assert not worse(down=-0.59)
    assert any("dropped from -0.5 to -0.61" in text for text in worse(down=-0.61))


def test_a_requirement_that_was_held_and_is_violated_fails_within_the_tolerance_too():
    before = from_results(results(lambda _: 0.04))
    found = compare(results(lambda _: -0.01), before)
    assert any("GAP was held with 0.04 and is violated now" in text for text in found.regressions)


def test_an_improvement_is_told():
    assert any(
        "GAP -0.5 -> 3" in text for text in compare(results(lambda _: 3.0), from_results(results())).improved
    )


def test_a_requirement_that_is_no_longer_exercised_fails():
    found = compare(results(asked=False), from_results(results()))
    assert any("ASKED is no longer exercised" in text for text in found.regressions)
    assert not compare(results(asked=False), from_results(results(asked=False))).regressions


def test_a_requirement_exercised_for_the_first_time_fails_only_if_violated():
    before = from_results(results(lambda _: 2.0, asked=False))
    assert not compare(results(lambda _: 2.0), before).regressions
    assert any("was not exercised" in text for text in compare(results(lambda _: 0.5), before).regressions)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sample_that_cannot_be_trusted_fails_and_is_no_baseline(tmp_path, bad):
    now = results(lambda case: bad if case.levels["side"] == "up" else 2.0)
    assert any("cannot be trusted" in text for text in compare(now, from_results(results())).regressions)
    with pytest.raises(ModelError, match="nothing written"):
        write_baseline(now, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_cases_must_be_those_of_the_baseline():
    whole = results()
    some = replace(whole, cases=whole.cases[1:])
    assert any("it was not run" in text for text in compare(some, from_results(whole)).regressions)
    assert any("not in the baseline" in text for text in compare(whole, from_results(some)).regressions)


def test_a_violation_by_less_than_the_digits_stays_a_violation(tmp_path):
    tiny = results(lambda _: -1e-6)
    write_baseline(tiny, tmp_path / "b.json")
    found = compare(tiny, read_baseline(tmp_path / "b.json", "small"))
    assert found.known and not found.regressions


def test_a_baseline_survives_writing_and_reading(tmp_path):
    write_baseline(results(asked=False), tmp_path / "b.json")
    read = read_baseline(tmp_path / "b.json", "small")
    assert read.suite == "small" and math.isnan(next(iter(read.cases.values()))["ASKED"])
    assert not compare(results(asked=False), read).regressions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(version=2), "of version 1"),
        (lambda d: d.update(extra=1), "needs exactly"),
        (lambda d: d.update(suite="other"), "of the suite 'other'"),
        (lambda d: d["cases"].update(x={}), "needs a mapping"),
        (lambda d: d["cases"].update(x={"GAP": math.inf}), "finite number or null"),
        (lambda d: d["cases"].update(x={"GAP": True}), "finite number or null"),
    ],
)
def test_a_damaged_baseline_is_refused(tmp_path, change, says):
    path = tmp_path / "b.json"
    write_baseline(results(), path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=says):
        read_baseline(path, "small")


def test_a_missing_baseline_is_an_error_that_says_how_to_get_one(tmp_path):
    with pytest.raises(ModelError, match="--update"):
        read_baseline(tmp_path / "none.json", "small")


def test_a_run_without_a_signal_is_refused():
    suite = small_suite(down_is_bad)

    def run(case):
        outcome = suite.run(case)
        values = {"gap": outcome.samples.values["gap"]}
        return Outcome(replace(outcome.samples, values=values))

    with pytest.raises(ConfigError, match="no signal 'asked'"):
        run_suite(replace(suite, run=run))


def test_tolerances_must_be_those_of_the_requirements():
    suite = small_suite(down_is_bad)
    with pytest.raises(ConfigError, match="needed exactly: ASKED, GAP"):
        replace(suite, tolerances={"GAP": 0.1})
    with pytest.raises(ConfigError, match="finite and >= 0"):
        replace(suite, tolerances={"GAP": -0.1, "ASKED": 0.1})


def test_the_report_names_every_case_and_marks_what_does_not_hold(tmp_path):
    found = results()
    page = write_report(found, compare(found, from_results(found)), tmp_path / "out").read_text()
    assert page.count("| NO |") == 2 and page.count("| yes |") == 6
    assert "Known findings, not passed" in page
    assert len(plan(found.suite).cases) == 8
    assert (tmp_path / "out" / "regression.svg").read_text().count("<svg") == 1
    assert json.loads((tmp_path / "out" / "regression.json").read_text())["cases"] == 8


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Return a function that runs the command on the small suite with a gap function."""
    path = tmp_path / "baseline.json"

    def run(gap, *options):
        monkeypatch.setattr(_validate_regression, "_suite", lambda _: lambda: small_suite(gap))
        monkeypatch.setattr(_validate_regression, "SUITES", ("small",))
        return main(["validate", "regression", "small", "--baseline", str(path), *options])

    return run


def test_exit_codes_of_the_command(command, capsys, tmp_path):
    assert command(down_is_bad) == 1, "there is no baseline yet"
    assert command(down_is_bad, "--update") == 0
    assert "2 of 8 cases violate" in capsys.readouterr().out
    assert command(down_is_bad, "--json", "--out", str(tmp_path / "out")) == 0
    output = capsys.readouterr().out
    assert json.loads(output.splitlines()[-1])["verdict"] == "NO REGRESSION, known findings"
    assert "B: down is bad" in output
    assert command(lambda _: -1.0) == 1
    assert "REGRESSION: A side=left" in capsys.readouterr().out
    assert command(down_is_bad, "--out", str(tmp_path / "out")) == 2
    assert main(["validate", "regression", "nothing"]) == 2
