# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` for a scenario of several robots: live, in lock-step, film and report."""

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import asked_seeds, out_folder, read_duration
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.report.columns import WITH_ARC
from reflexarc.report.fleet_page import FleetRunFiles, build_fleet_report
from reflexarc.report.rundir import RunEntry

FRAME_S = 1.0
"""Simulated time between two pictures of the film. [s]"""
WIDTH_PIXELS = 640


def run_fleets(args: argparse.Namespace, scenario: Any) -> int:
    """Run as asked and return the exit code.

    Raises:
        ConfigError: an option does not apply to several robots.
    """
    _check(args, scenario)
    seeds = asked_seeds(args, scenario.seed)
    duration = read_duration(args.duration, scenario.duration_s)
    keep = args.out is not None or not args.json
    out = out_folder(args.out, scenario.name) if keep else Path(tempfile.mkdtemp(prefix="reflexarc-"))
    film = keep and (not args.json if args.render is None else args.render)
    talk = sys.stderr if args.json else sys.stdout
    problems: list[str] = []
    try:
        (out / f"{scenario.name}.yaml").write_text(
            yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        with RunDisplay(quiet=args.quiet or not sys.stderr.isatty() and args.json) as display:
            runs = _Runs(scenario, duration, out, display, [], problems)
            for seed in seeds:
                if not args.lockstep:
                    runs.live(seed)
                if args.lockstep or (film and seed == seeds[0]):
                    runs.lockstep(seed, film and seed == seeds[0])
        for run in runs.done:
            print(_line(run), file=talk)
        if keep:
            command = shlex.join(["reflexarc", *sys.argv[1:]])
            report = build_fleet_report(out, scenario.name, scenario.description, command, runs.done)
            print(f"report: {report}", file=talk)
        for problem in problems:
            print(f"reflexarc: error: {problem}", file=sys.stderr)
        if args.json:
            clock = "lock-step" if args.lockstep else "live"
            figures = [run.summary for run in runs.done if run.clock == clock]
            if not figures:
                raise ReflexArcError("no run left a summary")
            print(json.dumps(figures[0] if len(figures) == 1 else {"runs": figures}))
        return 1 if problems else 0
    finally:
        if not keep and not problems:
            shutil.rmtree(out, ignore_errors=True)


def _check(args: argparse.Namespace, scenario: Any) -> None:
    wrong = [
        option
        for option, given in (
            ("--compare", args.compare), ("--learned", args.learned), ("--no-arc", args.no_arc),
            ("--lockstep-seeds", args.lockstep_seeds), ("--jobs", args.jobs),
        )
        if given
    ]  # fmt: skip
    if wrong:
        raise ConfigError(
            f"{wrong[0]} does not apply to a scenario of several robots; leave it out (without the arc: "
            "--set arc.enabled=false in lock-step)"
        )
    if not args.lockstep and not scenario.arc_enabled:
        raise ConfigError("live, every robot of a fleet has its arc; arc.enabled=false needs --lockstep")


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of one request: what they share, and what came of them."""

    scenario: Any
    duration: float
    """Longest simulated time of each. [s]"""
    out: Path
    display: RunDisplay
    done: list[FleetRunFiles]
    problems: list[str]

    def lockstep(self, seed: int, film: bool) -> None:
        """Make one lock-step run; write summary, events, paths and, where asked for, the film."""
        from reflexarc.cli._film import write_gif  # noqa: PLC0415 - only where a simulator is wanted
        from reflexarc_sim.fleet_lockstep import FleetRun, run_fleet  # noqa: PLC0415

        title, folder = f"lock-step, seed {seed}", self.out / f"lockstep-{seed}"
        folder.mkdir(exist_ok=True)
        frames: list[np.ndarray] = []
        due, note = 0.0, ""

        def progress(run: FleetRun) -> None:
            nonlocal due, note
            self.display.update(title, run.plant.time, _counters(run))
            if film and not note and run.plant.time >= due:
                due += FRAME_S
                picture = run.plant.render()
                if picture is None:
                    note = run.plant.render_problem or "the plant draws no pictures"
                else:
                    frames.append(_shrunk(picture))

        self.display.begin(title, self.duration)
        try:
            result = run_fleet(self.scenario, seed, self.duration, progress)
        except ConfigError:
            raise
        except ReflexArcError as error:
            self._failed(title, str(error))
            return
        summary = result.summary.to_json() | {"wall_s": round(result.wall_s, 2)}
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        (folder / "events.txt").write_text("\n".join(result.events) + "\n", encoding="utf-8")
        np.savez_compressed(folder / "trace.npz", times=result.times, poses=result.poses)
        if frames:
            write_gif(folder / "film.gif", frames)
        elif film:
            (folder / "film.txt").write_text(
                f"no film: {note or 'the run was too short'}\n", encoding="utf-8"
            )
        self._ended(title, FleetRunFiles("lock-step", seed, folder, summary))

    def live(self, seed: int) -> None:
        """Make one live run over ROS 2."""
        from reflexarc.cli._domain import choose_domain  # noqa: PLC0415 - needs ROS
        from reflexarc.cli._live import launch_problem, require_ros, watch_launch  # noqa: PLC0415
        from reflexarc.launcher import Launch  # noqa: PLC0415
        from reflexarc.launcher.shelf import find_launch_file  # noqa: PLC0415

        require_ros()
        entry = RunEntry.of("live", seed, WITH_ARC)
        folder = self.out / f"live-{seed}"
        folder.mkdir(exist_ok=True)
        for stale in ("events.jsonl", "summary.json"):
            (folder / stale).unlink(missing_ok=True)
        os.environ["ROS_DOMAIN_ID"] = str(choose_domain())
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        arguments = {
            "scenario": str(self.out / f"{self.scenario.name}.yaml"),
            "robots": str(self.scenario.fleet.robots),
            "seed": str(seed),
            "duration": str(self.duration),
            "out_dir": str(folder),
        }
        self.display.begin(entry.title, self.duration)
        with Launch(find_launch_file("fleet_delivery"), arguments, folder) as launch:
            stalled = watch_launch(launch, folder, entry, self.display)
            if stalled:
                launch.stop(stalled)
            result = launch.wait()
        if problem := stalled or launch_problem(result, folder):
            self._failed(entry.title, problem)
            return
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        self._ended(entry.title, FleetRunFiles("live", seed, folder, summary))

    def _failed(self, title: str, problem: str) -> None:
        self.display.end(title, "failed")
        self.problems.append(f"{title}: {problem}")

    def _ended(self, title: str, run: FleetRunFiles) -> None:
        self.display.end(title, f"{run.summary['reached']}/{run.summary['goals']} goals")
        self.done.append(run)


def _counters(run: Any) -> dict[str, Any]:
    done = sum(np.isfinite(d.end) for d in run.tasks.deliveries)
    return {
        "successes": f"{done}/{run.scenario.missions.count * len(run.tasks.names)}",
        "contacts": len(run.events),
        "min_distance_m": run.least_gap,
    }


def _line(run: FleetRunFiles) -> str:
    s = run.summary
    return (
        f"{run.clock}, seed {run.seed}: {s['reached']} of {s['goals']} goals in {s['duration_s']:.0f} s, "
        f"{s['robot_contacts']} contacts between robots, {s['pedestrian_contacts']} with pedestrians "
        f"({s['pedestrian_contacts_moving']} while the robot moved), least distance of two robots "
        f"{s['least_gap_m'] or float('nan'):.2f} m"
    )


def _shrunk(frame: np.ndarray) -> np.ndarray:
    from PIL import Image  # noqa: PLC0415 - part of the simulation's dependencies

    height, width = frame.shape[:2]
    return np.asarray(Image.fromarray(frame).resize((WIDTH_PIXELS, round(height * WIDTH_PIXELS / width))))
