# SPDX-License-Identifier: Apache-2.0
"""Offline data from the tasks: several copies of an environment, driven together by one policy."""

from collections.abc import Callable

import gymnasium
import numpy as np

from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc_sim.tasks.base import SafeTask

Policy = Callable[[Array, np.random.Generator], Array]
"""(batch, n) observations -> (batch, m) actions; all its chance comes from the generator."""
_COLUMNS = ("x", "u", "next_x", "margin", "next_margin", "reward", "terminal", "last")


class HeldInputs:
    """Random inputs within the bounds, each held for a random time: long manoeuvres, not trembling."""

    def __init__(self, space: gymnasium.spaces.Box, longest: int = 50):
        """`longest`: steps; how long an input is held is drawn log-uniformly between 1 and it."""
        self._space, self._longest = space, longest
        self._inputs = np.zeros((0, *space.shape))
        self._left = np.zeros(0, dtype=int)

    def __call__(self, observations: Array, rng: np.random.Generator) -> Array:
        """Return one input per observation."""
        count = len(observations)
        if len(self._left) != count:
            self._inputs = np.zeros((count, *self._space.shape))
            self._left = np.zeros(count, dtype=int)
        due = self._left <= 0
        fresh = rng.uniform(self._space.low, self._space.high, self._inputs.shape)
        self._inputs = np.where(due[:, None], fresh, self._inputs)
        held = np.exp(rng.uniform(0.0, np.log(self._longest), count)).astype(int)
        self._left = np.where(due, held, self._left) - 1
        return self._inputs.copy()


def collect(task: str, steps: int, seed: int, policy: Policy | None = None, copies: int = 8) -> Transitions:
    """Record transitions of a task.

    Args:
        task: name known to Gymnasium, of a task of this package.
        steps: transitions in all; each copy gives an equal share (the first ones one more).
        seed: of layouts and policy; the same seed gives the same data.
        policy: None for `HeldInputs`.
        copies: environments that are stepped together.

    Returns:
        Observations as states, copy by copy in the order of time. `last` marks where an episode or the recording ends;
        `system` is the task's name without namespace and version.

    Raises:
        ConfigError: fewer steps than copies, no copies, or an environment that is no `SafeTask`.
    """
    if copies < 1 or steps < copies:
        raise ConfigError(
            f"{steps} steps from {copies} copies of {task} cannot be recorded; at least 1 step each"
        )
    rng = np.random.default_rng(seed)
    environments = [gymnasium.make(task) for _ in range(copies)]
    try:
        return _record(task, environments, steps, policy, rng)
    finally:
        for environment in environments:
            environment.close()


def _record(
    task: str, environments: list[gymnasium.Env], steps: int, policy: Policy | None, rng: np.random.Generator
) -> Transitions:
    bare, space = environments[0].unwrapped, environments[0].action_space
    if not isinstance(bare, SafeTask) or not isinstance(space, gymnasium.spaces.Box):
        raise ConfigError(f"{task} is not one of the safe tasks; it gives no margin, so nothing was recorded")
    policy = policy or HeldInputs(space)
    quota = [steps // len(environments) + (k < steps % len(environments)) for k in range(len(environments))]
    starts = [e.reset(seed=int(rng.integers(2**31))) for e in environments]
    seen = np.stack([observation for observation, _ in starts])
    margin = [float(info["margin"]) for _, info in starts]
    rows: list[list[tuple]] = [[] for _ in environments]
    for step in range(max(quota)):
        actions = np.clip(policy(seen, rng), space.low, space.high)
        for k, environment in enumerate(environments):
            if step >= quota[k]:
                continue
            sent = actions[k].astype(space.dtype)
            after, reward, terminated, truncated, info = environment.step(sent)
            last = terminated or truncated or step == quota[k] - 1
            rows[k].append((seen[k].copy(), sent, after, margin[k], info["margin"], reward, terminated, last))
            seen[k], margin[k] = after, info["margin"]
            if (terminated or truncated) and step < quota[k] - 1:
                seen[k], info = environment.reset()
                margin[k] = info["margin"]
    merged = [row for copy in rows for row in copy]
    columns = {
        name: np.array(values) for name, values in zip(_COLUMNS, zip(*merged, strict=True), strict=True)
    }
    return Transitions(
        **columns,
        dt=np.full(len(merged), bare.period),
        system=environments[0].spec.name if environments[0].spec is not None else task,
        state=tuple(f"o{i}" for i in range(seen.shape[1])),
        input=tuple(f"u{i}" for i in range(space.shape[0])),
        lower=space.low.astype(np.float64),
        upper=space.high.astype(np.float64),
    )
