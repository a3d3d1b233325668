# SPDX-License-Identifier: Apache-2.0
"""Pictures of an arm at work, where the machine can draw (headless with EGL)."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc_sim.drawing import Drawing

VIEWS = {
    "side": ((0.40, 0.0, 0.20), 1.25, -24.0, 130.0),
    "above": ((0.52, 0.0, 0.0), 0.72, -52.0, 180.0),
}
"""Camera -> point looked at [m], distance [m], elevation and azimuth [deg]."""
_HIDDEN_GROUPS = (3, 5)


class ArmCamera(Drawing):
    """Draws a model; remembers the first problem and stays silent after it."""

    def __init__(self, model: mujoco.MjModel):
        """Nothing is opened before the first picture."""
        super().__init__(model, _HIDDEN_GROUPS)

    def picture(self, data: mujoco.MjData, name: str, width: int, height: int) -> np.ndarray | None:
        """Draw `data` from the camera `name`; None when this machine cannot draw. Shape (height, width, 3), uint8.

        Raises:
            UnknownNameError: no such camera.
        """
        if name not in VIEWS:
            raise UnknownNameError("camera", name, VIEWS)
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:], camera.distance, camera.elevation, camera.azimuth = VIEWS[name]
        return self.drawn(data, camera, width, height)
