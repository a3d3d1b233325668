# SPDX-License-Identifier: Apache-2.0
"""`reflexarc economics WHAT INPUT...`: dollars per run, with uncertainty, from runs, recordings and tables."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Turn runs into a cost statement. An INPUT is a .json or .csv table, an events.jsonl, an .mcap recording, a folder of
`reflexarc run` (each of its columns is a policy), or the folder of one of its runs.

  statement   dollars per run by component, with 95 % intervals
  compare     several policies beside each other; those on the same missions also pairwise
  breakeven   the smallest change of each component that brings the margin to zero
  tornado     what the stated range of each parameter does to the margin
"""
EPILOG = """\
examples:
  reflexarc economics statement results.csv --model v5 --revenue gross
  reflexarc economics compare runs/sidewalk_delivery --model reflexarc
  reflexarc economics tornado runs/sidewalk_delivery --policy "with arc" --plot tornado.svg
  reflexarc economics statement fleet.json --params my_prices.yaml --json

exit codes: 0 done; 1 a recording cannot be read; 2 the request or a value is not acceptable
"""
ACTIONS = ("statement", "compare", "breakeven", "tornado")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "economics",
        help="dollars per run: statement, comparison, break-even, tornado",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=ACTIONS, metavar="WHAT", help=", ".join(ACTIONS))
    parser.add_argument("inputs", nargs="+", metavar="INPUT", type=Path, help="what to read, see above")
    parser.add_argument(
        "--model", default="reflexarc", help="cost model: v1, v2, v5, v6, reflexarc (default), reflexarc_run"
    )
    parser.add_argument("--revenue", help="gross, sla_scaled or no_double_refund (default: the model's own)")
    parser.add_argument(
        "--params", metavar="FILE", type=Path, help="YAML file, name: {value, unit[, source]}"
    )
    parser.add_argument("--policy", metavar="NAME", help="only this policy, where the inputs hold several")
    parser.add_argument(
        "--sensors", metavar="LIST", help="sensors in the capital, such as lidar,gps or none (default: lidar)"
    )
    parser.add_argument(
        "--data-collection-hours", metavar="H", help="hours of teleoperation in the capital (default: 0)"
    )
    parser.add_argument(
        "--resamples", metavar="N", default="10000", help="bootstrap resamples, 0 for none (default: 10000)"
    )
    parser.add_argument("--seed", metavar="N", default="0", help="seed of the resampling (default: 0)")
    parser.add_argument(
        "--allow-incomplete", action="store_true", help="take a truncated recording as far as it goes"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write a plot, .svg")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the JSON object to a file too")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    from reflexarc.economics import Statement, cost_model, ranking, state_episodes, state_summary  # noqa: PLC0415
    from reflexarc.economics.episodes import Episodes  # noqa: PLC0415
    from reflexarc.economics.models import CONVENTIONS  # noqa: PLC0415

    model = cost_model(args.model)
    if args.params is not None:
        model = model.with_parameters(model.parameters.with_file(args.params))
    if args.revenue is not None and args.revenue not in CONVENTIONS:
        raise ConfigError(
            f"--revenue: unknown revenue convention {args.revenue!r}; allowed: {', '.join(CONVENTIONS)}"
        )
    resamples, seed = _whole(args.resamples, "--resamples"), _whole(args.seed, "--seed")
    policies = _policies(args, model)

    def state(policy: Any) -> Statement:
        if isinstance(policy.data, Episodes):
            return state_episodes(
                policy.data, model, policy.capex, args.revenue, resamples, seed, policy.name
            )
        return state_summary(policy.data, model, args.revenue, policy.name)

    if args.action == "compare":
        statements = [state(policy) for policy in policies]
        pairs = _pairs(policies, model, args.revenue, resamples, seed)
        content = {
            "model": model.name,
            "revenue_convention": statements[0].convention,
            "ranking": [
                {"rank": rank, "name": s.name, "margin": s.figures["margin"]}
                for rank, s in ranking(statements)
            ],
            "statements": [s.to_json() for s in statements],
            "pairs": [_pair_json(pair) for pair in pairs],
        }
        return _finish(
            args,
            content,
            lambda shown: shown.comparison(statements, pairs),
            lambda p: p.statements(statements),
        )
    if len(policies) != 1:
        names = ", ".join(repr(p.name) for p in policies)
        if args.action != "statement" or args.json:
            raise ConfigError(
                f"{args.action} needs one policy, the inputs hold {names}; choose one with --policy, or use compare"
            )
        statements = [state(policy) for policy in policies]
        return _finish(
            args, {}, lambda shown: shown.comparison(statements, []), lambda p: p.statements(statements)
        )
    (policy,) = policies
    statement = state(policy)
    if args.action == "statement":
        return _finish(
            args,
            statement.to_json(),
            lambda shown: shown.comparison([statement], []),
            lambda p: p.statements([statement]),
        )
    if args.action == "breakeven":
        return _break_even(args, statement)
    return _tornado(args, policy, model, statement)


def _break_even(args: argparse.Namespace, statement: Any) -> int:
    from dataclasses import asdict  # noqa: PLC0415

    from reflexarc.economics import break_even  # noqa: PLC0415

    rows = break_even(statement)
    content = {
        "name": statement.name,
        "model": statement.model,
        "revenue_convention": statement.convention,
        "margin": statement.figures["margin"],
        "changes": [asdict(row) for row in rows],
    }
    return _finish(
        args,
        content,
        lambda shown: shown.break_even(statement, rows),
        lambda p: p.break_even(statement, rows),
    )


def _tornado(args: argparse.Namespace, policy: Any, model: Any, statement: Any) -> int:
    from dataclasses import asdict  # noqa: PLC0415

    from reflexarc.economics import state_episodes, state_summary, tornado  # noqa: PLC0415
    from reflexarc.economics.episodes import Episodes  # noqa: PLC0415

    if isinstance(policy.data, Episodes):

        def margin(changed: Any) -> float:
            return state_episodes(policy.data, changed, policy.capex, args.revenue, 0).figures["margin"]

    else:

        def margin(changed: Any) -> float:
            return state_summary(policy.data, changed, args.revenue).figures["margin"]

    swings = tornado(model, margin)
    fixed = [p.name for p in model.parameters.all() if p.low is None or p.low == p.high]
    content = {
        "name": statement.name,
        "model": statement.model,
        "revenue_convention": statement.convention,
        "margin": statement.figures["margin"],
        "swings": [asdict(s) | {"width": s.width} for s in swings],
        "without_range": fixed,
    }
    return _finish(
        args,
        content,
        lambda shown: shown.tornado(statement, swings, fixed),
        lambda p: p.tornado(statement, swings),
    )


def _policies(args: argparse.Namespace, model: Any) -> list[Any]:
    from dataclasses import replace  # noqa: PLC0415

    from reflexarc.economics.readers import read_policies  # noqa: PLC0415

    capex = _capex(args, model)
    policies = [p for path in args.inputs for p in read_policies(path, model, capex, args.allow_incomplete)]
    if args.policy is not None:
        chosen = [p for p in policies if p.name == args.policy]
        if not chosen:
            raise ConfigError(
                f"--policy: unknown policy {args.policy!r}; allowed: {', '.join(p.name for p in policies)}"
            )
        policies = chosen
    names = [p.name for p in policies]
    return [
        replace(p, name=f"{p.name} ({i + 1})") if names.count(p.name) > 1 else p
        for i, p in enumerate(policies)
    ]


def _capex(args: argparse.Namespace, model: Any) -> Any:
    """Return the capital asked for on the command line; None where nothing was."""
    from reflexarc.economics.catalogue import V5  # noqa: PLC0415
    from reflexarc.economics.models import Capex  # noqa: PLC0415

    if args.sensors is None and args.data_collection_hours is None:
        return None
    parameters = model.parameters if "lidar_price" in model.parameters else V5
    wanted = [] if args.sensors in (None, "none") else [word.strip() for word in args.sensors.split(",")]
    wanted = ["lidar"] if args.sensors is None else wanted
    for word in wanted:
        if word not in ("lidar", "gps"):
            raise ConfigError(f"--sensors: unknown sensor {word!r}; allowed: lidar, gps, none")
    try:
        hours = float(args.data_collection_hours or 0.0)
    except ValueError:
        hours = -1.0
    if not 0.0 <= hours < 1e9:
        raise ConfigError(
            f"--data-collection-hours: {args.data_collection_hours!r} must be a number >= 0 [h]"
        )
    prices = {word: parameters[f"{word}_price"] for word in wanted}
    return Capex(robot=parameters["robot_price"], data_collection_hours=hours, **prices)


def _pairs(policies: list[Any], model: Any, convention: str | None, resamples: int, seed: int) -> list[Any]:
    """Compare the first policy with each other one that ran on the same missions."""
    from reflexarc.economics import compare  # noqa: PLC0415
    from reflexarc.economics.episodes import Episodes  # noqa: PLC0415

    if not resamples or not isinstance(policies[0].data, Episodes):
        return []
    first, pairs = policies[0], []
    for other in policies[1:]:
        if not isinstance(other.data, Episodes):
            continue
        if not set(first.data.keys) & set(other.data.keys):
            print(f"reflexarc: {first.name} and {other.name} share no mission; not paired", file=sys.stderr)
            continue
        names, capex = (first.name, other.name), (first.capex, other.capex)
        pairs.append(compare(first.data, other.data, model, capex, convention, resamples, seed, names))
    return pairs


def _pair_json(pair: Any) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "missions": pair.missions,
        "unpaired": pair.unpaired,
        "difference": pair.difference,
        "ci95": {key: list(values) for key, values in pair.ci95.items()},
        "probability_better": None if pair.refused else pair.probability_better,
        "refused": pair.refused,
    }


def _finish(args: argparse.Namespace, content: dict[str, Any], show: Any, draw: Any) -> int:
    text = json.dumps(content, allow_nan=False)
    if args.out is not None:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.plot is not None:
        if args.plot.suffix != ".svg":
            raise ConfigError(f"--plot: {args.plot.name!r} must end in .svg; no plot was written")
        from reflexarc.report import economics_figures  # noqa: PLC0415 - imports matplotlib

        args.plot.write_text(draw(economics_figures), encoding="utf-8")
    if args.json:
        print(text)
    else:
        from reflexarc.cli import _economics_tables  # noqa: PLC0415 - imports rich

        show(_economics_tables)
    return 0


def _whole(text: str, option: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**63:
        raise ConfigError(f"{option}: {text!r} must be a whole number >= 0")
    return value
