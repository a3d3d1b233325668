# SPDX-License-Identifier: Apache-2.0
"""`reflexarc assurance explain|synthesise|check|conform|monitor`: hazard models, supervisors, runtime monitors."""

import argparse
from pathlib import Path
from typing import Any

from reflexarc.cli import _assurance_conform, _assurance_monitor

DESCRIPTION = """\
Hazard models, verified supervisors, runtime monitors.

  explain CELL      print modes, hazards, actions, decision points and the number of policies of a cell
  synthesise CELL   check every policy of a cell by probabilistic model checking, choose one, write its table
  check TABLE       check a table's digest, its model's hash and every property again
  conform CELL      compare a cell's probabilities and transitions with logs
  monitor FILE      judge a recording by requirements in signal temporal logic

A cell is a YAML file, or the name of one in models/cells.
"""
EPILOG = """\
examples:
  reflexarc assurance explain welding --out welding.svg
  reflexarc assurance synthesise sidewalk --out runs/sidewalk
  reflexarc assurance synthesise welding --alarms 0.05,0.5 --alarms 0.5,0.5 --jobs 2
  reflexarc assurance check models/cells/sidewalk.table.json
  reflexarc assurance conform sidewalk --log runs/latest/run.mcap --out runs/conformance

exit codes: 0 done, and every check passed; 1 a check failed, or no policy keeps the constraints; 2 the request is not
acceptable
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "assurance",
        help="hazard models, verified supervisors, runtime monitors",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="WHAT", required=True)
    explain = actions.add_parser("explain", help="print what a cell's file says", allow_abbrev=False)
    explain.add_argument("cell", metavar="CELL", help="YAML file, or a name in models/cells")
    explain.add_argument("--out", type=Path, metavar="FILE", help="also draw it to an SVG or PNG file")
    make = actions.add_parser("synthesise", help="choose and verify a policy", allow_abbrev=False)
    make.add_argument("cell", metavar="CELL", help="YAML file, or a name in models/cells")
    make.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder for table.json, report.md, pareto.svg, sweep.json (default: runs/assurance/CELL)",
    )
    make.add_argument(
        "--alarms",
        action="append",
        metavar="A,B",
        help="one intensity per alarm of the cell, 0 to 1; may be repeated (default: quiet and loud, and the middle)",
    )
    make.add_argument(
        "--counts", type=Path, metavar="FILE", help="YAML of probabilities to [hits, trials] from logs"
    )
    make.add_argument("--jobs", default="2", metavar="N", help="processes side by side (default: 2)")
    _limit(make)
    make.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    check = actions.add_parser("check", help="check a table again", allow_abbrev=False)
    check.add_argument("table", type=Path, metavar="TABLE", help="JSON file of a supervisor table")
    check.add_argument(
        "--cell", metavar="CELL", help="its cell (default: the name that the table gives, in models/cells)"
    )
    _limit(check)
    _assurance_conform.add_parser(actions)
    _assurance_monitor.add_parser(actions)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    if args.action == "monitor":
        return _assurance_monitor.run(args)
    if args.action == "conform":
        return _assurance_conform.run(args)
    from reflexarc.cli import _assurance_cells  # noqa: PLC0415 - keeps `--help` quick

    return getattr(_assurance_cells, args.action)(args)


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", default="60", metavar="S", help="time limit of one query in seconds; then it is undecided"
    )
