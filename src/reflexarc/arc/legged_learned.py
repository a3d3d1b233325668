# SPDX-License-Identifier: Apache-2.0
"""The learned barrier of a legged base in the arc: a file, its certificate, and the rows that it adds to the stage.

As for a wheeled base (`reflexarc.arc.learned`) it never replaces the analytic barrier, which is enforced last. The
rows are those of `reflexarc.barrier.disc_encounter`; the certificate has to be for these weights, this gain and
a period that is no shorter than the arc's.
"""

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import describe_person, shorter
from reflexarc.barrier.certify.certificate import Certificate
from reflexarc.barrier.certify.gate import admit, barrier_path
from reflexarc.barrier.compiled import pack
from reflexarc.barrier.disc_encounter import (
    DiscEncounterParameters,
    disc_encounter_rows,
    disc_reached,
    disc_row_shares,
    disc_scaled_rows,
)
from reflexarc.barrier.encounter_rows import VALUE, row_table
from reflexarc.barrier.learned import LearnedBarrier, load_barrier
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array, BaseState
from reflexarc.robots import LeggedRobot
from reflexarc.robots.legged import ENCOUNTER_STATE, PERSON_RADIUS


def disc_encounter_parameters(
    config: ArcConfig, robot: LeggedRobot, barrier: LearnedBarrier
) -> DiscEncounterParameters:
    """Join configuration, robot and barrier into the parameters of the rows."""
    learned = config.learned
    low, high = barrier.centre - barrier.scale, barrier.centre + barrier.scale
    unit = barrier.recipe.get("value_unit")
    return DiscEncounterParameters(
        alpha=learned.alpha,
        horizon=learned.horizon_s,
        latency=robot.actuation_latency if config.latency_s is None else config.latency_s,
        reach=min(learned.reach_m, float(-low[:2].max()), float(high[:2].min())),
        sigmas=learned.sigmas,
        deceleration=robot.max_deceleration,
        radius=robot.radius,
        person_radius=PERSON_RADIUS,
        unit=float(unit) if isinstance(unit, int | float) and 0.0 < unit < np.inf else 1.0,
        low=low,
        high=high,
    )


class LeggedLearnedRows:
    """Rows of the learned barrier for the nearest people."""

    def __init__(self, config: ArcConfig, robot: LeggedRobot):
        """Load the barrier and ask for its certificate.

        Raises:
            ConfigError: a gain with which one period overshoots the barrier, or a residual that the barrier has not.
            ModelError: the file is missing, malformed, for another robot or state, or has no matching certificate.
        """
        learned, period = config.learned, config.period
        path = barrier_path(learned.file)
        barrier = load_barrier(path)
        if barrier.system != f"{robot.name}_encounter":
            raise ModelError(
                f"{path}: the barrier is for {barrier.system!r}, this arc drives {robot.name!r} and needs one for "
                f"'{robot.name}_encounter'; refused"
            )
        barrier = load_barrier(path, ENCOUNTER_STATE)
        if learned.alpha * period > 1.0:
            raise ConfigError(
                f"learned.alpha {learned.alpha:g} 1/s times the period {period:g} s is {learned.alpha * period:g}, at "
                "most 1 is allowed: otherwise one period overshoots the barrier"
            )
        if learned.residual_share != 0.0:
            raise ConfigError(
                f"learned.residual_share is {learned.residual_share:g}: a legged robot's barrier has its model for "
                "data, no error of which was measured; only 0 is allowed"
            )

        def fits(certificate: Certificate) -> None:
            claim, longest = certificate.claims["scenario"], float(certificate.system["period_s"])
            if (
                claim["alpha"] != learned.alpha
                or claim["model_error"] != 0.0
                or period > longest * (1.0 + 1e-9)
            ):
                raise ModelError(
                    f"{path}: the certificate was made with alpha {claim['alpha']:g} 1/s, model error "
                    f"{claim['model_error']:g} and a period of {longest:g} s; asked for are learned.alpha "
                    f"{learned.alpha:g} 1/s, 0 and at most that period, not {period:g} s"
                )

        barrier, certified = admit(
            path, barrier, fits, learned.allow_uncertified, "learned.allow_uncertified"
        )
        self.uncertified = not certified
        self.most = learned.people
        self.parameters = disc_encounter_parameters(config, robot, barrier)
        self._packed = pack(barrier)
        self._rows = row_table(learned.people)
        self._twist = np.zeros(3)
        self._count = 0

    def update(self, state: BaseState, pose: Array, age: float) -> bool:
        """Evaluate the barrier for a tick; False if a number is not finite.

        Args:
            state: of the tick.
            pose: x, y, yaw at the time of the tick, shape (3,). [m, m, rad]
            age: age of the tracks at the tick. [s]
        """
        self._twist[:] = state.twist
        obstacles = state.obstacles
        self._count = disc_encounter_rows(
            pose,
            self._twist,
            age,
            obstacles.position,
            obstacles.velocity,
            obstacles.radius,
            obstacles.position_std,
            obstacles.velocity_std,
            self._packed,
            self.parameters,
            self._rows,
        )
        return self._count >= 0

    @property
    def margin(self) -> float:
        """Smallest barrier value among the people of the newest tick. [m]

        inf with nobody near, -inf where a velocity is beyond what the barrier was learned from, NaN after a failure.
        """
        if self._count < 0:
            return np.nan
        return float(self._rows[: self._count, VALUE].min()) if self._count else np.inf

    def share(self, vx: float, vy: float) -> tuple[float, int]:
        """Return the share of a velocity over ground that the rows admit, and the row that binds."""
        return disc_row_shares(self._rows, self._count, vx, vy, self._twist, self.parameters)

    def within_reach(self, vx: float, vy: float) -> tuple[float, float]:
        """Return the velocity without what the drive cannot follow within the horizon anyway."""
        near_x, near_y = disc_reached(vx, vy, self._twist, self.parameters)
        return shorter(vx, near_x), shorter(vy, near_y)

    def write(self, vx: float, vy: float, scale: float, normals: Array, offsets: Array) -> int:
        """Write the rows for a programme with this target, shape (k, 3) and (k,); return how many."""
        return disc_scaled_rows(
            self._rows, self._count, vx, vy, self._twist, scale, self.parameters, normals, offsets
        )

    def describe(self, index: int, state: BaseState) -> str:
        """Name the person behind a row of the newest tick, for the verdict."""
        return describe_person(self._rows[index], state)
