# SPDX-License-Identifier: Apache-2.0
"""Corrupted parameters and tampered files: every one must be refused before an arc exists.

A corruption is one field of a configuration replaced by what a bad file may hold: an unknown key, a wrong type, NaN, a
value out of its bounds. Tampering is one flipped bit of a file that carries a digest or a certificate.
"""

import dataclasses
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError, ReflexArcError


def corruptions(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield key and bad value for every number and switch of a configuration, nested ones included.

    Args:
        config: a dataclass whose fields were made by `reflexarc.core.config.quantity`.
        path: keys that lead to it.
    """
    yield (*path, "no_such_key"), 1
    for item in dataclasses.fields(config):
        value, key = getattr(config, item.name), (*path, item.name)
        if dataclasses.is_dataclass(value):
            yield from corruptions(value, key)
        elif isinstance(value, bool):
            yield key, "maybe"
        elif isinstance(value, (int, float)):
            for bad in (math.nan, math.inf, -1e9, 1e12, "fast", True):
                yield key, bad


def accepted(build: Callable[[dict[str, Any]], Any], config: Any) -> tuple[int, list[str]]:
    """Return how many corruptions were tried, and those that were not refused.

    Args:
        build: makes a configuration from a mapping, and raises ConfigError where it refuses.
        config: a good configuration, whose fields are corrupted one by one.
    """
    count, let_through = 0, []
    for path, value in corruptions(config):
        count += 1
        mapping: Any = value
        for key in reversed(path):
            mapping = {key: mapping}
        try:
            build(mapping)
        except ConfigError:
            continue
        let_through.append(f"{'.'.join(path)} = {value!r}")
    return count, let_through


def tampered(read: Callable[[Path], Any], file: Path, seed: int, count: int) -> list[str]:
    """Flip one bit of a copy of a file, again and again, and return what was read without an error.

    Args:
        read: reads the file at a path and raises ReflexArcError where it refuses it.
        file: a good file; what lies beside it is copied too.
        seed: of the places.
        count: how many places.

    Raises:
        ReflexArcError: the untouched copy is refused, so that nothing can be said.
    """
    rng, good, let_through = np.random.default_rng(seed), file.read_bytes(), []
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(file.parent, Path(scratch) / file.parent.name)) / file.name
        read(copy)
        for _ in range(count):
            place, bit = int(rng.integers(len(good))), int(rng.integers(8))
            data = bytearray(good)
            data[place] ^= 1 << bit
            copy.write_bytes(data)
            try:
                read(copy)
            except ReflexArcError:
                continue
            let_through.append(f"{file.name}: bit {bit} of byte {place}")
    return let_through
