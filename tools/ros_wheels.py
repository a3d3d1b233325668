# SPDX-License-Identifier: Apache-2.0
"""Repairs what the ROS 2 wheels remember of the machine that built them.

Their exported CMake files name that machine's Python and numpy include directories, which exist nowhere else;
a message package that depends on theirs would not configure. Both are replaced by this environment's. Only
the standard library is used, because this runs before anything else is certain to work.
"""

import re
from pathlib import Path

EXPORTS = "share/*/cmake/export_*__rosidl_generator_pyExport.cmake"
_INCLUDES = re.compile(r'(INTERFACE_INCLUDE_DIRECTORIES ")([^"]*)(")')
_PYTHON = re.compile(r"/include/python3\.\d+$")
_NUMPY = re.compile(r"/numpy/(_core|core)/include$")


def rewrite(text: str, python_include: str, numpy_include: str) -> str:
    """Return the CMake file `text` with every Python and numpy include directory replaced; others stay."""

    def replace(match: re.Match[str]) -> str:
        paths = match[2].split(";")
        paths = [python_include if _PYTHON.search(path) else path for path in paths]
        paths = [numpy_include if _NUMPY.search(path) else path for path in paths]
        return match[1] + ";".join(paths) + match[3]

    return _INCLUDES.sub(replace, text)


def repair(prefix: Path, python_include: str, numpy_include: str) -> int:
    """Rewrite the exported CMake files under `prefix` and return how many there are.

    Raises:
        FileNotFoundError: there are none, or an include directory does not exist.
    """
    for folder, header in ((python_include, "Python.h"), (numpy_include, "numpy/arrayobject.h")):
        if not (Path(folder) / header).is_file():
            raise FileNotFoundError(f"{header} is not in {folder}")
    files = sorted(prefix.glob(EXPORTS))
    if not files:
        raise FileNotFoundError(f"no {EXPORTS} under {prefix}: the ROS 2 wheels are not installed there")
    for path in files:
        text = path.read_text(encoding="utf-8")
        repaired = rewrite(text, python_include, numpy_include)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")
    return len(files)


def library_folders(prefix: Path) -> list[str]:
    """Return the folders in which the wheels' shared libraries lie, for LD_LIBRARY_PATH."""
    bundled = sorted(prefix.glob("lib/python3*/site-packages/ros_*.libs"))
    return [str(prefix / "lib"), *map(str, bundled)]
