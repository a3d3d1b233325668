# SPDX-License-Identifier: Apache-2.0
"""Contact episodes: what the robot's hull touched, merged over time into one event per encounter.

Impulse of an episode: norm of the sum over physics steps of the resultant contact force vector (normal and friction,
all contact points) times the step; of a pedestrian only the horizontal part, since the ground carries the vertical one.
Change of velocity of a pedestrian: the largest distance of its body's velocity from that before the first touch; in a
short collision it is impulse / mass, in a long push, where the person pushes back, it is not. Touches less than
`MERGE_GAP` apart are one episode.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass, field

import mujoco
import numpy as np

from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.economics.contacts import RawContact
from reflexarc_sim.mujoco_plant.engine import Engine, MujocoEngine, Touch
from reflexarc_sim.mujoco_plant.model import Assembly

MERGE_GAP = 0.25  # [s]


@dataclass(slots=True)
class _Episode:
    start: float
    end: float
    contact_class: ContactClass
    partner: str
    robot_speed: float
    position: tuple[float, float]
    pedestrian: int
    first_velocity: tuple[float, float] = (0.0, 0.0)
    delta_v: float = 0.0
    impulse: np.ndarray = field(default_factory=lambda: np.zeros(3))
    peak_force: float = 0.0


class ContactRecorder:
    """Watches the contacts of one geom, the robot's hull."""

    def __init__(self, assembly: Assembly, engine: Engine | None = None) -> None:
        """Watch the hull of `assembly`, moved by `engine` (MuJoCo if None), against all that has a contact class."""
        self._engine = MujocoEngine(assembly) if engine is None else engine
        self._dof = assembly.pedestrian_dof
        self._dt = assembly.model.opt.timestep
        self._open: dict[int, _Episode] = {}
        self._touched: set[int] = set()
        self.raw: list[RawContact] | None = None
        """Set to a list to keep every step's resultant contact beside the episodes."""
        self._velocity = np.zeros((len(self._dof), 2))

    def reset(self) -> None:
        """Forget all episodes."""
        self._open.clear()
        self._touched.clear()

    def before_step(self, data: mujoco.MjData) -> None:
        """Remember how fast everybody is, before each physics step."""
        self._velocity = data.qvel[self._dof]

    def observe(self, data: mujoco.MjData, time: float, robot_speed: float) -> None:
        """Take in the contacts of the physics step that has just been made.

        Args:
            data: after the engine's step.
            time: of that step. [s]
            robot_speed: of base_link before the step. [m/s]
        """
        normal: dict[int, float] = {}
        resultant: dict[int, np.ndarray] = {}
        for touch in self._engine.touches(data):
            other, vector = touch.other, touch.force
            episode = self._open.get(other)
            if episode is None:
                episode = self._open[other] = self._begin(touch, time, robot_speed)
            episode.end = time
            if episode.pedestrian >= 0:
                vector[2] = 0.0
            impulse = vector * self._dt
            episode.impulse += impulse
            resultant[other] = resultant.get(other, 0.0) + impulse
            normal[other] = normal.get(other, 0.0) + touch.normal
        for other, force in normal.items():
            self._follow(data, self._open[other], force)
            if self.raw is not None:
                self.raw.append(
                    self._raw(data, self._open[other], resultant[other], force, time, robot_speed)
                )

    def _raw(
        self,
        data: mujoco.MjData,
        episode: _Episode,
        impulse: np.ndarray,
        force: float,
        time: float,
        robot_speed: float,
    ) -> RawContact:
        before = after = (0.0, 0.0, 0.0)
        if episode.pedestrian >= 0:
            (bx, by), (ax, ay) = self._velocity[episode.pedestrian], data.qvel[self._dof[episode.pedestrian]]
            before, after = (float(bx), float(by), 0.0), (float(ax), float(ay), 0.0)
        x, y, z = impulse
        return RawContact(
            time,
            episode.contact_class,
            episode.partner,
            (float(x), float(y), float(z)),
            force,
            robot_speed,
            before,
            after,
            episode.position,
        )

    def _begin(self, touch: Touch, time: float, robot_speed: float) -> _Episode:
        kind, partner, pedestrian = self._engine.classes[touch.other]
        episode = _Episode(time, time, kind, partner, robot_speed, touch.place, pedestrian)
        if pedestrian >= 0:
            vx, vy = self._velocity[pedestrian]
            episode.first_velocity = (float(vx), float(vy))
        return episode

    def _follow(self, data: mujoco.MjData, episode: _Episode, force: float) -> None:
        episode.peak_force = max(episode.peak_force, force)
        if episode.pedestrian >= 0:
            self._touched.add(episode.pedestrian)
            vx, vy = data.qvel[self._dof[episode.pedestrian]]
            change = math.hypot(vx - episode.first_velocity[0], vy - episode.first_velocity[1])
            episode.delta_v = max(episode.delta_v, change)

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
    return ContactEvent(
        start=e.start,
        end=e.end,
        contact_class=e.contact_class,
        partner=e.partner,
        impulse=math.sqrt(float(e.impulse @ e.impulse)),
        peak_force=e.peak_force,
        delta_v=e.delta_v,
        robot_speed=e.robot_speed,
        position=e.position,
    )
