# SPDX-License-Identifier: Apache-2.0
"""Frames whose coordinate axes are the directions of a body's joints, as a joint of USD needs them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reflexarc.core.types import Array
from reflexarc_sim.usd.frames import IDENTITY, of_matrix, turning

_ALIGNED = 1e-9
"""Largest difference of two unit vectors, per component, that are taken as one."""
_SQUARE = 1e-9
"""Cosine up to which two directions are at right angles."""


class Axes(NamedTuple):
    """A frame in a body, and which of its axes each joint has."""

    quaternion: Array
    index: tuple[int, ...]
    """0, 1, 2 for x, y, z; one per joint."""


def axes_of(directions: Sequence[Array], slides: int = 0) -> Axes | None:
    """Return a right-handed frame with an axis along each direction; None where there is none.

    Args:
        directions: unit vectors in the body, those of slides first, then at most one of a hinge.
        slides: how many are slides; they have to be at right angles, a hinge may be along one of them.
    """
    plain = [_coordinate(d) for d in directions]
    if all(k is not None for k in plain):
        numbers = tuple(int(k) for k in plain if k is not None)
        apart = len(set(numbers[:slides])) == len(numbers[:slides])
        return Axes(IDENTITY.quaternion, numbers) if apart else None
    if len(directions) == 1:
        return Axes(turning(np.eye(3)[0], np.asarray(directions[0])), (0,))
    found: list[Array] = []
    index: list[int] = []
    for k, direction in enumerate(directions):
        same = [i for i, other in enumerate(found) if np.abs(other - direction).max() < _ALIGNED]
        if same and k >= slides:
            index.append(same[0])
            continue
        if any(abs(float(other @ direction)) > _SQUARE for other in found):
            return None
        index.append(len(found))
        found.append(np.asarray(direction))
    while len(found) < 3:
        found.append(_across(found))
    columns = np.stack(found, axis=1)
    if np.linalg.det(columns) < 0.0:  # left-handed: the first two change places
        columns = columns[:, [1, 0, 2]]
        index = [(1, 0, 2)[i] for i in index]
    return Axes(of_matrix(columns), tuple(index))


def _coordinate(direction: Array) -> int | None:
    k = int(np.argmax(direction))
    return k if np.abs(direction - np.eye(3)[k]).max() < _ALIGNED else None


def _across(found: list[Array]) -> Array:
    """Return a unit vector at right angles to one or two others."""
    other = found[1] if len(found) == 2 else np.eye(3)[int(np.argmin(np.abs(found[0])))]
    across = np.cross(found[0], other)
    return across / np.linalg.norm(across)
