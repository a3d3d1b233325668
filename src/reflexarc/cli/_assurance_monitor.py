# SPDX-License-Identifier: Apache-2.0
"""`reflexarc assurance monitor RECORDING`: judge a recording against requirements."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Judge a recording against requirements in past-time signal temporal logic: verdict, smallest robustness in the
requirement's unit, and when. Without --requirements those of the recorded kind of robot are taken: sidewalk for a base,
arm for an arm in contact.
"""
EPILOG = """\
examples:
  reflexarc assurance monitor runs/latest/run.mcap
  reflexarc assurance monitor run.mcap --requirements my_robot.yaml --out robustness.png --json

exit codes: 0 every requirement holds; 1 one is violated, or none of its samples could be judged; 2 the request is not
acceptable
"""
SUFFIXES = (".png", ".svg")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the action's options."""
    parser = subparsers.add_parser(
        "monitor",
        help="judge a recording against requirements",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="MCAP recording of a run")
    parser.add_argument(
        "--requirements",
        metavar="FILE",
        help="YAML file, or a name of models/requirements (default: by robot)",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="also draw robustness over time, PNG or SVG")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Judge the recording and return the exit code."""
    from reflexarc.assurance.monitors.monitor import Outcome  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc.assurance.monitors.recorded import judge, sample_recording  # noqa: PLC0415
    from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file  # noqa: PLC0415
    from reflexarc.report.recording import read_recording  # noqa: PLC0415

    if args.out is not None and args.out.suffix not in SUFFIXES:
        raise ConfigError(
            f"--out {args.out}: the suffix must be one of {', '.join(SUFFIXES)}; nothing was judged"
        )
    given = read_requirements(requirements_file(args.requirements)) if args.requirements else None
    recording = read_recording(args.recording)
    if not recording.complete:
        print(f"{args.recording}: {recording.describe_loss()}", file=sys.stderr)
    requirements = given or read_requirements(requirements_file(_kind(recording)))
    samples = sample_recording(recording, requirements)
    findings = judge(samples, requirements)
    late = samples.time[0] - samples.begin
    print(
        f"{args.recording}: {len(samples.time)} samples of {requirements.period:g} s from {samples.time[0]:.2f} s to "
        f"{samples.time[-1]:.2f} s; the first {late:.2f} s could not be judged"
    )
    _print_table(findings)
    if args.out is not None:
        from reflexarc.assurance.monitors.figure import draw  # noqa: PLC0415

        draw(samples, findings, args.out)
        print(f"drawn to {args.out}")
    if args.json:
        print(json.dumps(_figures(samples, requirements, findings)))
    return int(any(finding.outcome is not Outcome.SATISFIED for finding in findings))


def _kind(recording: Any) -> str:
    return "arm" if any(topic.endswith("arm/verdict") for topic in recording.topics) else "sidewalk"


def _print_table(findings: list[Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("requirement", "severity", "verdict", "min robustness", "when [s]", "violated", box=None)
    for finding in findings:
        asked = finding.exercised
        unit = "" if finding.requirement.unit == "1" else f" {finding.requirement.unit}"
        robustness = f"{finding.robustness:.3g}{unit}" if asked else "not exercised"
        when = f"{finding.when:.2f}" if math.isfinite(finding.when) and (asked or finding.violated) else "–"
        row = (finding.requirement.id, finding.requirement.severity, str(finding.outcome), robustness, when)
        table.add_row(*row, f"{finding.violated} of {len(finding.series)}")
    Console(soft_wrap=True).print(table)
    for finding in findings:
        if finding.reason:
            print(
                f"{finding.requirement.id}: {finding.untrusted} samples could not be trusted; the first: "
                f"{finding.reason}"
            )


def _figures(samples: Any, requirements: Any, findings: list[Any]) -> dict[str, Any]:
    return {
        "requirements": requirements.name,
        "begin": float(samples.time[0]),
        "end": float(samples.time[-1]),
        "samples": len(samples.time),
        "findings": [
            {
                "id": f.requirement.id,
                "severity": f.requirement.severity,
                "outcome": str(f.outcome),
                "exercised": f.exercised,
                "robustness": _finite(f.robustness),
                "unit": f.requirement.unit,
                "when": _finite(f.when),
                "satisfied": f.satisfied,
                "violated": f.violated,
                "untrusted": f.untrusted,
                "unknown": f.unknown,
                "reason": f.reason,
            }
            for f in findings
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
