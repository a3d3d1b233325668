# SPDX-License-Identifier: Apache-2.0
"""Critic and recovery of an arm in contact: the arc's compiled inference beside the same weights in jitted JAX.

JAX has its weights as constants of the compiled function, takes a NumPy array and gives a number back, as an arc that
called it would have to do; critic and recovery together are one call. Both take turns, view by view.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tick_figures import percentiles

from reflexarc.core.errors import ReflexArcError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Array
from reflexarc.core.weights import read_weights, with_weights
from reflexarc.reflex.contact.agent import FORMAT, ContactFile, load_contact_agent
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.networks import Networks, greedy, risk_of

LEARNED = "reflex/maze/contact.safetensors"
WIDTH, MEMBERS = 64, 2
FORCE_N = 5.0
"""Random weights say nothing of risk, so there a reflex is by force: every planar force above this is one. [N]"""
_AGREE = 1e-4
_BLOCK = 500


def weights_file(scratch: Path) -> tuple[Path, bool]:
    """Return the learned weights and True, or random ones of the same size written into `scratch`, and False."""
    learned = models_dir() / LEARNED
    if learned.is_file():
        return learned, True
    path = scratch / "random.safetensors"
    recipe = {
        "robot": "panda",
        "problem": {"name": "maze", "fixed": None, "wrench_only": False},
        "training": {"width": WIDTH, "members": MEMBERS},
    }
    networks = Networks(ContactProblem(mazes=1), WIDTH, MEMBERS, jax.random.key(0))
    ContactFile(networks, Shield(1.0, 1, 20, 0.8, FORCE_N), recipe).save(path, 0.005)
    return path, False


def networks_times(file: Path, views: Array, calls: int) -> dict[str, Any]:
    """Time both ways on the views that the critic looked at.

    Args:
        file: of the weights.
        views: shape (n, 9), gone through from the start again where there are fewer than calls.
        calls: of each way.

    Raises:
        ReflexArcError: the two ways do not compute the same.
    """
    agent = load_contact_agent(file)
    networks = _read(file)
    critic = jax.jit(lambda view: risk_of(networks.risk, view[None])[0])
    both = jax.jit(
        lambda view: (risk_of(networks.risk, view[None])[0], greedy(networks.recovery, view[None])[0])
    )

    def answer(view: Array) -> tuple[float, Array]:
        risk, action = both(view)
        return float(risk), np.asarray(action)

    ways: dict[str, Callable[[Array], Any]] = {
        "critic": agent.risk,
        "critic_jax": lambda view: float(critic(view)),
        "both": lambda view: (agent.risk(view), agent.recovery(view)),
        "both_jax": answer,
    }
    seen = np.ascontiguousarray(views, dtype=np.float32)
    _check(ways, seen[:: max(1, len(seen) // 100)])
    times = {name: np.empty(calls) for name in ways}
    cpu = dict.fromkeys(ways, 0.0)
    for start in range(0, calls, _BLOCK):
        stop = min(calls, start + _BLOCK)
        for name, call in ways.items():
            began = time.process_time()
            for k in range(start, stop):
                view = seen[k % len(seen)]
                before = time.perf_counter()
                call(view)
                times[name][k] = time.perf_counter() - before
            cpu[name] += time.process_time() - began
    size = agent.recipe["training"]
    return {
        "width": size["width"],
        "members": size["members"],
        "calls": calls,
        **{f"{name}_us": percentiles(x) for name, x in times.items()},
        "cpu_mean_us": {name: round(1e6 * x / calls, 2) for name, x in cpu.items()},
        "critic_ratio_jax": float(np.median(times["critic_jax"] / times["critic"])),
        "both_ratio_jax": float(np.median(times["both_jax"] / times["both"])),
    }


def _check(ways: dict[str, Callable[[Array], Any]], views: Any) -> None:
    for view in views:
        ours, theirs = ways["both"](view), ways["both_jax"](view)
        if not np.allclose(np.hstack(ours), np.hstack(theirs), rtol=0.0, atol=_AGREE):
            raise ReflexArcError(f"of the view {view} the arc computes {ours}, JAX {theirs}")


def _read(file: Path) -> Networks:
    recipe, arrays = read_weights(file, FORMAT, sealed=True)
    size = recipe["training"]
    like = Networks(ContactProblem(mazes=1), int(size["width"]), int(size["members"]), jax.random.key(0))
    return with_weights(file, like, arrays)
