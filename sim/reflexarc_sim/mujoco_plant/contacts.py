# SPDX-License-Identifier: Apache-2.0
"""Contact episodes: what the robot's hull touched, merged over time into one event per encounter.

Impulse of an episode: norm of the sum over physics steps of the resultant contact force vector (normal and friction, all contact
points) times the step. The partner's change of velocity follows from its mass. Touches less than `MERGE_GAP` apart are one episode.
"""

import math
from dataclasses import dataclass, field

import mujoco
import numpy as np

from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc_sim.crowd import PEDESTRIAN_MASS

MERGE_GAP = 0.25  # [s]


@dataclass(slots=True)
class _Episode:
    start: float
    end: float
    contact_class: ContactClass
    partner: str
    robot_speed: float
    position: tuple[float, float]
    impulse: np.ndarray = field(default_factory=lambda: np.zeros(3))
    peak_force: float = 0.0


class ContactRecorder:
    """Watches the contacts of one geom, the robot's hull."""

    def __init__(
        self, model: mujoco.MjModel, hull_geom: int, geom_class: dict[int, tuple[ContactClass, str, int]]
    ):
        """Watch `hull_geom` against the geoms in `geom_class`."""
        self._model, self._hull, self._classes = model, hull_geom, geom_class
        self._dt = model.opt.timestep
        self._force = np.zeros(6)
        self.reset()

    def reset(self) -> None:
        """Forget all episodes."""
        self._open: dict[int, _Episode] = {}
        self._touched: set[int] = set()

    def observe(self, data: mujoco.MjData, time: float, robot_speed: float) -> None:
        """Take in the contacts of the physics step that has just been made.

        Args:
            data: after `mj_step`.
            time: of that step. [s]
            robot_speed: of base_link before the step. [m/s]
        """
        if not data.ncon:
            return
        geoms = data.contact.geom
        hits = np.flatnonzero((geoms[:, 0] == self._hull) | (geoms[:, 1] == self._hull))
        if not len(hits):
            return
        normal: dict[int, float] = {}
        for i in hits:
            first, second = geoms[i]
            other = int(second if first == self._hull else first)
            if other not in self._classes:
                continue
            contact = data.contact[i]
            if contact.efc_address < 0:
                continue
            mujoco.mj_contactForce(self._model, data, int(i), self._force)
            # Rows of the frame are the contact's axes; the force acts from geom 1 on geom 2.
            vector = self._force[:3] @ contact.frame.reshape(3, 3)
            episode = self._open.get(other)
            if episode is None:
                kind, partner, pedestrian = self._classes[other]
                place = (float(contact.pos[0]), float(contact.pos[1]))
                episode = self._open[other] = _Episode(time, time, kind, partner, robot_speed, place)
                if pedestrian >= 0:
                    self._touched.add(pedestrian)
            elif self._classes[other][2] >= 0:
                self._touched.add(self._classes[other][2])
            episode.end = time
            episode.impulse += (vector if first == self._hull else -vector) * self._dt
            normal[other] = normal.get(other, 0.0) + float(self._force[0])
        for other, force in normal.items():
            self._open[other].peak_force = max(self._open[other].peak_force, force)

    def take_touched(self) -> frozenset[int]:
        """Return the pedestrians touched since the last call."""
        touched = frozenset(self._touched)
        self._touched.clear()
        return touched

    def finished(self, now: float) -> tuple[ContactEvent, ...]:
        """Return the episodes whose last touch is more than `MERGE_GAP` before `now` [s]."""
        if not self._open:
            return ()
        over = [geom for geom, episode in self._open.items() if now - episode.end > MERGE_GAP]
        return tuple(_event(self._open.pop(geom)) for geom in over)

    def flush(self) -> tuple[ContactEvent, ...]:
        """Return the episodes that are still going on, at the end of a run."""
        episodes = tuple(_event(episode) for episode in self._open.values())
        self._open.clear()
        return episodes


def _event(e: _Episode) -> ContactEvent:
    impulse = math.sqrt(float(e.impulse @ e.impulse))
    movable = e.contact_class is ContactClass.PEDESTRIAN
    return ContactEvent(
        start=e.start,
        end=e.end,
        contact_class=e.contact_class,
        partner=e.partner,
        impulse=impulse,
        peak_force=e.peak_force,
        delta_v=impulse / PEDESTRIAN_MASS if movable else 0.0,
        robot_speed=e.robot_speed,
        position=e.position,
    )
