# SPDX-License-Identifier: Apache-2.0
"""What a policy means to do: its own proposals, followed by a unicycle that obeys at once."""

import copy
import math

import numpy as np

from reflexarc.core.types import BaseState, Plan
from reflexarc.policies.base import TaskPolicy

STEP = 0.1
"""Between two proposals of the rollout. [s]"""
EVERY = 0.25
"""Between two poses of the plan. [s]"""


def intention(policy: TaskPolicy, state: BaseState, now: float, horizon: float) -> Plan:
    """Return the plan of any task policy over the coming `horizon` [s].

    A copy of the policy proposes every 0.1 s at the pose that its proposals so far lead to, people and walls as they
    are now; the arc of each step is exact for a unicycle. The policy itself is left as it is.
    """
    policy = copy.deepcopy(policy)
    pose, poses = np.array(state.pose), [np.array(state.pose)]
    count = math.ceil(horizon / STEP)
    for k in range(count):
        at = BaseState(state.stamp, state.frame_id, pose, state.twist, state.obstacles, state.walls)
        forward, yaw = policy.propose(at, now + k * STEP).twist.tolist()
        half = 0.5 * yaw * STEP
        chord = forward * STEP * float(np.sinc(half / math.pi))
        pose = pose + np.array(
            [chord * math.cos(pose[2] + half), chord * math.sin(pose[2] + half), yaw * STEP]
        )
        poses.append(pose)
    table, fine = np.array(poses), np.arange(count + 1, dtype=np.float64) * STEP
    time = np.append(np.arange(0.0, fine[-1], EVERY), fine[-1])
    rows = np.column_stack([np.interp(time, fine, column) for column in table.T])
    return Plan(now, state.frame_id, time, rows)
