# SPDX-License-Identifier: Apache-2.0
"""`reflexarc report DIR`: build the HTML report of a finished run again."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "report",
        help="build the HTML report of a finished run again",
        description="Build DIR/report.html again from the summaries, logs and recordings in DIR.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="output folder of `reflexarc run`")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.report.page import build_report  # noqa: PLC0415 - imports matplotlib

    print(build_report(args.folder))
    return 0
