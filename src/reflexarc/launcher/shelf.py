# SPDX-License-Identifier: Apache-2.0
"""The launch files that come with this project, found by name."""

import os
from pathlib import Path

from reflexarc.core.errors import UnknownNameError
from reflexarc.launcher.packages import package_share

BRINGUP_PACKAGE = "reflexarc_bringup"
_SOURCE_TREE = Path(__file__).resolve().parents[3] / "launch"
"""The package in a checkout, used before the workspace is built."""


def launch_files() -> list[Path]:
    """Return the launch files of the installed bringup package, or of the source tree."""
    try:
        share = package_share(BRINGUP_PACKAGE, os.environ)
    except LookupError:
        share = _SOURCE_TREE
    return sorted((share / "launch").glob("*.launch.xml"))


def find_launch_file(name: str) -> Path:
    """Return the launch file called `name`: a path, or a name with or without `.launch.xml`.

    Raises:
        UnknownNameError: There is no such file.
    """
    if Path(name).is_file():
        return Path(name)
    known = {path.name: path for path in launch_files()}
    for candidate in (name, f"{name}.launch.xml"):
        if candidate in known:
            return known[candidate]
    raise UnknownNameError("launch file", name, known)
