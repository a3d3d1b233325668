# SPDX-License-Identifier: Apache-2.0
"""Files of the DSRL benchmark (offline safe reinforcement learning): HDF5 with one row per transition.

The binary cost becomes a margin as in FISOR, with our sign: l = -25 where cost > 0, else +1. A file says nothing
about time, so the control period must be given; that of the published tasks differs (0.008 to 0.05 s).
"""

from pathlib import Path

import h5py
import numpy as np

from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError

KEYS = ("observations", "next_observations", "actions", "rewards", "costs", "terminals", "timeouts")
UNSAFE, SAFE = -25.0, 1.0
"""Margin of a row with and without cost (FISOR: cost_scale 25)."""


def load_dsrl(path: Path, period: float, system: str = "") -> Transitions:
    """Read a DSRL file.

    Args:
        path: HDF5 file.
        period: control period of its task. [s]
        system: name of the task; the file's name if empty.

    Raises:
        ConfigError: no such file, a missing key, unequal lengths, a number that is not finite (with key and row).
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    try:
        with h5py.File(path, "r") as file:
            missing = [key for key in KEYS if key not in file]
            if missing:
                raise ConfigError(
                    f"{path}: no DSRL file, it lacks {', '.join(missing)}; needed: {', '.join(KEYS)}"
                )
            arrays = {key: np.asarray(file[key][()]) for key in KEYS}  # pyright: ignore[reportIndexIssue]
    except OSError as error:
        raise ConfigError(f"{path}: not a readable HDF5 file ({error})") from error
    count = len(arrays["observations"])
    width = {"observations": 2, "next_observations": 2, "actions": 2}
    for key, array in arrays.items():
        if array.ndim != width.get(key, 1) or len(array) != count:
            raise ConfigError(
                f"{path}: {key} has shape {array.shape}, expected {count} rows and {width.get(key, 1)} axes"
            )
        bad = np.flatnonzero(~np.isfinite(array.astype(float).reshape(count, -1)).all(axis=1))
        if len(bad):
            raise ConfigError(f"{path}: {key} is not finite in row {bad[0]} ({len(bad)} rows in all)")
    if arrays["next_observations"].shape != arrays["observations"].shape:
        raise ConfigError(
            f"{path}: next_observations has shape {arrays['next_observations'].shape}, observations "
            f"{arrays['observations'].shape}"
        )
    x, after, u = (arrays[k].astype(float) for k in ("observations", "next_observations", "actions"))
    terminal = arrays["terminals"].astype(bool)
    last = terminal | arrays["timeouts"].astype(bool)
    last[-1] = True
    last[:-1] |= (after[:-1] != x[1:]).any(axis=1)
    margin = np.where(arrays["costs"] > 0.0, UNSAFE, SAFE)
    following = np.append(margin[1:], margin[-1])
    return Transitions(
        x=x,
        u=u,
        next_x=after,
        margin=margin,
        next_margin=np.where(last, margin, following),
        reward=arrays["rewards"].astype(float),
        dt=np.full(count, float(period)),
        terminal=terminal,
        last=last,
        system=system or path.stem,
        state=tuple(f"o{i}" for i in range(x.shape[1])),
        input=tuple(f"a{i}" for i in range(u.shape[1])),
        lower=np.minimum(u.min(axis=0), -1.0),
        upper=np.maximum(u.max(axis=0), 1.0),
    )
