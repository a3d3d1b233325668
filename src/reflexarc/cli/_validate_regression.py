# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate regression`: cases that cover every pair of factors, judged against a committed baseline."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reflexarc.core.errors import ConfigError, UnknownNameError

DESCRIPTION = """\
Scenario regression. A suite has use cases, each with factors; the cases hold every possible pair of their levels at
least once. Each case is simulated and judged by past-time requirements. The smallest robustness per case and
requirement is compared with the committed baseline: a drop beyond the tolerance, or a requirement violated that was
held, fails. What the baseline has as violated is a known finding: it is listed, never counts as passed, and fails only
if it gets worse.

  welding              U1, U2 and the misuse MU of the welding cell under its verified supervisor
  sidewalk_supervised  one person crosses the way of the delivery robot under its verified supervisor
"""
EPILOG = """\
examples:
  reflexarc validate regression welding
  reflexarc validate regression sidewalk_supervised --out runs/regression --json
  reflexarc validate regression welding --update    # after a change that is meant: write the baseline anew

exit codes: 0 nothing got worse; 1 something did, or there are cases that the baseline does not know; 2 the request is
not acceptable
"""
SUITES = ("welding", "sidewalk_supervised")
PIPED_WIDTH = 160
"""Columns where the output is no terminal."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add `regression` and its options to those of `reflexarc validate`."""
    parser = subparsers.add_parser(
        "regression",
        help="run the scenario regression against its baseline",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "suite",
        nargs="?",
        default=SUITES[0],
        metavar="SUITE",
        help=f"{' or '.join(SUITES)} (default: {SUITES[0]})",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for regression.json, regression.md and regression.svg"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="baseline (default: models/regression/SUITE.json)"
    )
    parser.add_argument(
        "--update", action="store_true", help="write the baseline anew from this run, after comparing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the suite and return the exit code."""
    from reflexarc.assurance.regression.baseline import (  # noqa: PLC0415 - keeps `--help` quick
        baseline_file,
        compare,
        read_baseline,
        write_baseline,
    )
    from reflexarc.assurance.regression.report import summary, write_report  # noqa: PLC0415
    from reflexarc.assurance.regression.run import run_suite  # noqa: PLC0415

    if args.suite not in SUITES:
        raise UnknownNameError("suite", args.suite, SUITES, "validate regression")
    if args.out is not None and args.out.exists() and not (args.out.is_dir() and not any(args.out.iterdir())):
        raise ConfigError(f"--out {args.out} is not empty or is no folder; choose another; nothing was run")
    path = args.baseline or baseline_file(args.suite)
    baseline = None if args.update and not path.exists() else read_baseline(path, args.suite)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("regression", total=None)

        def show(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text, refresh=console.is_terminal)

        results = run_suite(_suite(args.suite)(), show)
    comparison = None if baseline is None else compare(results, baseline)
    figures = summary(results, comparison)
    _print(results, comparison)
    if args.out is not None:
        print(f"report: {write_report(results, comparison, args.out)}")
    if args.update:
        write_baseline(results, path)
        failing = sum(not result.passed for result in results.cases)
        print(f"baseline written to {path}: {failing} of {len(results.cases)} cases violate a requirement")
    print(f"verdict: {figures['verdict']}")
    if args.json:
        print(json.dumps(figures, allow_nan=False))
    return int(bool(comparison and comparison.regressions and not args.update))


def _suite(name: str) -> Callable[[], Any]:
    if name == "welding":
        from reflexarc_sim.welding.suite import welding_suite  # noqa: PLC0415 - only where it is wanted

        return welding_suite
    from reflexarc_sim.encounters.suite import encounter_suite  # noqa: PLC0415

    return encounter_suite


def _print(results: Any, comparison: Any) -> None:
    from reflexarc.assurance.regression.report import shown  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    names = list(results.suite.tolerances)
    units = {r.id: "" if r.unit == "1" else f", {r.unit}" for r in results.suite.requirements.requirements}
    table = Table(title=f"smallest robustness, {results.suite.name}", title_justify="left")
    for column in ("use case", "cases", "hold", *(f"{name}{units[name]}" for name in names)):
        table.add_column(column, justify="left" if column == "use case" else "right")
    for item in results.suite.use_cases:
        own = [result for result in results.cases if result.case.use_case == item.name]
        minima = results.minima(item.name)
        cells = (f"{item.name}: {item.text}", str(len(own)), str(sum(result.passed for result in own)))
        table.add_row(*cells, *(shown(minima[name]) for name in names))
    console.print(table)
    if comparison is None:
        return
    if comparison.known:
        cases = len({case for case, _, _ in comparison.known})
        print(f"known findings, not passed: {len(comparison.known)} in {cases} cases")
        for item in results.suite.use_cases:
            if item.known and any(case.split(" ")[0] == item.name for case, _, _ in comparison.known):
                print(f"  {item.name}: {item.known}")
    for text in comparison.improved:
        print(f"improved: {text}; --update makes it the baseline")
    for text in comparison.regressions:
        print(f"REGRESSION: {text}")
