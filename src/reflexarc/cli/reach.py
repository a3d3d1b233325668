# SPDX-License-Identifier: Apache-2.0
"""`reflexarc reach density|risk|plan`: where a system will be, how likely, and plans under a limit on their risk."""

import argparse
import json
import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.figures import for_json

DESCRIPTION = """\
Density reachability.

  density   carry the density of a box of initial states along the system; print what became of it
  risk      probability that a system is in a box at a time, or enters it on the way, with its interval
  plan      plan a mission through a seeded scene so that the risk of any contact is proven small

A system is one of the table (vdp, dint, kop, pend, robot, car, quad, acc, gcas, toon, driving, hovercraft) or a Python
file with one function field(x) or field(x, t) and the box low, high.
"""
EPILOG = """\
examples:
  reflexarc reach risk --system vdp --t 1 --box 1.5 2 -0.5 0.5 --json
  reflexarc reach risk --system mine.py --t 2 --box 0 1 --coordinates 1 --on-the-way
  reflexarc reach density --system vdp --t 2 --plot vdp.svg
  reflexarc reach density --system vdp --t 1 --at 1.6 0.1 --json
  reflexarc reach plan --case driving --seed 3 --plot scene.svg

exit codes: 0 done; 1 no plan was accepted; 2 the request is not acceptable
"""
ACTIONS = ("density", "risk", "plan")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "reach",
        help="density of reachable states, risk of a box, plans under a risk limit",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # argparse takes -1e-3 and -inf for options unless told what a negative number looks like.
    parser._negative_number_matcher = re.compile(r"^-(inf|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$")
    parser.add_argument("action", choices=ACTIONS, metavar="WHAT", help=", ".join(ACTIONS))
    system = parser.add_argument_group("density and risk")
    system.add_argument("--system", metavar="NAME", help="name in the table, or a Python file")
    system.add_argument("--t", metavar="S", help="time in seconds (default: the system's horizon)")
    system.add_argument(
        "--initial",
        nargs="+",
        metavar="X",
        help="box of initial states, low and high of each coordinate (default: the system's)",
    )
    system.add_argument("--n", default="10000", metavar="N", help="particles (default: 10000)")
    system.add_argument("--seed", default="0", metavar="N", help="of particles, or of the scene (default: 0)")
    system.add_argument("--plot", type=Path, metavar="FILE", help="also draw to an SVG or PNG file")
    risk = parser.add_argument_group("risk")
    risk.add_argument(
        "--box", nargs="+", metavar="X", help="low and high of each coordinate; inf and -inf are allowed"
    )
    risk.add_argument(
        "--coordinates",
        nargs="+",
        metavar="I",
        help="indices that the box is about (default: the first ones)",
    )
    risk.add_argument(
        "--on-the-way", action="store_true", help="entered at any time up to --t, not only there at --t"
    )
    risk.add_argument("--delta", default="0.05", help="1 - confidence of the interval (default: 0.05)")
    query = parser.add_argument_group("density")
    query.add_argument("--at", nargs="+", metavar="X", help="print the log-density at this state")
    plan = parser.add_argument_group("plan")
    plan.add_argument(
        "--case", default="driving", help="kind of scene: driving or hovercraft (default: driving)"
    )
    plan.add_argument("--epsilon", default="1e-2", help="risk allowed for the mission (default: 1e-2)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    return {"density": _density, "risk": _risk, "plan": _plan}[args.action](args)


def _risk(args: argparse.Namespace) -> int:
    from reflexarc.reach.flow import Flow  # noqa: PLC0415 - JAX only where it is asked for
    from reflexarc.reach.obstacles import Boxes  # noqa: PLC0415
    from reflexarc.reach.risk import touch_risk  # noqa: PLC0415

    system, steps = _system(args)
    if not args.box:
        raise ConfigError("--box is required: low and high of each coordinate")
    low, high = _pairs(args.box, "--box")
    given = args.coordinates or [str(i) for i in range(len(low))]
    coordinates = tuple(_whole(i, "--coordinates") for i in given)
    if len(coordinates) != len(low) or not all(0 <= i < system.n for i in coordinates):
        raise ConfigError(
            f"--box has {len(low)} pairs for the coordinates {', '.join(given)}; {system.name} has 0 to {system.n - 1}"
        )
    flow, start, rng = (
        Flow(system, dtype="float64"),
        _start(args, system),
        np.random.default_rng([1, _seed(args)]),
    )
    risk = touch_risk(
        flow,
        start,
        Boxes(low[None], high[None], coordinates),
        rng=rng,
        steps=steps,
        delta=_number(args.delta, "--delta"),
        final=not args.on_the_way,
    )
    figures = {
        "p": risk.p,
        "ci_low": risk.ci_low,
        "ci_high": risk.ci_high,
        "n": risk.n,
        "ess": risk.ess,
        "seconds": risk.seconds,
        "known": risk.known,
    }
    if args.plot:
        from reflexarc.report.reach_figures import contact_figure, save  # noqa: PLC0415

        t = system.dt * np.arange(len(risk.first_hit)) if args.on_the_way else np.array([system.dt * steps])
        save(contact_figure(t, risk.first_hit), args.plot)
    when = f"by {system.dt * steps:g} s" if args.on_the_way else f"at {system.dt * steps:g} s"
    words = (
        f"{risk.p:.4g} in [{risk.ci_low:.4g}, {risk.ci_high:.4g}]"
        if risk.known
        else f"unknown: {risk.reason}"
    )
    print(f"{system.name}: probability of the box {when}: {words}")
    return _end(args, figures)


def _density(args: argparse.Namespace) -> int:
    from reflexarc.reach.flow import Flow  # noqa: PLC0415
    from reflexarc.reach.query import log_density  # noqa: PLC0415

    system, steps = _system(args)
    began = time.perf_counter()
    start, initial = _start(args, system), _initial(args, system)
    bundle = Flow(system, dtype="float64").run(start.x, steps=steps)
    value = initial.log_density(np.asarray(start.x))[None] + bundle.gain  # (K + 1, N)
    good = bundle.finite
    figures: dict[str, Any] = {
        "t": float(bundle.t[-1]),
        "n": len(good),
        "finite": int(good.sum()),
        "low": bundle.x[-1, good].min(axis=0).tolist(),
        "high": bundle.x[-1, good].max(axis=0).tolist(),
        "entropy": -float(value[-1, good].mean()),
        "log_density_low": float(value[-1, good].min()),
        "log_density_high": float(value[-1, good].max()),
    }
    if args.at:
        at = np.array([_number(v, "--at") for v in args.at])
        if at.shape != (system.n,):
            raise ConfigError(f"--at needs {system.n} numbers for {system.name}, got {len(at)}")
        found = log_density(system, initial, at[None], steps)
        figures |= {
            "log_density": float(found.log_density[0]),
            "round_trip_error": float(found.error[0]),
            "backward": bool(found.backward[0]),
        }
    figures["seconds"] = time.perf_counter() - began
    if args.plot:
        from reflexarc.report.reach_figures import density_figure, save  # noqa: PLC0415

        if system.n < 2:
            raise ConfigError(f"--plot needs two coordinates, {system.name} has one")
        names = [f"{c.name} [{c.unit}]" for c in system.state]
        save(density_figure(bundle.t, bundle.x[:, good], value[:, good], names, (0, 1)), args.plot)
    print(
        f"{system.name} at {figures['t']:g} s: {figures['finite']} of {figures['n']} particles finite, "
        f"entropy {figures['entropy']:.4g} nat"
    )
    if args.at:
        print(f"log-density at {', '.join(args.at)}: {figures['log_density']:.6g}")
    return _end(args, figures)


def _plan(args: argparse.Namespace) -> int:
    from reflexarc.reach.planner.check import RiskLimits  # noqa: PLC0415
    from reflexarc.reach.planner.replan import RiskPlanner  # noqa: PLC0415
    from reflexarc.reach.planner.scene import generate  # noqa: PLC0415

    seed = _seed(args)
    scene = generate(args.case, seed)
    planner = RiskPlanner(scene.case, RiskLimits(epsilon=_number(args.epsilon, "--epsilon")))
    mission = planner.plan(scene, np.random.default_rng(seed))
    accepted = mission.plan is not None
    figures = {
        "accepted": accepted,
        "bound": mission.bound,
        "segments": mission.plan.segments if mission.plan is not None else 0,
        "checks": mission.checks,
        "perturbed": len(mission.perturbations),
        "reason": mission.reason,
        "seconds": mission.seconds,
    }
    if args.plot:
        from reflexarc.reach.planner.plots import mission_figure  # noqa: PLC0415
        from reflexarc.report.reach_figures import save  # noqa: PLC0415

        save(mission_figure(scene, mission, _number(args.epsilon, "--epsilon")), args.plot)
    if accepted:
        print(
            f"{args.case} {seed}: accepted, {figures['segments']} segments, risk at most {mission.bound:.2g}, "
            f"{mission.checks} checks in {mission.seconds:.2f} s"
        )
    else:
        print(f"{args.case} {seed}: not accepted ({mission.reason}); the robot would brake")
    return _end(args, figures) or int(not accepted)


def _end(args: argparse.Namespace, figures: dict[str, Any]) -> int:
    if args.plot:
        print(f"drawn to {args.plot}")
    if args.json:
        print(json.dumps(for_json(figures)))
    return 0


def _system(args: argparse.Namespace) -> tuple[Any, int]:
    """Return the system and the outputs up to --t.

    Raises:
        ConfigError: no system, an unknown one, or a time that is no multiple of its step.
    """
    from reflexarc.reach.systems import SYSTEMS, load_user_system  # noqa: PLC0415

    if not args.system:
        raise ConfigError(f"--system is required; allowed: a Python file, {', '.join(sorted(SYSTEMS))}")
    system = load_user_system(args.system) if args.system.endswith(".py") else SYSTEMS[args.system]
    if args.t is None:
        return system, system.steps
    seconds = _number(args.t, "--t")
    steps = round(seconds / system.dt)
    if steps < 1 or abs(steps * system.dt - seconds) > 1e-6 * system.dt * max(1, steps):
        raise ConfigError(f"--t {seconds:g} s must be a positive multiple of {system.name}'s {system.dt:g} s")
    return system, steps


def _initial(args: argparse.Namespace, system: Any) -> Any:
    from reflexarc.reach.initial import Uniform  # noqa: PLC0415

    if not args.initial:
        return Uniform(system.low, system.high)
    low, high = _pairs(args.initial, "--initial")
    if len(low) != system.n:
        raise ConfigError(f"--initial needs {system.n} pairs for {system.name}, got {len(low)}")
    return Uniform(low, high)


def _start(args: argparse.Namespace, system: Any) -> Any:
    from reflexarc.reach.initial import particles  # noqa: PLC0415

    count = _whole(args.n, "--n")
    if not 1 <= count <= 10_000_000:
        raise ConfigError(f"--n {count} must be in 1 to 10,000,000")
    return particles(_initial(args, system), count, np.random.default_rng([0, _seed(args)]))


def _pairs(texts: list[str], option: str) -> tuple[np.ndarray, np.ndarray]:
    if len(texts) % 2:
        raise ConfigError(f"{option} needs low and high of each coordinate, got {len(texts)} numbers")
    values = np.array([_number(v, option) for v in texts]).reshape(-1, 2)
    if not (values[:, 0] <= values[:, 1]).all():
        worst = int(np.argmax(values[:, 0] > values[:, 1]))
        raise ConfigError(f"{option}: low {values[worst, 0]:g} lies above high {values[worst, 1]:g}")
    return values[:, 0], values[:, 1]


def _seed(args: argparse.Namespace) -> int:
    seed = _whole(args.seed, "--seed")
    if seed < 0:
        raise ConfigError(f"--seed {seed} must not be negative")
    return seed


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is not a number") from error
    if math.isnan(value):
        raise ConfigError(f"{option}: {text!r} is not a number")
    return value


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is not a whole number") from error
