# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run SCENARIO`: run a scenario with and without the arc and show what the arc changed."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ReflexArcError

DESCRIPTION = """\
Run a scenario. By default it runs live: plant, task policy, arc, missions and recorder are ROS 2 nodes of
their own, first with the arc and then without it, on a ROS domain of its own; afterwards the comparison is
repeated in lock-step over several seeds, there also with the robot's learned barrier beside the stopping
barrier. With --lockstep everything runs in this process with simulated time and needs no ROS: the same seed
gives the same bytes.

A scenario with fleet.robots > 0 runs several robots in one world, each under its own arc: live once, and in
lock-step for the film; or only in lock-step. Options that compare with and without the arc do not apply.

A scenario of an arm in contact, or of a quadruped that is pushed, is compared with and without the arc's reflexes;
--no-arc, --learned and --jobs do not apply.
"""

EPILOG = """\
examples:
  reflexarc run sidewalk_delivery
      live, with and without the arc, then four seeds in lock-step, also with the learned barrier
  reflexarc run sidewalk_delivery --lockstep --seeds 0-19
      the comparison over twenty seeds
  reflexarc run sidewalk_delivery --lockstep --seed 3 --json
  reflexarc run sidewalk_delivery --lockstep --seeds 0-3 --json --learned
      the JSON line also holds every column of the comparison, under "columns"
  reflexarc run sidewalk_calm --lockstep --set crowd.count=40 --set arc.barrier.clearance_m=0.3

exit codes: 0 done; 1 a run failed (the report of what was recorded is still written);
2 the request is not acceptable
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "run",
        help="run a scenario, live over ROS 2 or in lock-step, with and without the arc",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "scenario", metavar="SCENARIO", help="name of a scenario (see `reflexarc scenarios`) or a YAML file"
    )
    parser.add_argument("--lockstep", action="store_true", help="simulated time in one process, without ROS")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", metavar="N", help="seed of the run (default: the scenario's)")
    seeds.add_argument("--seeds", metavar="LIST", help="several seeds, such as 0-3 or 0,2,5")
    parser.add_argument(
        "--duration",
        metavar="S",
        help="longest simulated time of each run [s] (default: the scenario's; when comparing live, at most 75)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="replace a key of the scenario",
    )
    parser.add_argument("--no-arc", action="store_true", help="only without the arc")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="also run without the arc (default: yes, with --json no)",
    )
    parser.add_argument(
        "--learned",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="also run in lock-step with the robot's learned barrier beside the stopping barrier (default: when "
        "comparing, where one with a matching certificate exists; with --json no)",
    )
    parser.add_argument(
        "--lockstep-seeds",
        metavar="LIST",
        help="compared in lock-step after live runs; `none` to skip (default: 4 seeds when comparing)",
    )
    parser.add_argument("--jobs", metavar="N", help="lock-step runs at the same time (default: one per core)")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object with the figures as the last line"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for logs, recordings and report (default: runs/NAME-TIME)"
    )
    parser.add_argument(
        "--render",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="render a short film for the report (default: yes, with --json no)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.cli._arm import ArmInContact  # noqa: PLC0415 - after the options are known
    from reflexarc.cli._display import RunDisplay, print_table  # noqa: PLC0415
    from reflexarc.cli._fleet import run_fleets  # noqa: PLC0415
    from reflexarc.cli._joint_runs import run_joints  # noqa: PLC0415
    from reflexarc.cli._request import asked_scenario, make_request  # noqa: PLC0415
    from reflexarc.cli._walker import Quadruped  # noqa: PLC0415
    from reflexarc.report.comparison import column_figures, combine, comparisons  # noqa: PLC0415
    from reflexarc_sim.plants import require_plant  # noqa: PLC0415

    scenario = asked_scenario(args)
    for robot in (ArmInContact(), Quadruped()):
        if robot.fits(scenario):
            return run_joints(args, robot, scenario)
    if scenario.fleet.robots:
        return run_fleets(args, scenario)
    require_plant(scenario)
    request = make_request(args, scenario)
    keep = request.keep
    out = request.out if keep else Path(tempfile.mkdtemp(prefix="reflexarc-"))
    entries: list[Any] = []
    try:
        with RunDisplay(quiet=args.quiet or not sys.stderr.isatty() and args.json) as display:
            if request.note:
                display.say(request.note)
            entries = _execute(request, out, display)
            report = _report(request, out, entries, display) if keep else None
        summaries = {entry: _summary(out, entry) for entry in entries}
        console = display.console if args.json else _stdout_console()
        for comparison in comparisons(summaries.items()):
            print_table(console, comparison)
        if report is not None:
            console.print(f"report: {report}", soft_wrap=True, markup=False)
        problems = [f"{entry.title}: {entry.problem}" for entry in entries if entry.problem]
        for problem in problems:
            print(f"reflexarc: error: {problem}", file=sys.stderr)
        if args.json:
            sides: dict[tuple[str, str], list[dict[str, Any]]] = {}
            for entry, summary in summaries.items():
                if summary:
                    sides.setdefault((entry.clock, entry.column), []).append(summary)
            if main_side := sides.get((request.clock, request.column.key)):
                figures = combine(main_side)
                if request.json_columns:
                    figures["columns"] = {
                        key: column_figures(side)
                        for (clock, key), side in sides.items()
                        if clock == "lockstep"
                    }
                print(json.dumps(figures))
            elif not problems:
                raise ReflexArcError("no run left a summary")
        return 1 if problems else 0
    finally:
        if not keep and not any((out / entry.folder / "log").exists() and entry.problem for entry in entries):
            shutil.rmtree(
                out, ignore_errors=True
            )  # the logs of a live run that failed are named in its message


def _execute(request: Any, out: Path, display: Any) -> list[Any]:
    """Make every run of the request and return the entries with the problems that came up."""
    entries = []
    if request.live:
        from reflexarc.cli._live import run_live  # noqa: PLC0415 - needs ROS

        entries += [run_live(request, entry, out, display) for entry in request.live]
    if request.lockstep:
        from reflexarc.cli._lockstep import run_lockstep  # noqa: PLC0415

        entries += run_lockstep(request, out, display)
    return entries


def _report(request: Any, out: Path, entries: list[Any], display: Any) -> Path:
    """Write run.json, the films and the report; return the report's path."""
    from reflexarc.cli._film import film_runs  # noqa: PLC0415 - imports matplotlib
    from reflexarc.report.page import build_report  # noqa: PLC0415

    request.info(tuple(entries)).save(out)
    if request.render:
        film_runs(request, out, entries, display)
    display.say("writing the report")
    return build_report(out)


def _summary(out: Path, entry: Any) -> dict[str, Any] | None:
    try:
        return json.loads((out / entry.folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stdout_console() -> Any:
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False)
