# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: do the tests reach every line and every branch of what can stop or move a robot?

Arc, supervisor, monitors, gate and what they stand on are run by their own tests, without those that need ROS, and
counted by coverage.py with branches. Left out is what only a type checker reads (`if TYPE_CHECKING:`, the `...` of a
protocol). Less than all of it is a failure, and the message names every line and branch that was not reached. Kernels
compiled by Numba are counted where a test calls them uncompiled (`py_func`).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("src") / "reflexarc"
MEASURED = {
    "arc": ("arc/*",),
    "gate": ("assurance/gate.py", "assurance/heartbeat.py"),
    "monitors": ("assurance/monitors/*",),
    "supervisor": ("assurance/supervisor/*", "assurance/guards.py", "assurance/supervision.py"),
}
"""Files of the safety layer, below src/reflexarc."""
_ASSURANCE = ("drift", "entropy", "gate*", "guards*", "injection_mutants", "monitors_*", "supervis*")
_INPUTS = ("tests/ros/test_inputs.py", "tests/ros/test_walker_inputs.py")
TESTS = ("tests/arc", *_INPUTS, *(f"tests/assurance/test_{name}.py" for name in _ASSURANCE))
"""Those of the measured files; those of inputs need no ROS either."""
SHORT, SHORT_TESTS = ("gate",), ("tests/assurance/test_gate.py", "tests/assurance/test_injection_mutants.py")
_SETTINGS = """[run]
branch = True
data_file = {folder}/data
include =
    {files}
[report]
exclude_also =
    if TYPE_CHECKING:
    ^\\s*\\.\\.\\.$
"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Count the lines and branches that the tests reach; a short run counts those of the gate.

    Args:
        full: the whole study instead of a short run.
        progress: told what was found.

    Raises:
        RuntimeError: a test fails, or a line or branch is not reached.
    """
    names = SHORT if not full else tuple(MEASURED)
    files = measure([file for name in names for file in MEASURED[name]], TESTS if full else SHORT_TESTS)
    gaps = [text for name, file in files.items() for text in _gaps(name, file)]
    for text in gaps:
        progress(text)
    if gaps:
        raise RuntimeError("the tests do not reach\n" + "\n".join(gaps))
    return {name: _figures(_of(files, MEASURED[name])) for name in names}


def measure(patterns: Sequence[str], tests: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run tests and return what coverage.py reports of every file, by its path below src/reflexarc.

    Args:
        patterns: of files, below src/reflexarc.
        tests: patterns of files and folders of the repository.

    Raises:
        RuntimeError: a test fails, or a file is never imported.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings, report = Path(folder) / "settings.ini", Path(folder) / "report.json"
        included = "\n    ".join(str(ROOT / PACKAGE / pattern) for pattern in patterns)
        settings.write_text(_SETTINGS.format(folder=folder, files=included), encoding="utf-8")
        select = ("-q", "-p", "no:cacheprovider", "-m", "not ros and not slow and not render")
        chosen = [str(path) for pattern in tests for path in sorted(ROOT.glob(pattern))]
        _coverage("run", f"--rcfile={settings}", "-m", "pytest", *select, *chosen)
        _coverage("json", f"--rcfile={settings}", "-q", "-o", str(report))
        found = json.loads(report.read_text(encoding="utf-8"))["files"]
    reached = {str((ROOT / name).relative_to(ROOT / PACKAGE)): file for name, file in found.items()}
    there = {
        str(path.relative_to(ROOT / PACKAGE))
        for pattern in patterns
        for path in (ROOT / PACKAGE).glob(pattern)
        if path.suffix == ".py"
    }
    if never := sorted(there - set(reached)):
        raise RuntimeError(f"no test imports {', '.join(never)}")
    return reached


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return how many lines and branches there are and which shares of them are reached."""
    total = {key: sum(row[key] for row in part.values()) for key in next(iter(part.values()))}
    return {
        "coverage_lines": total["lines"],
        "coverage_lines_share": total["lines_reached"] / total["lines"],
        "coverage_branches": total["branches"],
        "coverage_branches_share": total["branches_reached"] / total["branches"],
    }


def _coverage(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coverage", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"coverage {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _of(files: dict[str, dict[str, Any]], patterns: Sequence[str]) -> list[dict[str, Any]]:
    return [file for name, file in files.items() if any(fnmatch(name, pattern) for pattern in patterns)]


def _figures(files: Sequence[dict[str, Any]]) -> dict[str, int]:
    kinds = {
        "lines": "num_statements",
        "lines_reached": "covered_lines",
        "branches": "num_branches",
        "branches_reached": "covered_branches",
    }
    return {kind: sum(file["summary"][key] for file in files) for kind, key in kinds.items()}


def _gaps(name: str, file: dict[str, Any]) -> list[str]:
    lines = [f"{name}:{line}" for line in file["missing_lines"]]
    ends = [
        f"{name}:{start}: the way to {'the end' if end < 0 else f'line {end}'}"
        for start, end in file["missing_branches"]
    ]
    return lines + ends
