# SPDX-License-Identifier: Apache-2.0
r"""The plan monitor: how likely does what the robot is about to do touch anything, and what less would be acceptable?

Model: the tracking errors of a unicycle on its reference (`reflexarc.reach.systems.driving`), started from the pose's
distance to the plan with the covariance of the odometry, with an unknown drift gain a ~ U[0, a_max]; people keep their
velocity, where each is and how fast it goes is normal around its track; walls stand. The risk is the probability that
the footprint touches anything within the horizon.

One judgement makes at most 1 + finalists statements, each at (1 - confidence) / (1 + finalists) on particles that no
choice has seen:

1. the plan as it is; accepted if its one-sided upper bound is at most the limit;
2. otherwise all variants (`variants`) are ranked with few particles, and the cheapest that look acceptable are judged
   with fresh ones, the same for all of them, until one is accepted;
3. otherwise nothing is: the robot should brake.

Whatever cannot be judged (an input that is missing, too old, in another frame or not finite, a plan whose time goes
backwards, a covariance that is none) gives the answer "unknown", which is unsafe; `judge` never raises on data.
"""

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, BaseState, Obstacles, Plan, PlanRisk, Walls
from reflexarc.reach.monitor_config import MonitorConfig
from reflexarc.reach.obstacles import Discs, Footprint, Segments, Surroundings, surround
from reflexarc.reach.risk import ESCAPES, Risk, Touches, estimate
from reflexarc.reach.systems.driving import GAINS
from reflexarc.reach.systems.tracking import Reference
from reflexarc.reach.tracked import start_errors, tracked_touches
from reflexarc.reach.variants import KNOT, Variants, check_plan, variants
from reflexarc.robots import BaseRobot

DT = 0.1
"""Between two looks for contacts; in between the motion is taken as straight. [s]"""
MARGIN = 1.0
"""Way beyond every reference within which obstacles are looked at, besides `SIGMAS`. [m]"""
SIGMAS = 6.0
"""Standard deviations of a pose or track beyond which nothing is looked for; one in 1e9 is farther off."""
_TINY = 1e-12
"""Share of the largest variance below which another one counts as none."""


class PlanMonitor:
    """Judges plans of a wheeled base; draws are seeded, so equal calls since `reset` give equal answers."""

    def __init__(self, config: MonitorConfig, robot: BaseRobot, seed: int = 0):
        """Build and compile everything; takes seconds.

        Args:
            config: how plans are judged.
            robot: whose footprint counts.
            seed: of the particles.
        """
        self.config = config
        self._footprint = Footprint(
            radius=config.clearance_m,
            heading=2,
            half_length=robot.length / 2.0,
            half_width=robot.width / 2.0,
        )
        self._outline = 0.5 * math.hypot(robot.length, robot.width) + config.clearance_m
        self._default = np.diag(
            [config.position_std_m**2, config.position_std_m**2, config.heading_std_rad**2]
        )
        self._steps = round(config.horizon_s / DT)
        self._statements = 1 + config.finalists
        self._seed = seed
        self.reset()
        self._warm_up()

    def reset(self) -> None:
        """Begin again with the first draws."""
        self._count = 0
        self.safer: Plan | None = None
        """The accepted variant of the newest plan; None where it is accepted as it is, or nothing is."""

    def judge(
        self, plan: Plan | None, state: BaseState | None, now: float, covariance: Array | None = None
    ) -> PlanRisk:
        """Judge a plan.

        Args:
            plan: what the task policy means to do; None before the first.
            state: measured, with its surroundings; None before the first.
            now: time on the clock of the stamps. [s]
            covariance: of x, y [m^2] and yaw [rad^2] in the fixed frame, shape (3, 3); None or zeros where odometry
                says nothing, then the configuration's.
        """
        began = time.perf_counter()
        self._count += 1
        self.safer = None
        try:
            plan, state = self._checked(plan, state, now)
            spread = self._spread(covariance)
            return self._judge(plan, state, now, spread, began)
        except ConfigError as error:
            reason = str(error)
        return PlanRisk.unknown(now, self.config.limit, reason, time.perf_counter() - began)

    def _judge(self, plan: Plan, state: BaseState, now: float, spread: Array, began: float) -> PlanRisk:
        config = self.config
        rng = np.random.default_rng([self._seed, self._count])
        choices = variants(plan, float(state.twist[0]), config.horizon_s, config.deceleration_m_s2)
        around = self._surroundings(choices, state, spread, now)
        sample = self._sample(choices, state, spread, around, config.particles, rng)
        found = self._risk(choices, 0, state, sample)
        accepted, chosen, reason = found, 0, ""
        if not found.upper <= config.limit:
            accepted, chosen, reason = self._look_further(choices, state, spread, around, rng, found)
        good = chosen >= 0
        if chosen > 0:
            self.safer = Plan(plan.stamp, plan.frame_id, choices.time, choices.pose[chosen])
        return PlanRisk(
            stamp=now,
            p=found.p,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            limit=config.limit,
            n=found.n,
            known=found.known,
            accepted=good,
            upper=accepted.upper,
            speed_scale=float(choices.scale[chosen]) if good else 0.0,
            lateral_offset=float(choices.offset[chosen]) if good else 0.0,
            reason=reason,
            seconds=time.perf_counter() - began,
        )

    def _look_further(
        self, choices: Variants, state: BaseState, spread: Array, around: Any, rng: Any, found: Risk
    ) -> tuple[Risk, int, str]:
        """Return the risk of the cheapest acceptable variant and its index, or the plan's own, -1 and why."""
        config = self.config
        every, most = np.arange(len(choices.scale)), int(0.5 * config.limit * config.screening)
        few = self._sample(choices, state, spread, around, config.screening, rng)
        met = self._touches(choices, every, state, few, most)
        good = (met.escaped.mean(axis=1) <= ESCAPES) & ((met.first >= 0).sum(axis=1) <= most)
        promising = every[good][: config.finalists]
        sample = None
        for index in promising:
            sample = sample or self._sample(choices, state, spread, around, config.particles, rng)
            risk = self._risk(choices, int(index), state, sample)
            if risk.upper <= config.limit:
                return risk, int(index), ""
        looked = f"{len(promising)} of {len(every)} looked acceptable"
        return found, -1, f"risk {found.p:.3f} is above {config.limit:g} and no variant is accepted: {looked}"

    def _risk(
        self, choices: Variants, index: int, state: BaseState, sample: tuple[npt.NDArray, Surroundings]
    ) -> Risk:
        """Return the risk of one variant."""
        met = self._touches(choices, np.array([index]), state, sample)
        return estimate(
            met.first[0],
            None,
            1.0 - self.config.confidence,
            outputs=self._steps + 1,
            statements=self._statements,
            escaped=int(met.escaped.sum()),
        )

    def _touches(
        self,
        choices: Variants,
        which: npt.NDArray[np.intp],
        state: BaseState,
        sample: tuple[npt.NDArray, Surroundings],
        enough: int | None = None,
    ) -> Touches:
        """Return what the particles touch on the variants `which`, arrays of shape (len(which), N).

        Of a variant that more than `enough` touch only so much is known.
        """
        # Everything is seen from where the robot is: single precision is of micrometres there.
        t = DT * np.arange(self._steps + 1)
        seen = choices.pose[which] - np.array([state.pose[0], state.pose[1], 0.0])
        poses = np.array([[np.interp(t, choices.time, column) for column in one.T] for one in seen])
        reference = Reference(choices.time, choices.speed[which], choices.turn_rate[which])
        x0, around = sample
        places, threads = poses.transpose(0, 2, 1), self.config.threads
        return tracked_touches(x0, reference, places, DT, GAINS, around, self._footprint, threads, enough)

    def _sample(
        self,
        choices: Variants,
        state: BaseState,
        spread: Array,
        around: tuple[Discs, Segments],
        count: int,
        rng: np.random.Generator,
    ) -> tuple[npt.NDArray[np.float32], Surroundings]:
        """Return fresh tracking errors with drift gains, float32 (count, 4), and what is around them."""
        root = np.linalg.cholesky(spread)
        robots = np.array([0.0, 0.0, state.pose[2]]) + rng.standard_normal((count, 3)) @ root.T
        away = start_errors(robots, choices.pose[0, 0] - np.array([state.pose[0], state.pose[1], 0.0]))
        drift = rng.uniform(0.0, self.config.drift_per_s, count)
        x0 = np.column_stack([away, drift]).astype(np.float32)
        return x0, surround(around, count, rng)

    def _surroundings(
        self, choices: Variants, state: BaseState, spread: Array, now: float
    ) -> tuple[Discs, Segments]:
        """Return what is in reach, seen from the robot's place, people carried to `now` with what their age adds."""
        people, age = state.obstacles, max(0.0, now - state.obstacles.stamp)
        way = choices.pose[..., :2] - state.pose[:2]  # (C, S, 2)
        off = float(
            np.hypot(*way[0, 0])
        )  # a robot that is not on its plan starts so far beside every variant
        reach = self._outline + MARGIN + off + SIGMAS * math.sqrt(spread[0, 0] + spread[1, 1])
        t = choices.time[:, None]
        centre = people.position + age * people.velocity - state.pose[:2]
        std = np.hypot(people.position_std, age * people.velocity_std)
        there = centre + t[..., None] * people.velocity  # (S, people, 2)
        allowed = reach + people.radius + SIGMAS * np.hypot(std, t * people.velocity_std)
        apart = np.linalg.norm(way[:, :, None] - there, axis=-1)  # (C, S, people)
        near = (apart < allowed + KNOT * np.linalg.norm(people.velocity, axis=1)).any(axis=(0, 1))
        discs = Discs(
            centre[near], people.radius[near], people.velocity[near], std[near], people.velocity_std[near]
        )
        reach += float(np.hypot(way[..., 0], way[..., 1]).max())
        ends = state.walls.segments - np.tile(state.pose[:2], 2)
        box = np.sort(ends.reshape(-1, 2, 2), axis=1)  # low and high corner of each segment
        gap = np.maximum(np.maximum(box[:, 0], -box[:, 1]), 0.0)
        return discs, Segments(ends[np.hypot(gap[:, 0], gap[:, 1]) < reach])

    def _checked(self, plan: Plan | None, state: BaseState | None, now: float) -> tuple[Plan, BaseState]:
        """Return the inputs, the plan cut to what lies ahead.

        Raises:
            ConfigError: why they cannot be judged.
        """
        config = self.config
        if plan is None or state is None:
            raise ConfigError(f"no {'plan' if plan is None else 'state'} has arrived")
        if plan.frame_id != state.frame_id or state.obstacles.frame_id != state.frame_id:
            raise ConfigError(
                f"plan, state and obstacles are in frames {plan.frame_id!r}, {state.frame_id!r} and "
                f"{state.obstacles.frame_id!r}; they must be in one"
            )
        stamps = {"plan": plan.stamp, "state": state.stamp, "obstacles": state.obstacles.stamp}
        for name, stamp in stamps.items():
            if not abs(now - stamp) <= config.max_age_s:
                raise ConfigError(f"{name} is {now - stamp:.3f} s old, allowed {config.max_age_s:g} s")
        people, walls = state.obstacles, state.walls
        for name, numbers in (
            ("state", (state.pose, state.twist)),
            (
                "tracks",
                (people.position, people.velocity, people.position_std, people.velocity_std, people.radius),
            ),
            ("walls", (walls.segments,)),
        ):
            if not all(np.isfinite(part).all() for part in numbers):
                raise ConfigError(f"the {name} hold a number that is not finite")
        speeds = np.hypot(*people.velocity.T)
        if speeds.max(initial=0.0) > config.max_obstacle_speed_m_s:
            raise ConfigError(
                f"a track moves at {speeds.max():.3g} m/s, allowed {config.max_obstacle_speed_m_s:g} m/s"
            )
        if min(a.min(initial=0.0) for a in (people.radius, people.position_std, people.velocity_std)) < 0.0:
            raise ConfigError("the tracks hold a negative radius or standard deviation")
        ahead = max(0.0, now - plan.stamp)
        check_plan(plan, config.horizon_s + ahead)
        later = plan.time > ahead
        yaw = np.unwrap(plan.pose[:, 2])
        first = [np.interp(ahead, plan.time, c) for c in (plan.pose[:, 0], plan.pose[:, 1], yaw)]
        rest = np.column_stack([plan.pose[later, :2], yaw[later]])
        moved = Plan(
            plan.stamp + ahead,
            plan.frame_id,
            np.concatenate([[0.0], plan.time[later] - ahead]),
            np.vstack([first, rest]),
        )
        return moved, state

    def _spread(self, covariance: Array | None) -> Array:
        """Return a covariance that can be drawn from.

        Raises:
            ConfigError: it is not finite, not symmetric, negative, or singular without being zero.
        """
        if covariance is None or not np.any(covariance):
            return self._default
        spread = np.asarray(covariance, dtype=np.float64)
        if spread.shape != (3, 3) or not np.isfinite(spread).all() or not np.allclose(spread, spread.T):
            raise ConfigError("the covariance of x, y, yaw is not a finite symmetric 3 x 3 matrix")
        values = np.linalg.eigvalsh(spread)
        if values[0] <= _TINY * max(values[-1], 0.0):
            raise ConfigError(
                f"the covariance of x, y, yaw is singular or negative (smallest eigenvalue {values[0]:.3g})"
            )
        return spread

    def _warm_up(self) -> None:
        """Judge a plan that ends in somebody, so that everything is compiled and loaded."""
        t = np.arange(round(self.config.plan_s / KNOT) + 1, dtype=np.float64) * KNOT
        plan = Plan(0.0, "", t, np.column_stack([0.5 * t, 0.0 * t, 0.0 * t]))
        one, middle = np.ones(1), np.array([[1.0, 0.0]])
        people = Obstacles(0.0, "", middle, 0.0 * middle, 0.3 * one, 0.05 * one, 0.05 * one)
        walls = Walls(0.0, "", np.array([[-1.0, 5.0, 5.0, 5.0]]))
        self.judge(plan, BaseState(0.0, "", np.zeros(3), np.array([0.5, 0.0]), people, walls), 0.0)
        self.reset()
