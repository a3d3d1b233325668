# SPDX-License-Identifier: Apache-2.0
"""A robot arm: limits from `models/<name>/arm.yaml`, each with unit and source, kinematics and dynamics from its
URDF through pinocchio, collision spheres from `models/<name>/spheres.yaml`.

The URDF itself stays in the Python distribution that ships it; `arm.yaml` names the distribution and the file.
"""

import importlib.metadata
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Array

LIMITS = {
    "lower": "rad",
    "upper": "rad",
    "velocity": "rad/s",
    "acceleration": "rad/s^2",
    "torque": "N m",
}
"""Name and unit of each limit in `arm.yaml`; one number per joint."""
_TOLERANCE = 1e-6
"""By how much a limit may exceed the URDF's because of rounding."""


@dataclass(frozen=True, slots=True)
class SphereSet:
    """Spheres that cover an arm's collision shapes; the first `moving` of them can be moved by its joints."""

    links: tuple[str, ...]
    """Link (frame of the URDF) that carries each sphere."""
    centre: Array
    """In the link's frame, shape (s, 3). [m]"""
    radius: Array
    """Shape (s,). [m]"""
    moving: int
    """Spheres from this index on belong to the base; no command moves them."""
    pairs: npt.NDArray
    """Indices of the spheres that could touch each other, shape (p, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """An arm of n one-degree-of-freedom joints on a fixed base. Arrays are read-only."""

    name: str
    joints: tuple[str, ...]
    lower: Array
    """Lowest joint positions, shape (n,). [rad]"""
    upper: Array
    """Highest joint positions, shape (n,). [rad]"""
    max_velocity: Array
    """Shape (n,). [rad/s]"""
    max_acceleration: Array
    """Shape (n,). [rad/s^2]"""
    max_torque: Array
    """Shape (n,). [N m]"""
    end_effector: str
    """Frame of the URDF that the task moves."""
    home: Array
    """A configuration well inside the limits, shape (n,). [rad]"""
    spheres: SphereSet
    model: Any
    """`pinocchio.Model` of the n joints; every other joint of the URDF is locked."""
    geometry: Any
    """`pinocchio.GeometryModel` of the primitive collision shapes; its pairs are those that the SRDF leaves."""

    @property
    def n(self) -> int:
        """Number of joints."""
        return len(self.joints)


def load_arm(name: str) -> Arm:
    """Read and check an arm.

    Raises:
        UnknownNameError: there is no such arm; the message lists those that exist.
        ModelError: pinocchio or the robot's files are not installed, or an entry is missing, unknown, without
            source, in another unit, not finite, wider than the URDF's own limit, or names an unknown joint or frame.
    """
    root = models_dir()
    folder = root / name
    path = folder / "arm.yaml"
    if not path.is_file():
        raise UnknownNameError("arm", name, (p.parent.name for p in root.glob("*/arm.yaml")), str(root))
    data = _read(path)
    _known_keys(path, data, ("name", "description", "model", "joints", "end_effector", "home", "limits"))
    joints = tuple(str(j) for j in _entry(path, data, "joints", list))
    limits = {key: _limit(path, data, key, unit, len(joints)) for key, unit in LIMITS.items()}
    _check_limits(path, joints, limits)
    model, geometry = _read_urdf(path, _entry(path, data, "model", dict), joints)
    _check_against_urdf(path, joints, limits, model)
    end_effector = str(_entry(path, data, "end_effector", str))
    _check_frames(path, [end_effector], model)
    home = _numbers(path, "home", _entry(path, data, "home", list), len(joints))
    if (home <= limits["lower"]).any() or (home >= limits["upper"]).any():
        raise ModelError(f"{path}: home {home.tolist()} is not inside the joint limits")
    spheres = _read_spheres(folder / "spheres.yaml")
    _check_frames(folder / "spheres.yaml", spheres.links, model)
    return Arm(
        name=name,
        joints=joints,
        lower=limits["lower"],
        upper=limits["upper"],
        max_velocity=limits["velocity"],
        max_acceleration=limits["acceleration"],
        max_torque=limits["torque"],
        end_effector=end_effector,
        home=home,
        spheres=spheres,
        model=model,
        geometry=geometry,
    )


def require_pinocchio() -> Any:
    """Return the module `pinocchio`.

    Raises:
        ModelError: it is not installed; the message says how to install it.
    """
    try:
        import pinocchio  # noqa: PLC0415 - only arms need it
    except ImportError as error:
        raise ModelError(
            f"arms need pinocchio, which cannot be imported ({error}); pip install 'reflexarc[arms]'"
        ) from error
    return pinocchio


def distribution_file(distribution: str, suffix: str) -> Path:
    """Return the installed file of a Python distribution whose path ends with `suffix`.

    Raises:
        ModelError: the distribution is not installed or has no such file.
    """
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError(
            f"the robot's files come with {distribution}, which is not installed; pip install {distribution}"
        ) from error
    for file in found.files or ():
        if str(file).endswith("/" + suffix):
            path = Path(str(found.locate_file(file)))
            if path.is_file():
                return path
    raise ModelError(f"{distribution} {found.version} is installed but holds no file that ends with {suffix}")


def _read_urdf(path: Path, source: dict[str, Any], joints: tuple[str, ...]) -> tuple[Any, Any]:
    pin = require_pinocchio()
    _known_keys(path, source, ("distribution", "urdf", "srdf", "licence", "locked"))
    distribution = str(_entry(path, source, "distribution", str))
    urdf = distribution_file(distribution, str(_entry(path, source, "urdf", str)))
    srdf = distribution_file(distribution, str(_entry(path, source, "srdf", str)))
    full = pin.buildModelFromUrdf(str(urdf))
    names = [str(n) for n in full.names]
    locked = _entry(path, source, "locked", dict)
    for joint in (*joints, *locked):
        if joint not in names:
            raise ModelError(str(UnknownNameError("joint", joint, names[1:], str(urdf))))
    position = pin.neutral(full)
    for joint, value in locked.items():
        position[full.joints[full.getJointId(joint)].idx_q] = float(value)
    shapes = pin.buildGeomFromUrdf(full, str(urdf), pin.GeometryType.COLLISION)
    # Pairs are chosen before the locking, which drops joints but keeps the pairs.
    shapes.addAllCollisionPairs()
    pin.removeCollisionPairs(full, shapes, str(srdf))
    drop = [full.getJointId(str(n)) for n in names[1:] if n not in joints]
    model, geometry = pin.buildReducedModel(full, shapes, drop, position)
    if tuple(str(n) for n in model.names)[1:] != joints or model.nq != len(joints) or model.nv != model.nq:
        raise ModelError(
            f"{path}: joints {list(joints)} must be those of {urdf.name} in its order, of one degree of freedom"
            f" each; found {[str(n) for n in model.names][1:]}"
        )
    return model, geometry


def _read_spheres(path: Path) -> SphereSet:
    data = _read(path)
    _known_keys(path, data, ("moving", "fixed", "pairs"))
    moving = _entry(path, data, "moving", list)
    every = moving + _entry(path, data, "fixed", list)
    links, centre, radius = [], [], []
    for index, entry in enumerate(every):
        if not isinstance(entry, dict) or set(entry) != {"link", "centre", "radius"}:
            raise ModelError(f"{path}: sphere {index} must be {{link, centre, radius}}, found {entry!r}")
        links.append(str(entry["link"]))
        centre.append(_numbers(path, f"centre of sphere {index}", entry["centre"], 3))
        radius.append(_numbers(path, f"radius of sphere {index}", [entry["radius"]], 1)[0])
    if not moving or min(radius) <= 0.0:
        raise ModelError(f"{path}: needs at least one moving sphere, and every radius must be positive")
    given = _entry(path, data, "pairs", list)
    pairs = np.array([_numbers(path, f"pair {i}", p, 2) for i, p in enumerate(given)], dtype=np.int64)
    pairs = pairs.reshape(-1, 2)
    if (pairs < 0).any() or (pairs >= len(every)).any() or (pairs[:, 0] == pairs[:, 1]).any():
        raise ModelError(f"{path}: a pair names a sphere twice or one outside 0 to {len(every) - 1}")
    return SphereSet(
        tuple(links), _frozen(np.array(centre)), _frozen(np.array(radius)), len(moving), _frozen(pairs)
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except ConfigError as error:
        raise ModelError(str(error)) from error


def _entry(path: Path, data: dict[str, Any], key: str, kind: type) -> Any:
    value = data.get(key)
    if not isinstance(value, kind):
        raise ModelError(f"{path}: {key!r} must be given as a {kind.__name__}, found {value!r}")
    return value


def _known_keys(path: Path, data: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for key in data:
        if key not in allowed:
            raise ModelError(str(UnknownNameError("key", str(key), allowed, str(path))))


def _limit(path: Path, data: dict[str, Any], key: str, unit: str, count: int) -> Array:
    limits = _entry(path, data, "limits", dict)
    _known_keys(path, limits, tuple(LIMITS))
    entry = limits.get(key)
    if not isinstance(entry, dict) or set(entry) != {"value", "unit", "source"}:
        raise ModelError(f"{path}: limit {key!r} must be given as {{value, unit, source}}, found {entry!r}")
    if entry["unit"] != unit:
        raise ModelError(f"{path}: limit {key!r} is in {entry['unit']!r}, expected {unit!r}")
    if not str(entry["source"] or "").strip():
        raise ModelError(f"{path}: limit {key!r} has no source")
    return _numbers(path, f"limit {key}", entry["value"], count)


def _numbers(path: Path, what: str, value: Any, count: int) -> Array:
    good = isinstance(value, list) and len(value) == count
    if not good or not all(
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in value
    ):
        raise ModelError(f"{path}: {what} must be {count} finite numbers, found {value!r}")
    return _frozen(np.array(value, dtype=float))


def _frozen(values: npt.NDArray) -> npt.NDArray:
    values.setflags(write=False)
    return values


def _check_limits(path: Path, joints: tuple[str, ...], limits: dict[str, Array]) -> None:
    for i, joint in enumerate(joints):
        if limits["lower"][i] >= limits["upper"][i]:
            raise ModelError(
                f"{path}: {joint} has its lower limit {limits['lower'][i]:g} above the upper {limits['upper'][i]:g}"
            )
        for key in ("velocity", "acceleration", "torque"):
            if limits[key][i] <= 0.0:
                raise ModelError(f"{path}: {joint}: limit {key} is {limits[key][i]:g}, it must be positive")


def _check_against_urdf(path: Path, joints: tuple[str, ...], limits: dict[str, Array], model: Any) -> None:
    ours = (-limits["lower"], limits["upper"], limits["velocity"], limits["torque"])
    urdf = (-model.lowerPositionLimit, model.upperPositionLimit, model.velocityLimit, model.effortLimit)
    for key, wide, bound in zip(("lower", "upper", "velocity", "torque"), ours, urdf, strict=True):
        for i in np.flatnonzero(wide > np.asarray(bound) + _TOLERANCE):
            raise ModelError(
                f"{path}: limit {key!r} of {joints[i]} is {abs(wide[i]):g} {LIMITS[key]},"
                f" wider than the URDF's {abs(bound[i]):g}"
            )


def _check_frames(path: Path, frames: Any, model: Any) -> None:
    known = [str(f.name) for f in model.frames]
    for frame in frames:
        if frame not in known:
            raise ModelError(str(UnknownNameError("frame", frame, known, str(path))))
