# SPDX-License-Identifier: Apache-2.0
"""The car benchmark of Meng et al. (CoRL 2021, arXiv 2109.06728): `driving` on a straight reference of 1 m/s.

Only its box and horizon differ from `reflexarc.reach.systems.driving`.
"""

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import driving


def system() -> ClosedLoop:
    """Return the car benchmark."""
    return driving.system(
        low=(-2.1, -2.1, -0.1, 0.0), high=(2.1, 2.1, 0.1, 0.5), dt=0.1, steps=50, name="car"
    )
