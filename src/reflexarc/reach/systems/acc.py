# SPDX-License-Identifier: Apache-2.0
r"""Adaptive cruise control under a network, with an uncertain prediction time tau of the ego car's speed.

    d' = vl - ve,  vl' = rl,  rl' = al,  ve' = re,  re' = -2 re + 2 u,  al' = -2 rl,  tau' = 0
    u = NN(30, 1.4, d, vl - ve - re tau, ve + re tau),  div f = -2 + 2 du/dre

Set speed 30 m/s, time gap 1.4 s. The network has the published shape 5-20-20-20-20-20-1; its weights are ours and
imitate `law`, so figures are not the published ones. Equations, box, step and horizon of Meng et al., CoRL 2021, arXiv
2109.06728, whose lead car's acceleration rl oscillates with sqrt(2) rad/s.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.networks import Layers, controller_path, load_controller, mlp
from reflexarc.robots.systems.system import Coordinate

WIDTHS = (5, 20, 20, 20, 20, 20, 1)
SET_SPEED = 30.0
"""[m/s]"""
TIME_GAP = 1.4
"""[s]"""
STANDSTILL = 10.0
"""Distance kept at rest, of the cruise-control benchmark of the ARCH competition. [m]"""
LIMITS = (-3.0, 2.0)
"""Bounds of the acceleration, of the same benchmark. [m/s^2]"""
SPEED_GAIN = 0.5
"""[1/s]"""
GAP_GAINS = (0.2, 0.6)
"""Per metre of gap error and per m/s of relative speed. [1/s^2], [1/s]"""


def law(x: Any) -> Any:
    """Return the law that the network imitates, (set speed, time gap, d, relative speed, speed) -> (1,).

    The lower of a speed controller's and a gap controller's acceleration, clipped.
    """
    set_speed, time_gap, distance, relative, speed = x
    to_speed = SPEED_GAIN * (set_speed - speed)
    to_gap = GAP_GAINS[0] * (distance - STANDSTILL - time_gap * speed) + GAP_GAINS[1] * relative
    return jnp.clip(jnp.minimum(to_speed, to_gap), *LIMITS)[None]


def system(layers: Layers | None = None) -> ClosedLoop:
    """Return the cruise control.

    Args:
        layers: of the controller; None reads the committed one.

    Raises:
        ModelError: the committed controller is missing or another.
    """
    layers = load_controller(controller_path("acc"), WIDTHS) if layers is None else layers

    def control(x: Any, rate: Any) -> Any:
        distance, lead, _, ego, _, _, tau = x
        seen = ego + rate * tau
        inputs = [jnp.full_like(ego, SET_SPEED), jnp.full_like(ego, TIME_GAP), distance, lead - seen, seen]
        return mlp(layers, jnp.stack(inputs))[0]

    def field(x: Any, t: Any, p: Any) -> Any:
        _, lead, lead_rate, ego, rate, lead_jerk, tau = x
        u = control(x, rate)
        return jnp.stack(
            [
                lead - ego,
                lead_rate,
                lead_jerk,
                rate,
                2.0 * (u - rate),
                -2.0 * lead_rate,
                jnp.zeros_like(tau),
            ]
        )

    def divergence(x: Any, t: Any, p: Any) -> Any:
        slope = jax.jvp(lambda rate: control(x, rate), (x[4],), (jnp.ones_like(x[4]),))[1]
        return 2.0 * slope - 2.0

    return ClosedLoop(
        name="acc",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; controller trained here",
        state=(
            Coordinate("d", "m"),
            Coordinate("vl", "m/s"),
            Coordinate("rl", "m/s^2"),
            Coordinate("ve", "m/s"),
            Coordinate("re", "m/s^2"),
            Coordinate("al", "m/s^3"),
            Coordinate("tau", "s"),
        ),
        field=field,
        low=np.array([59.0, 26.0, -0.01, 30.0, -0.01, -10.1, -2.0]),
        high=np.array([62.0, 30.0, 0.01, 30.5, 0.01, -9.9, 2.0]),
        dt=0.1,
        steps=50,
        substeps=4,
        divergence=divergence,
    )
