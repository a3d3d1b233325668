# SPDX-License-Identifier: Apache-2.0
"""Run the cases of a suite and judge each by every requirement."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.monitors.recorded import Finding, judge
from reflexarc.assurance.regression.cases import Case, Outcome, Plan, Suite, plan
from reflexarc.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Score:
    """One requirement in one case."""

    robustness: float
    """Smallest, in the requirement's unit; NaN where it was never exercised, -inf where a sample was no good."""
    when: float
    """Of the smallest. [s]"""

    @property
    def exercised(self) -> bool:
        """Whether the requirement ever asked for something."""
        return not math.isnan(self.robustness)

    @property
    def holds(self) -> bool:
        """Whether it was asked and held, or was never asked."""
        return not self.robustness <= 0.0


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case, judged."""

    case: Case
    scores: Mapping[str, Score]
    figures: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether every requirement holds."""
        return all(score.holds for score in self.scores.values())


@dataclass(frozen=True, slots=True)
class Results:
    """All cases."""

    suite: Suite
    plan: Plan
    cases: tuple[CaseResult, ...]

    def minima(self, use_case: str) -> Mapping[str, float]:
        """Return each requirement's smallest robustness over the cases of a use case; NaN where never exercised."""
        own = [result.scores for result in self.cases if result.case.use_case == use_case]
        return {name: _least([scores[name].robustness for scores in own]) for name in self.suite.tolerances}


def run_suite(
    suite: Suite, progress: Callable[[int, int, str], None] | None = None, cases: Sequence[Case] | None = None
) -> Results:
    """Run every case, or the given ones.

    Args:
        suite: what to run.
        progress: told how many cases are done, of how many, and which comes next.
        cases: some of the suite's cases; all if None.

    Raises:
        ConfigError: a case's samples lack a signal, or are not one row per time.
    """
    whole = plan(suite)
    chosen = whole.cases if cases is None else tuple(cases)
    results = []
    for number, case in enumerate(chosen):
        if progress is not None:
            progress(number, len(chosen), case.id)
        results.append(judge_case(suite, case, suite.run(case)))
    if progress is not None:
        progress(len(chosen), len(chosen), "")
    return Results(suite, whole, tuple(results))


def judge_case(suite: Suite, case: Case, outcome: Outcome) -> CaseResult:
    """Judge what a run left.

    Raises:
        ConfigError: as of `run_suite`.
    """
    samples = outcome.samples
    for name in suite.requirements.signals:
        if name not in samples.values or name not in samples.stamps:
            raise ConfigError(f"case {case.id}: the run gives no signal {name!r}; nothing was judged")
        if samples.values[name].shape != samples.time.shape:
            raise ConfigError(
                f"case {case.id}: {name} has shape {samples.values[name].shape}, expected {samples.time.shape}"
            )
    if not len(samples.time):
        raise ConfigError(f"case {case.id}: the run has no samples; nothing was judged")
    findings = judge(samples, suite.requirements)
    return CaseResult(case, {f.requirement.id: _score(f) for f in findings}, dict(outcome.figures))


def _score(finding: Finding) -> Score:
    if finding.untrusted:
        return Score(-math.inf, finding.when)
    if not finding.exercised:
        return Score(math.nan, math.nan)
    return Score(finding.robustness, finding.when)


def _least(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.min(known)) if known else math.nan
