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
from reflexarc.core.errors import ConfigError
from reflexarc.policies import make_policy
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
    arc: bool
    """Whether the JSON line is about the runs with the arc."""
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


def make_request(args: argparse.Namespace) -> RunRequest:
    """Check `args` and return the request.

    Raises:
        ConfigError: anything that cannot be run as asked; the message says what is allowed.
    """
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - only where a simulator is wanted

    for text in args.overrides:
        parse_override(text)
    scenario = load_scenario(args.scenario, dict(text.split("=", 1) for text in args.overrides))
    arc_config = scenario.arc_config
    make_policy(scenario.policy.name, scenario.policy.params)
    arms = _arms(args, scenario.arc_enabled)
    seeds = _seeds(args, scenario.seed)
    clock = "lockstep" if args.lockstep else "live"
    main = tuple(RunEntry(clock, seed, arc) for seed in seeds for arc in arms)
    extra = _extra(args, seeds, arms)
    jobs = _positive(args.jobs, "--jobs") if args.jobs is not None else _cores()
    duration = _duration(args, scenario.duration_s, compared_live=not args.lockstep and len(arms) == 2)
    keep = args.out is not None or not args.json
    return RunRequest(
        scenario=scenario,
        scenario_yaml=yaml.safe_dump(dict(scenario.source), sort_keys=False, allow_unicode=True),
        arc_config=arc_config,
        live=() if args.lockstep else main,
        lockstep=main if args.lockstep else extra,
        clock=clock,
        arc=arms[0],
        duration=duration,
        out=_out(args.out, scenario.name) if keep else Path(),
        keep=keep,
        render=(not args.json if args.render is None else args.render) and keep,
        jobs=jobs,
        command=shlex.join(["reflexarc", *sys.argv[1:]]),
    )


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


def _arms(args: argparse.Namespace, arc_enabled: bool) -> tuple[bool, ...]:
    """Return whether to run with the arc, without it, or both, the main one first."""
    if args.no_arc and args.compare:
        raise ConfigError("--no-arc and --compare contradict each other; --compare runs both")
    if args.no_arc or not arc_enabled:
        return (False,)
    compare = not args.json if args.compare is None else args.compare
    return (True, False) if compare else (True,)


def _seeds(args: argparse.Namespace, default: int) -> tuple[int, ...]:
    if args.seeds is not None:
        return parse_seeds(args.seeds, "--seeds")
    if args.seed is not None:
        if not args.seed.isdecimal():
            raise ConfigError(
                f"--seed {args.seed!r}: expected one whole number >= 0; several go with --seeds"
            )
        return (int(args.seed),)
    return (default,)


def _extra(args: argparse.Namespace, seeds: tuple[int, ...], arms: tuple[bool, ...]) -> tuple[RunEntry, ...]:
    """Return the lock-step runs that follow the live ones."""
    if args.lockstep:
        if args.lockstep_seeds is not None:
            raise ConfigError("--lockstep-seeds belongs to live runs; with --lockstep use --seeds")
        return ()
    if args.lockstep_seeds == "none" or (args.lockstep_seeds is None and len(arms) == 1):
        return ()
    if args.lockstep_seeds is not None:
        chosen = parse_seeds(args.lockstep_seeds, "--lockstep-seeds")
    else:
        chosen = tuple(range(seeds[0], seeds[0] + COMPARED_SEEDS))
    return tuple(RunEntry("lockstep", seed, arc) for seed in chosen for arc in arms)


def _duration(args: argparse.Namespace, default: float, compared_live: bool) -> float:
    if args.duration is None:
        return min(default, LIVE_COMPARE_DURATION_S) if compared_live else default
    try:
        duration = float(args.duration)
    except ValueError:
        duration = math.nan
    if not 0.0 < duration < math.inf:
        raise ConfigError(f"--duration {args.duration!r}: expected a time in seconds > 0")
    return duration


def _positive(text: str, option: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"{option} {text!r}: expected a whole number > 0")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _out(text: str | None, scenario: str) -> Path:
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
