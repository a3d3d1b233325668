# SPDX-License-Identifier: Apache-2.0
"""`reflexarc assurance conform CELL --log ...`: does a hazard model agree with what runs did?"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Compare a cell's hazard model with logs: every probability with its hits, trials and exact interval, and every turn that
the model does not allow. A log is a recording of a supervised base (MCAP, with where persons really were), a file of
cell traces (JSON lines, see docs/validation.md), or a folder of both.
"""
EPILOG = """\
examples:
  reflexarc assurance conform sidewalk --log runs/a/run.mcap --log runs/b --out runs/conformance
  reflexarc assurance conform welding --log traces.jsonl --verify --json
  reflexarc assurance synthesise sidewalk --counts runs/conformance/counts.json

--out gets report.md, report.json, counts.json (for `synthesise --counts`) and traces.jsonl.

exit codes: 0 nothing unmatched and no interval excludes the model's value; 1 the model does not conform; 2 the request
is not acceptable
"""
SUFFIXES = (".mcap", ".jsonl")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the action's options."""
    parser = subparsers.add_parser(
        "conform",
        help="compare a hazard model with logs",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("cell", metavar="CELL", help="YAML file, or a name in models/cells")
    parser.add_argument(
        "--log",
        type=Path,
        action="append",
        nargs="+",
        required=True,
        metavar="LOG",
        help="recording (.mcap), cell traces (.jsonl), or a folder of them; may be repeated",
    )
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="table that ran (default: CELL.table.json beside the cell)"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the reports and the counts")
    parser.add_argument(
        "--verify", action="store_true", help="verify the table's policy again on the measured counts (Storm)"
    )
    parser.add_argument(
        "--limit", default="60", metavar="S", help="time limit of one query in seconds; then it is undecided"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Compare and return the exit code."""
    from reflexarc.assurance.conformance.estimate import count, estimate  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc.assurance.conformance.replay import replay  # noqa: PLC0415
    from reflexarc.assurance.conformance.report import (  # noqa: PLC0415
        conformance_figures,
        conformance_page,
        conforms,
    )
    from reflexarc.assurance.conformance.reverify import counts_of  # noqa: PLC0415
    from reflexarc.assurance.conformance.trace import write_traces  # noqa: PLC0415
    from reflexarc.assurance.hazards.read import read_cell  # noqa: PLC0415
    from reflexarc.assurance.supervisor.table import read_table  # noqa: PLC0415
    from reflexarc.cli._assurance_cells import cell_file, seconds  # noqa: PLC0415

    limit = seconds(args.limit)
    path = cell_file(args.cell)
    cell, table = read_cell(path), read_table(args.table or path.with_suffix(".table.json"))
    traces = []
    for file in log_files([log for group in args.log for log in group]):
        traces += _traces(cell, table, file)
    if not traces:
        raise ConfigError("the logs hold no whole round of the cell; nothing was compared")
    replayed, estimates = replay(cell, table, traces), estimate(cell, count(cell, table, traces))
    verified = _verify(path, cell, table, counts_of(estimates), limit) if args.verify else None
    figures = conformance_figures(cell, replayed, estimates, verified)
    text = conformance_page(cell, replayed, estimates, verified)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        for name, content in (("report.json", figures), ("counts.json", counts_of(estimates))):
            (args.out / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (args.out / "report.md").write_text(text, encoding="utf-8")
        write_traces(traces, args.out / "traces.jsonl")
    print(text, end="")
    if args.out is not None:
        print(f"written to {args.out}")
    if args.json:
        print(json.dumps(figures))
    return int(not conforms(replayed, estimates))


def log_files(logs: Sequence[Path]) -> list[Path]:
    """Return the files of logs and of folders of logs, each once.

    Raises:
        ConfigError: one is not there, is no kind of log, or is a folder without any.
    """
    found: list[Path] = []
    for log in logs:
        if log.is_dir():
            inside = sorted(file for file in log.rglob("*") if file.suffix in SUFFIXES)
            if not inside:
                raise ConfigError(f"--log {log}: no {' or '.join(SUFFIXES)} file is in it")
            found += inside
        elif log.suffix not in SUFFIXES:
            raise ConfigError(f"--log {log}: the suffix must be one of {', '.join(SUFFIXES)}, or it a folder")
        elif not log.is_file():
            raise ConfigError(f"--log {log}: there is no such file")
        else:
            found.append(log)
    return list({file.resolve(): file for file in found}.values())


def _traces(cell: Any, table: Any, file: Path) -> list[Any]:
    if file.suffix == ".jsonl":
        from reflexarc.assurance.conformance.trace import read_traces  # noqa: PLC0415

        return list(read_traces(file, cell, table))
    from reflexarc.assurance.conformance.from_recording import TOPICS, recorded_traces  # noqa: PLC0415
    from reflexarc.report.recording import read_recording  # noqa: PLC0415

    return recorded_traces(cell, table, read_recording(file, TOPICS))


def _verify(path: Path, cell: Any, table: Any, counts: dict[str, list[int]], limit: float) -> dict[str, Any]:
    from reflexarc.assurance.conformance.reverify import counted_cell, reverify  # noqa: PLC0415
    from reflexarc.assurance.synthesis.checker import Checker  # noqa: PLC0415
    from reflexarc.core.config import read_yaml  # noqa: PLC0415

    counted = counted_cell(read_yaml(path), cell, counts, f"{path.name} with counts from logs")
    with Checker(limit) as checker:
        return reverify(counted, table, checker)
