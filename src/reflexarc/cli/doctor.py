# SPDX-License-Identifier: Apache-2.0
"""`reflexarc doctor`: check every prerequisite and say how to mend what is missing."""

import argparse
import dataclasses
import json
from typing import Any

EXIT_FAILED = 1


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "doctor",
        help="check every prerequisite and say how to mend what is missing",
        description="Check every prerequisite. Exit code 0: everything needed is there (warnings concern extras); "
        "1: something is missing, and the line below it says how to mend it.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.cli.checks import Level, examine  # noqa: PLC0415 - keeps `--help` quick

    findings = []
    for finding in examine():
        findings.append(finding)
        if not args.json:
            print(f"{finding.level:<8} {finding.check:<15} {finding.text}", flush=True)
            if finding.mend:
                print(f"{'':<24} -> {finding.mend}", flush=True)
    failed = sum(f.level is Level.FAILED for f in findings)
    warnings = sum(f.level is Level.WARNING for f in findings)
    if args.json:
        print(json.dumps({"ok": failed == 0, "findings": [dataclasses.asdict(f) for f in findings]}))
    else:
        print(
            f"{len(findings)} checks: {len(findings) - failed - warnings} ok, {warnings} warnings, {failed} failed"
        )
    return EXIT_FAILED if failed else 0
