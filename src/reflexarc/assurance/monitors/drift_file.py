# SPDX-License-Identifier: Apache-2.0
"""A drift model as JSON: what was counted, from which probabilities are computed again when it is read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.assurance.monitors.drift import Bins, DriftModel, Feature
from reflexarc.core.errors import ConfigError, ModelError

FORMAT, VERSION = "reflexarc drift", 1
_KEYS = {
    "format",
    "version",
    "features",
    "period_s",
    "steps",
    "confidence",
    "seed",
    "counts",
    "source",
    "digest",
}


def write_drift(model: DriftModel, path: Path, source: str) -> None:
    """Write a model; `source` says which runs it was learned from."""
    before, after = np.nonzero(model.counts)
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "features": [{"name": f.name, "unit": f.unit, "edges": list(f.edges)} for f in model.bins.features],
        "period_s": model.period,
        "steps": model.steps,
        "confidence": model.confidence,
        "seed": model.seed,
        "counts": [[int(i), int(j), int(model.counts[i, j])] for i, j in zip(before, after, strict=True)],
        "source": source,
    }
    path.write_text(json.dumps(data | {"digest": _digest(data)}, indent=1) + "\n", encoding="utf-8")


def read_drift(path: Path) -> DriftModel:
    """Read a model.

    Raises:
        ModelError: the file is missing, is not what `write_drift` wrote, or was changed.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(data, dict) or set(data) != _KEYS:
        raise ModelError(f"{path}: expected exactly the keys {', '.join(sorted(_KEYS))}")
    if (data["format"], data["version"]) != (FORMAT, VERSION):
        raise ModelError(
            f"{path}: {data['format']!r} version {data['version']!r}, expected {FORMAT!r} {VERSION}"
        )
    digest = data.pop("digest")
    if digest != _digest(data):
        raise ModelError(f"{path}: the digest does not match the content; the model was not used")
    try:
        features = tuple(
            Feature(str(f["name"]), str(f["unit"]), tuple(float(e) for e in f["edges"]))
            for f in data["features"]
        )
        bins = Bins(features)
        counts = np.zeros((bins.count, bins.count + 1), dtype=np.int64)
        for i, j, n in data["counts"]:
            if not (0 <= i < bins.count and 0 <= j <= bins.count and counts[i, j] == 0 and int(n) == n > 0):
                raise ModelError(f"{path}: the count {[i, j, n]} is not acceptable")
            counts[i, j] = n
        return DriftModel(
            bins,
            counts,
            float(data["period_s"]),
            int(data["steps"]),
            float(data["confidence"]),
            int(data["seed"]),
        )
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise ModelError(f"{path}: not a drift model: {error}") from error


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
