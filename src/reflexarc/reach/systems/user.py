# SPDX-License-Identifier: Apache-2.0
"""A system from a user's Python file with one function.

    import jax.numpy as jnp

    low, high = [-1.0, -1.0], [1.0, 1.0]     # box of initial states
    dt, steps = 0.05, 50                     # optional: time between outputs [s], outputs
    names = ["angle", "rate"]                # optional

    def field(x):                            # or field(x, t)
        return jnp.stack([x[1], -jnp.sin(x[0])])

The divergence is the exact trace of the function's Jacobian.
"""

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

PROBES = 256
"""Random states of the box at which the function is tried before it is accepted."""
DEFAULTS = {"dt": 0.05, "steps": 50, "substeps": 4}


def load_user_system(path: Path | str) -> ClosedLoop:
    """Run a user's file and return its system.

    Args:
        path: Python file that defines `field(x)` or `field(x, t)`, (n,) -> (n,) in `jax.numpy`, and the box `low`,
            `high` ((n,) each); optionally `dt` [s], `steps`, `substeps` and `names`. The file is executed: load only
            what you would run.

    Raises:
        ConfigError: the file does not run, something is missing or of the wrong kind, or the function or its trace is
            not finite somewhere in the box.
    """
    path = Path(path)
    module = _run(path)
    function = getattr(module, "field", None)
    if not callable(function):
        raise ConfigError(
            f"{path}: defines no function `field(x)` or `field(x, t)`; there is no system without it"
        )
    timed = _takes_time(path, function)
    missing = [name for name in ("low", "high") if not hasattr(module, name)]
    if missing:
        raise ConfigError(f"{path}: defines no `{'` and no `'.join(missing)}`, the box of initial states")
    low, high = (_vector(path, name, getattr(module, name)) for name in ("low", "high"))
    names = getattr(module, "names", [f"x{i + 1}" for i in range(low.size)])
    if (
        not isinstance(names, list | tuple)
        or len(names) != low.size
        or not all(isinstance(name, str) for name in names)
    ):
        raise ConfigError(f"{path}: `names` must be {low.size} texts, one per entry of `low`, got {names!r}")
    dt, steps, substeps = (
        _number(path, name, getattr(module, name, value)) for name, value in DEFAULTS.items()
    )

    def field(x: Any, t: Any, p: Any) -> Any:
        return jnp.asarray(function(x, t) if timed else function(x), x.dtype)

    system = ClosedLoop(
        name=path.stem,
        source=path.name,
        state=tuple(Coordinate(name, "1") for name in names),
        field=field,
        low=low,
        high=high,
        dt=dt,
        steps=int(steps),
        substeps=int(substeps),
    )
    _try(path, system)
    return system


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(f"reflexarc_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path}: cannot be run: {type(error).__name__}: {error}") from error
    return module


def _takes_time(path: Path, function: Any) -> bool:
    signature = inspect.signature(function)
    for arguments in (1, 2):
        try:
            signature.bind(*range(arguments))
            return arguments == 2
        except TypeError:
            continue
    raise ConfigError(f"{path}: `field{signature}` must be callable as field(x) or field(x, t)")


def _vector(path: Path, name: str, value: Any) -> Array:
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: `{name}` must be a list of numbers, got {value!r}") from error
    if vector.ndim != 1 or vector.size == 0:
        raise ConfigError(f"{path}: `{name}` must be a list of numbers, got {value!r}")
    return vector


def _number(path: Path, name: str, value: Any) -> float:
    whole = name != "dt"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "a whole number" if whole else "a number of seconds"
        raise ConfigError(f"{path}: `{name}` must be {kind}, got {value!r}")
    return value


def _try(path: Path, system: ClosedLoop) -> None:
    n = system.n
    try:
        result = jax.eval_shape(system.field, jnp.zeros(n), 0.0, None)
    except Exception as error:
        raise ConfigError(
            f"{path}: `field` fails for a state of shape ({n},): {type(error).__name__}: {error}"
        ) from error
    if result.shape != (n,):
        raise ConfigError(f"{path}: `field` must return shape ({n},), the shape of `low`, got {result.shape}")
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).uniform(system.low, system.high, (PROBES, n)))
        values = np.asarray(jax.vmap(lambda s: system.field(s, 0.0, None))(x))
        jacobians = np.asarray(jax.vmap(jax.jacfwd(lambda s: system.field(s, 0.0, None)))(x))
    for what, good in (
        ("`field`", np.isfinite(values).all(axis=1)),
        ("the trace of the Jacobian of `field`", np.isfinite(np.trace(jacobians, axis1=1, axis2=2))),
    ):
        if not good.all():
            state = np.asarray(x)[int(np.argmin(good))]
            raise ConfigError(
                f"{path}: {what} is not finite at x = {state.round(6).tolist()}, inside the box"
            )
