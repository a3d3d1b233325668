# SPDX-License-Identifier: Apache-2.0
"""`reflexarc replay FILE.mcap`: the same inputs through a fresh arc must give the same verdicts."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

SHOWN_DIFFERENCES = 5


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "replay",
        help="feed a recording through a fresh arc and compare every verdict bit by bit",
        description="Repeat every recorded tick in lock-step with the inputs that it used and compare the "
        "verdicts. Exit code: 0 all equal; 1 a verdict differs or nothing could be compared.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="MCAP recording of a run with the arc")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.report.recorded_config import recorded_arc_config  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc.report.recording import read_recording  # noqa: PLC0415
    from reflexarc.report.replay import replay  # noqa: PLC0415

    recording = read_recording(args.file)
    if not recording.complete:
        print(f"{args.file}: {recording.describe_loss()}", file=sys.stderr)
    result = replay(recording, recorded_arc_config(recording))
    print(f"{result.ticks} verdicts recorded, {result.equal} equal, {len(result.differences)} different")
    if result.missing:
        print(
            f"{len(result.missing)} could not be replayed (ticks {result.missing[0]} to {result.missing[-1]}): their "
            "inputs are not in the recording"
        )
    if result.gaps:
        print(f"{result.gaps} verdicts are missing between the recorded ones")
    for difference in result.differences[:SHOWN_DIFFERENCES]:
        print(difference)
    if len(result.differences) > SHOWN_DIFFERENCES:
        print(f"and {len(result.differences) - SHOWN_DIFFERENCES} more")
    if args.json:
        figures = {"ticks": result.ticks, "equal": result.equal, "different": len(result.differences)}
        print(json.dumps(figures | {"missing_inputs": len(result.missing), "gaps": result.gaps}))
    return 0 if result.same else 1
