# SPDX-License-Identifier: Apache-2.0
"""The reflex: what the critic refuses is aborted, the spring lets go, and the recovery takes over.

The recovery is given in the frame of the motion that was refused and starts at the tip as it is measured. Where it
cannot be carried out, or nothing was learned, the rule of the configuration acts.
"""

import math

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_motion import RECOVERY, TASK, ContactMotion
from reflexarc.arc.stage import Tick
from reflexarc.reflex.contact.reflexes import Reflexes, admissible, rule_action
from reflexarc.reflex.contact.view import STEP, newtons_per_metre


class ReflexStage:
    """Hands the action on to the spring: the task policy's, or the recovery's instead."""

    name = "reflex"

    def __init__(self, config: ArcConfig, motion: ContactMotion, reflexes: Reflexes):
        """Take the rule and the time of an action from `config`."""
        self._motion, self._reflexes = motion, reflexes
        self._rule = config.contact.rule
        self._seconds = config.contact.decision_s

    def reset(self) -> None:
        """Nothing to forget: the action is forgotten with the tip's stage."""

    def apply(self, tick: Tick) -> None:
        """Begin a new action, or note that a recovery goes on."""
        motion = self._motion
        if motion.trip:
            self._recover(tick.now)
        elif motion.new:
            motion.spring.aim(motion.goal, motion.stiffness, self._seconds)
        if motion.kind == RECOVERY:
            x, y = motion.left.tolist()
            tick.note(self.name, motion.reason, math.hypot(x, y))

    def _recover(self, now: float) -> None:
        motion, spring = self._motion, self._motion.spring
        if motion.kind == TASK:
            motion.reflexes += 1
        x, y = motion.left.tolist()
        length = math.hypot(x, y) + 1e-6
        x, y = x / length, y / length
        action, who = self._reflexes.recovery(motion.view), "recovery"
        if not admissible(action):
            who = self._rule
            action = rule_action(who, float(motion.k[0]), float(motion.k[1]), self._back(x, y))
        along, across, *k = np.clip(action, -1.0, 1.0).tolist()
        across, along = STEP * (along * y + across * x), STEP * (along * x - across * y)  # in the base's axes
        far = math.hypot(along, across)
        if far > 1e-6:
            x, y = along / far, across / far
        elif length < 1e-5:
            x, y = 1.0, 0.0
        place = motion.tip.position
        spring.drop(place)
        motion.goal[0], motion.goal[1] = place[0] + along, place[1] + across
        stiff, wide = newtons_per_metre(k[0]), newtons_per_metre(k[1])
        matrix = motion.stiffness
        more = stiff - wide
        matrix[0, 0], matrix[1, 1] = wide + more * x * x, wide + more * y * y
        matrix[0, 1] = matrix[1, 0] = more * x * y
        matrix[:2, 2] = matrix[2, :2] = 0.0
        motion.k[:] = k
        spring.aim(motion.goal, matrix, self._seconds)
        motion.kind, motion.began, motion.who = RECOVERY, now, who
        motion.look_ahead()
        x, y, _ = motion.force.tolist()
        motion.reason = (
            f"{who}: risk {motion.risk:.3f} of what was left of the action, threshold {self._reflexes.threshold:.3f}, "
            f"force {math.hypot(x, y):.1f} N; {1000.0 * far:.0f} mm at {stiff:.0f} and {wide:.0f} N/m"
        )

    def _back(self, x: float, y: float) -> tuple[float, float]:
        """Return the way by which the tip came, backwards, in the frame of (x, y); back along it where not known."""
        came_x, came_y = self._motion.came.tolist()
        if came_x == 0.0 and came_y == 0.0:
            return -1.0, 0.0
        return -(came_x * x + came_y * y), -(came_y * x - came_x * y)
