# SPDX-License-Identifier: Apache-2.0
"""`reflexarc plan MAP SCEN`: plan a fleet on a map or a roadmap; `reflexarc plan validate PLAN`: judge its file."""

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

GRID_RADIUS = math.sqrt(2.0) / 4.0
"""Of discs on a grid where no radius is given: the largest with which two pass each other around a corner, as in the
CCBS literature. [m]
"""
SHOWN_FINDINGS = 20


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "plan",
        help="plan a fleet: multi-agent path finding, and judge plans",
        description="Plan a fleet so that no two robots meet, and judge the plan by an independent validator. MAP and "
        "SCEN are MovingAI files; a YAML instance stands alone. `plan validate PLAN` judges a plan's file only. "
        "Exit code 1: no plan was found in time, or a plan is not valid.",
    )
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="MAP SCEN, or INSTANCE.yaml, or validate PLAN"
    )
    parser.add_argument(
        "--agents", metavar="N", help="plan for the first N agents only (MovingAI: default 10)"
    )
    parser.add_argument(
        "--solver",
        metavar="NAME",
        default="cbs",
        help="cbs: optimal, in steps; eecbs: bounded by --weight; lacam: large fleets; ccbs: continuous time; "
        "risk: within --budget, bounded by --weight (cbs)",
    )
    parser.add_argument(
        "--time-limit", metavar="S", default="60", help="give up after S seconds (default: 60)"
    )
    parser.add_argument(
        "--weight", metavar="W", default="1.2", help="eecbs, risk: at most W times the optimum (default: 1.2)"
    )
    parser.add_argument(
        "--radius",
        metavar="R",
        help="ccbs: every robot's radius [m] (default: the instance's, on grids 0.354 cells)",
    )
    parser.add_argument(
        "--budget",
        metavar="B",
        help="risk: most summed risk, or a share such as 25%% between the safest and the fastest plan (default: none)",
    )
    parser.add_argument(
        "--risk-file",
        metavar="FILE",
        type=Path,
        help="risk: YAML of risks, see docs/fleet/risk.md (default: the fourth value of the roadmap's edges)",
    )
    parser.add_argument("--seed", metavar="N", default="0", help="lacam, risk: seed (default: 0)")
    parser.add_argument("--first", action="store_true", help="lacam: stop at the first plan")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the plan as JSON")
    parser.add_argument("--animate", metavar="FILE", type=Path, help="write a film of the plan, .gif or .mp4")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    if args.inputs[0] == "validate":
        return _validate(args)
    if args.animate is not None and args.animate.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"--animate: {args.animate.name!r} must end in .gif or .mp4; nothing was planned")
    for path in (args.out, args.animate):
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"{path}: its folder does not exist; nothing was planned")
    limit, weight = _number(args.time_limit, "--time-limit"), _number(args.weight, "--weight")
    if args.solver != "risk" and (args.budget is not None or args.risk_file is not None):
        raise ConfigError("--budget and --risk-file are for --solver risk only; nothing was planned")
    instance = _instance(args)

    from reflexarc.fleet.cbs import solve  # noqa: PLC0415 - compiled kernels
    from reflexarc.fleet.validator import validate  # noqa: PLC0415

    with _Progress(quiet=args.json, solver=args.solver) as progress:
        seed = _whole(args.seed, "--seed", 0)
        progress.say("compiling, once after installation")
        if args.solver == "risk":
            plan = _within_risk(args, instance, limit, weight, seed, progress)
        else:
            plan = solve(instance, args.solver, limit, weight, seed, args.first, progress)
    findings = validate(plan.to_json()) if plan.solved else []
    figures = {
        "solved": plan.solved,
        "soc": plan.soc if plan.solved else None,
        "makespan": plan.makespan if plan.solved else None,
        "lower_bound": plan.lower_bound if math.isfinite(plan.lower_bound) else None,
        "expanded": plan.expanded,
        "seconds": round(plan.seconds, 6),
        "validated": plan.solved and not findings,
        "digest": plan.digest if plan.solved else None,
        "agents": instance.agents,
        "solver": plan.solver,
        "status": plan.status,
    }
    if args.solver == "risk":
        figures |= {"risk": plan.risk if plan.solved else None, "budget": _finite(plan.budget)}
    if args.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{key:<12} {_shown(value)}" for key, value in figures.items() if value != ""))
    for finding in findings[:SHOWN_FINDINGS]:
        print(f"reflexarc: {finding.rule}: {finding.text}", file=sys.stderr)
    if not plan.solved:
        if args.out is not None or args.animate is not None:
            print("reflexarc: no plan, so no file was written", file=sys.stderr)
        return 1
    if args.out is not None:
        plan.save(args.out)
    if args.animate is not None:
        from reflexarc.fleet.film import animate  # noqa: PLC0415 - imports matplotlib

        animate(plan.to_json(), args.animate)
    return 1 if findings else 0


def _within_risk(
    args: argparse.Namespace, instance: Any, limit: float, weight: float, seed: int, progress: Any
) -> Any:
    """Plan within a risk budget; finding the range of a share takes as long again at most."""
    from reflexarc.fleet.cbs.risk import risk_range, solve_risk_bounded  # noqa: PLC0415 - compiled kernels
    from reflexarc.fleet.risk_files import budget_of, load_risk_file, load_roadmap_risk  # noqa: PLC0415

    budget, share = (math.inf, False) if args.budget is None else budget_of(args.budget)
    if args.risk_file is not None:
        model = load_risk_file(args.risk_file, instance.graph)
    elif Path(args.inputs[0]).suffix == ".map":
        raise ConfigError("--solver risk on a MovingAI map needs --risk-file; nothing was planned")
    else:
        model = load_roadmap_risk(Path(args.inputs[0]), instance.graph)
    if share:
        budget = risk_range(instance, model, limit, seed).budget(budget)
    return solve_risk_bounded(instance, model, budget, limit, weight, seed, progress)


def _validate(args: argparse.Namespace) -> int:
    """Judge the file of a plan."""
    from reflexarc.fleet.plan import load_plan  # noqa: PLC0415
    from reflexarc.fleet.validator import validate  # noqa: PLC0415

    if len(args.inputs) != 2:
        raise ConfigError(f"plan validate takes one file, got {len(args.inputs) - 1}")
    path = Path(args.inputs[1])
    content = load_plan(path)
    try:
        findings = validate(content)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{path}: malformed plan ({error!r}); nothing was judged") from error
    if args.json:
        rows = [{"rule": f.rule, "agents": f.agents, "time": f.time, "text": f.text} for f in findings]
        print(json.dumps({"valid": not findings, "agents": len(content["paths"]), "findings": rows}))
    else:
        print(f"{path}: {'valid' if not findings else f'{len(findings)} rules broken'}")
        for finding in findings[:SHOWN_FINDINGS]:
            print(f"  {finding.rule}: {finding.text}")
    return 1 if findings else 0


def _instance(args: argparse.Namespace) -> Any:
    """Read and check the instance."""
    from reflexarc.fleet.instances import load_movingai, load_yaml  # noqa: PLC0415

    paths = [Path(text) for text in args.inputs]
    agents = None if args.agents is None else _whole(args.agents, "--agents", 0)
    if len(paths) == 1 and paths[0].suffix in (".yaml", ".yml"):
        instance = load_yaml(paths[0], agents)
    elif len(paths) == 2 and paths[0].suffix == ".map" and paths[1].suffix == ".scen":
        instance = load_movingai(paths[0], paths[1], 10 if agents is None else agents)
    else:
        raise ConfigError(
            f"plan: cannot tell what {' '.join(args.inputs)} is; allowed: MAP.map SCEN.scen, INSTANCE.yaml, or "
            f"validate PLAN.json"
        )
    if args.radius is not None:
        return replace(instance, radius=_number(args.radius, "--radius"))
    if args.solver == "ccbs" and instance.radius == 0.0 and instance.graph.rows:
        return replace(instance, radius=GRID_RADIUS)
    return instance


class _Progress:
    """Two running figures on the terminal; nothing if quiet or piped."""

    FIGURES = {
        "cbs": ("nodes", "lower bound"),
        "eecbs": ("nodes", "lower bound"),
        "lacam": ("steps", "cost to go"),
        "ccbs": ("nodes", "lower bound"),
        "risk": ("nodes", "lower bound"),
    }

    def __init__(self, quiet: bool, solver: str) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._names = self.FIGURES.get(solver, ("nodes", "lower bound"))

    def __enter__(self) -> "_Progress":
        return self

    def __call__(self, first: int, second: float) -> None:
        one, two = self._names
        self.say(f"{first} {one}, {two} {second:.10g}")

    def say(self, text: str) -> None:
        if self._shown:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise ConfigError(f"{option} {text!r}: expected a number > 0; nothing was planned")
    return value


def _whole(text: str, option: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{option} {text!r}: expected a whole number >= {least}; nothing was planned")
    return int(text)
