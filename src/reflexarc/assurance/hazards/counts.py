# SPDX-License-Identifier: Apache-2.0
"""Put counts from logs into the content of a cell's file: `hazards.HC.mishap: [hits, trials]`."""

import copy
from collections.abc import Mapping
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.core.errors import ConfigError, UnknownNameError


def with_counts(
    data: Mapping[str, Any], cell: Cell, counts: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """Return the file's content with the counts in place of the probabilities that they estimate.

    Args:
        data: content of the cell's file.
        cell: the cell that it describes.
        counts: path of a probability to [hits, trials].
        source: where the counts come from; becomes a source of the file.

    Raises:
        UnknownNameError: a path that is none of the cell's probabilities.
        ConfigError: something else than two whole numbers.
    """
    changed = copy.deepcopy(dict(data))
    changed["sources"] = {**changed["sources"], "counts": source}
    for path, pair in counts.items():
        if path not in (known := cell.probabilities()):
            raise UnknownNameError("probability", str(path), known, source)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int for n in pair):
            raise ConfigError(f"{source}: {path}: expected [hits, trials], found {pair!r}")
        section, *rest = str(path).split(".")
        if section in ("person", "process"):
            listed = changed[section]["moves" if section == "person" else "tasks"]
            entry, key = next(item for item in listed if item["name"] == rest[0]), "probability"
        elif section == "resuming":
            entry, key = changed[section], rest[0]
        else:
            entry, key = changed[section][rest[0]], rest[1]
        entry[key] = {"counts": pair, "source": "counts"}
    return changed
