# SPDX-License-Identifier: Apache-2.0
"""The committed baseline of a suite, and what counts as a regression against it.

Per case and requirement it holds the smallest robustness. A case fails the comparison where

    the minimum is lower than the baseline's by more than the tolerance,
    a requirement that the baseline has as held is violated, whatever the tolerance,
    a requirement is no longer exercised that was, or a sample could not be trusted,
    the case is not in the baseline, or one of the baseline was not run.

A negative value in the baseline is a **known finding**: a violation that is stated and does not fail the comparison as
long as it gets no worse. It never counts as passed.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.assurance.regression.run import Results
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir

FORMAT = "reflexarc regression baseline"
VERSION = 1
DIGITS = 4
"""Decimals of the stored robustness."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is expected."""

    suite: str
    cases: Mapping[str, Mapping[str, float]]
    """Case id to requirement to robustness; NaN where it is not exercised."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against its baseline."""

    regressions: tuple[str, ...]
    """What got worse, in words; empty if nothing did."""
    known: tuple[tuple[str, str, float], ...]
    """Case, requirement and robustness of every known finding that still is one."""
    improved: tuple[str, ...]
    """What got better by more than the tolerance; the baseline may be written anew."""


def baseline_file(suite: str) -> Path:
    """Return the path of a suite's committed baseline."""
    return models_dir() / "regression" / f"{suite}.json"


def from_results(results: Results) -> Baseline:
    """Return the baseline that these results would be."""
    return Baseline(
        results.suite.name,
        {r.case.id: {name: _rounded(s.robustness) for name, s in r.scores.items()} for r in results.cases},
    )


def write_baseline(results: Results, path: Path) -> None:
    """Write results as a baseline, one line per case.

    Raises:
        ModelError: a sample of a case could not be trusted: that is no expectation.
    """
    baseline = from_results(results)
    lines = []
    for case, scores in baseline.cases.items():
        if any(math.isinf(value) for value in scores.values()):
            raise ModelError(
                f"case {case}: a robustness is infinite, as of a sample that cannot be trusted; nothing written"
            )
        stored = {name: None if math.isnan(value) else value for name, value in scores.items()}
        lines.append(f"  {json.dumps(case)}: {json.dumps(stored)}")
    head = {"format": FORMAT, "version": VERSION, "suite": baseline.suite}
    body = json.dumps(head, indent=1)[:-2] + ',\n "cases": {\n' + ",\n".join(lines) + "\n }\n}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body, encoding="utf-8")


def read_baseline(path: Path, suite: str) -> Baseline:
    """Read and check a baseline.

    Raises:
        ModelError: it is missing, malformed, of another version or another suite.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as a baseline: {error}; write one with --update") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
        raise ModelError(f"{path}: this is no {FORMAT} of version {VERSION}")
    if set(data) != {"format", "version", "suite", "cases"} or not isinstance(data["cases"], dict):
        raise ModelError(f"{path}: needs exactly format, version, suite and cases")
    if data["suite"] != suite:
        raise ModelError(f"{path}: it is of the suite {data['suite']!r}, asked for {suite!r}")
    return Baseline(suite, {str(case): _scores(path, case, entry) for case, entry in data["cases"].items()})


def compare(results: Results, baseline: Baseline) -> Comparison:
    """Compare results with a baseline."""
    regressions, known, improved = [], [], []
    for result in results.cases:
        case = result.case.id
        before = baseline.cases.get(case)
        if before is None:
            regressions.append(f"{case}: not in the baseline; write it anew with --update")
            continue
        if set(before) != set(result.scores):
            regressions.append(f"{case}: the baseline has other requirements: {', '.join(sorted(before))}")
            continue
        for name, score in result.scores.items():
            tolerance = results.suite.tolerances[name]
            worse = _worse(before[name], score.robustness, tolerance)
            if worse:
                regressions.append(f"{case}: {name} {worse}")
            elif not score.holds:
                known.append((case, name, score.robustness))
            if score.robustness > before[name] + tolerance:
                improved.append(f"{case}: {name} {before[name]:.4g} -> {score.robustness:.4g}")
    ran = {result.case.id for result in results.cases}
    regressions += [
        f"{case}: in the baseline, but it was not run" for case in baseline.cases if case not in ran
    ]
    return Comparison(tuple(regressions), tuple(known), tuple(improved))


def _rounded(value: float) -> float:
    """Round, but never a violation to 0: what is not negative in a baseline was held."""
    rounded = round(value, DIGITS)
    return -(10.0**-DIGITS) if value <= 0.0 <= rounded else rounded


def _worse(before: float, now: float, tolerance: float) -> str:
    if math.isnan(now):
        return "" if math.isnan(before) else f"is no longer exercised; its robustness was {before:.4g}"
    if now == -math.inf:
        return "has a sample that cannot be trusted"
    if math.isnan(before):
        return f"was not exercised and is violated now: {now:.4g}" if now <= 0.0 else ""
    if before >= 0.0 >= now:
        return f"was held with {before:.4g} and is violated now: {now:.4g}"
    if now < before - tolerance:
        return f"dropped from {before:.4g} to {now:.4g}, allowed: {tolerance:g}"
    return ""


def _scores(path: Path, case: str, entry: Any) -> Mapping[str, float]:
    if not isinstance(entry, dict) or not entry:
        raise ModelError(f"{path}: case {case!r} needs a mapping of requirements, found {entry!r}")
    found = {}
    for name, value in entry.items():
        if value is None:
            found[str(name)] = math.nan
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ModelError(f"{path}: {case}: {name} must be a finite number or null, found {value!r}")
        found[str(name)] = float(value)
    return found
