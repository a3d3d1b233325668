# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` for a scenario of an arm in contact: runs, comparison, film and report."""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import out_folder, parse_seeds
from reflexarc.core.config import parse_override
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.report.arm_page import ArmRunFiles, build_arm_report, comparison_rows

FRAME_S = 0.1
"""Simulated time between two pictures of the film. [s]"""
PICTURE = (400, 300)
"""Width and height of each half of the film. [px]"""


@dataclass(frozen=True, slots=True)
class ArmColumn:
    """One way of running a scenario."""

    key: str
    """Part of the folder's name."""
    label: str
    overrides: dict[str, Any] = field(default_factory=dict)
    """What it changes of the scenario."""


AS_IS = ArmColumn("reflexes", "with reflexes")
WITHOUT = ArmColumn("plain", "without reflexes", {"arc.contact.critic": False})
BARE = ArmColumn(
    "bare", "without reflexes and barrier", {"arc.contact.critic": False, "arc.contact.barrier": False}
)
FIXED = ArmColumn(
    "fixed",
    "fixed stiffness, without both",
    {
        **BARE.overrides,
        "policy": {
            "name": "contact_follower",
            "params": {"strategy": "follow", "stiffness_n_m": 1000.0, "step_m": 0.02},
        },
    },
)
"""The yardstick of SRL-VIC: one stiffness for everything."""


def arm_scenario(args: argparse.Namespace) -> Any | None:
    """Return the scenario with its overrides if its robot is an arm, else None.

    Raises:
        ConfigError: it cannot be read, or an option does not apply to an arm.
    """
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - only where a simulator is wanted

    for text in args.overrides:
        parse_override(text)
    scenario = load_scenario(args.scenario, dict(text.split("=", 1) for text in args.overrides))
    if not scenario.of_arm:
        return None
    for option, given in (
        ("--learned", args.learned), ("--no-arc", args.no_arc), ("--lockstep-seeds", args.lockstep_seeds),
        ("--jobs", args.jobs),
    ):  # fmt: skip
        if given:
            raise ConfigError(f"{option} does not apply to an arm in contact; leave it out")
    return scenario


def run_arms(args: argparse.Namespace, scenario: Any) -> int:
    """Run as asked and return the exit code."""
    if args.seeds is not None:
        seeds = parse_seeds(args.seeds, "--seeds")
    else:
        seeds = parse_seeds(args.seed, "--seed") if args.seed is not None else (scenario.seed,)
    duration = read_duration(args.duration, scenario.duration_s)
    columns = _columns(args, scenario)
    keep = args.out is not None or not args.json
    film = keep and (not args.json if args.render is None else args.render)
    problems: list[str] = []
    out = out_folder(args.out, scenario.name) if keep else Path(tempfile.mkdtemp(prefix="reflexarc-"))
    try:
        text = yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True)
        (out / f"{scenario.name}.yaml").write_text(text, encoding="utf-8")
        with RunDisplay(quiet=args.quiet or not sys.stderr.isatty() and args.json) as display:
            if args.lockstep:
                runs = _Runs(scenario, duration, out, display, [], problems)
                for seed in seeds:
                    for column, changed in columns:
                        runs.lockstep(seed, column, changed, film and seed == seeds[0])
                done = runs.done
            else:
                from reflexarc.cli._arm_live import run_live  # noqa: PLC0415 - needs ROS

                done = run_live(scenario, seeds, duration, out, display, problems)
        _tell(args, scenario, out, keep, done)
        for problem in problems:
            print(f"reflexarc: error: {problem}", file=sys.stderr)
        if args.json:
            print(json.dumps(figures_of(done, len(columns))))
        return 1 if problems else 0
    finally:
        if not keep and not problems:
            shutil.rmtree(out, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of one request: what they share, and what came of them."""

    scenario: Any
    duration: float
    """Longest simulated time of each. [s]"""
    out: Path
    display: RunDisplay
    done: list[ArmRunFiles]
    problems: list[str]

    def lockstep(self, seed: int, column: ArmColumn, scenario: Any, film: bool) -> None:
        """Make one lock-step run; write summary, log and, where asked for, the film."""
        from reflexarc.cli._film import write_gif  # noqa: PLC0415 - only where a simulator is wanted
        from reflexarc_sim.arm_lockstep import ArmRun, run_arm  # noqa: PLC0415

        title = f"lock-step, seed {seed}, {column.label}"
        folder = self.out / f"lockstep-{seed}-{column.key}"
        folder.mkdir(exist_ok=True)
        camera = _Camera() if film else None

        def progress(run: ArmRun) -> None:
            self.display.update(title, run.plant.time, {"contacts": len(run.contacts)})
            if camera is not None:
                camera.look(run.plant)

        self.display.begin(title, min(self.duration, scenario.cell.horizon_s))
        try:
            result = run_arm(scenario, seed, self.duration, progress)
        except ConfigError:
            raise
        except ReflexArcError as error:
            self.display.end(title, "failed")
            self.problems.append(f"{title}: {error}")
            return
        summary = result.summary.to_json()
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        result.save(folder / "log.npz")
        if camera is not None and camera.frames:
            write_gif(folder / "film.gif", camera.frames)
        elif camera is not None:
            note = camera.problem or "the run was too short"
            (folder / "film.txt").write_text(f"no film: {note}\n", encoding="utf-8")
        self.display.end(title, summary["violation"] or summary["outcome"])
        self.done.append(ArmRunFiles(column.label, "lock-step", seed, folder, summary))


class _Camera:
    """Takes pictures at the film's rate: the whole arm, and the tool from above."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.problem = ""
        self._due = 0.0

    def look(self, plant: Any) -> None:
        """Take a picture if one is due."""
        if self.problem or plant.time < self._due - 1e-9:
            return
        self._due = plant.time + FRAME_S
        halves = [plant.render(view, *PICTURE) for view in ("side", "above")]
        if any(half is None for half in halves):
            self.problem = plant.render_problem or "the plant draws no pictures"
            return
        self.frames.append(np.hstack(halves))


def _columns(args: argparse.Namespace, scenario: Any) -> list[tuple[ArmColumn, Any]]:
    """Return the ways of running with their scenarios, that of the scenario first."""
    columns = [(AS_IS, scenario)]
    compare = not args.json if args.compare is None else args.compare
    if not compare or not args.lockstep:
        return columns
    columns += [(column, scenario.with_overrides(column.overrides)) for column in (WITHOUT, BARE)]
    if scenario.cell.task == "maze" and scenario.policy.name != "contact_follower":
        columns.append((FIXED, scenario.with_overrides(FIXED.overrides)))
    return columns


def read_duration(text: str | None, default: float) -> float:
    """Return the longest simulated time of a run. [s]

    Raises:
        ConfigError: the text is no time above zero.
    """
    try:
        duration = default if text is None else float(text)
    except ValueError:
        duration = float("nan")
    if not 0.0 < duration < float("inf"):
        raise ConfigError(f"--duration {text!r}: expected a time in seconds > 0")
    return duration


def _tell(
    args: argparse.Namespace, scenario: Any, out: Path, keep: bool, done: Sequence[ArmRunFiles]
) -> None:
    """Print the table and write the report."""
    from rich.console import Console  # noqa: PLC0415 - after the options are known
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not done:
        return
    console = Console(stderr=args.json, highlight=False)
    if not console.is_terminal:
        console.width = 140
    table = Table(title=f"{scenario.name}: {len({r.seed for r in done})} seeds", title_justify="left")
    table.add_column("")
    for label in dict.fromkeys(f"{run.clock}, {run.column}" for run in done):
        table.add_column(label, justify="right")
    for words, cells in comparison_rows(done):
        table.add_row(escape(words), *cells)
    if not (args.json and args.quiet):
        console.print(table)
    if keep:
        command = shlex.join(["reflexarc", *sys.argv[1:]])
        report = build_arm_report(out, scenario.name, scenario.description, command, done)
        console.print(f"report: {report}", soft_wrap=True, markup=False)


def figures_of(done: Sequence[ArmRunFiles], columns: int) -> dict[str, Any]:
    """Return what --json prints: one summary, or those of all runs by column.

    Raises:
        ReflexArcError: no run left a summary.
    """
    if not done:
        raise ReflexArcError("no run left a summary")
    if len(done) == 1:
        return done[0].summary
    if columns == 1:
        return {"runs": [run.summary for run in done]}
    labels = dict.fromkeys(run.column for run in done)
    return {"columns": {label: [r.summary for r in done if r.column == label] for label in labels}}
