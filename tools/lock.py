# SPDX-License-Identifier: Apache-2.0
"""Write the lock files from pyproject.toml: `make lock` (needs `uv` on the PATH and access to PyPI).

    requirements.lock        library, simulation, development tools
    requirements-ros.lock    ROS 2 and colcon, installed where no ROS 2 installation is sourced
    requirements-bench.lock  the peers that the benchmarks compare with

The files hold the hashes of all wheels of a version and no name of a package index. Each file holds only what
the files before it do not, so they are installed together, with `pip install --no-deps`: the locks are complete
but for `LEFT_OUT`.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INDEX = "https://pypi.org/simple"
LOCKS = {
    "requirements.lock": (
        "sim",
        "solvers",
        "learn",
        "plan",
        "arms",
        "assurance",
        "gym",
        "usd",
        "newton",
        "dev",
    ),
    "requirements-ros.lock": ("ros",),
    "requirements-bench.lock": ("bench",),
}
LEFT_OUT = (
    "pyside6",
    "pyside6-addons",
    "pyside6-essentials",
    "pyside6-pdf",
    "pyside6-webengine",
    "shiboken6",
    "vtk",
)
"""The window of jupedsim's viewer: 1.2 GB that a crowd without a window never imports."""
OVERRIDES = """\
setuptools<80
matplotlib>=3.9
shapely>=2.0
"""
"""One version for all files: colcon needs setuptools below 80; immrax asks for older versions of the two libraries that
it only draws with."""
HEADER = """\
# Written by tools/lock.py from pyproject.toml. Do not edit.
# Install with: pip install --no-deps --require-hashes {files}
"""


def resolve(extras: tuple[str, ...], scratch: Path) -> dict[str, str]:
    """Return the locked requirement (with its hashes) of each distribution that `extras` need, by name."""
    command = [
        "uv",
        "pip",
        "compile",
        "--no-config",
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--no-annotate",
    ]
    command += [
        "--no-header",
        "--default-index",
        INDEX,
        "--python-version",
        "3.11",
        "--fork-strategy",
        "fewest",
    ]
    command += [
        "--override",
        str(scratch / "override.txt"),
        "-o",
        str(scratch / "lock.txt"),
        "pyproject.toml",
    ]
    for extra in extras:
        command += ["--extra", extra]
    subprocess.run(command, cwd=ROOT, check=True)
    blocks = re.split(r"(?m)^(?=[a-z0-9])", (scratch / "lock.txt").read_text(encoding="utf-8"))
    return {re.split(r"[=\[ ]", block, maxsplit=1)[0]: block for block in blocks if block.strip()}


def main() -> int:
    """Write all lock files and return the exit code."""
    seen: dict[str, str] = {}
    extras: tuple[str, ...] = ()
    files: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "override.txt").write_text(OVERRIDES, encoding="utf-8")
        for name, wanted in LOCKS.items():
            extras += wanted
            files.append(f"-r {name}")
            locked = {
                k: v for k, v in resolve(extras, scratch).items() if k not in LEFT_OUT and "win32" not in v
            }
            moved = sorted(k for k in seen if locked.get(k) != seen[k])
            if moved:
                print(
                    f"{name}: its packages change {', '.join(moved)}; bound them in pyproject.toml",
                    file=sys.stderr,
                )
                return 1
            text = "".join(locked[k] for k in sorted(locked) if k not in seen)
            (ROOT / name).write_text(HEADER.format(files=" ".join(files)) + text, encoding="utf-8")
            print(f"{name}: {len(locked) - len(seen)} distributions")
            seen = locked
    return 0


if __name__ == "__main__":
    sys.exit(main())
