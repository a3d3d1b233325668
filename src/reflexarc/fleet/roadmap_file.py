# SPDX-License-Identifier: Apache-2.0
"""Roadmaps as files, named by a digest of weights, map and options, and a cache of them."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.fleet.roadmap import ARRAYS, Roadmap, RoadmapOptions, directed_graph

FORMAT = "reflexarc-roadmap-1"


def roadmap_digest(agent: str, options: RoadmapOptions, extra: Mapping[str, Any] | None = None) -> str:
    """Return the name of a roadmap: hash of the agent's digest (weights and map), the options and what else matters."""
    content = json.dumps([FORMAT, agent, dataclasses.asdict(options), dict(extra or {})], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def save_roadmap(roadmap: Roadmap, path: Path) -> None:
    """Write a roadmap as safetensors."""
    g = roadmap.graph
    arrays = {"positions": g.positions, "tail": g.tail, "head": g.head, "duration": g.duration}
    arrays |= {name: getattr(roadmap, name) for name in (*ARRAYS, "dwell")}
    metadata = {"format": FORMAT, "digest": roadmap.digest, "period": repr(roadmap.period)}
    partial = path.with_suffix(".partial")
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, partial, metadata=metadata)
    partial.replace(path)


def load_roadmap(path: Path, digest: str | None = None) -> Roadmap:
    """Read a roadmap.

    Args:
        path: safetensors file.
        digest: that it must have; None for any.

    Raises:
        ModelError: the file is missing, damaged, of another kind or of another digest.
        ConfigError: values that are not finite.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as a roadmap ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: expected format {FORMAT!r}, found {metadata.get('format')!r}")
    if digest is not None and metadata.get("digest") != digest:
        raise ModelError(f"{path}: roadmap {metadata.get('digest')}, expected {digest}; it was not loaded")
    for name in (*ARRAYS, "dwell"):
        if not np.isfinite(arrays[name]).all():
            raise ConfigError(f"{path}: {name} holds values that are not finite; it was not loaded")
    return Roadmap(
        directed_graph(arrays["positions"], arrays["tail"], arrays["head"], arrays["duration"]),
        **{name: arrays[name] for name in (*ARRAYS, "dwell")},
        period=float(metadata["period"]),
        digest=metadata["digest"],
    )


def cached_roadmap(folder: Path, digest: str, make: Callable[[], Roadmap]) -> Roadmap:
    """Return the roadmap of this digest from a folder, made and kept there if it is missing or damaged."""
    path = folder / f"roadmap-{digest}.safetensors"
    if path.is_file():
        try:
            return load_roadmap(path, digest)
        except (ModelError, ConfigError):
            path.unlink()
    roadmap = make()
    folder.mkdir(parents=True, exist_ok=True)
    save_roadmap(roadmap, path)
    return roadmap
