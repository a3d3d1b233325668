# SPDX-License-Identifier: Apache-2.0
r"""Which particles touch something on the way along a segment.

On the ground by `reflexarc.reach.risk.touches`: discs, moving and uncertain ones too, each particle with its own draw,
and the edges of the workspace. In the air by a kernel of the same kind for spheres that stand still. Between two
outputs, dt apart, a robot is taken to move straight; its true path, of acceleration A <= 4 m/s^2, bows by at most
A dt^2 / 8, by which everything is grown.
"""

import numba
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.reach.obstacles import Discs, Footprint, HalfSpaces, surround
from reflexarc.reach.planner.rollout import DT
from reflexarc.reach.planner.scene import Scene
from reflexarc.reach.risk import touches

BOW = 4.0 * DT**2 / 8.0
"""[m]"""
_BLOCK = 256
_TINY = np.float32(1e-30)


class Contacts:
    """The scene as `count` particles meet it; uncertain obstacles are drawn once per particle.

    Raises:
        ConfigError: obstacles in the air that move or are uncertain.
    """

    def __init__(self, scene: Scene, count: int, rng: np.random.Generator):
        self._scene, self._count = scene, count
        moving = scene.velocity is not None
        uncertain = scene.position_std is not None or scene.velocity_std is not None
        if scene.case.dimension == 3:
            if moving or uncertain:
                raise ConfigError("obstacles in the air must stand still and be exact; only discs may move")
            self._around = None
            return
        discs = Discs(
            scene.centre[:, :2],
            scene.radius + BOW,
            scene.velocity[:, :2] if scene.velocity is not None else None,
            scene.position_std,
            scene.velocity_std,
        )
        width, height = scene.case.size[:2]
        edges = HalfSpaces(
            np.array([[-1.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.0, 1.0]]),
            np.array([0.0, 0.0, width, height]) - BOW,
        )
        exact = None if uncertain else np.zeros((len(scene.radius), 4, count), np.float32)
        self._around = surround([discs, edges], count, rng, np.float32, exact)

    def touched(self, paths: np.ndarray, elapsed: float) -> np.ndarray:
        """Whether each particle touches anything; one that is not finite does.

        Args:
            paths: positions every 0.1 s, shape (C, K + 1, N, d), float32. [m]
            elapsed: mission's time at their start. [s]

        Returns:
            Shape (C, N).
        """
        candidates, outputs, count, d = paths.shape
        if count != self._count:
            raise ConfigError(f"contacts were drawn for {self._count} particles, got paths of {count}")
        if d == 3:
            hit = np.empty((candidates, count), dtype=bool)
            robot, size = self._scene.case.robot + BOW, np.array(self._scene.case.size)
            exact = self._scene.centre, self._scene.radius + robot, np.full(3, robot), size - robot
            centre, reach, low, high = (a.astype(np.float32) for a in exact)
            for c in range(candidates):
                _spheres(paths[c], centre, reach, low, high, hit[c])
            return hit
        around = self._around
        assert around is not None
        t = elapsed + DT * np.arange(outputs)
        return touches(paths, t, around, Footprint(radius=self._scene.case.robot)).first >= 0


@numba.njit(cache=True, error_model="numpy")
def _spheres(x, centre, reach, low, high, hit):
    """Write whether each particle's straight steps (K + 1, N, 3) come within `reach` of a centre or leave the box."""
    outputs, count, _ = x.shape
    least, most = np.empty(3, x.dtype), np.empty(3, x.dtype)
    for begin in range(0, count, _BLOCK):
        end = min(begin + _BLOCK, count)
        for a in range(3):
            least[a], most[a] = np.inf, -np.inf
        for i in range(begin, end):
            hit[i] = False
            for k in range(outputs):
                for a in range(3):
                    hit[i] |= not (low[a] <= x[k, i, a] <= high[a])  # also where it is not finite
                    least[a] = min(least[a], x[k, i, a])
                    most[a] = max(most[a], x[k, i, a])
        for m in range(len(reach)):
            near = True
            for a in range(3):
                near &= least[a] - reach[m] <= centre[m, a] <= most[a] + reach[m]
            if near:
                _sphere(x[:, begin:end], centre[m], reach[m] * reach[m], hit[begin:end])


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _sphere(x, centre, square, hit):
    zero, one = x.dtype.type(0.0), x.dtype.type(1.0)
    for k in range(len(x) - 1):
        for i in range(x.shape[1]):
            ax, ay, az = x[k, i, 0] - centre[0], x[k, i, 1] - centre[1], x[k, i, 2] - centre[2]
            dx, dy, dz = x[k + 1, i, 0] - x[k, i, 0], x[k + 1, i, 1] - x[k, i, 1], x[k + 1, i, 2] - x[k, i, 2]
            s = -(ax * dx + ay * dy + az * dz) / (dx * dx + dy * dy + dz * dz + _TINY)
            s = min(max(s, zero), one)
            ax, ay, az = ax + s * dx, ay + s * dy, az + s * dz
            hit[i] |= ax * ax + ay * ay + az * az <= square
