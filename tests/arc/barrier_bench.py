# SPDX-License-Identifier: Apache-2.0
"""A base with its barrier stage alone, a solver that remembers its programme, and a learned barrier that is told."""

from types import SimpleNamespace

import numpy as np

from reflexarc.arc.barrier_stage import BarrierStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.legged_barrier import LeggedBarrierStage
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Mode
from reflexarc.robots import load_legged, load_robot
from tests.arc.scenes import state

SCALES = {"speed_scale_m_s": 2.0, "yaw_rate_scale_rad_s": 0.5}
AHEAD = [(1.9, 0.2, -0.3, 0.0)]


class Solver:
    """Remembers the programme and answers what it is told."""

    def __init__(self, u=None, found=True, tier=-1):
        self.u, self.found, self.tier, self.problem = u, found, tier, None

    def solve(self, problem):
        self.problem = type(problem)(*(np.array(part) for part in problem))
        u = self.problem.target if self.u is None else np.array(self.u, dtype=float)
        return SimpleNamespace(found=self.found, tier=self.tier, u=u)


class Learned:
    """A learned barrier that has made up its mind."""

    most, margin = 3, 0.7

    def __init__(self, share=1.0, sound=True, reach=0.5):
        self.says, self.sound, self.reach = share, sound, reach

    def update(self, seen, pose, age):
        self.age = age
        return self.sound

    def share(self, *command):
        self.shared = command
        return self.says, 2

    def within_reach(self, *command):
        self.asked = command
        return tuple(self.reach * v for v in command)

    def write(self, *given):
        *self.given, normals, offsets = given
        assert len(normals) == len(offsets) == self.most
        normals[:2] = 7.0
        offsets[:2] = 9.0
        return 2

    def describe(self, index, seen):
        return f"somebody {index}"


class Base:
    """One kind of base with its stage."""

    def __init__(self, legged, learned=None, **config):
        self.legged = legged
        self.robot = load_legged("go2") if legged else load_robot("segway_e1")
        name = {"robot": "go2" if legged else "segway_e1"}
        self.config = ArcConfig.from_dict(name | {"barrier": SCALES | config.pop("barrier", {})} | config)
        self.stage = (LeggedBarrierStage if legged else BarrierStage)(self.config, self.robot, learned)
        self.scale = np.array([2.0, 2.0, 0.5] if legged else [2.0, 0.5])

    def vector(self, forward, yaw, left=0.0):
        return [forward, left, yaw] if self.legged else [forward, yaw]

    def tick(self, command, people=AHEAD, speed=0.0, now=0.0, **scene):
        seen = state(people, scene.pop("walls", ()), now, twist=self.vector(speed, 0.0), **scene)
        tick = Tick(now, seen, None, Mode.NORMAL, np.array(command), lambda _: [0.0] * len(command))
        self.stage.apply(tick)
        return tick
