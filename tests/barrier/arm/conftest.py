# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.barrier.arm.scene import SphereObstacles
from reflexarc.robots.arm import load_arm


@pytest.fixture(scope="session")
def panda():
    return load_arm("panda")


def configuration(arm, rng):
    """Return joint positions within the limits."""
    return rng.uniform(arm.lower, arm.upper)


def tabletop(count, seed=0):
    """Return obstacles on a table in front of the arm."""
    rng = np.random.default_rng(seed)
    position = np.column_stack(
        [rng.uniform(0.2, 0.8, count), rng.uniform(-0.4, 0.4, count), rng.uniform(0.1, 0.3, count)]
    )
    return SphereObstacles.create(position, rng.uniform(0.01, 0.1, count))
