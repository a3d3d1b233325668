# SPDX-License-Identifier: Apache-2.0
"""Names of MuJoCo's elements, and valid unique names of prims; `reflexarc:name` maps back."""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

from typing import Any

import mujoco
from pxr import Sdf, Tf, Usd


def name_of(model: mujoco.MjModel, kind: Any, number: int) -> str:
    """Return an element's name, or its kind and number where it has none.

    Args:
        model: compiled model.
        kind: a member of `mujoco.mjtObj`.
        number: id of the element.
    """
    return mujoco.mj_id2name(model, kind, number) or f"{kind.name.removeprefix('mjOBJ_').lower()}_{number}"


def free_path(stage: Usd.Stage, parent: Sdf.Path, name: str) -> Sdf.Path:
    """Return a path below `parent` that no prim has, as near to `name` as USD's identifiers allow."""
    valid = Tf.MakeValidIdentifier(name)
    path, count = parent.AppendChild(valid), 1
    while stage.GetPrimAtPath(path):
        path, count = parent.AppendChild(f"{valid}_{count}"), count + 1
    return path
