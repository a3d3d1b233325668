# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run, where the machine can draw (headless with EGL); everything but pictures works where it cannot."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array

CAMERAS = ("chase", "overhead")
_HIDDEN_GROUPS = (1, 3)  # collision shapes of pedestrians and of the robot


class Camera:
    """Draws a model; remembers the first problem and stays silent after it."""

    def __init__(self, model: mujoco.MjModel):
        """Nothing is opened before the first picture."""
        self._model = model
        self._renderer: mujoco.Renderer | None = None
        self._size = (0, 0)
        self.problem: str | None = None
        """Why there are no pictures, or None."""

    def picture(
        self,
        data: mujoco.MjData,
        name: str,
        pose: Array,
        width: int,
        height: int,
        distance: float | None = None,
    ) -> np.ndarray | None:
        """Draw `data` from the camera `name`; None when this machine cannot draw. Shape (height, width, 3), uint8.

        `distance` [m] replaces the camera's own.

        Raises:
            UnknownNameError: no such camera.
        """
        if name not in CAMERAS:
            raise UnknownNameError("camera", name, CAMERAS)
        renderer = self._open(width, height) if self.problem is None else None
        if renderer is None:
            return None
        options = mujoco.MjvOption()
        for group in range(6):
            options.geomgroup[group] = group not in _HIDDEN_GROUPS
        view = _view(name, pose)
        if distance is not None:
            view.distance = distance
        renderer.update_scene(data, view, options)
        return renderer.render().copy()

    def close(self) -> None:
        """Release the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _open(self, width: int, height: int) -> mujoco.Renderer | None:
        if self._renderer is not None and self._size == (width, height):
            return self._renderer
        self.close()
        try:
            self._renderer = mujoco.Renderer(self._model, height, width)
        except Exception as error:  # each graphics library raises its own kind
            hint = "Debian's libegl1 and libgl1 give headless drawing"
            self.problem = f"no pictures: {type(error).__name__}: {error}; {hint}"
        self._size = (width, height)
        return self._renderer


def _view(name: str, pose: Array) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = (pose[0], pose[1], 0.5)
    if name == "chase":
        camera.distance, camera.elevation, camera.azimuth = 6.0, -22.0, math.degrees(pose[2])
    else:
        camera.distance, camera.elevation, camera.azimuth = 16.0, -89.9, 90.0
    return camera
