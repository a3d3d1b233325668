# SPDX-License-Identifier: Apache-2.0
"""Losses of heartbeats injected into the pure gate in simulated time, and fault-free hours of jittered beats.

Three senders beat at 50 Hz on clocks of their own; each beat takes a random way. At a random phase one sender suffers a
loss. Measured is the time from the loss to the first command of zero after which no command passes any more, although
the sender recovers. A loss begins when the first beat that it touches would have been sent; a killed sender's, right
after its last beat.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.gate import SOURCES, Gate, GateConfig

PERIOD_S = 0.02
"""Between two beats. [s]"""
TURN_S = 0.01
"""Between two looks of the gate at its leases, as in gate_node. [s]"""
WAY_MEDIAN_S, WAY_SIGMA = 0.001, 1.0
"""Median of the way of a beat, and the standard deviation of its logarithm: one in a thousand takes 22 ms."""
FASTEST_S = 0.001
"""Bound of the fastest way of a beat, by which a receiver that cannot know the way takes a beat for younger. [s]"""
BEFORE_S, AFTER_S = 1.2, 1.5
"""Simulated time before the loss, after the opening, and after it. [s]"""

Sent = tuple[float, float, int, float]
"""Time of arrival, time of sending, number, stamp."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What one loss did."""

    kind: str
    source: str
    time_s: float
    """From the loss to zero; inf: commands went on. [s]"""
    stayed: bool
    """Whether the gate stayed closed after the sender had recovered."""
    fault: str
    """What the gate called it."""
    turn_s: float = TURN_S


def _from(beats: list[Sent], start: float, change: Callable[[int, Sent], Sent | None]) -> list[Sent]:
    """Return the beats with those sent from `start` [s] on changed; `change` takes which one after the loss it is."""
    changed, count = [], 0
    for beat in beats:
        if beat[1] < start:
            changed.append(beat)
            continue
        new = change(count, beat)
        count += 1
        if new is not None:
            changed.append(new)
    return changed


def _drop(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    many = int(draw.integers(14, 40))  # less than a lease of silence is no loss
    return _from(beats, start, lambda k, b: None if k < many else b)


def _killed(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    return _from(beats, start, lambda k, b: None)


def _restarted(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    away = int(draw.integers(1, 9))
    return _from(beats, start, lambda k, b: None if k < away else (b[0], b[1], k - away, b[3]))


def _stopped(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    """Held up for longer than a lease, then it goes on where it was."""
    many = int(draw.integers(14, 40))
    return _from(beats, start, lambda k, b: None if k < many else (b[0], b[1], b[2] - many, b[3]))


def _delay(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    longer = float(draw.uniform(0.25, 1.0))
    return _from(beats, start, lambda k, b: (b[0] + longer, *b[1:]))


def _duplicate(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    first = next(b for b in beats if b[1] >= start)
    return [*beats, (first[0] + 1e-4, *first[1:])]


def _reorder(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    behind = float(draw.uniform(0.03, 0.15))
    return _from(beats, start, lambda k, b: (b[0] + behind, *b[1:]) if k == 0 else b)


def _freeze(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    held = max(b[3] for b in beats if b[1] < start)
    return _from(beats, start, lambda k, b: (*b[:3], held))


def _nan(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    bad = float(draw.choice((math.nan, math.inf, -math.inf)))
    many = int(draw.integers(1, 20))
    return _from(beats, start, lambda k, b: (*b[:3], bad) if k < many else b)


def _clock(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    jump = float(draw.choice((-1.0, 1.0)) * 10.0 ** draw.uniform(-0.6, 4.0))
    return _from(beats, start, lambda k, b: (*b[:3], b[3] + jump))


def _gap(beats: list[Sent], start: float, draw: np.random.Generator) -> list[Sent]:
    jump = int(draw.integers(11, 10_000))
    return _from(beats, start, lambda k, b: (*b[:2], b[2] + jump, b[3]))


KINDS: dict[str, Callable[[list[Sent], float, np.random.Generator], list[Sent]]] = {
    "drop": _drop,
    "killed": _killed,
    "stopped": _stopped,
    "restarted": _restarted,
    "delay": _delay,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "freeze": _freeze,
    "nan": _nan,
    "clock": _clock,
    "gap": _gap,
}


def campaign(count: int, seed: int, gate: Callable[[GateConfig], Gate] = Gate) -> list[Injection]:
    """Inject `count` losses, kinds and sources in turn, phases, sizes and ways at random."""
    kinds = list(KINDS)
    return [
        inject(
            kinds[k % len(kinds)],
            SOURCES[k // len(kinds) % len(SOURCES)],
            np.random.default_rng((seed, k)),
            gate,
        )
        for k in range(count)
    ]


def inject(
    kind: str, source: str, draw: np.random.Generator, make: Callable[[GateConfig], Gate] = Gate
) -> Injection:
    """Inject one loss and measure it."""
    gate = make(GateConfig())
    opened = 0.7
    loss = opened + BEFORE_S + float(draw.uniform(0.0, PERIOD_S))
    end = loss + AFTER_S
    arrivals = []
    for name in SOURCES:
        beats = _beats(end, draw)
        if name == source:
            loss = min(b[1] for b in beats if b[1] >= loss)
            beats = KINDS[kind](beats, loss, draw)
            if kind in ("drop", "killed", "stopped"):
                loss = max(b[1] for b in beats if b[1] < loss)
        arrivals += [(b[0], name, b[2], b[3]) for b in beats]
    looks = [(t, "", 0, 0.0) for t in np.arange(draw.uniform(0.0, TURN_S), end, TURN_S)]
    wanted, passed, closed, acknowledged = np.array([1.0, 0.0]), -math.inf, math.inf, False
    for now, name, seq, stamp in sorted(arrivals + looks, key=lambda item: item[0]):
        if name:
            gate.beat(name, seq, stamp, now)
            continue
        if not acknowledged and now > opened:
            acknowledged = gate.acknowledge(now) == ""
        if gate.command(wanted, now).any():
            passed, closed = now, math.inf
        elif now > loss:
            closed = min(closed, now)
    if passed < opened:
        raise RuntimeError(f"{kind} of {source}: the gate was never open, so nothing was measured")
    verdict = gate.open(end)
    return Injection(kind, source, float(closed - loss), not verdict.open, verdict.fault)


def false_closings(hours: float, seed: int, lost_share: float = 1e-3) -> int:
    """Return how often the gate closes in so many simulated hours of beats without a fault.

    Beats are sent up to 5 ms late, take a random way, never overtake each other, and one in a thousand is lost.
    """
    draw = np.random.default_rng(seed)
    gate = Gate(GateConfig())
    chunk = 60.0
    seq = dict.fromkeys(SOURCES, 0)
    last = dict.fromkeys(SOURCES, 0.0)
    events: list[tuple[float, str, int, float]] = []
    for minute in range(max(1, round(hours * 3600.0 / chunk))):
        for name in SOURCES:
            beats = _beats(chunk, draw, minute * chunk, seq[name])
            seq[name] += len(beats)
            for arrival, _, number, stamp in beats:
                last[name] = max(last[name] + 1e-6, arrival)
                if draw.random() >= lost_share:
                    events.append((last[name], name, number, stamp))
        events.sort()
        end = (minute + 1) * chunk
        due, events = [e for e in events if e[0] < end], [e for e in events if e[0] >= end]
        for now, name, number, stamp in due:
            gate.beat(name, number, stamp, now)
            if not gate.open(now).open:
                gate.acknowledge(now)
    return gate.closings


def _beats(duration: float, draw: np.random.Generator, start: float = 0.0, first: int = 0) -> list[Sent]:
    """Return beats sent over `duration` [s] from `start` [s] on, the clock of their sender 1000 s ahead."""
    count = round(duration / PERIOD_S)
    sent = start + PERIOD_S * (np.arange(count) + 0.25 * draw.random(count))
    ways = WAY_MEDIAN_S * np.exp(WAY_SIGMA * draw.standard_normal(count))
    arrivals = np.maximum.accumulate(sent + ways) + 1e-6 * np.arange(count)
    return [
        (float(a), float(s), first + k, float(s) + 1000.0)
        for k, (a, s) in enumerate(zip(arrivals, sent, strict=True))
    ]
