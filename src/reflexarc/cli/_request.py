# SPDX-License-Identifier: Apache-2.0
"""What a `reflexarc run` command line asks for, checked completely before anything starts."""

import argparse
import datetime
import math
import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from reflexarc.arc.config import ArcConfig
from reflexarc.core.config import parse_override
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.policies import make_policy
from reflexarc.report.columns import COLUMNS, WITH_ARC, WITH_LEARNED, WITHOUT_ARC, Column
from reflexarc.report.rundir import RunEntry, RunInfo
from reflexarc.robots import load_robot

LIVE_COMPARE_DURATION_S = 75.0
"""Longest live run where nothing else is asked for: two of them, four seeds in lock-step and the report take
less than five minutes on two cores.
"""
COMPARED_SEEDS = 4
"""Seeds of the lock-step comparison after live runs."""
MAX_SEEDS = 10_000


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A checked request."""

    scenario: Any
    """`reflexarc_sim.scenario.Scenario` with every override applied."""
    scenario_yaml: str
    """The scenario's mapping as YAML, for the nodes and for the report."""
    arc_config: ArcConfig
    live: tuple[RunEntry, ...]
    """Live runs in order."""
    lockstep: tuple[RunEntry, ...]
    """Lock-step runs."""
    clock: str
    """Clock whose figures the JSON line carries."""
    column: Column
    """Column that the JSON line is about."""
    json_columns: bool
    """Whether it also holds every column of the lock-step comparison, because the learned one was asked for."""
    note: str
    """What was left out although it is done by default, and why; empty if nothing was."""
    duration: float
    """Longest simulated time of a run. [s]"""
    out: Path
    keep: bool
    """Whether OUT and the report are kept; a bare `--json` leaves nothing behind."""
    render: bool
    jobs: int
    command: str

    def info(self, entries: tuple[RunEntry, ...]) -> RunInfo:
        """Return what run.json says about `entries`."""
        robot = load_robot(self.scenario.robot)
        return RunInfo(
            scenario=self.scenario.name,
            description=self.scenario.description,
            scenario_yaml=self.scenario_yaml,
            command=self.command,
            robot=self.scenario.robot,
            robot_size=(robot.length, robot.width),
            control_period=self.arc_config.period,
            entries=entries,
        )


def make_request(args: argparse.Namespace, scenario: Any) -> RunRequest:
    """Check `args` for a scenario of one robot that drives, and return the request.

    Raises:
        ConfigError: anything that cannot be run as asked; the message says what is allowed.
    """
    arc_config = scenario.arc_config
    make_policy(scenario.policy.name, scenario.policy.params)
    plain = _columns(args, scenario.arc_enabled)
    learned, note = _learned(args, scenario, plain)
    compared = tuple(c for c in COLUMNS.values() if c in plain or (learned and c is WITH_LEARNED))
    seeds = _seeds(args, scenario.seed)
    clock = "lockstep" if args.lockstep else "live"
    extra = _extra(args, seeds, compared)
    jobs = _positive(args.jobs, "--jobs") if args.jobs is not None else _cores()
    duration = _duration(args, scenario.duration_s, compared_live=not args.lockstep and len(plain) == 2)
    keep = args.out is not None or not args.json
    return RunRequest(
        scenario=scenario,
        scenario_yaml=yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True),
        arc_config=arc_config,
        live=() if args.lockstep else _entries("live", seeds, plain),
        lockstep=_entries("lockstep", seeds, compared) if args.lockstep else extra,
        clock=clock,
        column=plain[0],
        json_columns=learned and bool(args.learned),
        note=note,
        duration=duration,
        out=out_folder(args.out, scenario.name) if keep else Path(),
        keep=keep,
        render=(not args.json if args.render is None else args.render) and keep,
        jobs=jobs,
        command=shlex.join(["reflexarc", *sys.argv[1:]]),
    )


def asked_scenario(args: argparse.Namespace) -> Any:
    """Return the scenario with its overrides.

    Raises:
        ConfigError: it cannot be read.
    """
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - only where a simulator is wanted

    for text in args.overrides:
        parse_override(text)
    return load_scenario(args.scenario, dict(text.split("=", 1) for text in args.overrides))


def asked_seeds(args: argparse.Namespace, default: int) -> tuple[int, ...]:
    """Return the seeds of `--seeds` or `--seed`.

    Raises:
        ConfigError: they are something else.
    """
    if args.seeds is not None:
        return parse_seeds(args.seeds, "--seeds")
    return parse_seeds(args.seed, "--seed") if args.seed is not None else (default,)


def read_duration(text: str | None, default: float) -> float:
    """Return the longest simulated time of a run. [s]

    Raises:
        ConfigError: the text is no time above zero.
    """
    try:
        duration = default if text is None else float(text)
    except ValueError:
        duration = math.nan
    if not 0.0 < duration < math.inf:
        raise ConfigError(f"--duration {text!r}: expected a time in seconds > 0")
    return duration


def parse_seeds(text: str, option: str) -> tuple[int, ...]:
    """Return the seeds in `0-3`, `0,2,5` or a mixture, in the order given, each once.

    Raises:
        ConfigError: the text is something else.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise ConfigError(f"{option} {text!r}: expected whole numbers >= 0 such as 7, 0-3 or 0,2,5")
        if dash and int(last) - int(first) >= MAX_SEEDS:
            raise ConfigError(f"{option} {text!r}: more than {MAX_SEEDS} seeds")
        seeds |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return tuple(seeds)


def _columns(args: argparse.Namespace, arc_enabled: bool) -> tuple[Column, ...]:
    """Return whether to run with the arc, without it, or both, the main one first."""
    if args.no_arc and args.compare:
        raise ConfigError("--no-arc and --compare contradict each other; --compare runs both")
    if args.no_arc or not arc_enabled:
        return (WITHOUT_ARC,)
    compare = not args.json if args.compare is None else args.compare
    return (WITH_ARC, WITHOUT_ARC) if compare else (WITH_ARC,)


def _learned(args: argparse.Namespace, scenario: Any, plain: tuple[Column, ...]) -> tuple[bool, str]:
    """Return whether the lock-step runs have a column with the learned barrier, and why not where it is missed.

    Raises:
        ConfigError: it was asked for and cannot be had.
    """
    without_lockstep = not args.lockstep and args.lockstep_seeds == "none"
    if args.learned is None and (args.json or len(plain) == 1 or without_lockstep):
        return False, ""
    if not args.learned and (args.learned is False or scenario.arc_config.learned.enabled):
        return False, ""
    if WITH_ARC not in plain:
        raise ConfigError(
            "--learned needs the arc, which --no-arc or the scenario's arc.enabled: false takes away; leave one out"
        )
    if without_lockstep:
        raise ConfigError(
            "--learned adds lock-step runs and --lockstep-seeds none takes them away; leave one out"
        )
    if scenario.arc_config.learned.enabled:
        raise ConfigError(
            "--learned adds a column with the learned barrier, but arc.learned.enabled is true already, so every run "
            "with the arc has it; leave --learned out, or add --set arc.learned.enabled=false"
        )
    problem = _learned_problem(scenario, asked=bool(args.learned))
    if problem and args.learned:
        raise ConfigError(
            f"--learned: {problem}; nothing was run. Name a barrier that is certified for this robot with "
            "--set arc.learned.file=NAME, or leave --learned out"
        )
    return not problem, f"no column with the learned barrier: {problem}" if problem else ""


def _learned_problem(scenario: Any, asked: bool) -> str:
    """Say why the scenario cannot run with the learned barrier; one without certificate is taken only if asked for."""
    from reflexarc_sim.lockstep import scenario_arc  # noqa: PLC0415 - only where a simulator is wanted

    try:
        arc = scenario_arc(scenario.with_overrides(dict(WITH_LEARNED.overrides)))
    except ModelError as error:
        return str(error)
    if arc.uncertified and not asked:
        return "it has no matching certificate; learned.allow_uncertified lets it pass, --learned shows it all the same"
    return ""


def _entries(clock: str, seeds: tuple[int, ...], columns: tuple[Column, ...]) -> tuple[RunEntry, ...]:
    return tuple(RunEntry.of(clock, seed, column) for seed in seeds for column in columns)


def _seeds(args: argparse.Namespace, default: int) -> tuple[int, ...]:
    if args.seeds is None and args.seed is not None and not args.seed.isdecimal():
        raise ConfigError(f"--seed {args.seed!r}: expected one whole number >= 0; several go with --seeds")
    return asked_seeds(args, default)


def _extra(
    args: argparse.Namespace, seeds: tuple[int, ...], columns: tuple[Column, ...]
) -> tuple[RunEntry, ...]:
    """Return the lock-step runs that follow the live ones."""
    if args.lockstep:
        if args.lockstep_seeds is not None:
            raise ConfigError("--lockstep-seeds belongs to live runs; with --lockstep use --seeds")
        return ()
    if args.lockstep_seeds == "none" or (args.lockstep_seeds is None and len(columns) == 1):
        return ()
    if args.lockstep_seeds is not None:
        chosen = parse_seeds(args.lockstep_seeds, "--lockstep-seeds")
    else:
        chosen = tuple(range(seeds[0], seeds[0] + COMPARED_SEEDS))
    return _entries("lockstep", chosen, columns)


def _duration(args: argparse.Namespace, default: float, compared_live: bool) -> float:
    if args.duration is None:
        return min(default, LIVE_COMPARE_DURATION_S) if compared_live else default
    return read_duration(args.duration, default)


def _positive(text: str, option: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"{option} {text!r}: expected a whole number > 0")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def out_folder(text: str | None, scenario: str) -> Path:
    """Create and return the output folder.

    Raises:
        ConfigError: it cannot be created or written, or it already holds something that is no run.
    """
    stamp = datetime.datetime.now(datetime.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
    path = Path(text) if text is not None else Path("runs") / f"{scenario}-{stamp}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as error:
        raise ConfigError(
            f"--out {path}: cannot write there ({error.strerror}); choose another folder"
        ) from error
    if any(path.iterdir()) and not (path / "run.json").exists():
        raise ConfigError(
            f"--out {path}: the folder is not empty and holds no earlier run; choose another folder"
        )
    return path.resolve()


def failed(entry: RunEntry, problem: str) -> RunEntry:
    """Return `entry` with a problem."""
    return replace(entry, problem=problem)
