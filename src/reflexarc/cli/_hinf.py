# SPDX-License-Identifier: Apache-2.0
"""`reflexarc train hinf RECIPE`: train, then say what became of it."""

from pathlib import Path
from typing import Any

JUDGED = 64
"""Robots that are let walk after a training."""


def train_hinf(source: Path, out: Path, display: Any, seed: int | None) -> list[str]:
    """Follow the recipe and return what is to be said of the result, line by line.

    Args:
        source: recipe.
        out: folder.
        display: told of the progress.
        seed: instead of the recipe's.
    """
    import jax  # noqa: PLC0415 - slow to import

    # Seen once in hours of training on two cores: an update that never returns, all of XLA's threads waiting. Known of
    # asynchronous dispatch on CPUs (jax issue 25861); nothing here gains by it.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    from reflexarc.robust.recipe import SIMULATED, WEIGHTS, train  # noqa: PLC0415 - needs JAX, lazy
    from reflexarc_sim.quadruped.settings import make_walk  # noqa: PLC0415 - only where a simulator is wanted

    recipe, _, log = train(source, out, make_walk, display.update, seed)
    last = log[-1] if log else {}
    lines = [f"{out / WEIGHTS}: {recipe.problem}, {recipe.training.pushes} pushes, seed {recipe.seed}"]
    if last.get("intensity", 0.0) > 0.0:
        held = "held" if last["slack"] >= 0.0 else "broken"
        lines.append(
            f"  cost per intensity {last['gain']:.4g}, bound {recipe.training.eta:.4g} ({held}), "
            f"lambda {last['lambda']:.3g}"
        )
    if recipe.problem == SIMULATED:
        lines.append(_walked(out / WEIGHTS, recipe))
    return lines


def _walked(weights: Path, recipe: Any) -> str:
    """Let robots without differences walk on a plane, nobody pushing."""
    from reflexarc.robust.weights import load  # noqa: PLC0415
    from reflexarc_sim.quadruped.evaluate import LENGTH_S, judge  # noqa: PLC0415
    from reflexarc_sim.quadruped.protocol import Nobody  # noqa: PLC0415
    from reflexarc_sim.quadruped.settings import judged_walk, settings_of  # noqa: PLC0415

    settings = settings_of(recipe.quadruped, str(weights))
    policies, _ = load(weights)
    found = judge(
        judged_walk(settings, JUDGED), policies["actor"], Nobody(), 0, recipe.training.fall
    ).figures()
    return (
        f"  without pushes {round(found['survival'] * JUDGED)} of {JUDGED} upright after {LENGTH_S:g} s; root mean "
        f"square errors: {found['velocity_rmse']:.3f} m/s, {found['yaw_rate_rmse']:.3f} rad/s"
    )
