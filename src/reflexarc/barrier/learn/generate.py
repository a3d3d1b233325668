# SPDX-License-Identifier: Apache-2.0
"""Offline data from a control-affine system: half goal-seeking with noise, half random.

Episodes start uniformly in the system's region. They end after `system.steps` periods, or for good (`terminal`) when
the state leaves the region: what happens beyond is not asked, the last margin counts. A goal-seeking episode adds to
the nominal input a disturbance that is held for a while; a random episode holds inputs drawn from all of the bounds
(half of them on the boundary). How long an input is held is drawn anew each time, log-uniformly between one period and
a tenth of the episode, because an input that changes every few milliseconds averages out and never shows what a
sustained manoeuvre can do.
"""

import numpy as np

from reflexarc.barrier.learn.simulate import batched, clip_inputs, input_bounds, random_inputs
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems.system import System

PARALLEL = 500
"""Episodes simulated at a time."""


def generate(system: System, count: int, seed: int, seeking: float = 0.5, noise: float = 0.5) -> Transitions:
    """Return `count` transitions of `system`.

    Args:
        system: what to simulate.
        count: transitions.
        seed: of starts and inputs.
        seeking: share of episodes that follow the nominal input.
        noise: size of the disturbance of those, in parts of the largest input.

    Raises:
        ConfigError: no transitions asked for, or a share outside [0, 1].
    """
    if count < 1 or not 0.0 <= seeking <= 1.0:
        raise ConfigError(
            f"data of {system.name}: {count} transitions with a goal-seeking share of {seeking} cannot be made; "
            "at least 1 and a share in [0, 1]"
        )
    rng = np.random.default_rng(seed)
    parts: list[dict[str, np.ndarray]] = []
    have = 0
    while have < count:
        part = _episodes(system, rng, seeking, noise)
        parts.append(part)
        have += len(part["x"])
    merged = {name: np.concatenate([p[name] for p in parts])[:count] for name in parts[0]}
    merged["last"][-1] = True
    lower, upper = input_bounds(system.inputs)
    return Transitions(
        **merged,
        dt=np.full(count, system.period),
        system=system.name,
        state=tuple(c.name for c in system.state),
        input=tuple(c.name for c in system.input),
        lower=lower,
        upper=upper,
    )


def _episodes(
    system: System, rng: np.random.Generator, seeking: float, noise: float
) -> dict[str, np.ndarray]:
    """Simulate `PARALLEL` episodes and return their rows, episode by episode."""
    functions = batched(system)
    x = rng.uniform(system.low, system.high, (PARALLEL, system.n))
    follows = rng.random(PARALLEL) < seeking
    hold = np.zeros(PARALLEL, dtype=int)
    kick = np.zeros((PARALLEL, system.m))
    longest = max(2, system.steps // 10)
    alive = np.ones(PARALLEL, dtype=bool)
    columns: dict[str, list[np.ndarray]] = {k: [] for k in ("x", "u", "next_x", "alive", "left")}
    for _ in range(system.steps):
        due = hold <= 0
        kick[due] = random_inputs(system.inputs, int(due.sum()), rng)
        hold[due] = np.exp(rng.uniform(0.0, np.log(longest), due.sum())).astype(int)
        hold -= 1
        wanted = np.asarray(functions.nominal(x), dtype=float)
        u = np.where(follows[:, None], clip_inputs(system.inputs, wanted + noise * kick), kick)
        after = np.asarray(functions.step(x, u, system.period), dtype=float)
        inside = np.asarray(((after >= system.low) & (after <= system.high)).all(axis=1))
        now: dict[str, np.ndarray] = {
            "x": x,
            "u": u,
            "next_x": after,
            "alive": alive,
            "left": np.logical_not(inside),
        }
        for name, value in now.items():
            columns[name].append(value)
        alive = np.asarray(alive & inside & np.isfinite(after).all(axis=1))
        x = np.where(alive[:, None], after, x)
        if not alive.any():
            break
    kept = np.stack(columns["alive"], axis=1)
    last = kept.copy()
    last[:, :-1] &= ~kept[:, 1:]
    keep = kept.reshape(-1)
    rows = {
        name: np.stack(columns[name], axis=1).reshape(len(keep), -1)[keep] for name in ("x", "u", "next_x")
    }
    rows["last"] = last.reshape(-1)[keep]
    rows["terminal"] = np.stack(columns["left"], axis=1).reshape(-1)[keep]
    for name, at in (("margin", "x"), ("next_margin", "next_x"), ("reward", "x")):
        function = functions.reward if name == "reward" else functions.margin
        rows[name] = np.asarray(function(rows[at]), dtype=float)
    return rows
