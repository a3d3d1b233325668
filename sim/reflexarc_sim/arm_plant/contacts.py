# SPDX-License-Identifier: Apache-2.0
"""What the tool touched, merged over time into one event per encounter."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass

import mujoco
import numpy as np

from reflexarc_sim.arm_plant.model import ArmAssembly

MERGE_GAP = 0.1
"""Touches of the same partner less than this apart are one contact. [s]"""


@dataclass(frozen=True, slots=True)
class ToolContact:
    """One encounter of the tool and something else, reported when it is over."""

    start: float
    """First touch. [s]"""
    end: float
    """Last touch. [s]"""
    partner: str
    """Name of what was touched: `table`, `wall_2`, `ball_0`, `plate_5`, `strip_7`."""
    peak_force: float
    """Largest normal force. [N]"""
    impulse: float
    """Of the normal force, over the encounter. [N s]"""
    place: tuple[float, float, float]
    """Where the first touch was, in the axes of the arm's base. [m]"""


@dataclass(slots=True)
class _Open:
    start: float
    end: float
    peak: float
    impulse: float
    place: tuple[float, float, float]


class ToolContacts:
    """Watches the contacts of the tool."""

    def __init__(self, assembly: ArmAssembly):
        """Watch the tool of `assembly`."""
        model = assembly.model
        self._model, self._names = model, assembly.names
        self._tool = {int(g) for g in np.flatnonzero(model.geom_bodyid == assembly.tool)}
        self._dt = float(model.opt.timestep)
        self._force = np.zeros(6)
        self._open: dict[str, _Open] = {}

    def observe(self, data: mujoco.MjData, time: float) -> None:
        """Take in the contacts of a physics step.

        Args:
            data: after the forces were computed.
            time: of the step. [s]
        """
        normal: dict[str, float] = {}
        for i, (first, second) in enumerate(data.contact.geom.tolist()):
            if first in self._tool:
                other = second
            elif second in self._tool:
                other = first
            else:
                continue
            mujoco.mj_contactForce(self._model, data, i, self._force)
            force = float(self._force[0])
            if force <= 0.0:
                continue
            name = self._names.get(other, "arm")
            if name not in self._open:
                x, y, z = data.contact.pos[i].tolist()
                self._open[name] = _Open(time, time, 0.0, 0.0, (x, y, z))
            normal[name] = normal.get(name, 0.0) + force
        for name, force in normal.items():
            episode = self._open[name]
            episode.end = time
            episode.peak = max(episode.peak, force)
            episode.impulse += force * self._dt

    def touching(self, now: float) -> tuple[str, ...]:
        """Return what was touched within the last two physics steps before `now` [s]."""
        return tuple(name for name, e in self._open.items() if now - e.end <= 2.0 * self._dt + 1e-9)

    def finished(self, now: float) -> tuple[ToolContact, ...]:
        """Return the contacts whose last touch is more than `MERGE_GAP` before `now` [s]."""
        if not self._open:
            return ()
        over = [name for name, e in self._open.items() if now - e.end > MERGE_GAP]
        return tuple(_event(name, self._open.pop(name)) for name in over)

    def flush(self) -> tuple[ToolContact, ...]:
        """Return the contacts that are still going on, at the end of a run."""
        events = tuple(_event(name, e) for name, e in self._open.items())
        self._open.clear()
        return events


def _event(name: str, e: _Open) -> ToolContact:
    return ToolContact(e.start, e.end, name, e.peak, e.impulse, e.place)
