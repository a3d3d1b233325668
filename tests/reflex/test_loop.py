# SPDX-License-Identifier: Apache-2.0
"""The decision loop and the control loop: who acts when, and what is remembered of it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.reflex.loop import RECOVERY, TASK, Shield, control_step, fresh, run_episodes
from reflexarc.reflex.navigation import navigation

PROBLEM = navigation("navigation2", hold=2, control=5)
QUIET = jnp.zeros((1, 7))


class Always(eqx.Module):
    """A policy that always wants the same."""

    action: Any

    def __call__(self, features):
        """Return mean and logarithm of the deviation before the tanh."""
        return jnp.arctanh(0.999 * jnp.array(self.action)), jnp.full(2, -5.0)


class Beyond(eqx.Module):
    """A critic that calls everything beyond x dangerous if the action goes there, more so the farther it is beyond."""

    x: float

    def __call__(self, seen):
        """Return logits of one member; 0 is a risk of one half."""
        return jnp.where(seen[:, 2] > 0.0, 10.0 * seen[:, 0] - self.x, -20.0)[None]


class Fake(NamedTuple):
    """Networks by hand."""

    task: Any
    risk: Any
    recovery: Any = Always((-1.0, 0.0))
    value: Any = None


NETWORKS = Fake(Always((1.0, 0.0)), Beyond(-49.25))
HALF = Shield(threshold=0.5, every=1)


def played(networks, shield, steps, explore=False):
    """Return episode, pieces and events after every step of one episode without noise."""
    e, out = fresh(PROBLEM, jnp.zeros((1, 2))), []
    for _ in range(steps):
        e, (cut, piece, _), events = control_step(PROBLEM, networks, shield, e, QUIET, explore)
        out.append((e, cut, piece, events))
    return out


def test_a_reflex_comes_in_the_middle_of_an_action_at_the_control_step_that_is_dangerous():
    out = played(NETWORKS, HALF, 6)
    modes = [int(e.mode[0]) for e, *_ in out]
    assert modes == [TASK] * 4 + [RECOVERY] * 2, "0.2 m per step; the fifth would begin at -49.2"
    cut, piece, events = out[4][1:]
    assert bool(cut.valid[0]) and bool(events.reflex[0]) and bool(events.aborted[0])
    assert float(cut.tau[0]) == pytest.approx(0.4)
    assert cut.executed[0].tolist() == pytest.approx([1.0, 0.0], abs=2e-3)
    assert float(cut.next_state[0, 0]) == pytest.approx(-49.2, abs=2e-3)
    assert not bool(piece.valid[0])


def test_once_per_action_sees_the_danger_too_late():
    out = played(NETWORKS, HALF._replace(every=PROBLEM.length), 12)
    modes = [int(e.mode[0]) for e, *_ in out]
    assert modes == [TASK] * 10 + [RECOVERY] * 2, "the action was carried out to its end, a metre beyond"
    assert not any(bool(events.aborted[0]) for *_, events in out)


def test_a_refused_action_is_what_the_task_learns_from_and_the_recovery_what_the_critic_does():
    out = played(NETWORKS._replace(risk=Beyond(-51.0)), HALF, PROBLEM.length)
    piece, events = out[-1][2:]
    assert bool(piece.valid[0]) and float(piece.tau[0]) == 1.0
    assert piece.proposed[0, 0] > 0.9 and piece.executed[0, 0] < -0.9
    assert not any(bool(events.aborted[0]) for *_, events in out), "it had not begun"
    assert [bool(events.reflex[0]) for *_, events in out] == [True] + [False] * (PROBLEM.length - 1)


def test_pieces_cover_the_whole_time_and_the_whole_way():
    out = played(NETWORKS, HALF, 40)
    pieces = [p for _, cut, piece, _ in out for p in (cut, piece) if bool(p.valid[0])]
    ends = np.array([p.next_state[0] for p in pieces])
    begins = np.array([p.state[0] for p in pieces])
    np.testing.assert_allclose(begins[1:], ends[:-1])
    last = out[-1][0]
    assert sum(float(p.tau[0]) for p in pieces) * PROBLEM.length + int(last.used[0]) == pytest.approx(40)
    driven = sum(float(p.reward[0]) for p in pieces) + float(last.reward[0])
    wanted = sum(float(PROBLEM.reward(e.state)[0]) for e, *_ in out) / PROBLEM.length
    assert driven == pytest.approx(wanted, rel=1e-5)


def test_a_recovery_is_kept_for_its_dwell():
    shaky = NETWORKS._replace(recovery=Always((1.0, 0.5)))  # as bad as the task
    cuts = {
        dwell: sum(bool(cut.valid[0]) for _, cut, *_ in played(shaky, HALF._replace(dwell=dwell), 16))
        for dwell in (1, 5, 100)
    }
    assert cuts[1] > cuts[5] > cuts[100] == 1


def test_after_a_recovery_the_task_must_be_clearly_safe():
    calm = Fake(Always((1.0, 0.0)), Beyond(-50.4))  # risk 0.6 at the start, 0.2 a recovery later

    def tasks(release):
        out = played(calm, Shield(0.5, PROBLEM.length, 1, release), 2 * PROBLEM.length)
        return [int(e.mode[0]) for e, *_ in out][:: PROBLEM.length]

    assert tasks(1.0) == [RECOVERY, TASK]
    assert tasks(0.3) == [RECOVERY, RECOVERY]


def test_a_risk_that_is_no_number_is_a_reflex():
    out = played(NETWORKS._replace(risk=Beyond(float("nan"))), HALF, 1)
    assert int(out[0][0].mode[0]) == RECOVERY


def test_episodes_end_by_failure_success_or_time_and_count_no_further():
    starts = jnp.array([[-31.0, 0.0], [-5.0, 0.0], [-60.0, 15.0]])
    run = eqx.filter_jit(run_episodes)
    o = run(PROBLEM, Fake(Always((1.0, 0.0)), Beyond(1e3)), Shield(), starts, jax.random.key(0))
    assert o.failed.tolist() == [True, False, False] and o.reached.tolist() == [False, True, False]
    assert o.steps[:2].tolist() == [pytest.approx(5, abs=2), pytest.approx(5, abs=2)]
    assert int(o.steps[2]) == PROBLEM.horizon and not o.reflexes.any()
    shielded = run(PROBLEM, NETWORKS._replace(risk=Beyond(-33.0)), HALF, starts, jax.random.key(0))
    assert not bool(shielded.failed[0]) and int(shielded.reflexes[0]) > 0
    assert float(shielded.at_reflex[0, 0]) == pytest.approx(-31.0, abs=0.1)
    still = shielded.at_reflex[2].tolist() == starts[2].tolist()
    assert still == (int(shielded.reflexes[2]) == 0)
