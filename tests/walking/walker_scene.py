# SPDX-License-Identifier: Apache-2.0
"""States and proposals of a Go1, critics and policies of which every number is known, and their files."""

import numpy as np

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.walker_motion import WalkerMotion
from reflexarc.core.types import FIXED_FRAME, JointProposal, WalkerState
from reflexarc.robots.quadruped import JOINT_NAMES, load_quadruped
from reflexarc.robust.weights import NumpyPolicy
from reflexarc.walking.commands import Commands
from reflexarc.walking.fall import VIEWED, save_fall
from reflexarc.walking.gait import Gait
from reflexarc.walking.observation import OBSERVED
from reflexarc.walking.policy import WalkingPolicy

GO1 = load_quadruped("go1")
STANCE, CROUCH = np.tile(GO1.stance, 4), np.tile(GO1.crouch, 4)
LOW, HIGH = np.tile(GO1.lower, 4), np.tile(GO1.upper, 4)
PERIOD = 0.004
UPRIGHT = (1.0, 0.0, 0.0, 0.0)
CONFIG = {"robot": "go1", "rate_hz": 250.0, "freshness": {"state_s": 0.02, "proposal_s": 0.06}}


def state(now=0.0, **changed):
    """What is estimated at `now`; keys: stamp, frame, turn, velocity, rate, joints, position, joint_rate."""
    return WalkerState(
        changed.get("stamp", now),
        changed.get("frame", FIXED_FRAME),
        changed.get("turn", UPRIGHT),
        changed.get("velocity", np.zeros(3)),
        changed.get("rate", np.zeros(3)),
        changed.get("joints", JOINT_NAMES),
        changed.get("position", STANCE),
        changed.get("joint_rate", np.zeros(12)),
    )


def proposal(now=0.0, target=STANCE, joints=JOINT_NAMES):
    return JointProposal(now, joints, target)


def constant(action, refuses=False):
    """Return a policy that always gives one action (12 equal entries)."""
    bias = np.full(12, action, dtype=np.float32)
    actor = NumpyPolicy([(np.zeros((12, OBSERVED), np.float32), bias)], np.zeros(OBSERVED), np.ones(OBSERVED))
    policy = WalkingPolicy(GO1, actor, Gait(), Commands())
    if refuses:
        policy.actor = lambda seen: np.full((len(seen), 12), np.nan)
    return policy


def write_critic(path, slope=8.0, middle=0.5, threshold=0.5, robot="go1", **recipe):
    """Write a critic whose risk is that of the velocity to the left alone, 0.5 at `middle` [m/s]."""
    weight = np.zeros((1, VIEWED))
    weight[0, 1] = slope
    layers = [(weight, np.array([-slope * middle]))]
    save_fall(
        path, layers, np.zeros(VIEWED), np.ones(VIEWED), {"robot": robot, "threshold": threshold, **recipe}
    )
    return path


def with_recovery(arc, policy):
    """Put a policy in the place of an arc's recovery, and return what its stages share."""
    motion = next(s._motion for s in arc.stages if hasattr(s, "_motion"))
    assert isinstance(motion, WalkerMotion)
    motion._recovery = policy
    return motion


def made(fall, **walker):
    """Build an arc with the critic in the file `fall`."""
    return build_arc(ArcConfig.from_dict(CONFIG | {"walker": {"fall": str(fall), **walker}}))
