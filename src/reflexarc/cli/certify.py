# SPDX-License-Identifier: Apache-2.0
"""`reflexarc certify barrier|check FILE`: certificates of learned barriers, made and recomputed."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
Certificates of learned barriers.

  barrier FILE   make the certificate of a weight file (.safetensors) and write it beside the file
  check FILE     recompute a certificate (.json) and say what matched

Claims (all that are possible, unless some are named):

  scenario   V(x0) > delta implies a safe rollout, up to probability epsilon, with confidence 1 - beta
  grid       share of the doomed states that the barrier calls safe, against a Hamilton-Jacobi grid (<= 4 states)
  cells      proof, box by box, that the barrier is negative where the system has failed and can be kept from falling
             elsewhere (<= 4 states)
"""
EPILOG = """\
examples:
  reflexarc certify barrier models/barriers/boat/barrier.safetensors
  reflexarc certify barrier my.safetensors --scenario --epsilon 1e-3 --out my.json
  reflexarc certify check models/barriers/boat/certificate.json --subsample 200

exit codes: 0 the scenario claim holds (without one, every claim), or every comparison matched; 1 not so; 2 the request
is not acceptable
"""
SUBSAMPLE = 100
"""Episodes that `check` recomputes unless told otherwise."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "certify",
        help="make and recompute certificates of learned barriers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("barrier", "check"), metavar="WHAT", help="barrier, check")
    parser.add_argument("file", type=Path, metavar="FILE", help="weights, or the certificate to check")
    make = parser.add_argument_group("barrier")
    make.add_argument("--scenario", action="store_true", help="make the scenario claim")
    make.add_argument("--grid", action="store_true", help="make the grid claim")
    make.add_argument("--cells", action="store_true", help="make the cell-wise claim")
    make.add_argument("--epsilon", default="1e-2", help="largest probability of a violation (default: 1e-2)")
    make.add_argument("--beta", default="1e-6", help="1 - confidence (default: 1e-6)")
    make.add_argument(
        "--alpha", help="gain of the filter's row in 1/s (default: what the weights were made for)"
    )
    make.add_argument(
        "--model-error", default="0", help="bound on the model's error in units of x' (default: 0)"
    )
    make.add_argument(
        "--violations", default="0", help="violations that the hold-out sample is sized for (default: 0)"
    )
    make.add_argument("--seconds", default="60", help="budget of the cell-wise proof (default: 60)")
    make.add_argument(
        "--out", type=Path, help="where to write (default: certificate.json beside the weights)"
    )
    judge = parser.add_argument_group("check")
    judge.add_argument(
        "--weights", type=Path, help="weights (default: the .safetensors file beside the certificate)"
    )
    much = judge.add_mutually_exclusive_group()
    much.add_argument("--full", action="store_true", help="recompute everything")
    much.add_argument(
        "--subsample", metavar="N", help=f"recompute N episodes and 16 N states (default: {SUBSAMPLE})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    return _make(args) if args.action == "barrier" else _check(args)


def _make(args: argparse.Namespace) -> int:
    epsilon, beta = _number(args.epsilon, "--epsilon"), _number(args.beta, "--beta")
    model_error, seconds = _number(args.model_error, "--model-error"), _number(args.seconds, "--seconds")
    from reflexarc.barrier.certify.cells import CellSettings  # noqa: PLC0415
    from reflexarc.barrier.certify.certificate import FILE_NAME  # noqa: PLC0415 - JAX, below
    from reflexarc.barrier.certify.issue import issue, recipe_alpha  # noqa: PLC0415
    from reflexarc.barrier.certify.scenario import ScenarioSettings  # noqa: PLC0415
    from reflexarc.barrier.learned import load_barrier  # noqa: PLC0415

    barrier = load_barrier(args.file)
    alpha = recipe_alpha(barrier) if args.alpha is None else _number(args.alpha, "--alpha")
    out = args.out or args.file.parent / FILE_NAME
    with _Progress(quiet=args.json) as progress:
        certificate = issue(
            args.file,
            claims=[name for name in ("scenario", "grid", "cells") if getattr(args, name)],
            scenario_settings=ScenarioSettings(
                epsilon, beta, alpha, model_error, _whole(args.violations, "--violations")
            ),
            cell_settings=CellSettings(alpha=alpha, model_error=model_error, seconds=seconds),
            keep=out,
            say=progress,
        )
    certificate.save(out)
    for name, claim in certificate.claims.items():
        print(f"{name:<9} {'holds' if claim['holds'] else 'FAILS'}  {claim['statement']}")
    print(f"wrote {out}", file=sys.stderr)
    if args.json:
        print(json.dumps({"certificate": str(out), **certificate.content()}, allow_nan=False))
    claims = certificate.claims
    decisive = [claims["scenario"]] if "scenario" in claims else list(claims.values())
    return 0 if all(claim["holds"] for claim in decisive) else 1


def _check(args: argparse.Namespace) -> int:
    subsample = None if args.full else _whole(args.subsample or str(SUBSAMPLE), "--subsample")
    if subsample == 0:
        raise ConfigError("--subsample: 0 episodes prove nothing; at least 1, or --full")
    weights = args.weights or _weights_beside(args.file)
    from reflexarc.barrier.certify.check import check  # noqa: PLC0415 - JAX

    with _Progress(quiet=args.json) as progress:
        findings = check(args.file, weights, subsample, progress)
    for finding in findings:
        print(f"{'matches' if finding.matched else 'DIFFERS'}  {finding.name}: {finding.text}")
    matched = all(finding.matched for finding in findings)
    if args.json:
        content = [{"name": f.name, "matched": f.matched, "text": f.text} for f in findings]
        print(json.dumps({"matched": matched, "full": subsample is None, "findings": content}))
    return 0 if matched else 1


def _weights_beside(certificate: Path) -> Path:
    found = sorted(certificate.parent.glob("*.safetensors"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ConfigError(
            f"weights beside {certificate}: {names}; name them with --weights, nothing was checked"
        )
    return found[0]


class _Progress:
    """One bar per step of the work, on standard error."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow to import
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bars = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True, quiet=quiet),
            disable=quiet,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, float], None]:
        self._bars.start()
        return self._say

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def _say(self, what: str, share: float) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=1.0)
        self._bars.update(self._tasks[what], completed=share)


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{option}: {text!r} must be a finite number")
    return value


def _whole(text: str, option: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**31:
        raise ConfigError(f"{option}: {text!r} must be a whole number >= 0")
    return value
