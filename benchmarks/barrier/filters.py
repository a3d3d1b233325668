# SPDX-License-Identifier: Apache-2.0
"""Part of the study: the Panda's filter beside cbfpy (qpax, ElastiQP), cbfjax and pink on the same states.

Obstacles: centre U[.2, .8] x [-.4, .4] x [.1, .3] m, radius U[.01, .1] m, seed 0; 21 spheres on the arm; table
z >= 0.1 m; box [.15, .75] x [-.25, .25] x [.25, .75] m for the end effector; alpha = alpha_2 = 10. Rows: one per sphere
and obstacle, one per sphere for the table, and the 14 sides of the bounds. Proposals and states are drawn anew for
every call, so no solver profits from a warm start; every filter derives everything from the joint state. The filters
take turns in blocks of 50 calls after five that are not counted: the machine's mood is the same for all, and each works
from its own warm caches.

In `velocity_*` and `torque_*` the spheres are within 5 cm of what they must not touch (0 <= h <= 0.05 m), where a
filter has work; `velocity_25_any` takes configurations as they come, also in collision, where rows must be relaxed.
`ours_when_solving` counts the calls in which the proposal breaks a row, so that a programme is solved, and so does
`ours_every_row_when_solving`, which hands the solver all rows, also those that no command within the bounds can break.
"""

import dataclasses
import gc
import os
import time
from collections.abc import Callable
from typing import Any

# What cbfpy's README recommends for speed and precision on a CPU; must be set before jax is imported.
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import numpy as np
from problems import oracle

from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, table
from reflexarc.barrier.arm.torque_filter import TorqueFilter
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import ArmVerdict, Status
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.barrier.qp import QpProblem, Tier
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, load_arm

try:
    import arm_peers as peers
except ImportError as error:  # the peers are installed by `make bench`
    peers, _MISSING = None, str(error)

TABLE = 0.1
BOX = (np.array([0.15, -0.25, 0.25]), np.array([0.75, 0.25, 0.75]))
PERIOD = 1e-3
NEAR = 0.05
"""[m]"""
_BLOCK, _PRIME = 50, 5
_CALLS = {False: 400, True: 3000}
_SLOW_CALLS = 100
"""Calls of the peers that take milliseconds."""
_REFERENCES = 100
_WARM_UP = 20
_WIDE = 1e3
"""Joint limits of this size never bind: the peers' problem has none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One problem."""

    name: str
    order: int
    """1: velocities, 2: torques."""
    obstacles: int
    box: bool = False
    """The end effector's box instead of obstacles and table."""
    touching: bool = False
    """Whether configurations in collision are taken as well."""


CASES = (
    Case("velocity_1", 1, 1),
    Case("velocity_25", 1, 25),
    Case("velocity_5", 1, 5),
    Case("velocity_25_any", 1, 25, touching=True),
    Case("torque_box", 2, 0, box=True),
    Case("torque_1", 2, 1),
    Case("torque_5", 2, 5),
    Case("torque_25", 2, 25),
)
_SHORT = ("velocity_1", "velocity_25")


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time ours and the peers on every case.

    Args:
        full: all cases, all peers, 3,000 calls each, instead of two cases with cbfpy and 400 calls.
        progress: told what is going on.
    """
    arm = load_arm("panda")
    result: dict[str, Any] = {"calls": _CALLS[full]}
    if peers is None:
        progress(f"filters: without peers: {_MISSING}; `make bench` installs them")
    else:
        result["jax_against_pinocchio"] = peers.arm_jax.worst_disagreement(arm, peers.arm_jax.build(arm))
    result["cases"] = [_measure(arm, case, full, progress) for case in CASES if full or case.name in _SHORT]
    progress("filters: value and gradient of a 256-256 perceptron")
    result["perceptron"] = perceptron(_CALLS[full])
    return result


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return median, p99, rows and ratios to cbfpy (above 1: ours is faster) per case, and the perceptron's time."""
    figures: dict[str, Any] = {}
    for case in part["cases"]:
        name = case["case"]
        figures[f"{name}_p50_us"] = case["ours"]["p50_us"]
        figures[f"{name}_p99_us"] = case["ours"]["p99_us"]
        figures[f"{name}_rows"] = case["rows"]
        for key in ("ours_when_solving", "ours_every_row_when_solving"):
            short = key.removeprefix("ours_")
            figures[f"{name}_{short}_p50_us"] = case[key] and case[key]["p50_us"]
            figures[f"{name}_{short}_p99_us"] = case[key] and case[key]["p99_us"]
        for peer in ("cbfpy_qpax", "cbfpy_elastiqp"):
            figures[f"{name}_ratio_{peer}"] = case["peers"].get(peer, {}).get("ratio")
    figures["perceptron_p50_us"] = part["perceptron"]["ours"]["p50_us"]
    return figures


def _scene(case: Case) -> tuple[Array, Array]:
    """Return positions and radii of the obstacles."""
    rng, m = np.random.default_rng(0), case.obstacles
    position = np.column_stack(
        [rng.uniform(0.2, 0.8, m), rng.uniform(-0.4, 0.4, m), rng.uniform(0.1, 0.3, m)]
    )
    return position, rng.uniform(0.01, 0.1, m)


def our_filter(arm: Arm, case: Case, screening: bool = True) -> Callable[[Any], ArmVerdict]:
    """Return our filter for the peers' problem: no joint limits, no self-collision, no sampled-data margin."""
    wide = {name: np.full(arm.n, value) for name, value in (("lower", -_WIDE), ("upper", _WIDE))}
    if case.order == 2:
        wide["max_velocity"] = np.full(arm.n, _WIDE)
    free = dataclasses.replace(arm, **wide)
    position, radius = _scene(case)
    obstacles = SphereObstacles.create(position, radius)
    space = Workspace(
        planes=np.zeros((0, 4)) if case.box else table(TABLE),
        self_collision=False,
        box_low=BOX[0] if case.box else None,
        box_high=BOX[1] if case.box else None,
    )
    if case.order == 1:
        velocity = VelocityFilter(
            free,
            space,
            PERIOD,
            obstacles=case.obstacles,
            screening=screening,
            sampled_data_margin=False,
            max_slack=np.inf,
        )
        return lambda state: velocity.step(state.q, state.dq, state.target, obstacles)
    torque = TorqueFilter(
        free, space, obstacles=case.obstacles, screening=screening, max_slack=np.inf, honour_gains=False
    )
    return lambda state: torque.step(state.q, state.dq, state.target, obstacles)


def states(arm: Arm, case: Case, count: int, ours: Callable[[Any], ArmVerdict]) -> list[Any]:
    """Draw `count` states and proposals; unless `case.touching` only such with 0 <= h <= NEAR."""
    state_type = peers.State if peers is not None else _State
    rng, found = np.random.default_rng(1), []
    while len(found) < count:
        q = rng.uniform(arm.lower, arm.upper)
        dq, target = np.zeros(arm.n), rng.uniform(-1.0, 1.0, arm.n) * arm.max_velocity
        if case.order == 2:
            dq = rng.uniform(-0.2, 0.2, arm.n) * arm.max_velocity
            target = rng.uniform(-0.5, 0.5, arm.n) * arm.max_torque
        state = state_type(q, dq, target)
        if case.touching or _inside(arm, case, ours, state):
            found.append(state)
    return found


def _inside(arm: Arm, case: Case, ours: Callable[[Any], ArmVerdict], state: Any) -> bool:
    if not case.box:
        return 0.0 <= ours(state).h <= NEAR
    import pinocchio as pin  # noqa: PLC0415 - for this case alone

    data = arm.model.createData()
    pin.framesForwardKinematics(arm.model, data, state.q)
    at = data.oMf[arm.model.getFrameId(arm.end_effector)].translation
    return bool((at >= BOX[0]).all() and (at <= BOX[1]).all())


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    q: Array
    dq: Array
    target: Array


def _measure(arm: Arm, case: Case, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    calls = _CALLS[full]
    progress(f"filters: {case.name}: {calls} calls")
    ours = our_filter(arm, case)
    drawn = states(arm, case, calls + _WARM_UP, ours)
    warm, timed = drawn[:_WARM_UP], drawn[_WARM_UP:]
    others, compile_s = _peers(arm, case, full, warm, progress)
    every_row = our_filter(arm, case, screening=False)
    times: dict[str, list[float]] = {"ours": [], "every_row": [], **{name: [] for name in others}}
    answers: dict[str, list[Array]] = {name: [] for name in others}
    verdicts = []
    for state in warm:
        ours(state)
        every_row(state)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for first in range(0, len(timed), _BLOCK):
            block = timed[first : first + _BLOCK]
            verdicts += _timed(ours, block, times["ours"])
            _timed(every_row, block, times["every_row"])
            for name, call in others.items():
                if first < _SLOW_CALLS or name not in ("cbfjax", "pink"):
                    answers[name] += _timed(call, block, times[name])
    finally:
        gc.enable()
        gc.unfreeze()
    solved = np.array([v.programme_rows > 0 for v in verdicts])
    mine = np.array(times["ours"])
    joints = 4 * arm.n if case.order == 2 else 0  # their rows never bind here, the peers have none
    entry: dict[str, Any] = {
        "case": case.name,
        "rows": verdicts[0].rows - joints + 2 * arm.n,
        "ours": _percentiles(mine),
        "ours_when_solving": _percentiles(mine[solved]) if solved.any() else None,
        "ours_every_row_when_solving": _percentiles(np.array(times["every_row"])[solved])
        if solved.any()
        else None,
        "solving_share": round(float(solved.mean()), 3),
        "programme_rows_mean": round(float(np.mean([v.programme_rows for v in verdicts])), 1),
        "statuses": {s.name: sum(v.status == s for v in verdicts) for s in Status},
        "peers": {},
    }
    if peers is not None:
        references = _references(arm, case, timed[:_REFERENCES])
        commands = [v.command if v.status <= Status.FILTERED else None for v in verdicts]
        entry["worst_difference"] = _worst_difference(commands, references)
    for name in others:
        theirs = np.array(times[name])
        ratio = theirs / mine[: len(theirs)]
        chosen = solved[: len(theirs)]
        entry["peers"][name] = {
            **_percentiles(theirs),
            "ratio": round(float(np.median(ratio[chosen])), 2) if chosen.any() else None,
            "ratio_all_calls": round(float(np.median(ratio)), 2),
            "ratio_of_p99": round(float(np.percentile(theirs, 99) / np.percentile(mine, 99)), 2),
            "compile_s": round(compile_s[name], 1),
            "worst_difference": _worst_difference(
                [a if np.isfinite(a).all() else None for a in answers[name]], references
            ),
            "not_finite": sum(not np.isfinite(a).all() for a in answers[name]),
        }
    return entry


def _timed(call: Callable[[Any], Any], block: list[Any], times: list[float]) -> list[Any]:
    """Call with each state, append how long it took, return the answers; the first calls come once more before."""
    answers = []
    for state in block[:_PRIME]:
        call(state)
    for state in block:
        started = time.perf_counter()
        answer = call(state)
        times.append(time.perf_counter() - started)
        answers.append(answer)
    return answers


def _peers(
    arm: Arm, case: Case, full: bool, warm: list[Any], progress: Callable[[str], None]
) -> tuple[dict[str, Callable[[Any], Array]], dict[str, float]]:
    """Return the peers' filters, compiled and warm, and how long that took."""
    if peers is None:
        return {}, {}
    position, radius = _scene(case)
    scene = peers.Scene(case.order, position, radius, None if case.box else TABLE, BOX if case.box else None)
    makers: dict[str, Callable[[], Callable[[Any], Array]]] = {
        "cbfpy_qpax": lambda: peers.cbfpy_filter(arm, scene, "qpax"),
        "cbfpy_elastiqp": lambda: peers.cbfpy_filter(arm, scene, "elastiqp"),
    }
    if full and case.order == 1 and not case.touching:
        makers["cbfjax"] = lambda: peers.cbfjax_filter(arm, scene)
        makers["pink"] = lambda: peers.pink_filter(arm, scene)
    found, took = {}, {}
    for name, make in makers.items():
        progress(f"filters: {case.name}: compiling {name}")
        started = time.perf_counter()
        call = make()
        for state in warm if name.startswith("cbfpy") else warm[:2]:
            call(state)
        found[name], took[name] = call, time.perf_counter() - started
    return found, took


def _references(arm: Arm, case: Case, drawn: list[Any]) -> list[Array | None]:
    """Return the oracle's solutions for the rows that JAX derives, None where they contradict each other."""
    position, radius = _scene(case)
    scene = peers.Scene(case.order, position, radius, None if case.box else TABLE, BOX if case.box else None)
    rows = peers.exact_rows(arm, scene)
    limit = np.array(arm.max_velocity if case.order == 1 else arm.max_torque)
    found = []
    for state in drawn:
        normals, offsets = rows(state)
        barriers = len(offsets) - 2 * arm.n
        length = np.maximum(np.linalg.norm(normals[:barriers], axis=1), 1e-12)
        found.append(
            oracle(
                QpProblem(
                    state.target,
                    np.ones(arm.n),
                    normals[:barriers] / length[:, None],
                    offsets[:barriers] / length,
                    np.full(barriers, int(Tier.COLLISION)),
                    -limit,
                    limit,
                )
            )
        )
    return found


def _worst_difference(answers: list[Array | None], references: list[Array | None]) -> float | None:
    """Return the largest difference of any component [rad/s or N m] where both exist."""
    pairs = zip(answers, references, strict=False)
    gaps = [float(np.abs(a - r).max()) for a, r in pairs if a is not None and r is not None]
    return float(f"{max(gaps):.2e}") if gaps else None


def perceptron(calls: int) -> dict[str, Any]:
    """Time value and gradient of a learned barrier with layers of 256 and 256, beside `jax.jit` of the same."""
    rng = np.random.default_rng(0)
    sizes = [(256, 4), (256, 256), (1, 256)]
    weights = tuple(rng.normal(size=s) / np.sqrt(s[1]) for s in sizes)
    biases = tuple(0.1 * rng.normal(size=s[0]) for s in sizes)
    names = ("x", "y", "v", "theta")
    barrier = LearnedBarrier(
        (Mlp(weights, biases, "relu"),), "min", np.zeros(4), np.ones(4), 0.0, "timing", names, {}
    )
    methods: dict[str, Callable[[Array], tuple[Any, Any]]] = {"ours": barrier.value_and_gradient}
    if peers is not None:
        methods["jax_jit"] = _jax_perceptron(weights, biases)
    drawn = rng.uniform(-1.0, 1.0, (calls, 4))
    times: dict[str, list[float]] = {name: [] for name in methods}
    worst = 0.0
    for x in drawn[:_WARM_UP]:
        for call in methods.values():
            call(x)
    for first in range(0, calls, _BLOCK):
        block = list(drawn[first : first + _BLOCK])
        answers = [
            _timed(lambda x, call=call: tuple(map(np.asarray, call(x))), block, times[name])
            for name, call in methods.items()
        ]
        for other in answers[1:]:
            for (value, gradient), (mine, slope) in zip(other, answers[0], strict=True):
                worst = max(worst, float(abs(value - mine)), float(np.abs(gradient - slope).max()))
    return {**{name: _percentiles(np.array(t)) for name, t in times.items()}, "worst_difference": worst}


def _jax_perceptron(weights: tuple[Array, ...], biases: tuple[Array, ...]) -> Any:
    import jax  # noqa: PLC0415 - a peer
    import jax.numpy as jnp  # noqa: PLC0415

    def value(x):
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = jnp.maximum(w @ x + b, 0.0)
        return (weights[-1] @ x + biases[-1])[0]

    return jax.jit(jax.value_and_grad(value))


def _percentiles(seconds: Array) -> dict[str, float]:
    p50, p99 = np.percentile(seconds * 1e6, [50, 99])
    return {
        "p50_us": round(float(p50), 1),
        "p99_us": round(float(p99), 1),
        "max_us": round(float(seconds.max() * 1e6), 1),
    }
