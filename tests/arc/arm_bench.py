# SPDX-License-Identifier: Apache-2.0
"""States of an arm with what is around it, and a filter that is told what to answer."""

import math
from types import SimpleNamespace

import numpy as np

from reflexarc.arc.stage import Tick
from reflexarc.barrier.arm.verdict import Status as Outcome
from reflexarc.core.types import JointState, Mode, Spheres, Wrench
from tests.arc import contact_scene as scene

ARM, START = scene.ARM, 10.0
SPEED = np.linspace(-0.4, 0.5, 7)


class Filter:
    """A filter that remembers what it was given; its torques tell which of them was asked for."""

    def __init__(self, *made, **more):
        self.made, self.more, self.braked, self.given = made, more, [], None
        self.answer = {}

    def step(self, *given):
        self.given = given
        plain = {
            "status": Outcome.PASSED,
            "command": given[2],
            "reason": "",
            "h": 0.25,
            "nearest": "hand and ball",
        }
        rest = {"slack": 0.0, "learned_margin": math.nan, "learned_binds": False}
        return SimpleNamespace(**(plain | rest | self.answer))

    def brake(self, position, velocity):
        self.braked.append((position, velocity))
        return np.full(7, 1.0)

    def hold(self):
        return np.full(7, 2.0)


def around(stamp=START, count=0, moving=(0.0, 0.0, 0.0)):
    return Spheres(
        stamp, scene.FRAME, np.ones((count, 3)), np.tile(moving, (count, 1)).reshape(count, 3), np.full(count, 0.1),
        np.full(count, 0.01), np.full(count, 0.05),
    )  # fmt: skip


def seen(stamp=START, position=scene.DOWN, velocity=SPEED, joints=ARM.joints, balls=None):
    balls = around(stamp) if balls is None else balls
    wrench = Wrench(stamp, scene.FRAME, np.zeros(3), np.zeros(3))
    return JointState(stamp, scene.FRAME, joints, position, velocity, balls, wrench)


def passing(state, now=START, command=None, stage=None):
    halt = stage.halt if stage is not None else lambda _: [9.0] * 7
    return Tick(now, state, None, Mode.NORMAL, np.zeros(7) if command is None else np.array(command), halt)


USELESS = [
    None,
    object(),
    seen(joints=ARM.joints[::-1]),
    seen(position=np.array([math.nan, *scene.DOWN[1:]])),
    seen(velocity=np.array([*SPEED[1:], math.inf])),
    seen(position=np.full(7, math.inf), velocity=np.full(7, math.inf)),
]
