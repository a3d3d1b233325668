# SPDX-License-Identifier: Apache-2.0
"""Ways in which a stream of stamped messages goes wrong, the same for every kind of message.

A stream is asked once per tick with the newest true message and answers with the newest that arrives. Its first
question is the onset: what is held then was received before the fault. Everything is a function of the questions alone.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflexarc.core.types import BaseState, Obstacles, Proposal, Walls

AHEAD_S = 10.0
"""How far in the future a sender with a wrong clock stamps. [s]"""
BIAS_M = 0.5
"""How far a biased measurement is off. [m]"""
WRONG_FRAME = "injected_frame"


Stream = Callable[[Any, float], Any]
"""(newest true message, time [s]) -> newest message that arrives."""


def make_stream(mode: str, delay_s: float = 0.0, pose: Callable[[], Any] = lambda: None) -> Stream:
    """Return a stream that goes wrong in the given way.

    Args:
        mode: one of `MODES`.
        delay_s: of mode `delay`. [s]
        pose: gives the true pose x, y, yaw; `bias` moves what is seen away from it.

    Raises:
        KeyError: no such mode.
    """
    if mode == "delay":
        return _Delayed(delay_s)
    if mode == "bias":
        return lambda item, now: _biased(item, pose())
    return _PLAIN[mode]()


class _Held:
    """Nothing arrives any more."""

    def __init__(self) -> None:
        self._item: Any = None

    def __call__(self, item: Any, now: float) -> Any:
        if self._item is None or item.stamp == self._item.stamp:
            self._item = item
        return self._item


class _Delayed:
    """Every message arrives late."""

    def __init__(self, delay_s: float) -> None:
        self._delay = delay_s
        self._item: Any = None
        self._newest: Any = None
        self._way: deque[tuple[float, Any]] = deque()

    def __call__(self, item: Any, now: float) -> Any:
        if self._item is None:
            self._item = self._newest = item
        if item.stamp != self._newest.stamp:
            self._newest = item
            self._way.append((now + self._delay, item))
        while self._way and self._way[0][0] <= now + 1e-9:
            self._item = self._way.popleft()[1]
        return item if item.stamp == self._item.stamp else self._item


class _Numbered:
    """Counts messages and lets a rule choose among those so far."""

    def __init__(self, choose: Callable[[list[Any]], Any]) -> None:
        self._choose = choose
        self._items: list[Any] = []
        self._answer: Any = None

    def __call__(self, item: Any, now: float) -> Any:
        if not self._items or item.stamp != self._items[-1].stamp:
            self._items.append(item)
            self._answer = self._choose(self._items)
        return item if item.stamp == self._answer.stamp else self._answer


class _Frozen:
    """New stamps on the numbers of the onset."""

    def __init__(self) -> None:
        self._item: Any = None

    def __call__(self, item: Any, now: float) -> Any:
        if self._item is None:
            self._item = item
        return replace(self._item, stamp=item.stamp)


def _repeat(items: list[Any]) -> Any:
    """Every second message is a copy of the one before."""
    return items[-1] if len(items) % 2 else items[-2]


def _reorder(items: list[Any]) -> Any:
    """As 0, 0, 2, 1, 4, 3: every second message arrives after the one that follows it."""
    count = len(items)
    if count % 2:
        return items[-1]
    return items[-3] if count > 2 else items[0]


def _nan(item: Any, now: float) -> Any:
    if isinstance(item, BaseState):
        return replace(item, pose=np.full(3, np.nan))
    if isinstance(item, Obstacles):
        if not len(item):
            return replace(item, stamp=np.nan)
        return replace(item, velocity=np.full((len(item), 2), np.nan))
    if isinstance(item, Walls):
        return replace(item, segments=np.full((1, 4), np.nan))
    return replace(item, twist=np.full_like(item.twist, np.nan))


def _ahead(item: Any, now: float) -> Any:
    return replace(item, stamp=item.stamp + AHEAD_S)


def _frame(item: Any, now: float) -> Any:
    return replace(item, frame_id=WRONG_FRAME)


def _spike(item: Obstacles, now: float) -> Obstacles:
    """A track that jumped: one thing that races. With nobody tracked, one is made up far away."""
    if len(item):
        velocity = item.velocity.copy()
        velocity[0] = (100.0, 0.0)
        return replace(item, velocity=velocity)
    one = np.ones(1)
    return Obstacles(
        item.stamp,
        item.frame_id,
        np.array([[100.0, 100.0]]),
        np.array([[100.0, 0.0]]),
        one,
        0.0 * one,
        0.0 * one,
    )


def _biased(item: Any, pose: Any) -> Any:
    """Move what is seen so that things seem farther away from the robot than they are."""
    if isinstance(item, BaseState):
        back = BIAS_M * np.array([np.cos(pose[2]), np.sin(pose[2]), 0.0])
        return replace(item, pose=item.pose - back)
    if isinstance(item, Obstacles):
        return replace(item, position=item.position + _away(item.position, pose))
    segments = item.segments.copy()
    for columns in (slice(0, 2), slice(2, 4)):
        segments[:, columns] += _away(segments[:, columns], pose)
    return replace(item, segments=segments)


def _away(points: Any, pose: Any) -> Any:
    offset = points - pose[:2]
    return BIAS_M * offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)


def without_nearest(item: Obstacles, pose: Any) -> Obstacles:
    """Return the obstacles without the one nearest to the pose: a missed detection."""
    if not len(item):
        return item
    keep = np.arange(len(item)) != int(np.argmin(np.linalg.norm(item.position - pose[:2], axis=1)))
    ids = tuple(name for name, kept in zip(item.ids, keep, strict=True) if kept) if item.ids else ()
    return Obstacles(
        item.stamp,
        item.frame_id,
        item.position[keep],
        item.velocity[keep],
        item.radius[keep],
        item.position_std[keep],
        item.velocity_std[keep],
        ids,
    )


def boxed_in(item: Obstacles, pose: Any, distance: float = 0.8, count: int = 12) -> Obstacles:
    """Return a ring of people around the pose who all walk towards it at 1 m/s: no motion is admissible."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    still = np.zeros(count)
    return Obstacles(
        item.stamp,
        item.frame_id,
        pose[:2] + distance * outward,
        -outward,
        np.full(count, 0.3),
        still,
        still,
    )


def towards_nearest(item: Proposal, state: BaseState, speed: float, yaw_rate: float) -> Proposal:
    """Return the worst proposal: full speed, turning towards the nearest person.

    Args:
        item: proposal that it replaces; its stamp is kept.
        state: true state.
        speed: forward velocity. [m/s]
        yaw_rate: largest yaw velocity. [rad/s]
    """
    twist = np.zeros_like(item.twist)
    twist[0] = speed
    people = state.obstacles.position
    if len(people):
        offset = people - state.pose[:2]
        x, y = offset[int(np.argmin(np.linalg.norm(offset, axis=1)))]
        bearing = np.arctan2(y, x) - state.pose[2]
        bearing = np.arctan2(np.sin(bearing), np.cos(bearing))
        twist[-1] = np.clip(2.0 * bearing, -yaw_rate, yaw_rate)
    return replace(item, twist=twist)


_PLAIN: dict[str, Callable[[], Stream]] = {
    "drop": _Held,
    "freeze": _Frozen,
    "repeat": lambda: _Numbered(_repeat),
    "reorder": lambda: _Numbered(_reorder),
    "nan": lambda: _nan,
    "ahead": lambda: _ahead,
    "frame": lambda: _frame,
    "spike": lambda: _spike,
}
MODES = ("delay", "bias", *_PLAIN)
