# SPDX-License-Identifier: Apache-2.0
"""`reflexarc robust attack SCENARIO`: the smallest push that makes a stack fail."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Look for the smallest push that makes a stack fail, by running it in lock-step again and again. SCENARIO is the name
or the YAML file of

  one mobile base     it fails when it touches anything while it moves, loses cargo or rolls over
  an arm in contact   it fails when a limit of its force is broken
  a quadruped         it fails when it falls; pushes of the scenario's own are left out

The shape of the push (when, where to, how long, ...) is guided by how near the runs came to failing; --unguided draws
it evenly, for comparison. The folder --out receives attack.json, attack.png and regression.yaml, which repeats the
push: `reflexarc run OUT/regression.yaml --lockstep` shows it, with a film.

A push that fails is a finding. No failure in N runs proves nothing.
"""
EPILOG = """\
examples:
  reflexarc robust attack sidewalk_delivery --runs 100 --length 12 --out runs/attack
  reflexarc robust attack sidewalk_delivery --no-arc --out runs/attack_without
  reflexarc robust attack maze_arm --most 60 --out runs/attack_arm
  reflexarc robust attack quadruped_push --no-arc --out runs/attack_go1

exit codes: 0 the search is done, whatever it found; 1 a file of weights is damaged or of another robot; 2 the request
is not acceptable, or the stack fails without a push
"""
PARTS = ("attack",)
LENGTH_S, MOST = 12.0, {"N s": 200.0, "N": 200.0}
"""Default length of a run [s], and largest size by its unit."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "robust",
        help="look for the smallest push that makes a stack fail",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("part", choices=PARTS, metavar="WHAT", help=", ".join(PARTS))
    parser.add_argument("source", metavar="SCENARIO", help="what is attacked, see above")
    parser.add_argument("--runs", type=int, default=200, metavar="N", help="runs in all (default: 200)")
    parser.add_argument(
        "--most", type=float, metavar="SIZE", help="largest push [N s; arm: N] (default: 200)"
    )
    parser.add_argument(
        "--length", type=float, default=LENGTH_S, metavar="S", help="length of a run [s] (default: 12)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the runs (default: 0)")
    parser.add_argument(
        "--search-seed", type=int, default=0, metavar="N", help="seed of the pushes (default: 0)"
    )
    parser.add_argument("--no-arc", action="store_true", help="attack it without the arc; not of an arm")
    parser.add_argument("--unguided", action="store_true", help="draw the shapes evenly")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where to write (default: runs/attack/NAME)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.cli._figures_bar import FiguresBar  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc.core.config import from_mapping  # noqa: PLC0415
    from reflexarc.robust.attack import Search, attack  # noqa: PLC0415

    stack = _stack(args)
    most = args.most if args.most is not None else MOST[stack.size_unit]
    wanted = {"runs": args.runs, "most": most, "guided": not args.unguided, "seed": args.search_seed}
    search = from_mapping(Search, wanted, "the request")
    out = args.out or Path("runs") / "attack" / stack.name
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out: {out} is a file; wanted: a folder")
    started = time.perf_counter()
    with FiguresBar(f"{stack.name} attacked", args.quiet, "runs") as bar:
        found = attack(
            stack,
            search,
            lambda done, total, size: bar.update(done, total, {} if size is None else {"smallest": size}),
        )
    report = _report(stack, search, found, time.perf_counter() - started)
    out.mkdir(parents=True, exist_ok=True)
    (out / "attack.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _draw(out / "attack.png", stack, search, found)
    if found.shape is not None:
        _write_regression(out / "regression.yaml", stack.regression(found.shape, found.size))
    print(json.dumps(report) if args.json else _text(report, out))
    return 0


def _stack(args: argparse.Namespace) -> Any:
    from reflexarc_sim.attacks import ArmStack, BaseStack, WalkerStack  # noqa: PLC0415 - needs a simulator
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415

    scenario = load_scenario(args.source)
    if scenario.of_arm:
        if args.no_arc:
            raise ConfigError("--no-arc: an arm in contact gets its torques from the arc")
        return ArmStack(scenario, args.seed, args.length)
    if scenario.of_walker:
        if args.no_arc:
            scenario = scenario.with_overrides({"arc.enabled": False})
        return WalkerStack(scenario, args.seed, args.length)
    return BaseStack(scenario, args.seed, args.length, False if args.no_arc else None)


def _report(stack: Any, search: Any, found: Any, seconds: float) -> dict[str, Any]:
    shape = None
    if found.shape is not None:
        shape = {d.name: float(x) for d, x in zip(stack.shape, found.shape, strict=True)}
    return {
        "stack": stack.name,
        "found": found.size is not None,
        "size": found.size,
        "unit": stack.size_unit,
        "of_weight": None if found.size is None else found.size / stack.weight,
        "what": found.what,
        "shape": shape,
        "largest_tried": search.most,
        "runs": found.runs,
        "guided": search.guided,
        "best": [list(row) for row in found.best],
        "wall_s": round(seconds, 1),
    }


def _text(report: dict[str, Any], out: Path) -> str:
    if not report["found"]:
        return (
            f"{report['stack']}: no failure in {report['runs']} runs with pushes of up to "
            f"{report['largest_tried']:g} {report['unit']}, which proves nothing; {out / 'attack.json'}"
        )
    per = "s of its weight" if report["unit"] == "N s" else "times its weight"
    shape = ", ".join(f"{name} {value:.3g}" for name, value in report["shape"].items())
    return (
        f"{report['stack']}: fails at {report['size']:.3g} {report['unit']}, {report['of_weight']:.3g} {per}: "
        f"{report['what']}\n  {shape}\n  {report['runs']} runs, {report['wall_s']:.0f} s; {out}"
    )


def _write_regression(path: Path, scenario: dict[str, Any]) -> None:
    import yaml  # noqa: PLC0415

    head = "# SPDX-License-Identifier: Apache-2.0\n# Repeats a push that an attack has found.\n"
    path.write_text(head + yaml.safe_dump(scenario, sort_keys=False), encoding="utf-8")


def _draw(path: Path, stack: Any, search: Any, found: Any) -> None:
    """Draw the smallest size that fails over the runs."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    axes = (figure := Figure(figsize=(6.0, 3.2), layout="constrained")).subplots()
    runs = [0, *(run for run, _ in found.best), found.runs]
    sizes = [search.most, *(size for _, size in found.best)]
    axes.step(runs, [*sizes, sizes[-1]], where="post")
    axes.set(xlabel="runs", ylabel=f"smallest push that fails [{stack.size_unit}]", ylim=(0.0, None))
    axes.set_title(f"{stack.name}: " + (found.what or "no failure"), fontsize=9)
    figure.savefig(path, dpi=120)
