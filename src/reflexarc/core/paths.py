# SPDX-License-Identifier: Apache-2.0
"""Where the project's data folders are."""

import os
from pathlib import Path

from reflexarc.core.errors import ModelError, UnknownNameError


def models_dir() -> Path:
    """Return the folder `models/`: `$REFLEXARC_MODELS` if set, else the one in the source tree.

    Raises:
        ModelError: neither exists; the message says what was tried.
    """
    configured = os.environ.get("REFLEXARC_MODELS")
    path = Path(configured) if configured else Path(__file__).resolve().parents[3] / "models"
    if not path.is_dir():
        raise ModelError(
            f"no folder of models at {path}; set REFLEXARC_MODELS to the project's models/ folder"
        )
    return path


def model_file(name: str) -> Path:
    """Return the path of a file of `models/`, or `name` itself where it is the path of a file already."""
    path = Path(name)
    return path if path.is_absolute() or path.is_file() else models_dir() / path


def model_dir(name: str) -> Path:
    """Return the folder of the robot `name`.

    Raises:
        UnknownNameError: there is none; the message lists those that exist.
    """
    root = models_dir()
    path = root / name
    if not (path / "robot.yaml").is_file():
        raise UnknownNameError("robot", name, (p.parent.name for p in root.glob("*/robot.yaml")), str(root))
    return path


KINDS = {"wheeled": "robot.yaml", "legged": "legged.yaml", "arm": "arm.yaml", "quadruped": "quadruped.yaml"}
"""Kind of robot and the parameter file that says so."""


def robot_kind(name: str) -> str:
    """Return which of `KINDS` the robot `name` is.

    Raises:
        UnknownNameError: there is no such robot; the message lists those that exist.
    """
    root = models_dir()
    for kind, file in KINDS.items():
        if (root / name / file).is_file():
            return kind
    known = {p.parent.name for file in KINDS.values() for p in root.glob(f"*/{file}")}
    raise UnknownNameError("robot", name, known, str(root))
