# SPDX-License-Identifier: Apache-2.0
"""Pictures of a MuJoCo model, where the machine can draw (headless with EGL); all else works where it cannot."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection

import mujoco
import numpy as np


class Drawing:
    """Draws a model; remembers the first problem and stays silent after it."""

    def __init__(self, model: mujoco.MjModel, hidden: Collection[int]):
        """Nothing is opened before the first picture; `hidden` are groups of shapes that are not drawn."""
        self._model = model
        self._options = mujoco.MjvOption()
        for group in range(6):
            self._options.geomgroup[group] = group not in hidden
        self._renderer: mujoco.Renderer | None = None
        self._size = (0, 0)
        self.problem: str | None = None
        """Why there are no pictures, or None."""

    def drawn(
        self, data: mujoco.MjData, view: mujoco.MjvCamera, width: int, height: int
    ) -> np.ndarray | None:
        """Draw `data`; None when this machine cannot draw. Shape (height, width, 3), uint8."""
        renderer = self._open(width, height) if self.problem is None else None
        if renderer is None:
            return None
        renderer.update_scene(data, view, self._options)
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
