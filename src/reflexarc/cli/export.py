# SPDX-License-Identifier: Apache-2.0
"""`reflexarc export usd SCENARIO`: a scenario's robots, world, people and sensors as an OpenUSD stage."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Scenarios for other simulators.

  usd SCENARIO   write the scenario's robots, world, people and sensors as an OpenUSD stage, which Isaac Sim (PhysX) and
                 Newton load; needs pip install 'reflexarc[usd]'

The stage is made from the compiled MuJoCo model of the scenario's plant at the start of the run of a seed. It is then
read back from the file and compared with the model, and OpenUSD's own validators are run on it. What could not be
expressed is printed, and stands in the stage's custom data.
"""
EPILOG = """\
examples:
  reflexarc export usd sidewalk_calm
  reflexarc export usd maze_arm --seed 3 --out stages/maze_3.usdc

exit codes: 0 the stage is what the model is, to 1e-6 of each number; 1 it is not, or OpenUSD finds fault with it (it is
written all the same); 2 the request is not acceptable, and an existing file is as before
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "export",
        help="write a scenario as an OpenUSD stage, for Isaac Sim and Newton",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("format", choices=("usd",), metavar="FORMAT", help="usd")
    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario, or a YAML file")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="file (.usda, .usdc or .usd), or an existing folder (default: SCENARIO.usda in the current one)",
    )
    parser.add_argument("--seed", help="world, crowd and start of this seed (default: the scenario's)")
    parser.add_argument(
        "--pose",
        choices=("start", "reference"),
        default="start",
        help="what the bodies are shown at: the start of the run, or the model's reference, in which bodies may "
        "overlap (default: start)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="replace a key of the scenario first",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.cli._request import asked_scenario  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc_sim.usd.needs import require_usd  # noqa: PLC0415

    require_usd()
    if args.seed is not None and not args.seed.isdecimal():
        raise ConfigError(f"--seed {args.seed!r}: expected one whole number >= 0; nothing was written")
    scenario = asked_scenario(args)
    seed = scenario.seed if args.seed is None else int(args.seed)
    from reflexarc_sim.usd.compare import TOLERANCE, compare  # noqa: PLC0415 - OpenUSD, an optional package
    from reflexarc_sim.usd.export import export_stage, open_stage, target_file, write_stage  # noqa: PLC0415
    from reflexarc_sim.usd.source import scenario_source  # noqa: PLC0415
    from reflexarc_sim.usd.validators import problems  # noqa: PLC0415

    path = target_file(args.out, scenario.name)
    _say(args, f"building the plant of {scenario.name}, seed {seed}")
    source = scenario_source(scenario, seed, start=args.pose == "start")
    _say(args, "making the stage")
    made = export_stage(source)
    write_stage(made.stage, path)
    _say(args, f"wrote {path}; reading it back")
    gaps = compare(source, open_stage(path))
    found = problems(path)
    _print(made.counts, made.labels, made.lost)
    print(f"read back: {len(gaps)} quantities, largest difference {gaps.worst:.1e} (limit {TOLERANCE:g})")
    for quantity, gap in gaps.items():
        if gap.size > TOLERANCE:
            print(f"  DIFFERS  {quantity}: {gap.size:.3g} at {gap.where}")
    print(f"OpenUSD's validators and physics parser: {len(found) or 'no'} findings")
    for text in found:
        print(f"  {text}")
    equal = gaps.worst <= TOLERANCE and not found
    if args.json:
        content = {
            "file": str(path),
            "scenario": scenario.name,
            "seed": seed,
            "counts": made.counts,
            "labels": made.labels,
            "not_expressed": list(made.lost),
            "differences": {quantity: _number(gap.size) for quantity, gap in gaps.items()},
            "findings": found,
            "equal": equal,
        }
        print(json.dumps(content, allow_nan=False))
    return 0 if equal else 1


def _print(counts: dict[str, int], labels: dict[str, int], lost: tuple[str, ...]) -> None:
    width = max(map(len, counts))
    for what, count in counts.items():
        if count:
            print(f"{what:<{width}}  {count:>5}")
    print("labels: " + (", ".join(f"{label} ({count})" for label, count in labels.items()) or "none"))
    print("could not be expressed:" + ("" if lost else " nothing"))
    for text in lost:
        print(f"  {text}")


def _number(value: float) -> float | None:
    """Return what JSON can hold: something that is missing has no difference."""
    return value if value < float("inf") else None


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.json:
        print(text, file=sys.stderr)
