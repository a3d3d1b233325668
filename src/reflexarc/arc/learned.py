# SPDX-License-Identifier: Apache-2.0
"""The learned barrier in the arc: a file, its certificate, and the rows that it adds to the barrier stage.

A learned barrier never replaces the stopping barrier: its rows join the programme, so that the more restrictive of both
wins, and the stopping barrier's exact condition is enforced after it. A barrier without a certificate that
matches the bytes of its file is refused, unless the configuration says `allow_uncertified`; every verdict then says so.
"""

from pathlib import Path

import numpy as np

from reflexarc.arc.config import ArcConfig, LearnedConfig
from reflexarc.barrier.certify.certificate import Certificate
from reflexarc.barrier.certify.gate import admit, barrier_path
from reflexarc.barrier.compiled import pack
from reflexarc.barrier.encounter import STATE
from reflexarc.barrier.encounter_certificate import system_hash
from reflexarc.barrier.encounter_rows import (
    CLOSING,
    GAP,
    SOURCE,
    VALUE,
    N,
    RowParameters,
    encounter_rows,
    reached,
    row_shares,
    row_table,
    scaled_rows,
)
from reflexarc.barrier.learned import LearnedBarrier, load_barrier
from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array, BaseState
from reflexarc.robots import BaseRobot

LEARNED = "learned_barrier"
"""Who an intervention is by when the learned barrier is the more restrictive one."""


def residual_bound(barrier: LearnedBarrier, path: Path) -> Array:
    """Return the bound on the model's rate error that was measured on the barrier's data, shape (6,).

    Raises:
        ModelError: the file does not hold it.
    """
    try:
        bound = np.array(barrier.recipe["residual_bound"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: the recipe has no readable 'residual_bound', one rate per state"
        ) from error
    if bound.shape != (N,) or not np.isfinite(bound).all() or (bound < 0.0).any():
        raise ModelError(f"{path}: residual_bound must be {N} finite rates >= 0, found {bound.tolist()}")
    return bound


def row_parameters(
    config: LearnedConfig, robot: BaseRobot, barrier: LearnedBarrier, path: Path
) -> RowParameters:
    """Join configuration, robot and barrier into the parameters of the rows."""
    return RowParameters(
        alpha=config.alpha,
        horizon=config.horizon_s,
        reach=config.reach_m,
        sigmas=config.sigmas,
        residual=config.residual_share * residual_bound(barrier, path),
        deceleration=robot.max_deceleration,
        acceleration=robot.max_acceleration,
        yaw_acceleration=robot.max_yaw_acceleration,
        half_length=robot.length / 2.0,
        half_width=robot.width / 2.0,
    )


class LearnedRows:
    """Rows of the learned barrier for the nearest people."""

    def __init__(self, config: ArcConfig, robot: BaseRobot):
        """Load the barrier and ask for its certificate.

        Raises:
            ModelError: the file is missing, malformed, for another robot or state, or has no matching certificate.
        """
        learned = config.learned
        path = barrier_path(learned.file)
        barrier = load_barrier(path, STATE)
        if barrier.system != config.robot and not barrier.system.startswith(f"{config.robot}_"):
            raise ModelError(
                f"{path}: the barrier is for {barrier.system!r}, this arc drives {config.robot!r}; refused"
            )
        self.parameters = row_parameters(learned, robot, barrier, path)

        def fits(certificate: Certificate) -> None:
            _same_rows(certificate, learned, self.parameters, robot, path)

        barrier, certified = admit(
            path, barrier, fits, learned.allow_uncertified, "learned.allow_uncertified"
        )
        self.uncertified = not certified
        self.most = learned.people
        self._packed = pack(barrier)
        self._rows = row_table(learned.people)
        self._twist = np.zeros(2)
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
        self._count = encounter_rows(
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
        """Smallest barrier value among the people of the newest tick; inf with nobody near, NaN after a failure. [m]"""
        if self._count < 0:
            return np.nan
        return float(self._rows[: self._count, VALUE].min()) if self._count else np.inf

    def share(self, forward: float, yaw: float) -> tuple[float, int]:
        """Return the share of a command that the rows admit, and the row that binds."""
        return row_shares(self._rows, self._count, forward, yaw, self._twist, self.parameters)

    def within_reach(self, forward: float, yaw: float) -> tuple[float, float]:
        """Return the command without what the drive cannot follow within the horizon anyway.

        Only ever shortens a component: a drive that speeds up towards 3 m/s does the same when it is told
        what it will reach. It keeps the programme from paying for speed that nobody would have had.
        """
        near_v, near_w = reached(forward, yaw, self._twist, self.parameters)
        return shorter(forward, near_v), shorter(yaw, near_w)

    def write(
        self, forward: float, yaw: float, scale: tuple[float, float], normals: Array, offsets: Array
    ) -> int:
        """Write the rows for a programme with this target; return how many."""
        return scaled_rows(
            self._rows,
            self._count,
            forward,
            yaw,
            self._twist,
            scale[0],
            scale[1],
            self.parameters,
            normals,
            offsets,
        )

    def describe(self, index: int, state: BaseState) -> str:
        """Name the person behind a row of the newest tick, for the verdict."""
        return describe_person(self._rows[index], state)


def describe_person(row: Array, state: BaseState) -> str:
    """Name the person behind a row of a learned barrier, with gap, closing speed and value, for the verdict."""
    row = row.tolist()
    source, obstacles = int(row[SOURCE]), state.obstacles
    name = obstacles.ids[source] if obstacles.ids else source
    return f"obstacle {name} at {row[GAP]:.2f} m, closing at {row[CLOSING]:.2f} m/s: learned barrier {row[VALUE]:.2f} m"


def _same_rows(
    certificate: Certificate, learned: LearnedConfig, rows: RowParameters, robot: BaseRobot, path: Path
) -> None:
    """Refuse a certificate that was made with other rows, another robot or another population.

    Raises:
        ModelError: something that the claim depends on differs.
    """
    claim = certificate.claims["scenario"]
    for key, value in (("alpha", learned.alpha), ("model_error", learned.residual_share)):
        if claim[key] != value:
            name = {"alpha": "alpha", "model_error": "residual_share"}[key]
            raise ModelError(
                f"{path}: the certificate was made with {name} {claim[key]:g}, learned.{name} is {value:g}"
            )
    if certificate.system["sha256"] != system_hash(path, rows, robot):
        raise ModelError(
            f"{path}: the certificate was made with other rows (horizon_s, reach_m, sigmas), another robot or other "
            "encounters"
        )


def shorter(wanted: float, reached_value: float) -> float:
    """Return a component of a command, or what the drive reaches of it where that is less and the same way."""
    if reached_value * wanted > 0.0 and abs(reached_value) < abs(wanted):
        return reached_value
    return wanted
