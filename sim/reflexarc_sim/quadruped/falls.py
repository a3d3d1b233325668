# SPDX-License-Identifier: Apache-2.0
"""Walks of many pushed quadrupeds, for a critic of falls: what it would have seen and what came of it, and its reflex.

The arc looks at every step of physics, the policy decides at every fifth. So views are taken at a random step within
the period of a decision, each with the targets that were proposed at its beginning.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from reflexarc.arc.walker_config import WalkerConfig
from reflexarc.core.config import from_mapping
from reflexarc.core.types import Array
from reflexarc.robots.quadruped import load_quadruped
from reflexarc.robust.problem import Mask
from reflexarc.walking.fall import VIEWED, FallCritic, fall_view
from reflexarc.walking.fall_recipe import FallRecipe, Rollouts
from reflexarc.walking.gait import clock, walks
from reflexarc.walking.observation import CONTROL_PERIOD, MOST_ACTION, OBSERVED
from reflexarc.walking.policy import WalkingPolicy
from reflexarc.walking.recovery import going_along
from reflexarc_sim.quadruped import task as walking
from reflexarc_sim.quadruped.model import PHYSICS_PERIOD
from reflexarc_sim.quadruped.protocol import EVERY_S, LASTS_S, REDRAWN_S, Sudden
from reflexarc_sim.quadruped.randomisation import Randomisation
from reflexarc_sim.quadruped.walk import SUBSTEPS, Walk

_ENDLESS_S = 1e6
_VELOCITY, _MIDDLE = slice(3, 6), slice(3, OBSERVED - 2)
"""Entries of an observation: the velocity, and all but command and clock."""


class Falls(NamedTuple):
    """What n views led to."""

    views: Array
    """Shape (n, 45)."""
    labels: Array
    """exp(-T / tau), or 0; shape (n,)."""
    robots: np.ndarray
    """Which robot each is of, shape (n,), int."""
    fallen: int
    """How often a robot fell."""


class _Recording:
    """A batch of simulations that remembers where they came along in the last rollout."""

    def __init__(self, batch: Any):
        self._batch = batch
        self.way: dict[str, Array] = {}

    def rollout(self, *args: Any, **kwargs: Any) -> dict[str, Array]:
        self.way = self._batch.rollout(*args, **(kwargs | {"record": ("qpos", "qvel")}))
        return self.way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)


class Pushers:
    """Some robots that nobody pushes; of the others one half suddenly, one half all the time, each by its own most."""

    def __init__(self, rollouts: Rollouts, rng: np.random.Generator):
        """Draw who is pushed how."""
        n = rollouts.episodes
        kind = rng.random(n)
        calm = kind < rollouts.calm_share
        self._sudden: Mask = np.logical_and(~calm, kind < 0.5 * (1.0 + rollouts.calm_share))
        most = np.where(self._sudden, rollouts.sudden_n, rollouts.continuous_n)
        self._most = np.where(calm, 0.0, most * rng.random(n))
        self._force, self._left = np.zeros((n, 3)), np.zeros(n)

    def __call__(self, step: int, rng: np.random.Generator) -> Array:
        """Return the forces of step number `step`, shape (n, 3). [N]"""
        n = len(self._most)
        begins = np.logical_and(self._sudden, rng.random(n) < CONTROL_PERIOD / EVERY_S)
        self._left = np.where(begins, np.rint(rng.uniform(*LASTS_S, n) / CONTROL_PERIOD), self._left - 1.0)
        angle = rng.uniform(-np.pi, np.pi, n)
        level = np.stack((np.cos(angle), np.sin(angle), np.zeros(n)), axis=1)
        self._force = np.where(begins[:, None], self._most[:, None] * level, self._force)
        if step % round(REDRAWN_S / CONTROL_PERIOD) == 0:
            way = rng.normal(size=(n, 3))
            way *= (self._most * np.cbrt(rng.random(n)) / np.linalg.norm(way, axis=1))[:, None]
            self._force = np.where(self._sudden[:, None], self._force, way)
        return self._force * np.where(self._sudden, self._left > 0.0, True)[:, None]


def make_walk(recipe: FallRecipe, policy: WalkingPolicy, episodes: int, threads: int = 1) -> Walk:
    """Return robots on a plane whose episodes have no end of their own, told as the policy was when it learned.

    Raises:
        ConfigError: the recipe's randomisation is not acceptable.
    """
    differ = from_mapping(Randomisation, recipe.rollouts.randomisation, "rollouts.randomisation")
    task = walking.WalkingTask(commands=policy.commands, gait=policy.gait, length_s=_ENDLESS_S)
    return Walk(load_quadruped(recipe.robot), episodes, task, differ, threads=threads)


def collect(recipe: FallRecipe, policy: WalkingPolicy, progress: Any = None) -> Falls:
    """Let robots walk and note what led to a fall, one view per decision.

    Views near the end, whose fall within the horizon may have been missed, are left out.

    Args:
        recipe: says how.
        policy: the task policy.
        progress: told steps done, steps in all, and figures.
    """
    r = recipe.rollouts
    rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(0,)))
    walk = make_walk(recipe, policy, r.episodes)
    batch = _Recording(walk.batch)
    walk.batch = batch  # pyright: ignore[reportAttributeAccessIssue]
    pushers, targets_of = Pushers(r, rng), _Targets(walk)
    n, steps = r.episodes, round(r.length_s / CONTROL_PERIOD)
    views = np.zeros((steps, n, VIEWED), dtype=np.float32)
    within, failed = np.zeros(steps), np.zeros((steps, n), dtype=bool)
    seen = walk.begin(rng)
    for k in range(steps):
        action = policy.actor(seen)
        substep = int(rng.integers(SUBSTEPS))
        qpos, qvel = walk.state["qpos"].copy(), walk.state["qvel"].copy()
        seen, step = walk.step(action, pushers(k, rng), rng)
        if substep:
            qpos, qvel = batch.way["qpos"][:, substep - 1], batch.way["qvel"][:, substep - 1]
        views[k] = targets_of.view(qpos, qvel, action)
        within[k], failed[k] = substep * PHYSICS_PERIOD, step.failed
        if progress is not None and k % 50 == 0:
            progress(k, steps, {"fallen": float(failed.sum())})
    labels, sure = discounted(failed, within, recipe.risk.tau_s, recipe.risk.horizon_s)
    sure &= np.isfinite(views).all(axis=2)
    robots = np.broadcast_to(np.arange(n), (steps, n))
    return Falls(views[sure].astype(np.float64), labels[sure], robots[sure], int(failed.sum()))


def discounted(failed: Mask, within: Array, tau: float, horizon: float) -> tuple[Array, Mask]:
    """Return the labels of views, and which of them are known for sure, both of shape (k, n).

    Args:
        failed: whether a robot fell in step k, shape (k, n).
        within: when within step k its view was taken, shape (k,). [s]
        tau: [s]
        horizon: [s]
    """
    steps = len(failed)
    until = np.full(failed.shape[1], np.inf)  # from the beginning of the step to the end of that of the fall
    labels, sure = np.zeros(failed.shape), np.zeros(failed.shape, dtype=bool)
    for k in range(steps - 1, -1, -1):
        until = np.where(failed[k], CONTROL_PERIOD, until + CONTROL_PERIOD)
        wait = until - within[k]
        labels[k] = np.where(wait <= horizon, np.exp(-wait / tau), 0.0)
        left = (steps - k) * CONTROL_PERIOD - within[k]
        sure[k] = np.logical_or(wait <= horizon, left >= horizon)
    return labels, sure


def shielded(
    recipe: FallRecipe,
    policy: WalkingPolicy,
    recovery: WalkingPolicy | None,
    critic: FallCritic,
    thresholds: Sequence[float],
    progress: Any = None,
) -> np.ndarray:
    """Return which robots fell under each threshold, shape (k, n), bool; all begin and are pushed alike.

    Args:
        recipe: says how they are pushed, and for how long.
        policy: the task policy.
        recovery: acts in a reflex; None: the robot crouches.
        critic: its own threshold is not used.
        thresholds: above 1 the reflex never acts.
        progress: as for `collect`.
    """
    t, use = recipe.threshold, WalkerConfig()
    steps, dwell = round(t.length_s / CONTROL_PERIOD), round(use.dwell_s / CONTROL_PERIOD)
    fallen = np.zeros((len(thresholds), t.episodes), dtype=bool)
    walk = make_walk(recipe, policy, t.episodes)
    targets_of = _Targets(walk)
    crouch = np.tile(np.subtract(walk.robot.crouch, walk.robot.stance), 4) / walk.robot.action_scale
    for i, threshold in enumerate(thresholds):
        rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(1,)))
        pushes, seen = Sudden(t.sudden_n), walk.begin(rng)
        reflex, lasted = np.zeros(t.episodes, dtype=bool), np.zeros(t.episodes)
        told = np.zeros((t.episodes, 3))
        for k in range(steps):
            action = policy.actor(seen)
            views = targets_of.view(walk.state["qpos"], walk.state["qvel"], action)
            risk = critic.risks(views)
            stays = np.logical_or(lasted < dwell, ~(risk <= use.release * threshold))
            reflex = np.where(reflex, stays, ~(risk <= threshold))
            lasted = np.where(reflex, lasted + 1, 0)
            other = np.broadcast_to(crouch, action.shape)
            if (
                recovery is not None
            ):  # as `arc.walker_motion` tells it, the clock from the beginning of the reflex
                asked, share = recovery.commands, 1.0 if use.rule == "along" else 0.0
                goal = asked.within(going_along(seen[:, _VELOCITY], share))
                told = np.where(lasted[:, None] > 1, asked.towards(told, goal), goal)
                phase = recovery.gait.frequency * CONTROL_PERIOD * np.maximum(lasted - 1, 0) % 1.0
                other = recovery.actor(np.hstack((told, seen[:, _MIDDLE], clock(phase, walks(told)))))
            seen, step = walk.step(np.where(reflex[:, None], other, action), pushes(k, seen, rng), rng)
            fallen[i] |= step.failed
            reflex &= ~step.failed
            if progress is not None and k % 50 == 0:
                progress(i * steps + k, len(thresholds) * steps, {"fallen": float(fallen[i].mean())})
    return fallen


class _Targets:
    """What a critic sees of the robots of a walk."""

    def __init__(self, walk: Walk):
        self._stance, self._scale = np.tile(walk.robot.stance, 4), walk.robot.action_scale
        self._low, self._high = np.tile(walk.robot.lower, 4), np.tile(walk.robot.upper, 4)

    def view(self, qpos: Array, qvel: Array, action: Array) -> Array:
        known = walking.body(qpos, qvel, self._stance)
        wanted = self._stance + self._scale * np.clip(np.nan_to_num(action), -MOST_ACTION, MOST_ACTION)
        return fall_view(known, np.clip(wanted, self._low, self._high), self._stance, self._scale)
