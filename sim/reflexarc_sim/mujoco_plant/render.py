# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run, where the machine can draw (headless with EGL); everything but pictures works where it cannot."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array
from reflexarc_sim.drawing import Drawing

CAMERAS = ("chase", "overhead")
_HIDDEN_GROUPS = (1, 3)  # collision shapes of pedestrians and of the robot


class Camera(Drawing):
    """Draws a model; remembers the first problem and stays silent after it."""

    def __init__(self, model: mujoco.MjModel):
        """Nothing is opened before the first picture."""
        super().__init__(model, _HIDDEN_GROUPS)

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
        view = _view(name, pose)
        if distance is not None:
            view.distance = distance
        return self.drawn(data, view, width, height)


def _view(name: str, pose: Array) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = (pose[0], pose[1], 0.5)
    if name == "chase":
        camera.distance, camera.elevation, camera.azimuth = 6.0, -22.0, math.degrees(pose[2])
    else:
        camera.distance, camera.elevation, camera.azimuth = 16.0, -89.9, 90.0
    return camera
