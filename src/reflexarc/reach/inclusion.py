# SPDX-License-Identifier: Apache-2.0
r"""Bounds of a closed loop over boxes of states, by the optional package immrax.

For a field f and a box X with centre c and half widths r, two inclusions are intersected:

    natural: every operation of f on intervals (Moore);    mean value: f(c) +- |Df(X)| r.

The embedding system moves each bound by the field's bound on that bound's face, which encloses all trajectories
(Harapanahalli, Jafarpour and Coogan, 2024). immrax passes comparisons of intervals through as if an interval were its
ends; what branches on the state is refused here, and where only the Jacobian branches (a ReLU), the natural inclusion
stands alone.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.system import ClosedLoop

BATCH = 4096
"""Cells that are enclosed at once; fewer are padded."""
RUNGE_KUTTA = ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6))
"""Nodes and weights of the classical method; each stage uses the one before."""
COMPARISONS = {"eq", "ne", "lt", "lt_to", "le", "le_to", "gt", "ge"}
"""Operations on the state that no inclusion here holds for."""


def encloser(
    system: ClosedLoop, steps: int, substeps: int, parameters: Any = None, start: float = 0.0
) -> Callable[[Array], Array]:
    """Return a function from cells (2, m, n) to boxes (2, m, n) that hold all their states after the steps.

    A box that cannot be kept finite comes back infinite.

    Args:
        system: what moves the states.
        steps: outputs after the first.
        substeps: integrator steps per output; a map has none.
        parameters: p of the field; None takes the system's.
        start: time of the cells. [s]

    Raises:
        ConfigError: immrax is not installed, or the field is not made of operations that have an inclusion.
    """
    try:
        import immrax  # noqa: F401, PLC0415 - optional, and slow to import
    except ImportError as error:
        raise ConfigError(
            "brackets need the optional package immrax, which is not installed: pip install 'immrax>=0.3' "
            "(one of its dependencies, pycddlib, is built from source with a C compiler and libgmp-dev)"
        ) from error
    import jax  # noqa: PLC0415

    from reflexarc.reach.flow import cast  # noqa: PLC0415

    settled = cast(parameters, system, "float64")
    with jax.enable_x64(True):
        mean_value = _examine(system, settled)
    function = _compiled(system.field, system.kind, system.dt, steps, substeps, mean_value)

    def enclose(cells: Array) -> Array:
        parts = []
        with jax.enable_x64(True):
            for first in range(0, cells.shape[1], BATCH):
                part = cells[:, first : first + BATCH]
                size = part.shape[1]
                padded = np.concatenate([part, np.repeat(part[:, -1:], BATCH - size, axis=1)], axis=1)
                parts.append(np.asarray(function(padded, settled, float(start)))[:, :size])
        low, high = np.concatenate(parts, axis=1)
        burst = ~(np.isfinite(low) & np.isfinite(high) & (low <= high)).all(axis=1)
        low[burst], high[burst] = -np.inf, np.inf
        return np.stack([low, high])

    return enclose


def _examine(system: ClosedLoop, p: Any) -> bool:
    """Refuse a field without an inclusion; return whether its Jacobian has one."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415
    from immrax.inclusion.nif import inclusion_registry  # noqa: PLC0415

    x = jnp.asarray(0.5 * (system.low + system.high))
    t = jnp.asarray(0) if system.kind == "map" else jnp.asarray(0.0)
    known = {primitive.name for primitive in inclusion_registry}

    def unknown(function: Callable[..., Any]) -> set[str]:
        closed = jax.make_jaxpr(function)(x)
        (variable,) = closed.jaxpr.invars
        names: set[str] = set()
        _walk(closed.jaxpr, {variable}, known, names)
        return names

    def field(y: Any) -> Any:
        return system.field(y, t, p)

    names = unknown(field)
    if names:
        raise ConfigError(
            f"{system.name}: the field applies {', '.join(sorted(names))} to the state, for which no sound inclusion "
            "is known; no bracket is possible"
        )
    return not unknown(jax.jacfwd(field))


def _walk(jaxpr: Any, touched: set[Any], known: set[str], names: set[str]) -> set[Any]:
    """Add to `names` the operations on what depends on the state (`touched`) that have no sound inclusion."""
    from immrax.inclusion.nif import inclusion_registry  # noqa: PLC0415
    from jax.extend.core import Literal  # noqa: PLC0415

    for eqn in jaxpr.eqns:
        uses = [v for v in eqn.invars if not isinstance(v, Literal) and v in touched]
        if not uses:
            continue
        name = eqn.primitive.name
        inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr")
        if (
            name == "stack" and name not in known
        ):  # newer than immrax; acts on the ends alone, as concatenate does
            inclusion_registry[eqn.primitive] = _on_ends(eqn.primitive)
            known.add(name)
        if inner is not None and name in known:
            body = getattr(inner, "jaxpr", inner)
            entered = zip(eqn.invars, body.invars, strict=True)
            # what a loop carries may depend on the state from the second round on
            _walk(body, {b for a, b in entered if name == "scan" or a in uses}, known, names)
        elif name in COMPARISONS or name not in known:
            names.add(name)
        elif name == "convert_element_type" and not np.issubdtype(eqn.params["new_dtype"], np.floating):
            names.add("conversion to integer")
        touched.update(eqn.outvars)
    return touched


def _on_ends(primitive: Any) -> Callable[..., Any]:
    """Return the inclusion of an operation that only moves numbers: applied to both ends."""
    from immrax import Interval  # noqa: PLC0415

    def inclusion(*values: Any, **settings: Any) -> Any:
        low = [v.lower if isinstance(v, Interval) else v for v in values]
        high = [v.upper if isinstance(v, Interval) else v for v in values]
        return Interval(primitive.bind(*low, **settings), primitive.bind(*high, **settings))

    return inclusion


@lru_cache(maxsize=32)
def _compiled(field: Any, kind: str, dt: float, steps: int, substeps: int, mean_value: bool) -> Any:
    import immrax  # noqa: PLC0415
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    natif: Any = immrax.natif

    def bounds(low: Any, high: Any, t: Any, p: Any) -> Any:
        """Return bounds of the field over a box."""

        def single(x: Any) -> Any:
            return field(x, t, p)

        box = immrax.interval(low, high)
        natural: Any = natif(single)(box)
        if not mean_value:
            return natural.lower, natural.upper
        slope: Any = natif(jax.jacfwd(single))(box)
        if not isinstance(slope, immrax.Interval):  # a linear field: its Jacobian is a constant
            slope = immrax.interval(slope)
        steepest = jnp.maximum(jnp.abs(slope.lower), jnp.abs(slope.upper))
        centre, reach = single(0.5 * (low + high)), steepest @ (0.5 * (high - low))
        return jnp.maximum(natural.lower, centre - reach), jnp.minimum(natural.upper, centre + reach)

    def embedded(state: Any, t: Any, p: Any) -> Any:
        """Return the embedding's right-hand side: each bound moves as its face allows."""
        low, high = state
        own = jnp.eye(low.shape[0], dtype=bool)
        lower = jax.vmap(lambda top: bounds(low, top, t, p)[0])(jnp.where(own, low, high))
        upper = jax.vmap(lambda bottom: bounds(bottom, high, t, p)[1])(jnp.where(own, high, low))
        return jnp.stack([jnp.diagonal(lower), jnp.diagonal(upper)])

    def flow(state: Any, p: Any, start: Any) -> Any:
        h = dt / substeps

        def stage(carry: Any, row: Any) -> Any:
            s, t, k, total = carry
            k = embedded(s + row[0] * h * k, t + row[0] * h, p)
            return (s, t, k, total + row[1] * k), None

        def step(s: Any, k: Any) -> Any:
            carry = (s, start + h * k, jnp.zeros_like(s), jnp.zeros_like(s))
            return s + h * jax.lax.scan(stage, carry, jnp.asarray(RUNGE_KUTTA))[0][3], None

        return jax.lax.scan(step, state, jnp.arange(steps * substeps))[0]

    def iterate(state: Any, p: Any, start: Any) -> Any:
        first = jnp.round(start / dt).astype(int)

        def step(s: Any, k: Any) -> Any:
            return jnp.stack(bounds(s[0], s[1], first + k, p)), None

        return jax.lax.scan(step, state, jnp.arange(steps))[0]

    return jax.jit(jax.vmap(iterate if kind == "map" else flow, in_axes=(1, None, None), out_axes=1))
