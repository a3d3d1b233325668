# SPDX-License-Identifier: Apache-2.0
r"""The critic's look at the action that is going on, as in `reflexarc.reflex.loop`.

A new proposal is looked at before it begins; after that the rest of the action, goal less tip as it is now, every
`every_s`. A recovery is not looked at before `dwell_s`, is not replaced by a proposal before its time is over, and the
proposal after it must stay below `release` times the threshold. NaN counts as refused.
"""

import math

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_motion import NONE, RECOVERY, TASK, ContactMotion
from reflexarc.arc.stage import Tick
from reflexarc.reflex.contact.reflexes import Reflexes

_ROUNDING = 1e-9
"""[s]"""


class CriticStage:
    """Sets the tick's risk, takes a proposal whose turn it is, and says whether the action is refused."""

    name = "critic"

    def __init__(self, config: ArcConfig, motion: ContactMotion, reflexes: Reflexes):
        """Take how to look from `reflexes`, unless the configuration says how often."""
        self._motion, self._reflexes = motion, reflexes
        self._on = config.contact.critic
        every = config.contact.every_s
        self._every = (reflexes.every_s if every is None else every) - _ROUNDING
        self._dwell = reflexes.dwell_s - _ROUNDING
        self._decision = config.contact.decision_s - _ROUNDING

    def reset(self) -> None:
        """Nothing to forget: the action is forgotten with the tip's stage."""

    def apply(self, tick: Tick) -> None:
        """Take a proposal whose turn it is, and look where it is time to."""
        motion, reflexes, now = self._motion, self._reflexes, tick.now
        threshold, look = reflexes.threshold, False
        age = now - motion.began
        motion.new = motion.trip = False
        if tick.proposal.stamp > motion.answered and (motion.kind != RECOVERY or age >= self._decision):
            if motion.kind == RECOVERY:
                threshold *= reflexes.release
            motion.take(tick.proposal, now)
            look = True
        elif motion.kind != NONE and now - motion.looked >= self._every:
            look = motion.kind == TASK or age >= self._dwell
        if look and self._on:
            motion.looked = now
            motion.risk = float(reflexes.risk(motion.see()))
            x, y, _ = motion.force.tolist()
            motion.trip = not (motion.risk <= threshold and math.hypot(x, y) <= reflexes.force)
        tick.risk = motion.risk
