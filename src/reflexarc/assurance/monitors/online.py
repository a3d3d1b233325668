# SPDX-License-Identifier: Apache-2.0
r"""Robustness of formulas sample by sample, in bounded memory and constant amortised time.

What is not known yet, before the first sample or at a sample that could not be trusted, is anywhere in
(-inf, inf). Every operator is monotone in its operands or in their negation, so each node carries the interval
[low, high] of its robustness over everything that the unknown samples may have been; without unknown samples in reach
of a window low = high. Sliding extremes are kept in monotone deques (Lemire 2006), `since` in one whose entries are
capped as phi falls.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

Interval = tuple[float, float]
"""Smallest and largest possible robustness."""
Values = Sequence[float] | None
"""Signals of one sample, or None for one that is not known."""
UNKNOWN: Interval = (-math.inf, math.inf)
BOUNDARY = math.ulp(0.0)
"""Robustness of a predicate on its boundary, with the sign of its truth: robustness is never 0, and `not` is exact."""


class Node(Protocol):
    """A formula that is fed one sample after the other."""

    def update(self, values: Values) -> Interval:
        """Take the next sample and return the robustness there."""
        ...

    def reset(self) -> None:
        """Forget every sample."""


class PredicateNode:
    """(larger - smaller) / scale; overflow and NaN are unknown."""

    __slots__ = ("_boundary", "_scale", "_term")

    def __init__(self, term: Callable[[Sequence[float]], float], strict: bool, scale: float) -> None:
        self._term, self._scale = term, scale
        self._boundary = -BOUNDARY if strict else BOUNDARY

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        if values is None:
            return UNKNOWN
        r = self._term(values) / self._scale
        if r == 0.0:
            r = self._boundary
        elif not math.isfinite(r):
            return UNKNOWN
        return r, r

    def reset(self) -> None:
        """There is nothing to forget."""


class FlagNode:
    """A signal of unit bool."""

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        self._index = index

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        if values is None:
            return UNKNOWN
        r = math.inf if values[self._index] else -math.inf
        return r, r

    def reset(self) -> None:
        """There is nothing to forget."""


class NotNode:
    """Negation."""

    __slots__ = ("_of",)

    def __init__(self, of: Node) -> None:
        self._of = of

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        low, high = self._of.update(values)
        return -high, -low

    def reset(self) -> None:
        """See `Node`."""
        self._of.reset()


class JoinNode:
    """`and`, `or`, `->`; both operands see every sample."""

    __slots__ = ("_a", "_b", "_word")

    def __init__(self, word: str, a: Node, b: Node) -> None:
        self._word, self._a, self._b = word, a, b

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        a, b = self._a.update(values), self._b.update(values)
        if self._word == "and":
            return min(a[0], b[0]), min(a[1], b[1])
        if self._word == "or":
            return max(a[0], b[0]), max(a[1], b[1])
        return max(-a[1], b[0]), max(-a[0], b[1])

    def reset(self) -> None:
        """See `Node`."""
        self._a.reset()
        self._b.reset()


class PastNode:
    """`once` over samples first to last before now, or `historically` as its dual."""

    __slots__ = ("_high", "_low", "_of", "_once")

    def __init__(self, once: bool, first: int, last: int, of: Node) -> None:
        self._once, self._of = once, of
        self._low, self._high = Largest(first, last, -math.inf), Largest(first, last, math.inf)

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        low, high = self._of.update(values)
        if self._once:
            return self._low.update(low), self._high.update(high)
        return -self._high.update(-low), -self._low.update(-high)

    def reset(self) -> None:
        """See `Node`."""
        self._of.reset()
        self._low.reset()
        self._high.reset()


class SinceNode:
    """a since[window] b."""

    __slots__ = ("_a", "_b", "_high", "_low")

    def __init__(self, first: int, last: int, a: Node, b: Node) -> None:
        self._a, self._b = a, b
        self._low, self._high = Held(first, last, -math.inf), Held(first, last, math.inf)

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        a, b = self._a.update(values), self._b.update(values)
        return self._low.update(a[0], b[0]), self._high.update(a[1], b[1])

    def reset(self) -> None:
        """See `Node`."""
        for part in (self._a, self._b, self._low, self._high):
            part.reset()


class BeforeNode:
    """`previously`, `rise` or `fall`."""

    __slots__ = ("_last", "_of", "_word")

    def __init__(self, word: str, of: Node) -> None:
        self._word, self._of = word, of
        self._last = UNKNOWN

    def update(self, values: Values) -> Interval:
        """See `Node`."""
        before, now = self._last, self._of.update(values)
        self._last = now
        if self._word == "previously":
            return before
        if self._word == "rise":
            return min(-before[1], now[0]), min(-before[0], now[1])
        return min(before[0], -now[1]), min(before[1], -now[0])

    def reset(self) -> None:
        """See `Node`."""
        self._of.reset()
        self._last = UNKNOWN


class Largest:
    """Largest of the values `first` to `last` samples before now; `unknown` stands for those before the start."""

    __slots__ = ("_delay", "_first", "_now", "_queue", "_unknown", "_width")

    def __init__(self, first: int, last: int, unknown: float) -> None:
        self._first, self._width, self._unknown = first, last - first + 1, unknown
        self.reset()

    def update(self, value: float) -> float:
        """Take the next value and return the largest."""
        self._now += 1
        if self._first:
            self._delay.append(value)
            value = self._delay.popleft()
        queue = self._queue
        while queue and queue[-1][1] <= value:
            queue.pop()
        queue.append((self._now, value))
        if queue[0][0] <= self._now - self._width:
            queue.popleft()
        return queue[0][1]

    def reset(self) -> None:
        """Forget every value."""
        self._now = -1
        self._delay = deque([self._unknown] * self._first)
        self._queue = deque([(-1, self._unknown)])


class Held:
    """Largest b of the window, each no larger than the smallest a after it."""

    __slots__ = ("_delay", "_first", "_now", "_queue", "_smallest", "_unknown", "_width")

    def __init__(self, first: int, last: int, unknown: float) -> None:
        self._first, self._width, self._unknown = first, last - first + 1, unknown
        self._smallest = Largest(0, max(first - 1, 0), -unknown)
        self.reset()

    def update(self, a: float, b: float) -> float:
        """Take the next values and return the largest."""
        self._now += 1
        queue = self._queue
        capped = None
        while queue and queue[0][1] > a:
            capped = queue.popleft()[0]
        if capped is not None:
            queue.appendleft((capped, a))  # of equal entries only the newest matters
        if self._first:
            self._delay.append(b)
            b = min(self._delay.popleft(), -self._smallest.update(-a))
        while queue and queue[-1][1] <= b:
            queue.pop()
        queue.append((self._now, b))
        if queue[0][0] <= self._now - self._width:
            queue.popleft()
        return queue[0][1]

    def reset(self) -> None:
        """Forget every value."""
        self._now = -1
        self._smallest.reset()
        self._delay = deque([self._unknown] * self._first)
        self._queue = deque([(-1, self._unknown)])
