# SPDX-License-Identifier: Apache-2.0
r"""The maze as a problem: a tip is to follow a plan that lies a little beside the real channel, balls in its way.

An action lasts `DECISION_S` at most (see `view`). The task policy sees the contact, the stiffness and where the plan
goes on, all in the frame of the plan's direction:

    F / FORCE, v / SPEED, (x_d - x) / STEP, stiffness, direction of the plan `FAR` ahead, what remains / ROOM, stall,

critic and recovery only the contact in the frame of the motion that is judged. Reward per decision: 1 for each
`PROGRESS` on the plan, -`TIME`, -`EFFORT` times the mean of (|F| / SUSTAINED)^2, `ARRIVED` at the exit.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reflex.contact.guide import BACK, FAR, FORWARD, LONG_STALL_S, NEAR, POINTS, ROOM
from reflexarc.reflex.contact.mazes import BALL_RADIUS, TIP_RADIUS, WALL_HALF, maze
from reflexarc.reflex.contact.model import (
    CHANCE,
    STEP_S,
    Bank,
    Drawn,
    Tip,
    bank_of,
    resting,
    started,
    stepped,
)
from reflexarc.reflex.contact.view import (
    ACTION,
    DECISION_S,
    FORCE,
    HIGH,
    LOW,
    SPEED,
    STEP,
    VIEW,
    along_across,
    direction,
    in_plane,
    view,
)

PROGRESS, TIME, EFFORT, ARRIVED = 0.02, 0.2, 0.1, 3.0
EXIT = 0.022
"""The exit is reached nearer than this. [m]"""
LONGEST_S = 6.0
"""Longest episode. [s]"""
OBSERVATION, TASK_FEATURES = 14, 12


@dataclass(frozen=True, eq=False)
class ContactProblem:
    """Mazes of a family; see `reflexarc.reflex.problem.Problem`."""

    family: str = "train"
    mazes: int = 512
    first: int = 0
    """Seed of the first maze."""
    substeps: int = 5
    """Steps of the model in a control step."""
    fixed: float | None = None
    """Stiffness that no policy can change [N/m]; None: it is part of the action."""
    wrench_only: bool = False
    """Critic and recovery see the force alone beside the action, as in SRL-VIC."""
    drawn: Drawn = field(default_factory=Drawn)
    gamma: float = 0.5
    threshold: float = 0.15
    multiplier: float = 100.0
    scale: float = 4.0
    unfolds: bool = True
    hold: int = 1
    observation: int = OBSERVATION
    action: int = ACTION
    task_features: int = TASK_FEATURES
    task_raw: int = ACTION
    judged_features: int = VIEW
    reflex_features: int = VIEW
    reflex_raw: int = ACTION
    noise: int = 2
    chance: int = CHANCE
    bank: Bank = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = [maze(k, self.family) for k in range(self.first, self.first + self.mazes)]
        object.__setattr__(self, "bank", bank_of(made))

    @property
    def name(self) -> str:
        """Its name in recipes."""
        return "maze"

    @property
    def length(self) -> int:
        """Control steps of a whole decision."""
        return round(DECISION_S / (STEP_S * self.substeps))

    @property
    def horizon(self) -> int:
        """Control steps of the longest episode."""
        return round(LONGEST_S / (STEP_S * self.substeps))

    def start(self, z: Any) -> Tip:
        """Return tips at the entrances of mazes."""
        return started(self.bank, self.drawn, z)

    def observe(self, s: Tip) -> Any:
        """Return force, velocity, stretch, stiffness and plan, shape (n, 14)."""
        felt = jnp.take_along_axis(s.felt, s.delay[:, None, None], axis=1)[:, 0] + s.hiss
        plan, spacing = self.bank.plan[s.maze], self.bank.spacing[s.maze]
        near = self._ahead(plan, spacing, s.at, NEAR)
        far = self._ahead(plan, spacing, s.at, FAR)
        remains = (POINTS - 1 - s.at) * spacing
        return jnp.concatenate(
            [
                felt, s.velocity, s.reference - s.place, s.stiffness, direction(jnp, near - s.place),
                direction(jnp, far - near + 1e-3 * (near - s.place)), remains[:, None], s.stall[:, None],
            ],
            axis=-1,
        )  # fmt: skip

    def task_seen(self, seen: Any) -> Any:
        """Return the contact and the way ahead in the frame of the plan."""
        e = seen[..., 8:10]
        return jnp.concatenate(
            [
                along_across(jnp, e, seen[..., 0:2]) / FORCE,
                along_across(jnp, e, seen[..., 2:4]) / SPEED,
                along_across(jnp, e, seen[..., 4:6]) / STEP,
                seen[..., 6:8],
                along_across(jnp, e, seen[..., 10:12]),
                seen[..., 12:13] / ROOM,
                jnp.minimum(seen[..., 13:14], LONG_STALL_S),
            ],
            axis=-1,
        )

    def proposed(self, seen: Any, raw: Any) -> Any:
        """Return the action of a displacement in the frame of the plan."""
        return self._action(in_plane(jnp, seen[..., 8:10], raw[..., :2]), raw[..., 2:])

    def judged(self, seen: Any, action: Any) -> Any:
        """Return the view of an action."""
        found = view(
            jnp, seen[..., 0:2], seen[..., 2:4], seen[..., 4:6], STEP * action[..., :2], action[..., 2:]
        )
        if self.wrench_only:
            found = found.at[..., 2:6].set(0.0)
        return found

    def refused(self, seen: Any, action: Any) -> Any:
        """Return the view of the refused action."""
        return self.judged(seen, action)

    def recovered(self, seen: Any, action: Any, raw: Any) -> Any:
        """Return the action of a displacement in the frame of the refused motion."""
        return self._action(in_plane(jnp, direction(jnp, action[..., :2]), raw[..., :2]), raw[..., 2:])

    def rule(self, seen: Any, action: Any) -> Any:
        """Stay here, as soft as can be."""
        return jnp.concatenate([jnp.zeros_like(action[..., :2]), -jnp.ones_like(action[..., 2:])], axis=-1)

    def force(self, seen: Any) -> Any:
        """Return the measured force. [N]"""
        return jnp.sqrt((seen[..., 0:2] ** 2).sum(-1))

    def left(self, s: Tip, action: Any) -> Any:
        """Return what is left of the action that is going on."""
        return jnp.concatenate([(s.goal - s.place) / STEP, s.stiffness], axis=-1)

    def begin(self, s: Tip, action: Any, begins: Any, reflex: Any) -> Tip:
        """Set goal, stiffness and the reference's way; a reflex drops the stretch first."""
        from_here = (begins & reflex)[:, None]
        reference = jnp.where(from_here, s.place, s.reference)
        goal = s.place + STEP * action[:, :2]
        new = begins[:, None]
        return s._replace(
            reference=reference,
            goal=jnp.where(new, goal, s.goal),
            pace=jnp.where(new, (goal - reference) / DECISION_S, s.pace),
            axis=jnp.where(new, direction(jnp, action[:, :2]), s.axis),
            stiffness=jnp.where(new, action[:, 2:], s.stiffness),
        )

    def move(self, s: Tip, action: Any, z: Any) -> Tip:
        """Return the state one control step later."""
        walls = self.bank.walls[s.maze]
        s = s._replace(effort=0.0 * s.effort)
        s = jax.lax.fori_loop(0, self.substeps, lambda _, s: stepped(s, walls), s)
        plan, spacing = self.bank.plan[s.maze], self.bank.spacing[s.maze]
        far = ((plan - s.place[:, None]) ** 2).sum(-1)
        number = jnp.arange(POINTS)
        allowed = (number >= s.at[:, None] - BACK) & (number <= s.at[:, None] + FORWARD)
        at = jnp.argmin(jnp.where(allowed, far, jnp.inf), axis=1).astype(jnp.int32)
        return s._replace(
            hiss=s.bias + self.drawn.noise * z,
            effort=s.effort / self.substeps,
            gained=(at - s.at) * spacing,
            at=at,
            stall=jnp.where(at > s.at, 0.0, s.stall + STEP_S * self.substeps),
        )

    def failed(self, s: Tip) -> Any:
        """Return whether the force was beyond a limit."""
        return s.violated

    def reached(self, s: Tip) -> Any:
        """Return whether the tip is at the exit."""
        return ((s.place - self.bank.end[s.maze]) ** 2).sum(-1) < EXIT**2

    def reward(self, s: Tip) -> Any:
        """Return the reward of the last control step, times `length`."""
        return self.length * (s.gained / PROGRESS + ARRIVED * self.reached(s)) - TIME - EFFORT * s.effort

    def probes(self, count: int, rng: np.random.Generator) -> tuple[Tip, Any]:
        """Return tips anywhere in the channels, moving anyhow, with actions of every direction and stiffness."""
        which = rng.integers(0, self.mazes, count)
        plan, walls = np.asarray(self.bank.plan), np.asarray(self.bank.walls)
        at = rng.integers(0, POINTS, count)
        place = plan[which, at] + rng.normal(0.0, 0.01, (count, 2))
        a, d = walls[which][..., :2], walls[which][..., 2:] - walls[which][..., :2]
        share = ((place[:, None] - a) * d).sum(-1) / (d * d).sum(-1)
        gap = np.linalg.norm(place[:, None] - a - np.clip(share, 0.0, 1.0)[..., None] * d, axis=-1).min(
            axis=1
        )
        inside = gap > TIP_RADIUS + WALL_HALF
        place = np.where(inside[:, None], place, np.asarray(self.bank.start)[which])
        s = resting(
            self.bank, self.drawn, jnp.asarray(which), jnp.asarray(place, dtype=jnp.float32),
            jnp.asarray(rng.standard_normal((count, 6)), dtype=jnp.float32),
            jnp.asarray(np.where(inside, at, 0), dtype=jnp.int32),
        )  # fmt: skip
        clear = jnp.sqrt(((s.balls - s.place[:, None]) ** 2).sum(-1)) > TIP_RADIUS + BALL_RADIUS
        velocity = rng.normal(0.0, 0.1, (count, 2)) * rng.random((count, 1))
        stretch = rng.uniform(-0.5, 0.5, (count, 2)) * STEP
        raw = rng.uniform(-1.0, 1.0, (count, ACTION))
        s = s._replace(
            balls=jnp.where(clear[..., None], s.balls, 10.0 + s.balls),
            velocity=jnp.asarray(velocity, dtype=jnp.float32),
            reference=s.place + jnp.asarray(stretch, dtype=jnp.float32),
        )
        return s, self._action(jnp.asarray(raw[:, :2]), jnp.asarray(raw[:, 2:]))

    def _action(self, displacement: Any, stiffness: Any) -> Any:
        if self.fixed is not None:
            entry = 2.0 * np.log(self.fixed / LOW) / np.log(HIGH / LOW) - 1.0
            stiffness = jnp.full_like(stiffness, entry)
        return jnp.concatenate([displacement, stiffness], axis=-1).astype(jnp.float32)

    def _ahead(self, plan: Any, spacing: Any, at: Any, distance: float) -> Any:
        k = jnp.clip(at + jnp.ceil(distance / spacing).astype(jnp.int32), 0, POINTS - 1)
        return jnp.take_along_axis(plan, k[:, None, None], axis=1)[:, 0]
