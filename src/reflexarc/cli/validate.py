# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate twin|surrogate|live|faults|regression`: does the simulation say what the robot's logs say."""

import argparse
import json
from pathlib import Path
from typing import Any

from reflexarc.cli import _validate_faults, _validate_live, _validate_regression
from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Validate the simulation against logs.

  twin SCENARIO       compare the twin with logs by a fixed protocol and end with a verdict
  surrogate SCENARIO  record surrogate logs: another plant with withheld parameters, where there is no real robot
  live SCENARIO       record live logs: every node a process, over ROS 2, as a robot records itself
  faults SCENARIO     inject every fault of the table and say whether each was answered
  regression SUITE    run cases that cover every pair of factors, against a committed baseline
"""
EPILOG = """\
examples:
  reflexarc validate surrogate sidewalk_delivery --out runs/logs --runs 4 --seed 7
  reflexarc validate twin sidewalk_delivery --log runs/logs --out runs/twin

exit codes: 0 the twin is within every tolerance; 1 it is not, or a log cannot be compared; 2 the request is not
acceptable
"""
PLANTED = ("none", "mass", "latency", "friction", "bumper")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "validate",
        help="compare the simulation with logs and end with a verdict",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="WHAT", required=True)
    twin = actions.add_parser("twin", help="compare the twin with logs", allow_abbrev=False)
    twin.add_argument("scenario", metavar="SCENARIO", help="scenario of the logs: a name or a YAML file")
    twin.add_argument(
        "--log",
        action="append",
        required=True,
        type=Path,
        metavar="PATH",
        help="recording, or folder of sessions (a folder of recordings each, four at least); may be repeated",
    )
    twin.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for report and twin's logs (default: runs/validate/SCENARIO)",
    )
    twin.add_argument(
        "--tolerances", type=Path, metavar="FILE", help="YAML (default: those of the delivery robot)"
    )
    twin.add_argument(
        "--requirements", default="sidewalk", metavar="FILE", help="YAML, or a name of models/requirements"
    )
    twin.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    logs = actions.add_parser("surrogate", help="record surrogate logs", allow_abbrev=False)
    logs.add_argument("scenario", metavar="SCENARIO", help="a name or a YAML file")
    logs.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="one folder per session is made in it"
    )
    logs.add_argument("--runs", type=int, default=4, metavar="N", help="sessions (default: 4)")
    logs.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="draws the robot's parameters, and is not written to the logs",
    )
    logs.add_argument(
        "--duration", type=float, default=15.0, metavar="S", help="of the scenario's drive (default: 15)"
    )
    logs.add_argument(
        "--planted",
        default="none",
        metavar="ERROR",
        help=f"plant an error: {', '.join(PLANTED)} (default: none)",
    )
    _validate_live.add_parser(actions)
    _validate_faults.add_parser(actions)
    _validate_regression.add_parser(actions)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    if args.action == "twin":
        return _twin(args)
    if args.action == "surrogate":
        return _surrogate(args)
    if args.action == "live":
        return _validate_live.run_live_sessions(args)
    if args.action == "regression":
        return _validate_regression.run(args)
    return _validate_faults.run(args)


def _surrogate(args: argparse.Namespace) -> int:
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc_sim.surrogate_run import record_session  # noqa: PLC0415

    if args.runs < 1 or args.duration < 1.0 or args.seed < 0:
        raise ConfigError(
            f"--runs {args.runs} and --duration {args.duration} must be at least 1, --seed {args.seed} at least 0"
        )
    scenario = load_scenario(args.scenario)
    for number in range(args.runs):
        folder = args.out / f"session_{number:03d}"
        for path in record_session(scenario, number, folder, args.seed, args.planted, args.duration):
            print(f"surrogate log {path}", flush=True)
    return 0


def _twin(args: argparse.Namespace) -> int:
    from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file  # noqa: PLC0415
    from reflexarc.assurance.twin.protocol import validate  # noqa: PLC0415
    from reflexarc.assurance.twin.report import summary, write_report  # noqa: PLC0415
    from reflexarc.assurance.twin.sessions import read_sessions  # noqa: PLC0415
    from reflexarc.assurance.twin.tolerances import DEFAULT, read_tolerances  # noqa: PLC0415
    from reflexarc.report.manifest import manifest  # noqa: PLC0415
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415
    from reflexarc_sim.surrogate_twin import MujocoTwin  # noqa: PLC0415

    scenario = load_scenario(args.scenario)
    tolerances = read_tolerances(args.tolerances or DEFAULT)
    requirements = read_requirements(requirements_file(args.requirements))
    out = args.out or Path("runs/validate") / scenario.name
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"--out {out} is not empty or is no folder; choose another; nothing was judged")
    model = MujocoTwin(scenario)
    logs = read_sessions(args.log)
    found = validate(
        logs,
        model,
        tolerances,
        requirements,
        manifest(scenario),
        out,
        lambda text: print(text, flush=True),
    )
    page = write_report(found, out)
    figures = summary(found)
    for failure in found.failures:
        print(f"FAIL: {failure}")
    print(f"verdict: {figures['verdict']}; report: {page}")
    if args.json:
        print(json.dumps(figures))
    return 0 if found.passed else 1
