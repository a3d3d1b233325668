# SPDX-License-Identifier: Apache-2.0
"""Online robustness agrees with rtamt, with the definition written out, and with every past that may have been."""

import logging
import math

import numpy as np
import pytest

from reflexarc.assurance.monitors.monitor import Monitor, Outcome, Signal

NAMES = ("x", "y")
SIGNALS = {name: Signal("1", 10.0) for name in NAMES}
LENGTH = 40


def random_formula(rng, depth):
    """Return a formula as a nested tuple; windows in samples."""
    kind = rng.choice(["p", "not", "and", "or", "->", "once", "hist", "since", "prev", "rise", "fall"])
    if depth == 0 or kind == "p":
        return ("p", int(rng.integers(2)), rng.choice(["<=", ">="]), float(rng.integers(-4, 5)) / 2.0)
    below = [random_formula(rng, depth - 1) for _ in range(2)]
    if kind in ("and", "or", "->"):
        return (kind, *below)
    if kind in ("once", "hist", "since"):
        a, width = int(rng.integers(0, 4)), int(rng.integers(0, 5))
        return (kind, a, a + width, *below[: 2 if kind == "since" else 1])
    return (kind, below[0])


def as_text(f, seconds_per_sample, words):
    """Write a formula out; `words` has the spellings that differ between tools."""

    def text(g):
        return as_text(g, seconds_per_sample, words)

    match f:
        case ("p", i, comparison, c):
            return f"({NAMES[i]} {comparison} {c:g})" if c >= 0 else f"({NAMES[i]} {comparison} -{-c:g})"
        case ("and" | "or" | "->", a, b):
            return f"({text(a)} {f[0]} {text(b)})"
        case ("once" | "hist", a, b, g):
            window = words["window"].format(a * seconds_per_sample, b * seconds_per_sample)
            return f"({'once' if f[0] == 'once' else 'historically'}{window}{text(g)})"
        case ("since", a, b, g, h):
            window = words["window"].format(a * seconds_per_sample, b * seconds_per_sample)
            return f"({text(g)} since{window} {text(h)})"
        case (word, g):
            return f"({words.get(word, word)} {text(g)})"
        case _:
            raise AssertionError(f)


OURS = {"prev": "previously", "window": "[{:g}, {:g}]"}
THEIRS = {"window": "[{:g},{:g}]"}


def define(f, x, t):
    """Robustness at sample t by its definition, every window looked through again; samples before 0 must not matter."""
    match f:
        case ("p", i, comparison, c):
            return c - x[i, t] if comparison == "<=" else x[i, t] - c
        case ("not", g):
            return -define(g, x, t)
        case ("and", a, b):
            return min(define(a, x, t), define(b, x, t))
        case ("or", a, b):
            return max(define(a, x, t), define(b, x, t))
        case ("->", a, b):
            return max(-define(a, x, t), define(b, x, t))
        case ("once", a, b, g):
            return max(define(g, x, s) for s in range(t - b, t - a + 1))
        case ("hist", a, b, g):
            return min(define(g, x, s) for s in range(t - b, t - a + 1))
        case ("since", a, b, g, h):
            return max(
                min([define(h, x, s), *(define(g, x, r) for r in range(s + 1, t + 1))])
                for s in range(t - b, t - a + 1)
            )
        case ("prev", g):
            return define(g, x, t - 1)
        case ("rise", g):
            return min(-define(g, x, t - 1), define(g, x, t))
        case ("fall", g):
            return min(define(g, x, t - 1), -define(g, x, t))
        case _:
            raise AssertionError(f)


def reach(f):
    """Samples before now that a formula looks at."""
    inside = max((reach(g) for g in f[1:] if isinstance(g, tuple)), default=0)
    return inside + (f[2] if f[0] in ("once", "hist", "since") else f[0] in ("prev", "rise", "fall"))


def monitor_of(f, period=0.1):
    return Monitor(as_text(f, period, OURS), SIGNALS, period, "1")


def feed(monitor, x, start=0):
    order = [NAMES.index(name) for name in monitor.signals]
    return [monitor.update(t * monitor.period, x[order, t].tolist()) for t in range(start, x.shape[1])]


def signals(rng, length=LENGTH):
    return rng.integers(-6, 7, (2, length)) / 2.0 + rng.choice([0.0, 0.01], (2, 1)) * rng.normal(
        size=(2, length)
    )


@pytest.mark.parametrize("seed", range(120))
def test_robustness_is_that_of_the_definition_and_of_rtamt(seed):
    rtamt = pytest.importorskip("rtamt")
    logging.disable(logging.WARNING)
    rng = np.random.default_rng([17, seed])
    f = random_formula(rng, int(rng.integers(1, 4)))
    x = signals(rng)
    monitor, horizon = monitor_of(f), reach(f)
    assert monitor.horizon == horizon
    found = feed(monitor, x)
    other = rtamt.StlDiscreteTimeSpecification()
    for name in (*NAMES, "out"):
        other.declare_var(name, "float")
    other.spec = "out = " + as_text(
        f, 1, THEIRS
    )  # whole samples: its bounds in ms are a thousand times too long
    other.set_sampling_period(1, "s", 0.1)
    other.parse()
    for t in range(LENGTH):
        theirs = other.update(t, [(name, x[i, t]) for i, name in enumerate(NAMES)])
        if t >= horizon:
            assert found[t].low == found[t].high == pytest.approx(theirs, abs=1e-12)
            assert theirs == pytest.approx(define(f, x, t), abs=1e-12)
            assert found[t].outcome is (Outcome.SATISFIED if found[t].low > 0.0 else Outcome.VIOLATED)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(60))
def test_before_the_windows_are_filled_every_possible_past_is_covered(seed):
    rng = np.random.default_rng([18, seed])
    f = random_formula(rng, 3)
    horizon = reach(f)
    x = signals(rng, 12)
    found = feed(monitor_of(f), x)
    for _ in range(20):
        past = rng.choice([-1e6, -3.0, 0.25, 2.0, 1e6], (2, horizon + 1))
        whole = np.concatenate([past, x], axis=1)
        for t, judgement in enumerate(found):
            true = define(f, whole, t + horizon + 1)
            assert judgement.low - 1e-9 <= true <= judgement.high + 1e-9


def truth(f, x, t):
    """Truth by its definition, without robustness."""
    match f:
        case ("p", i, comparison, c):
            return x[i, t] <= c if comparison == "<=" else x[i, t] >= c
        case ("not", g):
            return not truth(g, x, t)
        case ("and", a, b):
            return truth(a, x, t) and truth(b, x, t)
        case ("or", a, b):
            return truth(a, x, t) or truth(b, x, t)
        case ("->", a, b):
            return not truth(a, x, t) or truth(b, x, t)
        case ("once", a, b, g):
            return any(truth(g, x, s) for s in range(t - b, t - a + 1))
        case ("hist", a, b, g):
            return all(truth(g, x, s) for s in range(t - b, t - a + 1))
        case ("since", a, b, g, h):
            return any(
                truth(h, x, s) and all(truth(g, x, r) for r in range(s + 1, t + 1))
                for s in range(t - b, t - a + 1)
            )
        case ("prev", g):
            return truth(g, x, t - 1)
        case ("rise", g):
            return not truth(g, x, t - 1) and truth(g, x, t)
        case ("fall", g):
            return truth(g, x, t - 1) and not truth(g, x, t)


@pytest.mark.parametrize("seed", range(80))
def test_outcomes_are_true_also_where_signals_sit_on_their_limits(seed):
    rng = np.random.default_rng([19, seed])
    f = random_formula(rng, 3)
    x = rng.integers(-2, 3, (2, LENGTH)).astype(float)  # limits are multiples of a half
    for t, judgement in enumerate(feed(monitor_of(f), x)):
        if t >= reach(f):
            assert (judgement.outcome is Outcome.SATISFIED) == truth(f, x, t)


def test_a_window_of_half_a_second_at_100_hz_holds_51_samples():
    monitor = Monitor("once[0, 0.5] x >= 1", SIGNALS, 0.01, "1")
    values = [1.0] + [0.0] * 60
    outcomes = [monitor.update(k * 0.01, [v]).outcome for k, v in enumerate(values)]
    assert outcomes.index(Outcome.VIOLATED) == 51
    assert monitor.horizon == 50


def test_a_violation_is_seen_before_the_window_is_filled_and_a_promise_is_not_made_early():
    monitor = Monitor("historically[0, 0.3] x >= 1", SIGNALS, 0.1, "1")
    good = [monitor.update(k * 0.1, [2.0]).outcome for k in range(5)]
    assert good == [Outcome.UNKNOWN] * 3 + [Outcome.SATISFIED] * 2
    monitor.reset()
    assert monitor.update(0.0, [0.5]) == (Outcome.VIOLATED, -math.inf, -0.5, "")


def test_memory_stays_bounded_by_the_windows():
    monitor = Monitor("(x >= 0) since[0.2, 1] (once[0, 1] y >= 0)", SIGNALS, 0.1, "1")
    nodes = [monitor._node, monitor._node._b]  # pyright: ignore[reportAttributeAccessIssue]
    for k in range(3000):
        monitor.update(k * 0.1, [-float(k), -float(k)])  # falling: nothing can be dropped early
    sizes = [len(part._queue) + len(part._delay) for node in nodes for part in (node._low, node._high)]
    assert max(sizes) <= 12
