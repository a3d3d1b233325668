# SPDX-License-Identifier: Apache-2.0
"""`reflexarc scenarios [NAME]`: list the scenarios, or print one with every key as it would be run."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "scenarios",
        help="list the scenarios, or print one with all its keys",
        description="List the scenarios; with NAME, print every key with its value and unit.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a scenario, or a YAML file")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="replace a key first",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.core.config import parse_override  # noqa: PLC0415 - keeps `--help` quick
    from reflexarc.report.keys import current_keys  # noqa: PLC0415
    from reflexarc_sim.scenario import load_scenario, scenario_names  # noqa: PLC0415

    if args.name is None:
        names = scenario_names()
        width = max(map(len, names), default=0)
        for name in names:
            print(f"{name:<{width}}  {load_scenario(name).description}")
        return 0
    for text in args.overrides:
        parse_override(text)
    scenario = load_scenario(args.name, dict(text.split("=", 1) for text in args.overrides))
    lines = [(key, value) for key, value in current_keys(scenario) if not key.startswith("arc")]
    lines += [("arc.enabled", str(scenario.arc_enabled).lower())]
    lines += [(f"arc.{key}", value) for key, value in current_keys(scenario.arc_config)]
    width = max(len(key) for key, _ in lines)
    print("\n".join(f"{key:<{width}}  {value}" for key, value in lines))
    return 0
