# SPDX-License-Identifier: Apache-2.0
"""What a regression found: figures for JSON, a page in Markdown, and a plot of the robustness of every case."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reflexarc.assurance.regression.baseline import Comparison
from reflexarc.assurance.regression.pairwise import pairs, uncovered
from reflexarc.assurance.regression.run import CaseResult, Results
from reflexarc.report.reach_figures import save

NOT_EXERCISED = "not exercised"


def summary(results: Results, comparison: Comparison | None) -> dict[str, Any]:
    """Return everything as plain values; None for what was not exercised."""
    suite = results.suite
    use_cases = {}
    for item in suite.use_cases:
        own = [result for result in results.cases if result.case.use_case == item.name]
        open_pairs = uncovered([result.case.levels for result in own], item.factors)
        impossible = results.plan.impossible[item.name]
        use_cases[item.name] = {
            "text": item.text,
            "cases": len(own),
            "passed": sum(result.passed for result in own),
            "pairs": len(pairs(item.factors)),
            "pairs_impossible": len(impossible),
            "pairs_open": len([pair for pair in open_pairs if pair not in impossible]),
            "minimum": {name: plain(value) for name, value in results.minima(item.name).items()},
            "known": item.known,
        }
    return {
        "suite": suite.name,
        "verdict": verdict(comparison),
        "cases": len(results.cases),
        "passed": sum(result.passed for result in results.cases),
        "use_cases": use_cases,
        "regressions": list(comparison.regressions) if comparison else None,
        "known_findings": [list(item[:2]) + [plain(item[2])] for item in comparison.known]
        if comparison
        else None,
        "improved": list(comparison.improved) if comparison else None,
        "results": [_row(result) for result in results.cases],
    }


def verdict(comparison: Comparison | None) -> str:
    """Return FAIL for a regression, PASS where every requirement held, and what is between."""
    if comparison is None:
        return "not compared"
    if comparison.regressions:
        return "FAIL"
    return "NO REGRESSION, known findings" if comparison.known else "PASS"


def write_report(results: Results, comparison: Comparison | None, out: Path) -> Path:
    """Write `regression.json`, `regression.md` and `regression.svg`; return the page."""
    out.mkdir(parents=True, exist_ok=True)
    figures = summary(results, comparison)
    text = json.dumps(figures, indent=1, allow_nan=False)
    (out / "regression.json").write_text(f"{text}\n", encoding="utf-8")
    save(figure(results), out / "regression.svg")
    page = out / "regression.md"
    page.write_text("\n".join(_page(results, figures)) + "\n", encoding="utf-8")
    return page


def figure(results: Results) -> Figure:
    """Draw the robustness of every case, a panel per requirement; what violates is red."""
    requirements = results.suite.requirements.requirements
    drawing = Figure(figsize=(10.0, 1.8 * len(requirements) + 0.6), layout="constrained")
    panels = np.atleast_1d(drawing.subplots(len(requirements), 1, sharex=True))
    names = [item.name for item in results.suite.use_cases]
    for panel, requirement in zip(panels, requirements, strict=True):
        scores = [result.scores[requirement.id] for result in results.cases]
        values = np.array([s.robustness if math.isfinite(s.robustness) else math.nan for s in scores])
        number = np.arange(len(values))
        shown = np.clip(values, None, _top(values))
        bad = np.array([not score.holds for score in scores])
        for start, name in _starts(results, names):
            panel.axvline(start - 0.5, color="0.8", lw=0.8)
            panel.annotate(
                name, (start, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize=8, color="0.4"
            )
        panel.axhline(0.0, color="0.3", lw=0.8)
        panel.plot(number[~bad], shown[~bad], "o", color="tab:blue", ms=3)
        panel.plot(number[bad], shown[bad], "o", color="tab:red", ms=4)
        unit = "" if requirement.unit == "1" else f" [{requirement.unit}]"
        panel.set_ylabel(f"{requirement.id}{unit}")
    panels[-1].set_xlabel("case; robustness, red where the requirement is violated")
    return drawing


def plain(value: float) -> float | None:
    """Return a number for JSON; None for what is not finite."""
    return round(float(value), 4) if math.isfinite(value) else None


def shown(value: float) -> str:
    """Return a robustness in words."""
    if math.isnan(value):
        return NOT_EXERCISED
    return "not to be trusted" if value == -math.inf else f"{value:.3g}"


def _top(values: np.ndarray) -> float:
    """Return where a panel ends: values of requirements that were hardly asked would flatten the rest."""
    known = values[np.isfinite(values)]
    return float(np.percentile(known, 90)) * 1.5 + 1e-9 if len(known) else 1.0


def _starts(results: Results, names: list[str]) -> list[tuple[int, str]]:
    order = [result.case.use_case for result in results.cases]
    return [(order.index(name), name) for name in names if name in order]


def _row(result: CaseResult) -> dict[str, Any]:
    return {
        "case": result.case.id,
        "passed": result.passed,
        "robustness": {name: plain(score.robustness) for name, score in result.scores.items()},
        "when": {name: plain(score.when) for name, score in result.scores.items()},
        "figures": {name: plain(value) for name, value in result.figures.items()},
    }


def _page(results: Results, figures: dict[str, Any]) -> list[str]:
    names = list(results.suite.tolerances)
    lines = [f"# Scenario regression: {figures['suite']}", "", f"Verdict: **{figures['verdict']}**.", ""]
    lines += [
        "| use case | cases | hold | pairs covered, impossible | " + " | ".join(names) + " |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for name, row in figures["use_cases"].items():
        minima = " | ".join(shown(value) for value in results.minima(name).values())
        covered = row["pairs"] - row["pairs_impossible"] - row["pairs_open"]
        lines.append(
            f"| {name}: {row['text']} | {row['cases']} | {row['passed']} | "
            f"{covered} of {row['pairs']}, {row['pairs_impossible']} | {minima} |"
        )
    for title, items in (("Regressions", figures["regressions"]), ("Improved", figures["improved"])):
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    if figures["known_findings"]:
        lines += ["", "## Known findings, not passed", ""]
        lines += [f"- {case}: {name} {value}" for case, name, value in figures["known_findings"]]
    lines += [
        "",
        "## Cases",
        "",
        "| case | holds | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for result in results.cases:
        cells = " | ".join(shown(result.scores[name].robustness) for name in names)
        lines.append(f"| {result.case.id} | {'yes' if result.passed else 'NO'} | {cells} |")
    return lines
