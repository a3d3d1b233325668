# SPDX-License-Identifier: Apache-2.0
"""What the tasks share: pictures, and the two entries of `info` that a safe learner reads."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from typing import Any, ClassVar

import gymnasium
import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array


class SafeTask(gymnasium.Env[np.ndarray, np.ndarray]):
    """A Gymnasium environment whose `info` holds, at every reset and step,

    - `cost`: 1.0 when the constraint is violated in the state reached, else 0.0;
    - `margin`: signed margin l of the same state, in metres or metres per second; `cost` is 1 exactly when l < 0.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 50}
    model: mujoco.MjModel
    data: mujoco.MjData
    camera: str | int = -1
    """Camera of the pictures, -1 for MuJoCo's free camera."""

    def __init__(self, render_mode: str | None = None):
        """`render_mode`: None or "rgb_array".

        Raises:
            UnknownNameError: no such render mode.
        """
        if render_mode not in (None, "rgb_array"):
            raise UnknownNameError("render mode", str(render_mode), ["None", "rgb_array"])
        self.render_mode = render_mode
        self._renderer: mujoco.Renderer | None = None

    @property
    def period(self) -> float:
        """Time of one step; every task states its own. [s]"""
        raise NotImplementedError(f"{type(self).__name__} must define `period`")

    def render(self) -> np.ndarray | None:
        """Return a picture of shape (256, 256, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, 256, 256)
        self._renderer.update_scene(self.data, self.camera)
        return self._renderer.render().copy()

    def close(self) -> None:
        """Release the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def checked_action(action: Array, size: int) -> Array:
    """Return the action as float64 of shape (size,).

    Raises:
        ValueError: another shape, or a value that is not finite.
    """
    action = np.asarray(action, dtype=np.float64)
    if action.shape != (size,) or not np.isfinite(action).all():
        raise ValueError(f"an action is {size} finite numbers, got {action!r}; no step was taken")
    return action
