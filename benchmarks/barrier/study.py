# SPDX-License-Identifier: Apache-2.0
"""Barrier filters and learned barriers: solvers, filters beside their peers, margins, learning, certificates.

Each part runs in a process of its own and on one thread: they need JAX at different precisions, and no part's compiler
or garbage collector shall show in another's times. The full study runs them one after the other. A short run, which
only shows that everything works and roughly how fast, uses two cores.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from reflexarc.core.errors import ReflexArcError

HERE = Path(__file__).resolve().parent
PARTS = ("solvers", "filters", "ladder", "learning", "certificates")
"""Modules beside this one, each with `run(full, progress)` and `headline(part)`."""
LANES = (("solvers", "filters"), ("ladder", "learning", "certificates"))
"""What a short run does side by side: parts that time, and parts that mostly judge."""
SEEDS = (0, 1, 2, 3, 4)
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
_SAY = "progress: "


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every part and return its figures and headline under its name.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    lanes = (PARTS,) if full else LANES
    with ThreadPoolExecutor(len(lanes)) as pool:
        done = list(pool.map(lambda lane: {n: _in_own_process(n, full, progress) for n in lane}, lanes))
    results = {name: part for lane in done for name, part in lane.items()}
    return {name: results[name] for name in PARTS}


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of all parts in one table; per filter case `p50_us`, `p99_us`, `rows` and the ratios."""
    figures: dict[str, Any] = {}
    for name in PARTS:
        for key, value in results[name]["headline"].items():
            if key in figures:
                raise ReflexArcError(f"two parts of the study report a figure {key!r}, one of them {name!r}")
            figures[key] = value
    return figures


def _in_own_process(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "part.json"
        command = [sys.executable, str(HERE / "study.py"), name, str(target)] + ["--full"] * full
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


def _run_part(name: str, target: Path, full: bool) -> None:
    part = importlib.import_module(name)
    figures = part.run(full, lambda text: print(f"{_SAY}{text}", flush=True))
    content = {"headline": part.headline(figures), "figures": figures}
    target.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run one part of the study and write its figures.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("target", type=Path)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    _run_part(arguments.part, arguments.target, arguments.full)
