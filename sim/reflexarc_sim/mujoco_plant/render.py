# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run, where the machine can draw (headless with EGL); everything but pictures works where it cannot."""

import math

import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array

CAMERAS = ("chase", "overhead")
_HIDDEN_GROUPS = (3,)  # the robot's collision shapes


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
        self, data: mujoco.MjData, name: str, pose: Array, width: int, height: int
    ) -> np.ndarray | None:
        """Draw `data` from the camera `name`; None when this machine cannot draw. Shape (height, width, 3), uint8.

        Raises:
            UnknownNameError: no such camera.
        """
        if name not in CAMERAS:
            raise UnknownNameError("camera", name, CAMERAS)
        if self.problem is not None or not self._open(width, height):
            return None
        options = mujoco.MjvOption()
        for group in range(6):
            options.geomgroup[group] = group not in _HIDDEN_GROUPS
        self._renderer.update_scene(data, _view(name, pose), options)
        return self._renderer.render().copy()

    def close(self) -> None:
        """Release the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _open(self, width: int, height: int) -> bool:
        if self._renderer is not None and self._size == (width, height):
            return True
        self.close()
        try:
            self._renderer = mujoco.Renderer(self._model, height, width)
        except Exception as error:
            hint = "Debian's libegl1 and libgl1 give headless drawing"
            self.problem = f"no pictures: {type(error).__name__}: {error}; {hint}"
            return False
        self._size = (width, height)
        return True


def _view(name: str, pose: Array) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = (pose[0], pose[1], 0.5)
    if name == "chase":
        camera.distance, camera.elevation, camera.azimuth = 6.0, -22.0, math.degrees(pose[2])
    else:
        camera.distance, camera.elevation, camera.azimuth = 16.0, -89.9, 90.0
    return camera
