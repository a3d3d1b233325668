# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from reflexarc.barrier.qp import BACKENDS, FilterQp, QpProblem, Tier, filter_or_backup, make_backend
from reflexarc.barrier.qp.backends import Answer
from reflexarc.core.errors import ConfigError, UnknownNameError
from tests.barrier.qp.problems import BOX, feasible, infeasible, oracle, problem

SIZES = ((7, 30), (2, 12))
OWN = {"daqp": 1000, "elastiqp": 1000, "osqp": 980, "osqp_codegen": 980, "piqp": 980}
"""How many of a thousand answers must be the solver's own; the reference solver may step in for the rest."""


@pytest.mark.parametrize("n, m", SIZES)
@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_thousand_feasible_programmes_are_solved_as_the_oracle_does(backend, n, m):
    rng, solver, own = np.random.default_rng(n), FilterQp(n, m, backend), 0
    for _ in range(1000):
        p = feasible(rng, n, m)
        solution, expected = solver.solve(p), oracle(p)
        assert expected is not None
        assert solution.found and solution.tier == -1 and not solution.slack.any(), solution.reason
        assert np.abs(solution.u - expected).max() < 1e-6
        assert solution.residual <= solver.tolerance
        own += solution.reason == ""
    assert own >= OWN[backend]


@pytest.mark.parametrize("n, m", SIZES)
@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_thousand_contradictory_programmes_have_no_answer(backend, n, m):
    rng, solver = np.random.default_rng(n + 100), FilterQp(n, m, backend)
    for _ in range(1000):
        p = infeasible(rng, n, m)
        assert oracle(p) is None
        solution = solver.solve(p)
        assert not solution.found and solution.reason and np.isnan(solution.u).all()


@pytest.mark.parametrize("n, m", SIZES)
def test_collision_rows_give_way_by_the_smallest_worst_violation(n, m):
    rng, solver = np.random.default_rng(n + 200), FilterQp(n, m)
    for _ in range(200):
        p = infeasible(rng, n, m, Tier.COLLISION)
        solution = solver.solve(p)
        assert solution.found and solution.tier == Tier.COLLISION and "COLLISION" in solution.reason
        length = np.linalg.norm(p.rows / np.sqrt(p.weight), axis=1)
        worst = (solution.slack / length).max()
        np.testing.assert_allclose(
            solution.slack, np.maximum(p.rows @ solution.u - p.offsets, 0.0), atol=1e-8
        )
        assert (np.abs(solution.u) <= BOX).all()
        # a little less slack for everybody, and nothing would be feasible
        assert oracle(p._replace(offsets=p.offsets + (worst - 1e-5) * length)) is None
        assert oracle(p._replace(offsets=p.offsets + (worst + 1e-5) * length)) is not None


def test_only_rows_that_must_give_way_do():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    solution = FilterQp(2, 3).solve(problem([1.0, 1.0], rows, np.array([-1.0, -1.0, 0.5])))
    assert solution.found
    np.testing.assert_allclose(solution.slack, [1.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(solution.u, [0.0, 0.5], atol=1e-6)


def test_comfort_gives_way_before_collision_and_collision_before_nothing():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    offsets = np.array([-1.0, -1.0, 0.5])
    solver = FilterQp(2, 3)

    def solve(*tiers):
        return solver.solve(problem([1.0, 1.0], rows, offsets, tiers))

    comfort = solve(Tier.COLLISION, Tier.COMFORT, Tier.COLLISION)
    assert comfort.tier == Tier.COMFORT and "COMFORT" in comfort.reason
    np.testing.assert_allclose(comfort.slack, [0.0, 2.0, 0.0], atol=1e-6)
    collision = solve(Tier.HARD, Tier.COLLISION, Tier.COLLISION)
    assert collision.tier == Tier.COLLISION
    np.testing.assert_allclose(collision.slack, [0.0, 2.0, 0.0], atol=1e-6)
    assert not solve(Tier.HARD, Tier.HARD, Tier.COMFORT).found


def test_comfort_is_kept_under_a_collision_that_gives_way_if_it_can_be():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    offsets = np.array([-1.0, -1.0, 0.5, -0.75])
    tiers = (Tier.COLLISION, Tier.COLLISION, Tier.COMFORT, Tier.COMFORT)
    both = FilterQp(2, 4).solve(problem([1.0, 1.0], rows, offsets, tiers))
    np.testing.assert_allclose(both.slack, [1.0, 1.0, 0.125, 0.125], atol=1e-6)
    kept = FilterQp(2, 4).solve(problem([1.0, 1.0], rows, offsets + [0, 0, 0, 0.5], tiers))
    np.testing.assert_allclose(kept.slack, [1.0, 1.0, 0.0, 0.0], atol=1e-6)


def test_bounds_hold_exactly_and_are_never_relaxed():
    solver = FilterQp(2, 1, max_slack=5.0)
    p = problem([5.0, 0.0], np.array([[-1.0, 0.0]]), np.array([-3.0]))  # wants u_0 >= 3, the bound is 2
    solution = solver.solve(p)
    assert solution.found and solution.u[0] == BOX and solution.slack[0] == pytest.approx(1.0)


def test_more_slack_than_allowed_is_no_answer():
    p = problem([5.0, 0.0], np.array([[-1.0, 0.0]]), np.array([-3.0]))
    solution = FilterQp(2, 1, max_slack=0.5).solve(p)
    assert not solution.found and "0.5" in solution.reason


def test_a_late_answer_is_no_answer():
    solution = FilterQp(2, 1, deadline=1e-9).solve(problem([0.0, 0.0], np.zeros((0, 2)), np.zeros(0)))
    assert not solution.found and "later" in solution.reason


@pytest.mark.parametrize("place", ["target", "rows", "offsets", "weight", "lower", "upper"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_or_means_no_limit(place, value):
    p = problem([3.0, 0.0], np.array([[1.0, 0.0]]), np.array([0.5]))
    data = getattr(p, place).copy()
    data.flat[0] = value
    solution = FilterQp(2, 1).solve(p._replace(**{place: data}))
    no_limit = {("offsets", np.inf), ("lower", -np.inf), ("upper", np.inf)}
    assert solution.found == ((place, value) in no_limit)
    if not solution.found:
        assert solution.reason and np.isnan(solution.u).all()


def test_contradictory_bounds_and_zero_weights_are_named():
    p = problem([0.0, 0.0], np.zeros((0, 2)), np.zeros(0))
    assert "bound" in FilterQp(2, 0).solve(p._replace(lower=np.array([3.0, 0.0]))).reason
    assert "weight" in FilterQp(2, 0).solve(p._replace(weight=np.array([0.0, 1.0]))).reason


def test_rows_of_zeros_hold_or_never_can():
    zero = np.zeros((1, 2))
    assert FilterQp(2, 1).solve(problem([1.0, 0.0], zero, np.array([0.0]))).u.tolist() == [1.0, 0.0]
    never = FilterQp(2, 1).solve(problem([1.0, 0.0], zero, np.array([-1e-3])))
    assert not never.found and "never" in never.reason


def test_no_rows_is_a_projection_on_the_bounds():
    solution = FilterQp(3, 5).solve(problem([9.0, -9.0, 0.5], np.zeros((0, 3)), np.zeros(0)))
    assert solution.found and solution.u.tolist() == [BOX, -BOX, 0.5]


def test_multipliers_are_those_of_the_callers_units():
    rng = np.random.default_rng(3)
    for _ in range(50):
        p = feasible(rng, 7, 30)
        s = FilterQp(7, 30).solve(p)
        gradient = p.weight * (s.u - p.target) + s.duals[:7] + p.rows.T @ s.duals[7:]
        np.testing.assert_allclose(gradient, 0.0, atol=1e-7)
        assert s.active == tuple(np.flatnonzero(s.duals[7:] > 0.0))


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_the_answer_depends_on_the_problem_alone(backend):
    rng = np.random.default_rng(7)
    problems = [feasible(rng, 7, 30) for _ in range(20)]
    worn, order = FilterQp(7, 30, backend), rng.permutation(20)
    answers = {int(k): worn.solve(problems[k]) for k in order}
    for k, p in enumerate(problems):
        fresh = FilterQp(7, 30, backend).solve(p) if k < 3 else worn.solve(p)
        assert fresh.u.tobytes() == answers[k].u.tobytes() and fresh.iterations == answers[k].iterations


class _Planted:
    """A solver that spoils the answers of another."""

    tolerance = 1e-9

    def __init__(self, size, spoil):
        self._solver, self._spoil = make_backend("daqp", size, 31), spoil

    def solve(self, target, rows, offsets, lower, upper):
        return self._spoil(self._solver.solve(target, rows, offsets, lower, upper), target)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda a, t: a._replace(z=a.z + 1e-4), id="shifted"),
        pytest.param(lambda a, t: a._replace(z=t, duals=0.0 * a.duals), id="nominal, as if nothing bound"),
        pytest.param(lambda a, t: a._replace(duals=-a.duals), id="duals of the wrong sign"),
        pytest.param(lambda a, t: a._replace(duals=0.0 * a.duals), id="no duals"),
        pytest.param(lambda a, t: a._replace(z=a.z * np.nan), id="not a number"),
        pytest.param(lambda a, t: a._replace(z=0.5 * a.z), id="halved"),
        pytest.param(lambda a, t: a._replace(infeasible=True), id="falsely infeasible"),
    ],
)
def test_the_check_catches_a_planted_wrong_solver(spoil):
    rng = np.random.default_rng(11)
    caught = 0
    for _ in range(100):
        p = feasible(rng, 7, 30, Tier.HARD)
        if np.array_equal(oracle(p).round(6), p.target.round(6)):
            continue  # nothing binds, so the nominal input is right
        solution = FilterQp(7, 30, _Planted(7, spoil)).solve(p)
        assert "chosen solver" in solution.reason
        # the reference solver stood in for it
        assert solution.found and np.abs(solution.u - oracle(p)).max() < 1e-6
        caught += 1
    assert caught > 90


def test_the_reference_solver_is_not_believed_either(monkeypatch):
    spoilt = _Planted(7, lambda a, t: a._replace(z=a.z + 1e-4))
    monkeypatch.setattr("reflexarc.barrier.qp.tiers.Daqp", lambda n, capacity: spoilt)
    p = feasible(np.random.default_rng(11), 7, 30, Tier.HARD)
    solution = FilterQp(7, 30, spoilt).solve(p)
    assert not solution.found and "passed the check" in solution.reason and np.isnan(solution.u).all()


def test_a_solver_that_hides_its_slack_is_caught():
    rng = np.random.default_rng(12)
    for _ in range(100):
        p = infeasible(rng, 7, 30)
        cheat = Answer(p.target * 0.0, np.zeros(37), 1, False)

        class Cheat:
            tolerance = 1e-9

            def solve(self, *_, cheat=cheat):
                return cheat

        assert not FilterQp(7, 30, Cheat()).solve(p).found


def test_without_an_answer_the_backup_is_sent():
    solver, stop = FilterQp(2, 2), np.array([0.0, -1.0])
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]])
    sent = filter_or_backup(
        solver, problem([1.0, 1.0], rows, np.array([-1.0, -1.0]), Tier.HARD), lambda: stop
    )
    assert sent.backup and sent.u is stop
    sent = filter_or_backup(solver, problem([1.0, 1.0], rows, np.array([0.5, 1.0])), lambda: stop)
    assert not sent.backup and sent.u[0] == pytest.approx(0.5)


def test_refuses_wrong_settings_by_name():
    with pytest.raises(UnknownNameError, match="daqp"):
        FilterQp(2, 3, "gurobi")
    for settings in ({"max_slack": 0.0}, {"deadline": -1.0}, {"penalty": np.nan}, {"tolerance": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            FilterQp(2, 3, **settings)
    with pytest.raises(ConfigError, match="n >= 1"):
        FilterQp(0, 3)


@pytest.mark.parametrize("place", ["lower", "upper"])
def test_a_bound_at_the_wrong_infinity_is_refused(place):
    p = problem([0.0, 0.0], np.zeros((0, 2)), np.zeros(0))
    value = np.inf if place == "lower" else -np.inf
    p = p._replace(lower=np.full(2, value), upper=np.full(2, value))
    assert "bound" in FilterQp(2, 0).solve(p).reason


def test_equal_bounds_fix_an_input():
    p = problem([1.0, 1.0], np.array([[1.0, 1.0]]), np.array([0.5]))
    s = FilterQp(2, 1).solve(p._replace(lower=np.array([0.25, -BOX]), upper=np.array([0.25, BOX])))
    assert s.found
    np.testing.assert_allclose(s.u, [0.25, 0.25], atol=1e-9)


def test_wrong_shapes_are_a_mistake_of_the_program():
    p = problem([1.0, 1.0], np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="at most 3"):
        FilterQp(2, 3).solve(p)
    with pytest.raises(ValueError, match=r"target.*\(2,\)"):
        FilterQp(2, 4).solve(p._replace(target=np.zeros(3)))
    assert isinstance(p, QpProblem)


def test_without_a_compiler_the_generated_solver_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ConfigError, match="compiler"):
        FilterQp(2, 3, "osqp_codegen")


def test_a_solver_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(BACKENDS, "absent", "reflexarc_no_such_package:Solver")
    with pytest.raises(ConfigError, match="reflexarc_no_such_package"):
        FilterQp(2, 3, "absent")
