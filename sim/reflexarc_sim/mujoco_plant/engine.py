# SPDX-License-Identifier: Apache-2.0
"""What advances the physics of a plant: MuJoCo's C engine here, another one behind the same protocol elsewhere.

Plant and engine share one `mujoco.MjData`: the plant writes controls, applied wrenches and, when a body is moved by
hand, positions and velocities; the engine writes positions, velocities and the actuators' forces and velocities. So
crowd, drive, sensors, events and pictures are the same code whatever integrates the motion.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import mujoco
import numpy as np

from reflexarc.core.plant import ContactClass
from reflexarc_sim.mujoco_plant.model import Assembly

Partner = tuple[ContactClass, str, int]
"""Contact class, partner's name and pedestrian number (-1 for the rest)."""

_WARNINGS = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC", "mjWARN_CONTACTFULL", "mjWARN_CNSTRFULL")


class Touch(NamedTuple):
    """One point in which the hull touches something that has a contact class."""

    other: int
    """Geom, key of `Engine.classes`."""
    force: np.ndarray
    """Of the hull on the other, shape (3,), in the fixed frame. [N]"""
    normal: float
    """Normal part of it. [N]"""
    place: tuple[float, float]
    """In the fixed frame. [m]"""


class Engine(Protocol):
    """Advances `data` by one physics step at a time."""

    classes: Mapping[int, Partner]
    """Geom -> what the hull meets there."""

    def take_over(self, data: mujoco.MjData) -> None:
        """Begin from the positions and velocities that the plant has just written."""
        ...

    def step(self, data: mujoco.MjData) -> None:
        """Advance one physics step under `data.ctrl` and `data.xfrc_applied`."""
        ...

    def touches(self, data: mujoco.MjData) -> Iterator[Touch]:
        """Yield the hull's contacts of the step that has just been made."""
        ...

    def problem(self, data: mujoco.MjData) -> str | None:
        """Return why the physics is no longer to be trusted, or None."""
        ...


def not_finite(data: mujoco.MjData) -> str | None:
    """Return what is wrong if a position or velocity is no finite number."""
    finite = math.isfinite(float(data.qpos.sum())) and math.isfinite(float(data.qvel.sum()))
    return None if finite else "non-finite state"


class MujocoEngine:
    """MuJoCo's C engine; `data` is its own."""

    def __init__(self, assembly: Assembly) -> None:
        """Take the compiled model."""
        self._model, self._hull = assembly.model, assembly.hull_geom
        self.classes: Mapping[int, Partner] = assembly.geom_class
        self._force = np.zeros(6)

    def take_over(self, data: mujoco.MjData) -> None:
        """Do nothing: what is written into `data` is what MuJoCo continues from."""

    def step(self, data: mujoco.MjData) -> None:
        """Advance one physics step."""
        mujoco.mj_step(self._model, data)

    def touches(self, data: mujoco.MjData) -> Iterator[Touch]:
        """Yield the hull's contacts that are active."""
        if not data.ncon:
            return
        geoms = data.contact.geom
        for i in np.flatnonzero((geoms == self._hull).any(axis=1)):
            first, second = geoms[i]
            other = int(second if first == self._hull else first)
            contact = data.contact[i]
            if other not in self.classes or contact.efc_address < 0:
                continue
            mujoco.mj_contactForce(self._model, data, int(i), self._force)
            # Rows of the frame are the contact's axes; the force acts from geom 1 on geom 2.
            vector = self._force[:3] @ contact.frame.reshape(3, 3)
            place = (float(contact.pos[0]), float(contact.pos[1]))
            yield Touch(other, vector if first == self._hull else -vector, float(self._force[0]), place)

    def problem(self, data: mujoco.MjData) -> str | None:
        """Return MuJoCo's own warnings, or what is not finite."""
        numbers = data.warning.number
        bad = [n[len("mjWARN_") :] for n in _WARNINGS if numbers[getattr(mujoco.mjtWarning, n)]]
        return ", ".join(bad) or not_finite(data)
