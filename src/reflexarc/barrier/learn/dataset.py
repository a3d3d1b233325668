# SPDX-License-Identifier: Apache-2.0
"""Offline data on disk: one folder per data set, readable by `minari` (Minari's HDF5 storage), written without it.

    FOLDER/data/metadata.json     data_format, observation_space and action_space (gymnasium Box as JSON),
                                  total_episodes, total_steps, and our key `reflexarc` (see below)
    FOLDER/data/main_data.hdf5    one group `episode_K` per recording of T steps:
        observations (T + 1, n)   states x_0 .. x_T
        actions      (T, m)       inputs
        rewards      (T,)
        terminations (T,)         bool; whether the task ended for good
        truncations  (T,)         bool; whether the recording breaks off
        infos/margin (T + 1,)     l at every state: negative in the failure set
        infos/dt     (T,)         duration of every transition [s]

The key `reflexarc` holds the format's version, the name of the system and the names of states and inputs.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError

FORMAT = "reflexarc-data-1"
MINARI = "0.5.3"
"""Version of Minari's layout that is written."""
_ARRAYS = ("x", "u", "next_x", "margin", "next_margin", "reward", "dt", "terminal", "last")


def data_hash(data: Transitions) -> str:
    """Return the SHA-256 over names and numbers of the transitions, in hexadecimal."""
    digest = hashlib.sha256(json.dumps([data.system, data.state, data.input]).encode())
    for name in _ARRAYS:
        digest.update(np.ascontiguousarray(getattr(data, name)).tobytes())
    return digest.hexdigest()


def save_dataset(data: Transitions, folder: Path, author: str = "") -> None:
    """Write the transitions as a data set.

    Raises:
        ConfigError: the folder holds a data set already, or consecutive rows of a recording do not join.
    """
    target = folder / "data"
    if (target / "metadata.json").exists():
        raise ConfigError(f"{folder}: there is a data set already; choose another folder")
    ends = np.flatnonzero(data.last)
    if len(ends) == 0 or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data) - 1)
    joined = np.flatnonzero(~data.last[:-1] & (data.next_x[:-1] != data.x[1:]).any(axis=1))
    if len(joined):
        raise ConfigError(
            f"{folder}: the state after row {joined[0]} is not the state of row {joined[0] + 1}, though the recording "
            "goes on; mark such a row as last"
        )
    target.mkdir(parents=True, exist_ok=True)
    with h5py.File(target / "main_data.hdf5", "w", track_order=True) as file:
        start = 0
        for k, end in enumerate(ends):
            rows = slice(start, int(end) + 1)
            _write_episode(file.create_group(f"episode_{k}"), data, rows, k)
            start = int(end) + 1
    metadata: dict[str, Any] = {
        "dataset_id": f"reflexarc/{data.system}-v0",
        "minari_version": MINARI,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "total_episodes": len(ends),
        "total_steps": len(data),
        "observation_space": _box(np.full(len(data.state), -np.inf), np.full(len(data.state), np.inf)),
        "action_space": _box(data.lower, data.upper),
        "reflexarc": {
            "format": FORMAT,
            "system": data.system,
            "state": list(data.state),
            "input": list(data.input),
        },
    }
    if author:
        metadata["author"] = [author]
    (target / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


def load_dataset(folder: Path) -> Transitions:
    """Read a data set.

    Raises:
        ConfigError: missing or damaged files, missing keys, wrong shapes, or a number that is not finite.
    """
    target = folder / "data" if (folder / "data").is_dir() else folder
    try:
        metadata = json.loads((target / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: no readable metadata.json of a data set ({error})") from error
    own = metadata.get("reflexarc", {}) if isinstance(metadata, dict) else {}
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        found = own.get("format") if isinstance(own, dict) else own
        raise ConfigError(f"{folder}: data format {found!r} is not {FORMAT!r}")
    try:
        lower, upper = _bounds(metadata["action_space"])
        names = own["system"], tuple(own["state"]), tuple(own["input"])
        count = int(metadata["total_episodes"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder}: incomplete metadata.json ({error!r})") from error
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    try:
        with h5py.File(target / "main_data.hdf5", "r") as file:
            for k in range(count):
                _read_episode(file, f"episode_{k}", len(names[1]), len(names[2]), parts, folder)
    except OSError as error:
        raise ConfigError(f"{folder}: main_data.hdf5 cannot be read ({error})") from error
    if not parts["x"]:
        raise ConfigError(f"{folder}: the data set holds no episode")
    merged = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return Transitions(**merged, system=names[0], state=names[1], input=names[2], lower=lower, upper=upper)


def _write_episode(group: Any, data: Transitions, rows: slice, number: int) -> None:
    end = rows.stop - 1
    group.attrs["id"] = number
    group.attrs["total_steps"] = rows.stop - rows.start
    group["observations"] = np.concatenate((data.x[rows], data.next_x[end : end + 1]))
    group["actions"] = data.u[rows]
    group["rewards"] = data.reward[rows]
    group["terminations"] = data.terminal[rows]
    group["truncations"] = data.last[rows] & ~data.terminal[rows]
    infos = group.create_group("infos")
    infos["margin"] = np.concatenate((data.margin[rows], data.next_margin[end : end + 1]))
    infos["dt"] = data.dt[rows]


def _read_episode(
    file: Any, name: str, n: int, m: int, parts: dict[str, list[np.ndarray]], folder: Path
) -> None:
    """Append one episode's rows to `parts`."""
    if name not in file:
        raise ConfigError(f"{folder}: {name} is missing, though metadata.json counts it")
    group = file[name]
    arrays = {}
    for key in (
        "observations",
        "actions",
        "rewards",
        "terminations",
        "truncations",
        "infos/margin",
        "infos/dt",
    ):
        if key not in group:
            raise ConfigError(f"{folder}: {name} has no {key}")
        arrays[key] = np.asarray(group[key][()])
    steps = len(arrays["actions"])
    shapes = {"observations": (steps + 1, n), "actions": (steps, m), "infos/margin": (steps + 1,)}
    for key, array in arrays.items():
        expected = shapes.get(key, (steps,))
        if array.shape != expected:
            raise ConfigError(f"{folder}: {name}/{key} has shape {array.shape}, expected {expected}")
        bad = np.flatnonzero(~np.isfinite(array.astype(float).reshape(len(array), -1)).all(axis=1))
        if len(bad):
            raise ConfigError(f"{folder}: {name}/{key} is not finite in row {bad[0]}")
    last = arrays["terminations"].astype(bool) | arrays["truncations"].astype(bool)
    last[-1:] = True
    x, margin = arrays["observations"], arrays["infos/margin"]
    columns = {"x": x[:-1], "next_x": x[1:], "margin": margin[:-1], "next_margin": margin[1:], "last": last}
    columns |= {"u": arrays["actions"], "reward": arrays["rewards"], "dt": arrays["infos/dt"]}
    columns["terminal"] = arrays["terminations"].astype(bool)
    for key, column in columns.items():
        parts[key].append(column)


def _box(low: np.ndarray, high: np.ndarray) -> str:
    """Return a gymnasium Box as Minari writes it into its metadata."""
    return json.dumps(
        {"type": "Box", "dtype": "float64", "shape": [len(low)], "low": low.tolist(), "high": high.tolist()}
    )


def _bounds(text: str) -> tuple[np.ndarray, np.ndarray]:
    box = json.loads(text)
    return np.asarray(box["low"], dtype=float), np.asarray(box["high"], dtype=float)
