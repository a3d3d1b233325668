# SPDX-License-Identifier: Apache-2.0
"""Where packages and their executables are installed, by the file conventions of the ament index.

A prefix in `AMENT_PREFIX_PATH` holds a package when `share/ament_index/resource_index/packages/<package>`
exists; its executables lie in `lib/<package>/`. The first prefix that holds the package wins, as in ROS 2.
"""

import os
from collections.abc import Mapping
from pathlib import Path

PREFIX_VARIABLE = "AMENT_PREFIX_PATH"
_MARKER = Path("share/ament_index/resource_index/packages")


def package_prefix(package: str, environment: Mapping[str, str]) -> Path:
    """Return the install prefix of `package`.

    Raises:
        LookupError: No prefix holds it; the message lists those searched and says what to do.
    """
    prefixes = [part for part in environment.get(PREFIX_VARIABLE, "").split(os.pathsep) if part]
    for prefix in prefixes:
        if (Path(prefix) / _MARKER / package).is_file():
            return Path(prefix)
    searched = ", ".join(prefixes) or "nothing, it is not set"
    raise LookupError(
        f"package {package!r} not found in {PREFIX_VARIABLE} ({searched}). Build the workspace and source "
        "its setup file first"
    )


def package_share(package: str, environment: Mapping[str, str]) -> Path:
    """Return the `share` folder of `package`, where launch files and parameters are installed."""
    return package_prefix(package, environment) / "share" / package


def executable_in_package(executable: str, package: str, environment: Mapping[str, str]) -> Path:
    """Return the path of the program that `ros2 run package executable` would start.

    Raises:
        LookupError: The package or the executable is not there; the message lists the package's executables.
    """
    folder = package_prefix(package, environment) / "lib" / package
    path = folder / executable
    if path.is_file() and os.access(path, os.X_OK):
        return path
    present = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    raise LookupError(
        f"package {package!r} has no executable {executable!r}; it has: {', '.join(present) or 'none'}"
    )
