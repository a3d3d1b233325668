# SPDX-License-Identifier: Apache-2.0
"""A study in parts: modules beside its `study.py`, each run in a process of its own, linear algebra on one thread.

Parts may need JAX at different precisions, and no part's compiler or garbage collector shall show in another's times.
A part is a module with `run(full, progress) -> dict` and `headline(figures) -> dict`.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from reflexarc.core.errors import ReflexArcError

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
_SAY = "progress: "


def run_parts(
    folder: Path, lanes: Sequence[Sequence[str]], full: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run parts and return figures and headline of each under its name.

    Args:
        folder: of the study.
        lanes: names of parts; lanes run side by side, the parts of one lane in turn.
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    with ThreadPoolExecutor(len(lanes)) as pool:
        done = pool.map(lambda lane: {n: _in_own_process(folder, n, full, progress) for n in lane}, lanes)
        return {name: part for lane in done for name, part in lane.items()}


def joined_headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of all parts in one table.

    Raises:
        ReflexArcError: two parts report a figure of the same name.
    """
    figures: dict[str, Any] = {}
    for name, part in results.items():
        for key, value in part["headline"].items():
            if key in figures:
                raise ReflexArcError(f"two parts of the study report a figure {key!r}, one of them {name!r}")
            figures[key] = value
    return figures


def main(parts: Sequence[str]) -> None:
    """Run one part for `run_parts`; a study calls this where it is the program."""
    parser = argparse.ArgumentParser(description="Run one part of the study and write its figures.")
    parser.add_argument("part", choices=parts)
    parser.add_argument("target", type=Path)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    part = importlib.import_module(arguments.part)
    figures = part.run(arguments.full, lambda text: print(f"{_SAY}{text}", flush=True))
    content = {"headline": part.headline(figures), "figures": figures}
    arguments.target.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _in_own_process(folder: Path, name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "part.json"
        command = [sys.executable, str(folder / "study.py"), name, str(target)] + ["--full"] * full
        with subprocess.Popen(
            command,
            env=os.environ | _ONE_THREAD,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as child:
            assert child.stdout is not None and child.stderr is not None
            errors: list[str] = []
            reader = threading.Thread(target=_collect, args=(child.stderr, errors))
            reader.start()
            for line in child.stdout:
                if line.startswith(_SAY):
                    progress(line.removeprefix(_SAY).rstrip())
            reader.join()
        if child.returncode:
            raise ReflexArcError(f"part {name!r} of the study failed:\n{''.join(errors[-30:])}")
        return json.loads(target.read_text(encoding="utf-8"))


def _collect(stream: IO[str], lines: list[str]) -> None:
    lines.extend(stream)
