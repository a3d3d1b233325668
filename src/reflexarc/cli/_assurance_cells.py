# SPDX-License-Identifier: Apache-2.0
"""What `reflexarc assurance explain|synthesise|check` do."""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.counts import with_counts
from reflexarc.assurance.hazards.policies import decision_points, policy_count
from reflexarc.assurance.hazards.read import parse_cell, read_cell
from reflexarc.assurance.supervisor.table import read_table, write_table
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.pipeline import check_table, choose, make_table
from reflexarc.assurance.synthesis.report import page
from reflexarc.assurance.synthesis.sweep import acceptable, configurations, pareto, sweep
from reflexarc.cli import _assurance_drawing
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.paths import models_dir

PIPED_WIDTH = 160
"""Columns where the output is no terminal."""


def explain(args: argparse.Namespace) -> int:
    """Print what a cell's file says."""
    cell = read_cell(cell_file(args.cell))
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(f"{cell.name}: {cell.description}", highlight=False)
    console.print(
        f"{cell.person.name}: {', '.join(cell.person.locations)}; process: {', '.join(cell.process.activities)}; "
        f"horizon {cell.horizon_steps} steps of {cell.step_s:g} s",
        highlight=False,
    )
    hazards = list(cell.hazards)
    _print(
        console,
        "modes, from the most permissive: factors on the probability of a mishap",
        ("mode", "arc", "productivity", *hazards),
        [
            (name, m.arc.name, f"{m.productivity:g}", *(f"{m.mishap[h]:g}" for h in hazards))
            for name, m in cell.modes.items()
        ],
    )
    _print(
        console,
        "hazards",
        ("hazard", "what", "P(mishap)", "severity", "detected by", "relations"),
        [
            (
                name,
                h.description,
                f"{h.mishap.nominal:g}",
                f"{h.severity:g}",
                ", ".join(h.detected_by),
                _relations(h),
            )
            for name, h in cell.hazards.items()
        ],
    )
    _print(
        console,
        "actions",
        ("action", "mode", "activity", "alarm", "disruption", "nuisance", "effort"),
        [
            (name, a.mode, a.activity, a.alarm, f"{a.disruption:g}", f"{a.nuisance:g}", f"{a.effort:g}")
            for name, a in [*cell.actions.items(), ("default_stop", cell.default_stop)]
        ],
    )
    _print(
        console,
        "decision points",
        ("decision", "choices"),
        [(point, ", ".join(actions)) for point, actions in decision_points(cell).items()],
    )
    assumed = sum(1 for p in cell.probabilities().values() if p.assumed)
    console.print(
        f"{policy_count(cell)} policies; {len(cell.probabilities())} probabilities, {assumed} of them assumed",
        highlight=False,
    )
    if args.out is not None:
        _assurance_drawing.save(_assurance_drawing.cell_figure(cell), args.out)
        print(f"drawn to {args.out}")
    return 0


def synthesise(args: argparse.Namespace) -> int:
    """Check every policy, choose one and write its table."""
    cell = _given_cell(args)
    points = configurations(cell, _alarms(cell, args.alarms))
    jobs, limit = _whole(args.jobs, "--jobs"), seconds(args.limit)
    out = args.out or Path("runs/assurance") / cell.name
    with _progress() as progress:
        bar = progress.add_task(f"{cell.name}: {len(points)} configurations", total=len(points))
        rows = sweep(cell, points, jobs, limit, lambda done: progress.update(bar, completed=done))
    front = pareto(cell, rows)
    with Checker(limit) as checker:
        choice = choose(cell, points, rows, checker)
        content, _ = make_table(cell, points[choice.index], choice.robust, checker)
    write_table(content, out / "table.json")
    write = {
        "cell": cell.name,
        "model_sha256": cell.sha256,
        "chosen": choice.index,
        "pareto": front,
        "rows": rows,
    }
    (out / "sweep.json").write_text(json.dumps(write, indent=1) + "\n", encoding="utf-8")
    text = page(cell, rows, front, choice.index, choice.robust, content["properties"])
    (out / "report.md").write_text(text, encoding="utf-8")
    _assurance_drawing.save(
        _assurance_drawing.pareto_figure(cell, rows, front, choice.index), out / "pareto.svg"
    )
    figures = {
        "policies": policy_count(cell),
        "configurations": len(rows),
        "undecided": sum(bool(row["undecided"]) for row in rows),
        "acceptable": sum(acceptable(cell, row) for row in rows),
        "pareto": len(front),
        "policy": dict(content["policy"]),
        "mishap": content["properties"]["mishap"],
        "mishap_worst": content["properties"]["mishap_worst"],
    }
    print(
        f"{cell.name}: {figures['acceptable']} of {len(rows)} configurations keep every constraint, {len(front)} are "
        f"not dominated; P(mishap within {cell.horizon_steps * cell.step_s:g} s) of the chosen one "
        f"{figures['mishap']:.4g}, at worst {figures['mishap_worst']:.4g}"
    )
    for point, action in content["policy"].items():
        print(f"  {point}: {action}")
    print(f"written to {out}")
    if args.json:
        print(json.dumps(figures))
    return 0


def check(args: argparse.Namespace) -> int:
    """Check a table's digest, its model's hash and every property again."""
    table = read_table(args.table)
    print("digest agrees")
    cell = read_cell(cell_file(args.cell or table.cell))
    content = json.loads(args.table.read_text(encoding="utf-8"))
    differing = check_table(cell, table, content, seconds(args.limit), print)
    for line in differing:
        print(f"differs: {line}")
    return int(bool(differing))


def _given_cell(args: argparse.Namespace) -> Cell:
    path = cell_file(args.cell)
    cell = read_cell(path)
    if args.counts is None:
        return cell
    return parse_cell(with_counts(read_yaml(path), cell, read_yaml(args.counts), str(args.counts)), str(path))


def cell_file(name: str) -> Path:
    """Return the file of a cell, given as a name of models/cells or as a YAML file.

    Raises:
        UnknownNameError: there is no such cell.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    folder = models_dir() / "cells"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise UnknownNameError("cell", name, [*known, "a YAML file"])
    return folder / f"{name}.yaml"


def _alarms(cell: Cell, texts: Sequence[str] | None) -> list[dict[str, float]] | None:
    if texts is None:
        return None
    points = []
    for text in texts:
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError as error:
            raise ConfigError(f"--alarms {text}: {error}; allowed: numbers in 0 to 1") from error
        if len(values) != len(cell.alarms):
            raise ConfigError(
                f"--alarms {text}: {cell.name} has the alarms {', '.join(cell.alarms) or 'none'}"
            )
        points.append(dict(zip(cell.alarms, values, strict=True)))
    return points


def _relations(hazard: Any) -> str:
    kinds = ("requires", "prevents", "causes", "blocks")
    return "; ".join(f"{kind} {', '.join(getattr(hazard, kind))}" for kind in kinds if getattr(hazard, kind))


def _print(console: Console, title: str, head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*head, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def seconds(text: str) -> float:
    """Return the seconds that --limit says.

    Raises:
        ConfigError: it is no number above 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise ConfigError(f"--limit {text}: allowed: seconds above 0")
    return value


def _whole(text: str, option: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{option} {text}: allowed: whole numbers from 1")
    return int(text)
