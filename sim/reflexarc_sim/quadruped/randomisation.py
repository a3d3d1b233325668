# SPDX-License-Identifier: Apache-2.0
"""Robots that differ: payload, centre of mass, friction, strength and gains of the motors, delay of the actions.

The ranges of the start are those of the parent code base of *Learning H-Infinity Locomotion Control*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array

Range = tuple[float, float]


@dataclass(frozen=True)
class Randomisation:
    """Ranges from which every robot draws once."""

    payload: Range = quantity((-1.0, 2.0), unit="kg", low=-100.0, high=100.0, doc="added to the trunk")
    com: float = quantity(
        0.05, unit="m", low=0.0, high=1.0, doc="largest shift of the trunk's centre of mass"
    )
    friction: Range = quantity((0.2, 1.25), low=0.0, high=5.0, doc="of the feet")
    strength: Range = quantity((0.9, 1.1), low=0.0, high=10.0, doc="factor on the largest torques")
    kp: Range = quantity((0.9, 1.1), low=0.0, high=10.0, doc="factor on the gain on position")
    kd: Range = quantity((0.9, 1.1), low=0.0, high=10.0, doc="factor on the gain on velocity")
    delay: bool = quantity(
        True, doc="whether actions come up to one period late, another time in every robot"
    )
    start: Range = quantity(
        (0.5, 1.5), low=0.0, high=10.0, doc="factor on the joints of the stance at the start"
    )

    def __post_init__(self) -> None:
        for name in ("payload", "friction", "strength", "kp", "kd", "start"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: {low} to {high} is no range")


NONE = Randomisation(
    payload=(0.0, 0.0), com=0.0, friction=(0.8, 0.8), strength=(1.0, 1.0), kp=(1.0, 1.0), kd=(1.0, 1.0), delay=False,
    start=(1.0, 1.0),
)  # fmt: skip


class Differences:
    """Writes what was drawn into the models of a batch."""

    def __init__(self, ranges: Randomisation, batch: Any, trunk: int, feet: Sequence[int]):
        """Take the batch as it is; its own values are the middle.

        Args:
            ranges: of all.
            batch: `mujoco.batch.Batch`.
            trunk: body.
            feet: geoms.
        """
        self._ranges, self._batch, self._trunk, self._feet = ranges, batch, trunk, list(feet)
        self._fields = {
            name: batch.expand(name)
            for name in (
                "body_mass", "body_ipos", "geom_friction", "actuator_gainprm", "actuator_biasprm",
                "actuator_forcerange",
            )
        }  # fmt: skip
        self._nominal = {name: value.copy() for name, value in self._fields.items()}

    @property
    def com(self) -> Array:
        """Centres of mass of the trunks in base_link, shape (n, 3). [m]"""
        return self._fields["body_ipos"][:, self._trunk]

    def draw(self, rng: np.random.Generator) -> None:
        """Make every robot another one."""
        r, f, nominal = self._ranges, self._fields, self._nominal
        n = len(f["body_mass"])
        f["body_mass"][:, self._trunk] = nominal["body_mass"][:, self._trunk] + rng.uniform(*r.payload, n)
        f["body_ipos"][:, self._trunk] = nominal["body_ipos"][:, self._trunk] + rng.uniform(
            -r.com, r.com, (n, 3)
        )
        f["geom_friction"][:, self._feet, 0] = rng.uniform(*r.friction, n)[:, None]
        f["actuator_forcerange"][:] = nominal["actuator_forcerange"] * rng.uniform(*r.strength, (n, 1, 1))
        kp, kd = rng.uniform(*r.kp, n)[:, None], rng.uniform(*r.kd, n)[:, None]
        f["actuator_gainprm"][..., 0] = nominal["actuator_gainprm"][..., 0] * kp
        f["actuator_biasprm"][..., 1] = nominal["actuator_biasprm"][..., 1] * kp
        f["actuator_biasprm"][..., 2] = nominal["actuator_biasprm"][..., 2] * kd
        self._batch.set_const()
