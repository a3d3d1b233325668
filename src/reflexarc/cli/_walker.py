# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` for a scenario of a quadruped: runs, comparison, film and report."""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflexarc.cli._arm import FRAME_S, PICTURE, ArmColumn, figures_of, read_duration
from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import out_folder, parse_seeds
from reflexarc.core.config import parse_override
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.report.arm_page import ArmRunFiles
from reflexarc.report.walker_page import build_walker_report, comparison_rows

AS_IS = ArmColumn("reflexes", "with reflexes")
WITHOUT = ArmColumn("plain", "without reflexes", {"arc.walker.critic": False})


def walker_scenario(args: argparse.Namespace) -> Any | None:
    """Return the scenario with its overrides if its robot is a quadruped, else None.

    Raises:
        ConfigError: it cannot be read, or an option does not apply to a quadruped.
    """
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - only where a simulator is wanted

    for text in args.overrides:
        parse_override(text)
    scenario = load_scenario(args.scenario, dict(text.split("=", 1) for text in args.overrides))
    if not scenario.of_walker:
        return None
    for option, given in (
        ("--learned", args.learned), ("--no-arc", args.no_arc), ("--lockstep-seeds", args.lockstep_seeds),
        ("--jobs", args.jobs),
    ):  # fmt: skip
        if given:
            raise ConfigError(f"{option} does not apply to a quadruped; leave it out")
    return scenario


def run_walkers(args: argparse.Namespace, scenario: Any) -> int:
    """Run as asked and return the exit code."""
    if args.seeds is not None:
        seeds = parse_seeds(args.seeds, "--seeds")
    else:
        seeds = parse_seeds(args.seed, "--seed") if args.seed is not None else (scenario.seed,)
    duration = read_duration(args.duration, scenario.duration_s)
    compare = (not args.json if args.compare is None else args.compare) and args.lockstep
    columns = [(AS_IS, scenario)]
    if compare and scenario.arc_enabled and scenario.arc_config.walker.critic:
        columns.append((WITHOUT, scenario.with_overrides(WITHOUT.overrides)))
    keep = args.out is not None or not args.json
    film = keep and (not args.json if args.render is None else args.render)
    problems: list[str] = []
    out = out_folder(args.out, scenario.name) if keep else Path(tempfile.mkdtemp(prefix="reflexarc-"))
    try:
        text = yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True)
        (out / f"{scenario.name}.yaml").write_text(text, encoding="utf-8")
        with RunDisplay(quiet=args.quiet or not sys.stderr.isatty() and args.json) as display:
            if args.lockstep:
                runs = _Runs(duration, out, display, [], problems)
                for seed in seeds:
                    for column, changed in columns:
                        runs.lockstep(seed, column, changed, film and seed == seeds[0])
                done = runs.done
            else:
                from reflexarc.cli._walker_live import run_live  # noqa: PLC0415 - needs ROS

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

    duration: float
    """Longest simulated time of each. [s]"""
    out: Path
    display: RunDisplay
    done: list[ArmRunFiles]
    problems: list[str]

    def lockstep(self, seed: int, column: ArmColumn, scenario: Any, film: bool) -> None:
        """Make one lock-step run; write summary, log and, where asked for, the film."""
        from reflexarc.cli._film import write_gif  # noqa: PLC0415 - only where a simulator is wanted
        from reflexarc_sim.walker_lockstep import WalkerRun, run_walker  # noqa: PLC0415

        title = f"lock-step, seed {seed}, {column.label}"
        folder = self.out / f"lockstep-{seed}-{column.key}"
        folder.mkdir(exist_ok=True)
        camera = _Camera() if film else None

        def progress(run: WalkerRun) -> None:
            self.display.update(title, run.plant.time, {"pushed": float(run.plant.force().any())})
            if camera is not None:
                camera.look(run.plant)

        self.display.begin(title, self.duration)
        try:
            result = run_walker(scenario, seed, self.duration, progress)
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
        self.display.end(title, summary["outcome"])
        self.done.append(ArmRunFiles(column.label, "lock-step", seed, folder, summary))


class _Camera:
    """Takes pictures from beside the robot at the film's rate."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.problem = ""
        self._due = 0.0

    def look(self, plant: Any) -> None:
        """Take a picture if one is due."""
        if self.problem or plant.time < self._due - 1e-9:
            return
        self._due = plant.time + FRAME_S
        picture = plant.render(*PICTURE)
        if picture is None:
            self.problem = plant.render_problem or "the plant draws no pictures"
            return
        self.frames.append(picture)


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
        report = build_walker_report(out, scenario.name, scenario.description, command, done)
        console.print(f"report: {report}", soft_wrap=True, markup=False)
