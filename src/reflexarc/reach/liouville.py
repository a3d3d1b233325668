# SPDX-License-Identifier: Apache-2.0
r"""The Liouville equation along trajectories, as pure functions of JAX.

What is carried is [x, g] with

    x' = f(x, t, p),    g' = -tr Df(x, t, p),    and where asked  M' = Df M,  M(0) = I  (M = DPhi_t(x0)),

with fixed steps of the classical Runge-Kutta method or of Tsitouras' fifth-order one (Computers & Mathematics with
Applications 62, 2011). For a map x+ = F(x, k, p) one step adds -ln |det DF| to g. Arrays have the particles along
their last axis, so that what a field does with single coordinates runs over contiguous particles.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from reflexarc.core.errors import ConfigError
from reflexarc.reach.system import ClosedLoop

Method = Literal["rk4", "tsit5"]

# Butcher tableaus without the first (empty) row: rows of a, weights b, nodes c.
_RK4 = (((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0))
_TSIT5 = (
    (
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    ),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
    (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0),
)
TABLEAUS = {"rk4": _RK4, "tsit5": _TSIT5}

STABLE = 2.785
"""End of the classical Runge-Kutta method's stability interval, step times |eigenvalue|. A particle whose mean
eigenvalue leaves it has outrun the step (it escapes to infinity, or the step is far too long) and is given up."""
UNROLLED = 6
"""Up to so many states the trace is a sum of single directional derivatives, which fuse; above, one Jacobian."""


class Law(NamedTuple):
    """What the integration depends on; a `ClosedLoop` holds arrays too and cannot be hashed."""

    field: Callable[[Any, Any, Any], Any]
    divergence: Callable[[Any, Any, Any], Any] | None
    kind: Literal["flow", "map"]
    dt: float


def law(system: ClosedLoop) -> Law:
    """Return the hashable part of a system."""
    return Law(system.field, system.divergence, system.kind, system.dt)


def propagate(
    system: ClosedLoop,
    x0: Any,
    steps: int,
    substeps: int,
    method: Method,
    parameters: Any,
    start: Any,
    gain: bool = True,
    tangent: bool = False,
    back: bool = False,
) -> tuple[Any, ...]:
    """Integrate particles and their log-density: pure, to be compiled, mapped and differentiated by the caller.

    Args:
        system: what to integrate.
        x0: states, shape (N, n); the result has their precision.
        steps: outputs after the first, static.
        substeps: integrator steps per output, static.
        method: "rk4" or "tsit5".
        parameters: p of the field, as it is (None is not replaced).
        start: time of x0, or with `back` of the last output. [s]
        gain: whether to carry g.
        tangent: whether to carry the derivative of the flow map too.
        back: integrate from start + steps dt back to start; outputs in this order.

    Returns:
        t, shape (K + 1,); x, shape (K + 1, N, n); g, shape (K + 1, N), zeros without `gain`; and with `tangent` the
        derivative of the last state with respect to x0, shape (N, n, n). With `back`, g is as in `Flow.run_back`.
    """
    return integrate(law(system), x0, steps, substeps, method, parameters, start, gain, tangent, back)


def integrate(
    law: Law,
    x0: Any,
    steps: int,
    substeps: int,
    method: Method,
    parameters: Any,
    start: Any,
    gain: bool = True,
    tangent: bool = False,
    back: bool = False,
) -> tuple[Any, ...]:
    """Do the work of `propagate`, for functions that are cached by their law."""
    x0 = jnp.asarray(x0)
    count, n = x0.shape
    start = jnp.asarray(start, x0.dtype)
    y = {"x": x0.T}
    if gain:
        y["gain"] = jnp.zeros(count, x0.dtype)
    if tangent:
        y["tangent"] = jnp.broadcast_to(jnp.eye(n, dtype=x0.dtype)[..., None], (n, n, count))
    advance = (_map_step if law.kind == "map" else _flow_step)(
        law, y, substeps, method, parameters, start, steps, back
    )

    def step(y: Any, k: Any) -> tuple[Any, Any]:
        y = advance(y, k)
        return y, {name: y[name] for name in ("x", "gain") if name in y}

    last, path = lax.scan(step, y, jnp.arange(steps))
    x = jnp.concatenate([x0[None], path["x"].swapaxes(1, 2)])
    g = jnp.zeros((steps + 1, count), x0.dtype)
    if gain:
        g = g.at[1:].set(path["gain"])
        g = g - g[-1] if back else g
    t = start + law.dt * jnp.arange(steps + 1, dtype=x0.dtype)
    result = (t[::-1] if back else t, x, g)
    return (*result, jnp.moveaxis(last["tangent"], 2, 0)) if tangent else result


def runge_kutta(rates: Callable[[Any, Any], Any], y: Any, t: Any, h: float, method: Method) -> Any:
    """Return y after one step h of y' = rates(y, t), for any pytree y."""
    rows, weights, nodes = TABLEAUS[method]

    def combine(factors: tuple[float, ...]) -> Any:
        terms = [(h * a, s) for a, s in zip(factors, stages, strict=True) if a != 0.0]
        return jax.tree.map(
            lambda u, *v: u + sum(a * w for (a, _), w in zip(terms, v, strict=True)),
            y,
            *(s for _, s in terms),
        )

    stages = [rates(y, t)]
    for row, node in zip(rows, nodes[1:], strict=True):
        stages.append(rates(combine(row), t + node * h))
    return combine(weights)


def divergence_at(law: Law, x: Any, t: Any, p: Any) -> Any:
    """Return div f at one state, the hand-written one where there is one."""
    if law.divergence is not None:
        return jnp.asarray(law.divergence(x, t, p), x.dtype)
    n = x.shape[0]
    if n > UNROLLED:
        return jnp.trace(jax.jacfwd(law.field)(x, t, p))
    unit = np.eye(n)
    return sum(
        jax.jvp(lambda z: law.field(z, t, p), (x,), (jnp.asarray(unit[i], x.dtype),))[1][i] for i in range(n)
    )


def right_hand_side(law: Law, y: Any, p: Any, clocks: int | None = None) -> Any:
    """Return the right-hand side of what is carried, particles along the last axis.

    Args:
        law: of the system.
        y: what is carried; its keys are "x" and where wanted "gain" and "tangent".
        p: parameters.
        clocks: None, or -1 where every particle has a time of its own.
    """

    def single(y: Any, t: Any) -> Any:
        x = y["x"]
        rate = {"x": jnp.asarray(law.field(x, t, p), x.dtype)}
        if "tangent" in y:
            jacobian = jax.jacfwd(law.field)(x, t, p)
            # a sum of products instead of a matrix product: it runs over particles
            product = (jacobian[:, :, None] * y["tangent"][None]).sum(axis=1)
            rate["tangent"] = jnp.asarray(product, x.dtype)
        if "gain" in y:
            rate["gain"] = -jnp.asarray(
                jnp.trace(jacobian) if "tangent" in y else divergence_at(law, x, t, p), x.dtype
            )
        return rate

    axes = {name: -1 for name in y}
    return jax.vmap(single, in_axes=(axes, clocks), out_axes=axes)


def _flow_step(
    law: Law, y: Any, substeps: int, method: Method, p: Any, start: Any, steps: int, back: bool
) -> Any:
    """Return advance(y, k): one output interval of a flow."""
    rates = right_hand_side(law, y, p)
    n, dtype = y["x"].shape[0], y["x"].dtype
    h = (-1.0 if back else 1.0) * law.dt / substeps
    begin = start + steps * law.dt if back else start

    def substep(k: Any, y: Any) -> Any:
        new = runge_kutta(rates, y, begin + h * jnp.asarray(k, dtype), h, method)
        if "gain" in y:
            resolved = jnp.abs(new["gain"] - y["gain"]) <= STABLE * n
            new["gain"] = jnp.where(resolved, new["gain"], jnp.nan)
        return new

    def advance(y: Any, k: Any) -> Any:
        if substeps == 1:
            return substep(k, y)
        return lax.fori_loop(0, substeps, lambda j, y: substep(k * substeps + j, y), y)

    return advance


def _map_step(
    law: Law, y: Any, substeps: int, method: Method, p: Any, start: Any, steps: int, back: bool
) -> Any:
    """Return advance(y, k): one step of a map; integrator settings do not matter to it."""
    del substeps, method, steps
    if back:
        raise ConfigError("a map is not run backward")
    first = jnp.round(start / law.dt).astype(int)

    def single(y: Any, k: Any) -> Any:
        x = y["x"]
        new = {"x": jnp.asarray(law.field(x, k, p), x.dtype)}
        if len(y) > 1:
            jacobian = jnp.asarray(jax.jacfwd(law.field)(x, k, p), x.dtype)
            if "tangent" in y:
                new["tangent"] = jacobian @ y["tangent"]
            if "gain" in y:
                new["gain"] = y["gain"] - jnp.linalg.slogdet(jacobian)[1]
        return new

    axes = {name: -1 for name in y}
    batched = jax.vmap(single, in_axes=(axes, None), out_axes=axes)
    return lambda y, k: batched(y, first + k)
