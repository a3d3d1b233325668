# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` for one robot that is driven joint by joint: runs, comparison, film and report.

What a kind of robot has of its own is said by its `JointRobot`.
"""

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

import yaml

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import asked_seeds, out_folder, read_duration
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.core.types import Array
from reflexarc.report.joint_page import JointPage, JointRunFiles

FRAME_S = 0.1
"""Simulated time between two pictures of the film. [s]"""
PICTURE = (400, 300)
"""Width and height of a view in the film. [px]"""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One way of running a scenario."""

    key: str
    """Part of the folder's name."""
    label: str
    overrides: dict[str, Any] = field(default_factory=dict)
    """What it changes of the scenario."""


AS_IS = RunColumn("reflexes", "with reflexes")
"""The scenario as it is, the only way that is run live."""


class JointRobot:
    """What one kind of robot has of its own."""

    words: str
    """Such as `a quadruped`."""
    page: JointPage
    launch: str
    """Name of its launch file."""
    pace: str
    """Environment variable: simulated seconds per second of the machine; 1 without it."""

    def fits(self, scenario: Any) -> bool:
        """Whether the robot of a scenario is of this kind."""
        raise NotImplementedError

    def compared(self, scenario: Any) -> list[RunColumn]:
        """Return with what the scenario as it is can be compared."""
        raise NotImplementedError

    def longest(self, scenario: Any, duration: float) -> float:
        """Return the longest simulated time of a run for which `duration` [s] was asked. [s]"""
        return duration

    def run(self, scenario: Any, seed: int, duration: float, progress: Any) -> Any:
        """Make one lock-step run and return its result; `progress` is called with the run under way."""
        raise NotImplementedError

    def counters(self, run: Any) -> dict[str, Any]:
        """Return what the progress bar shows of a run under way."""
        raise NotImplementedError

    def picture(self, plant: Any) -> Array | None:
        """Return a picture of the plant, or None where it draws none."""
        raise NotImplementedError


def run_joints(args: argparse.Namespace, robot: JointRobot, scenario: Any) -> int:
    """Run as asked and return the exit code.

    Raises:
        ConfigError: an option does not apply to such a robot.
    """
    for option, given in (
        ("--learned", args.learned), ("--no-arc", args.no_arc), ("--lockstep-seeds", args.lockstep_seeds),
        ("--jobs", args.jobs),
    ):  # fmt: skip
        if given:
            raise ConfigError(f"{option} does not apply to {robot.words}; leave it out")
    seeds = asked_seeds(args, scenario.seed)
    duration = read_duration(args.duration, scenario.duration_s)
    columns = [(AS_IS, scenario)]
    if args.lockstep and (not args.json if args.compare is None else args.compare):
        columns += [(c, scenario.with_overrides(c.overrides)) for c in robot.compared(scenario)]
    keep = args.out is not None or not args.json
    film = keep and (not args.json if args.render is None else args.render)
    problems: list[str] = []
    out = out_folder(args.out, scenario.name) if keep else Path(tempfile.mkdtemp(prefix="reflexarc-"))
    try:
        text = yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True)
        (out / f"{scenario.name}.yaml").write_text(text, encoding="utf-8")
        with RunDisplay(quiet=args.quiet or not sys.stderr.isatty() and args.json) as display:
            if args.lockstep:
                runs = _Runs(robot, duration, out, display, [], problems)
                for seed in seeds:
                    for column, changed in columns:
                        runs.lockstep(seed, column, changed, film and seed == seeds[0])
                done = runs.done
            else:
                from reflexarc.cli._joint_live import run_live  # noqa: PLC0415 - needs ROS

                done = run_live(robot, scenario, seeds, duration, out, display, problems)
        _tell(args, robot.page, scenario, out, keep, done)
        for problem in problems:
            print(f"reflexarc: error: {problem}", file=sys.stderr)
        if args.json:
            print(json.dumps(_figures_of(done, len(columns))))
        return 1 if problems else 0
    finally:
        if not keep and not problems:
            shutil.rmtree(out, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of one request: what they share, and what came of them."""

    robot: JointRobot
    duration: float
    """Longest simulated time of each. [s]"""
    out: Path
    display: RunDisplay
    done: list[JointRunFiles]
    problems: list[str]

    def lockstep(self, seed: int, column: RunColumn, scenario: Any, film: bool) -> None:
        """Make one lock-step run; write summary, log and, where asked for, the film."""
        from reflexarc.cli._film import write_gif  # noqa: PLC0415 - only where a simulator is wanted

        title = f"lock-step, seed {seed}, {column.label}"
        folder = self.out / f"lockstep-{seed}-{column.key}"
        folder.mkdir(exist_ok=True)
        camera = _Camera(self.robot) if film else None

        def progress(run: Any) -> None:
            self.display.update(title, run.plant.time, self.robot.counters(run))
            if camera is not None:
                camera.look(run.plant)

        self.display.begin(title, self.robot.longest(scenario, self.duration))
        try:
            result = self.robot.run(scenario, seed, self.duration, progress)
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
        run = JointRunFiles(column.label, "lock-step", seed, folder, summary)
        self.display.end(title, run.outcome)
        self.done.append(run)


class _Camera:
    """Takes pictures at the film's rate."""

    def __init__(self, robot: JointRobot) -> None:
        self.frames: list[Array] = []
        self.problem = ""
        self._robot, self._due = robot, 0.0

    def look(self, plant: Any) -> None:
        """Take a picture if one is due."""
        if self.problem or plant.time < self._due - 1e-9:
            return
        self._due = plant.time + FRAME_S
        picture = self._robot.picture(plant)
        if picture is None:
            self.problem = plant.render_problem or "the plant draws no pictures"
            return
        self.frames.append(picture)


def _tell(
    args: argparse.Namespace,
    page: JointPage,
    scenario: Any,
    out: Path,
    keep: bool,
    done: Sequence[JointRunFiles],
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
    for label in dict.fromkeys(run.label for run in done):
        table.add_column(label, justify="right")
    for words, cells in page.comparison_rows(done):
        table.add_row(escape(words), *cells)
    if not (args.json and args.quiet):
        console.print(table)
    if keep:
        command = shlex.join(["reflexarc", *sys.argv[1:]])
        report = page.build(out, scenario.name, scenario.description, command, done)
        console.print(f"report: {report}", soft_wrap=True, markup=False)


def _figures_of(done: Sequence[JointRunFiles], columns: int) -> dict[str, Any]:
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
