# SPDX-License-Identifier: Apache-2.0
r"""What an arm in contact is asked for risk and recovery, and the reflexes by rule that need no learning.

A recovery is an action of `view`, given in the frame of the motion that was refused: first axis along the displacement
that was left, second to its left. The rules answer with one of these:

    brake     no displacement, largest stiffness: the tip is held where it is, against its motion
    hold      no displacement, stiffness as it was
    soften    no displacement, least stiffness: the stretch of the spring is dropped and the tip gives way
    retreat   back along the way by which it came into contact, softly

Every one first puts the reference to the measured tip, so none of them presses.
"""

import math
from typing import Protocol

import numpy as np

from reflexarc.core.types import Array
from reflexarc.reflex.contact.view import ACTION, FORCE, SPEED, STEP

RULES = ("soften", "retreat", "hold", "brake")
_AHEAD_S = 0.01
"""The rule looks so far ahead: force rises by the tip's speed times the stiffness of what it presses into. [s]"""
_RETREAT_M = 0.02
"""[m]"""


class Reflexes(Protocol):
    """Critic and recovery of an arm in contact, with the way to use them; see `reflexarc.reflex.loop`."""

    threshold: float
    """Risk above which an action is refused."""
    every_s: float
    """Time between two looks of the critic. [s]"""
    dwell_s: float
    """A recovery is kept for this long at least. [s]"""
    release: float
    """Share of the threshold below which the task's action must be after a recovery."""
    force: float
    """A planar force above it is a reflex too, whatever the critic says; infinity for none. [N]"""

    def risk(self, view: Array) -> float:
        """Return the risk of an action that is going on, as it is seen: shape (9,). NaN counts as refused."""
        ...

    def recovery(self, view: Array) -> Array:
        """Return the action instead of the one that is seen, in the frame of its motion, shape (4,), in [-1, 1].

        Where a number is not finite, the arc's rule acts.
        """
        ...


def rule_action(rule: str, k_along: float, k_across: float, back: tuple[float, float]) -> Array:
    """Return the action of a rule, shape (4,).

    Args:
        rule: one of `RULES`.
        k_along: entry of the refused action, for `hold`.
        k_across: the same across it.
        back: direction of the retreat in the frame of the refused motion, a unit vector; zero where there is none.
    """
    if rule == "retreat":
        return np.array([back[0] * _RETREAT_M / STEP, back[1] * _RETREAT_M / STEP, -1.0, -1.0])
    if rule == "hold":
        return np.array([0.0, 0.0, k_along, k_across])
    stiff = 1.0 if rule == "brake" else -1.0
    return np.array([0.0, 0.0, stiff, stiff])


def admissible(action: Array) -> bool:
    """Whether a recovery may be carried out: finite numbers, as many as an action has; whoever does it cuts them."""
    return np.shape(action) == (ACTION,) and bool(np.isfinite(action).all())


class RuleReflexes:
    """A critic without learning: how near the force, and what is coming, are to a limit. It leaves the reflex to rules.

    risk = (|F| + k_surface |v| ahead) / limit, cut at 1, with the planar force F on the tip and the speed v of motion
    that presses further into what F comes from. Not a probability; it only has the same range.
    """

    force = math.inf

    def __init__(
        self,
        limit: float,
        stiffness: float,
        threshold: float = 0.8,
        every_s: float = 0.001,
        dwell_s: float = 0.05,
        release: float = 0.8,
        touching: float = 2.0,
    ):
        """Take the limit of the force [N], the stiffness of what the tip may press into [N/m], and how to use it.

        Args:
            limit: risk 1. [N]
            stiffness: of what the tip may press into. [N/m]
            threshold: see `Reflexes`.
            every_s: see `Reflexes`. [s]
            dwell_s: see `Reflexes`. [s]
            release: see `Reflexes`.
            touching: a smaller force may be the sensor's noise, and says nothing of where it comes from. [N]
        """
        self.threshold, self.every_s, self.dwell_s, self.release = threshold, every_s, dwell_s, release
        self._limit, self._stiffness, self._touching = limit, stiffness, touching

    def risk(self, view: Array) -> float:
        """Return the risk; NaN where force or velocity is not finite."""
        fx, fy, vx, vy = view[0] * FORCE, view[1] * FORCE, view[2] * SPEED, view[3] * SPEED
        force = math.hypot(fx, fy)
        if not math.isfinite(force + vx + vy):
            return math.nan
        into = max(0.0, -(fx * vx + fy * vy) / force) if force > self._touching else 0.0
        return min(1.0, float(force + into * _AHEAD_S * self._stiffness) / self._limit)

    def recovery(self, view: Array) -> Array:
        """Return no action: NaN, so that the arc's rule acts."""
        return np.full(ACTION, math.nan)
