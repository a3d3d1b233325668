# SPDX-License-Identifier: Apache-2.0
"""The training loop that all learners share: chunks of compiled steps, a log, checkpoints to go on from.

The random numbers of step k depend only on the seed and k, so a training that was stopped and resumed ends
with the very same weights.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError

FORMAT = "reflexarc-training-1"
Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told: steps done, steps in all, figures."""
State = Any
"""Pytree of arrays: weights, optimiser state, target networks."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A safetensors file that holds the state of a training."""

    path: Path
    identity: str
    """What the training is (learner, seed, configuration, hash of the data); a file of another is refused."""
    every: int = 5000
    """Steps between two writes."""

    def write(self, state: State, step: int, log: list[dict[str, float]]) -> None:
        """Write the state after `step` steps; the file is replaced in one go."""
        leaves = {f"{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        metadata = {
            "format": FORMAT,
            "identity": self.identity,
            "step": str(step),
            "log": json.dumps(log),
        }
        partial = self.path.with_suffix(".partial")
        save_file(leaves, partial, metadata=metadata)
        partial.replace(self.path)

    def read(self, like: State) -> tuple[State, int, list[dict[str, float]]] | None:
        """Return state, step and log, with the structure of `like`; None if there is no file.

        Raises:
            ModelError: the file is damaged or of another training.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                metadata = file.metadata() or {}
                leaves = [file.get_tensor(str(i)) for i in range(len(list(file.keys())))]
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"{self.path}: not a readable checkpoint ({error})") from error
        if metadata.get("format") != FORMAT or metadata.get("identity") != self.identity:
            raise ModelError(
                f"{self.path}: checkpoint of another training ({metadata.get('identity')!r}, this one is "
                f"{self.identity!r}); remove the file or choose another --out"
            )
        shapes = [np.shape(leaf) for leaf in jax.tree.leaves(like)]
        if [leaf.shape for leaf in leaves] != shapes:
            raise ModelError(f"{self.path}: the checkpoint's arrays do not fit this training's networks")
        state = jax.tree.unflatten(jax.tree.structure(like), [jax.numpy.asarray(leaf) for leaf in leaves])
        return state, int(metadata["step"]), json.loads(metadata["log"])


def fit(
    state: State,
    step: Callable[[State, Any, Any], tuple[State, Mapping[str, Any]]],
    steps: int,
    seed: int,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    chunk: int = 250,
) -> tuple[State, list[dict[str, float]]]:
    """Apply `step` `steps` times and return the last state and the log.

    Args:
        state: where to start.
        step: (state, key, fraction of the training done) -> (state, figures); traced by JAX once.
        steps: how many.
        seed: of the keys.
        progress: told after each chunk.
        checkpoint: read first if it exists, then written now and then and at the end.
        chunk: steps between two returns from compiled code; the figures are means over a chunk.
    """
    root = jax.random.key(seed)

    @jax.jit
    def run(state: State, numbers: Any) -> tuple[State, Any]:
        def body(state: State, number: Any) -> tuple[State, Any]:
            return step(state, jax.random.fold_in(root, number), number / steps)

        state, figures = jax.lax.scan(body, state, numbers)
        return state, jax.tree.map(lambda f: f.mean(), figures)

    done, log = 0, []
    kept = checkpoint.read(state) if checkpoint is not None else None
    if kept is not None:
        state, done, log = kept
    written = done
    while done < steps:
        until = min(done + chunk, steps)
        state, figures = run(state, jax.numpy.arange(done, until))
        done = until
        row = {name: float(value) for name, value in figures.items()}
        if progress is not None:
            progress(done, steps, row)
        if done % (4 * chunk) == 0 or done == steps:
            log.append({"step": done, **row})
        if checkpoint is not None and (done - written >= checkpoint.every or done == steps):
            checkpoint.write(state, done, log)
            written = done
    return state, log


def write_log(path: Path, log: Sequence[Mapping[str, Any]]) -> None:
    """Write a training's log as a table with commas, its columns named by the first row."""
    names = list(log[0]) if log else ["step"]
    rows = [",".join(names), *(",".join(f"{row[name]:.6g}" for name in names) for row in log)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
