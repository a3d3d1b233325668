# SPDX-License-Identifier: Apache-2.0
"""`reflexarc train barrier SOURCE` and `train WHAT RECIPE`: learn offline or in simulation."""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reflexarc.cli._curves import PICTURE, draw_curves
from reflexarc.cli._figures_bar import FiguresBar
from reflexarc.core.errors import ConfigError

DESCRIPTION = """\
barrier: learn a barrier from recorded transitions alone. SOURCE is

  NAME          a system of the regression suite; its data are simulated (half goal-seeking with noise, half random)
  FOLDER        a data set in Minari's HDF5 layout with margins and durations, see docs/barrier/learning.md
  FILE.hdf5     a DSRL file; needs --period, because it says nothing about time
  RECIPE.yaml   what a folder of models/barriers/ keeps: system, transitions, data_seed, learner, seed, parameters

density: learn where a simulated system will be and how likely, with calibrated bounds. SOURCE is

  RECIPE.yaml   `system` (a name) or `simulator` (a MuJoCo model and its box), and `training`; it says everything,
                so that --out and --quiet are the only options

fleet: learn goal-conditioned policies with critics of distance and cost, for roadmaps. SOURCE is

  RECIPE.yaml   a domain (`point`: a map, or `delivery`), `training` and `constrained` (what stage 2 changes); a
                seed may be added with --seed

reflex: learn a safety critic, a recovery policy and a task policy while they drive. SOURCE is

  RECIPE.yaml   `problem` (navigation1, navigation2, or maze: an arm in contact), `method` and `training`; a seed may
                be added with --seed

critic: only what a reflex learns before it drives, critic and recovery from probes. SOURCE is a reflex's RECIPE.yaml

hinf: learn a policy and a disturber that pushes it, with a bound on cost per push. SOURCE is

  RECIPE.yaml   `problem` (a linear system, or quadruped), what it is, and `training`; a seed may be added with --seed

fall: learn how likely a quadruped is to fall under its policy while it is pushed, and from when on a reflex is to act.
SOURCE is

  RECIPE.yaml   `robot`, `policy`, `recovery`, `rollouts`, `risk`, `network`, `threshold`; a seed may be added with
                --seed

The folder --out receives barrier.safetensors, density.safetensors, unconstrained.safetensors and
constrained.safetensors (fleet), or reflex.safetensors (contact.safetensors of an arm in contact), or hinf.safetensors,
or fall.safetensors, and recipe.yaml, log.csv and curves.png. A training that was
stopped goes on from its checkpoint when the same command is given again, and ends with the same weights.
"""
EPILOG = """\
examples:
  reflexarc train barrier boat --out runs/boat
  reflexarc train barrier boat --learner published --steps 100000 --out runs/boat_published
  reflexarc train barrier my_data --config mine.yaml --seed 3 --out runs/mine
  reflexarc train barrier models/barriers/boat/recipe.yaml --out runs/boat_again
  reflexarc train density models/double_pendulum/density.yaml --out runs/double_pendulum
  reflexarc train fleet models/fleet/center_dot/recipe.yaml --seed 1 --out runs/center_dot_1
  reflexarc train reflex models/reflex/navigation2/recipe.yaml --out runs/navigation2
  reflexarc train critic models/reflex/maze/recipe.yaml --out runs/maze_critic
  reflexarc train hinf models/go1/hinf/walk/recipe.yaml --out runs/go1_walk
  reflexarc train fall models/go1/fall/recipe.yaml --out runs/go1_fall

exit codes: 0 done; 1 a checkpoint is damaged or of another training; 2 the request or the data are not acceptable
"""
PARTS = ("barrier", "density", "fleet", "reflex", "critic", "hinf", "fall")
BARRIER_ONLY = ("learner", "seed", "steps", "config", "transitions", "data_seed", "period", "save_data")
RECIPE_KEYS = ("system", "data", "period", "transitions", "data_seed", "learner", "seed", "parameters")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "train",
        help="learn a barrier from recorded transitions, or a density, policies, a reflex or a walker in a simulator",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("part", choices=PARTS, metavar="WHAT", help=", ".join(PARTS))
    parser.add_argument("source", metavar="SOURCE", help="what to learn from, see above")
    parser.add_argument("--learner", metavar="NAME", help="vocbf (default), published, fisor, bc, ...")
    parser.add_argument("--seed", type=int, help="seed of weights and batches (default: 0)")
    parser.add_argument("--steps", type=int, help="training steps (default: the learner's)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="YAML file with the learner's parameters")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where to write (default: runs/train/NAME)"
    )
    parser.add_argument(
        "--transitions", type=int, help="transitions to simulate where a system is named (default: 1000000)"
    )
    parser.add_argument("--data-seed", type=int, help="seed of the simulated data (default: 0)")
    parser.add_argument("--period", type=float, metavar="S", help="control period of a DSRL file [s]")
    parser.add_argument("--save-data", metavar="FOLDER", type=Path, help="write the data as a data set too")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    parts = {
        "barrier": _barrier, "density": _density, "fleet": _fleet, "reflex": _reflex, "critic": _reflex, "hinf": _hinf,
        "fall": _fall,
    }  # fmt: skip
    out = parts[args.part](args)
    if draw_curves(out) is not None:
        print(f"  {out / PICTURE}: learning curves")
    return 0


def _fleet(args: argparse.Namespace) -> Path:
    from reflexarc.fleet.gcrl.recipe import STAGES, train  # noqa: PLC0415 - needs JAX, lazy

    source, name, out = _of_a_recipe(args, "a fleet's", "_fleet")
    started = time.perf_counter()
    with FiguresBar(f"{name} fleet", args.quiet) as display:
        recipe = train(source, out, display.update, args.seed)
    files = " and ".join(f"{stage}.safetensors" for stage in STAGES)
    print(f"{out}: {files}, seed {recipe.seed}, {time.perf_counter() - started:.0f} s")
    return out


def _reflex(args: argparse.Namespace) -> Path:
    from reflexarc.reflex.recipe import train  # noqa: PLC0415 - needs JAX, lazy

    source, name, out = _of_a_recipe(args, f"a {args.part}'s", f"_{args.part}")
    started, driven = time.perf_counter(), args.part == "reflex"
    with FiguresBar(f"{name} {args.part}", args.quiet) as display:
        recipe, agent, file = train(source, out, display.update, args.seed, driven)
    print(f"{file}: {recipe.method}, seed {recipe.seed}, {time.perf_counter() - started:.0f} s")
    if not driven:
        return out
    totals = agent.recipe["totals"]
    print(
        f"  while learning {totals['reached']} episodes reached the goal and {totals['failed']} failed, of "
        f"{totals['over']}; threshold of risk to deploy with: {agent.shield.threshold:.3g}"
    )
    return out


def _hinf(args: argparse.Namespace) -> Path:
    from reflexarc.cli._hinf import train_hinf  # noqa: PLC0415 - needs JAX, lazy

    source, name, out = _of_a_recipe(args, "an actor's and disturber's", "_hinf")
    started = time.perf_counter()
    with FiguresBar(f"{name} hinf", args.quiet) as display:
        lines = train_hinf(source, out, display, args.seed)
    print("\n".join([*lines, f"  {time.perf_counter() - started:.0f} s"]))
    return out


def _fall(args: argparse.Namespace) -> Path:
    from reflexarc.cli._fall import train_fall  # noqa: PLC0415 - needs JAX, lazy

    source, name, out = _of_a_recipe(args, "a fall's", "_fall")
    started = time.perf_counter()
    with FiguresBar(f"{name} fall", args.quiet) as display:
        lines = train_fall(source, out, display, args.seed)
    print("\n".join([*lines, f"  {time.perf_counter() - started:.0f} s"]))
    return out


def _of_a_recipe(args: argparse.Namespace, whose: str, suffix: str) -> tuple[Path, str, Path]:
    """Return recipe, name and folder of a training whose recipe says everything but the seed."""
    given = [f"--{n.replace('_', '-')}" for n in BARRIER_ONLY if n != "seed" and getattr(args, n) is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)}: of `train barrier`; {whose} recipe says everything, only --seed, --out and --quiet "
            "may be added"
        )
    source = Path(args.source)
    name = source.parent.name if source.stem == "recipe" else source.stem
    return source, name, args.out or Path("runs") / "train" / f"{name}{suffix}"


def _density(args: argparse.Namespace) -> Path:
    from reflexarc.reach.learned_training import WEIGHTS, train_density  # noqa: PLC0415 - needs JAX, lazy

    given = [f"--{name.replace('_', '-')}" for name in BARRIER_ONLY if getattr(args, name) is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)}: of `train barrier`; a density's recipe says everything, only --out and --quiet may "
            "be added"
        )
    source = Path(args.source)
    name = source.parent.name if source.stem in ("recipe", "density") else source.stem
    out = args.out or Path("runs") / "train" / f"{name}_density"
    started = time.perf_counter()
    with FiguresBar(f"{name} density", args.quiet) as display:
        learned = train_density(source, out, display.update)
    print(f"{out / WEIGHTS}: {learned.system}, {time.perf_counter() - started:.0f} s")
    x, gain = learned.x_bound[-1].max(), learned.gain_bound[-1]
    print(
        f"  at {learned.steps * learned.dt:g} s, with probability {1 - learned.alpha:g} at all outputs: states within "
        f"{x:.3g}, log-density within {gain:.3g} nat"
    )
    return out


def _barrier(args: argparse.Namespace) -> Path:
    from reflexarc.barrier.learn.dataset import data_hash, save_dataset  # noqa: PLC0415 - needs JAX, lazy
    from reflexarc.barrier.learn.learner import LEARNERS, learner  # noqa: PLC0415
    from reflexarc.core.training import Checkpoint, write_log  # noqa: PLC0415

    recipe = _recipe(args)
    name = recipe["learner"]
    train = learner(name)
    data = _data(recipe)
    if args.save_data is not None:
        save_dataset(data, args.save_data)
    digest = data_hash(data)
    out = args.out or Path("runs") / "train" / f"{data.system}_{name}_{recipe['seed']}"
    out.mkdir(parents=True, exist_ok=True)
    identity = json.dumps([name, recipe["seed"], recipe["parameters"], digest], sort_keys=True)
    checkpoint = Checkpoint(out / "checkpoint.safetensors", identity)
    started = time.perf_counter()
    with FiguresBar(f"{data.system} {name}", args.quiet) as display:
        learned = train(data, recipe["seed"], recipe["parameters"], display.update, checkpoint)
    if learned.barrier is None:
        raise ConfigError(
            f"learner {name!r} makes no barrier file; those that do are vocbf, published (of {', '.join(LEARNERS)}). "
            f"The weights are in {checkpoint.path}"
        )
    barrier = _with_data(learned.barrier, recipe, digest)
    sha = barrier.save(out / "barrier.safetensors")
    _write_recipe(out / "recipe.yaml", recipe, digest)
    write_log(out / "log.csv", learned.log)
    checkpoint.path.unlink(missing_ok=True)
    print(f"{out / 'barrier.safetensors'}: {len(data)} transitions, {time.perf_counter() - started:.0f} s")
    print(f"  sha256 {sha}, delta {barrier.delta:.4g}; `reflexarc certify barrier` makes its certificate")
    return out


def _recipe(args: argparse.Namespace) -> dict[str, Any]:
    """Return the request as a recipe: file first, then the options."""
    source = Path(args.source)
    recipe: dict[str, Any] = {
        "transitions": 1_000_000,
        "data_seed": 0,
        "learner": "vocbf",
        "seed": 0,
        "parameters": {},
    }
    if source.suffix in (".yaml", ".yml"):
        given = _yaml(source)
        unknown = sorted(set(given) - set(RECIPE_KEYS) - {"data_sha256"})
        if unknown:
            raise ConfigError(
                f"{source}: unknown keys {', '.join(unknown)}; allowed: {', '.join(RECIPE_KEYS)}"
            )
        recipe.update({k: v for k, v in given.items() if k in RECIPE_KEYS})
    elif source.exists():
        recipe["data"] = str(source)
    else:
        recipe["system"] = args.source
    for key in ("learner", "seed", "transitions", "data_seed", "period"):
        if getattr(args, key) is not None:
            recipe[key] = getattr(args, key)
    if args.config is not None:
        recipe["parameters"] = {**recipe["parameters"], **_yaml(args.config)}
    if args.steps is not None:
        recipe["parameters"] = {**recipe["parameters"], "steps": args.steps}
    return recipe


def _data(recipe: Mapping[str, Any]) -> Any:
    from reflexarc.barrier.learn.dataset import load_dataset  # noqa: PLC0415
    from reflexarc.barrier.learn.dsrl import load_dsrl  # noqa: PLC0415
    from reflexarc.barrier.learn.generate import generate  # noqa: PLC0415
    from reflexarc.core.errors import UnknownNameError  # noqa: PLC0415
    from reflexarc.robots.systems import ARM_SYSTEMS, SYSTEMS, find_system  # noqa: PLC0415

    if "data" in recipe:
        path = Path(recipe["data"])
        if path.is_dir():
            return load_dataset(path)
        if recipe.get("period") is None:
            raise ConfigError(f"{path}: a DSRL file says nothing about time; give --period in seconds")
        return load_dsrl(path, float(recipe["period"]))
    name = str(recipe.get("system", ""))
    if name not in SYSTEMS and name not in ARM_SYSTEMS:
        raise UnknownNameError("system or data set", name, (*SYSTEMS, *ARM_SYSTEMS))
    return generate(find_system(name), int(recipe["transitions"]), int(recipe["data_seed"]))


def _yaml(path: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a readable YAML file ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must hold names and values, holds {type(content).__name__}")
    return content


def _with_data(barrier: Any, recipe: Mapping[str, Any], digest: str) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    source = {
        k: recipe[k] for k in ("system", "transitions", "data_seed") if k in recipe and "data" not in recipe
    }
    return replace(barrier, recipe={**barrier.recipe, **source, "data_sha256": digest})


def _write_recipe(path: Path, recipe: Mapping[str, Any], digest: str) -> None:
    import yaml  # noqa: PLC0415

    kept = {key: recipe[key] for key in RECIPE_KEYS if key in recipe}
    if "data" in kept:
        kept = {k: v for k, v in kept.items() if k not in ("transitions", "data_seed")}
        kept["data"] = Path(kept["data"]).name
    text = yaml.safe_dump({**kept, "data_sha256": digest}, sort_keys=False)
    path.write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
