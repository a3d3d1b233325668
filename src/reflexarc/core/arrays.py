# SPDX-License-Identifier: Apache-2.0
"""Arrays that nobody can change."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def frozen(values: npt.ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    """Return `values` as a read-only float64 array; -1 in `shape` matches any length."""
    array = np.array(values, dtype=np.float64)
    if array.size == 0 and -1 in shape:
        array = array.reshape([0 if n == -1 else n for n in shape])
    if array.ndim != len(shape) or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    array.setflags(write=False)
    return array
