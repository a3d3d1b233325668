# SPDX-License-Identifier: Apache-2.0
r"""Derive `spheres.yaml`: spheres that cover the arm's collision shapes, and the pairs that could touch.

Each link's cylinder with its two end spheres is a capsule: all points within r of a segment of length L. k equal
spheres on the segment, the outer ones a distance e inside its ends and 2 s apart, cover it if

    R >= r + e                 the caps at both ends,
    R >= sqrt(r^2 + s^2)       the middle between two neighbours,        s = (L - 2 e) / (2 (k - 1)).

The smallest R has both equal; k = 1 gives R = r + L / 2. The spheres are handed out one by one to the capsule
whose R - r is largest. Fingers that slide are replaced by one capsule that holds both over their whole travel.
Where the robot's surface (the visual meshes) still sticks out of all spheres in some of the sampled configurations,
the spheres of that link grow.

    python models/panda/fit_spheres.py [--count 21]
"""

import argparse
import itertools
import math
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin
import yaml
from scipy.optimize import brentq

from reflexarc.robots.arm import distribution_file

FOLDER = Path(__file__).resolve().parent
FIXED_LINKS = ("panda_link0", "panda_link1")
"""No command moves the volume of these: the base, and the link that turns about its own axis."""
HAND, FINGERS, TRAVEL = "panda_hand", ("panda_leftfinger", "panda_rightfinger"), (0.0, 0.04)
FIXED_COUNT = 6
ROUNDING = 1e-4
"""Radii are rounded up to this, centres to a tenth of it. [m]"""
NEVER = 0.15
"""Pairs that stay farther apart than this in all sampled configurations are left out. [m]"""


class Capsule(NamedTuple):
    """All points within `radius` of the segment from `start` to `end`, in the frame of `link`."""

    link: str
    start: Any
    end: Any
    radius: float
    parts: tuple[str, ...]
    """Links of the URDF whose shapes it holds; the SRDF's rules are theirs."""


def capsules(model: Any, shapes: Any) -> list[Capsule]:
    """Return one capsule per cylinder; every other shape must be a sphere inside one of them."""
    found = []
    for shape in shapes.geometryObjects:
        if type(shape.geometry).__name__ == "Cylinder":
            frame = model.frames[shape.parentFrame]
            place = frame.placement.inverse() * shape.placement
            half = np.array([0.0, 0.0, shape.geometry.halfLength])
            found.append(
                Capsule(
                    frame.name, place.act(-half), place.act(half), _end_radius(shapes, shape), (frame.name,)
                )
            )
    return found


def _end_radius(shapes: Any, cylinder: Any) -> float:
    """Return a radius that holds the cylinder's own end spheres, which the URDF places with rounded numbers."""
    radius = cylinder.geometry.radius
    half = np.array([0.0, 0.0, cylinder.geometry.halfLength])
    ends = cylinder.placement.act(half), cylinder.placement.act(-half)
    grown = radius
    for shape in shapes.geometryObjects:
        if type(shape.geometry).__name__ == "Sphere" and shape.parentFrame == cylinder.parentFrame:
            gap = min(float(np.linalg.norm(shape.placement.translation - end)) for end in ends)
            if gap < 0.2 * radius:
                grown = max(grown, shape.geometry.radius + gap)
    return grown


def with_fingers(model: Any, found: list[Capsule]) -> list[Capsule]:
    """Replace the fingers' capsules by one of the hand that holds both at every opening."""
    data = model.createData()
    points, radius = [], 0.0
    for opening in TRAVEL:
        position = pin.neutral(model)
        position[-2:] = opening
        pin.framesForwardKinematics(model, data, position)
        hand = data.oMf[model.getFrameId(HAND)]
        for capsule in found:
            if capsule.link in FINGERS:
                place = hand.actInv(data.oMf[model.getFrameId(capsule.link)])
                points += [place.act(capsule.start), place.act(capsule.end)]
                radius = max(radius, capsule.radius)
    cloud = np.array(points)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    along = np.zeros(3)
    axis = int(half.argmax())
    along[axis] = half[axis]
    across = float(np.linalg.norm(np.delete(half, axis)))
    rest = [c for c in found if c.link not in FINGERS]
    return [*rest, Capsule(HAND, middle - along, middle + along, radius + across, FINGERS)]


def cover(length: float, radius: float, count: int) -> tuple[float, list[float]]:
    """Return the radius of `count` spheres that cover a capsule and their places along it, from 0 to 1."""
    if count == 1:
        return radius + 0.5 * length, [0.5]

    def mismatch(inset: float) -> float:
        spacing = (length - 2.0 * inset) / (2.0 * (count - 1))
        return radius + inset - math.hypot(radius, spacing)

    inset = float(brentq(mismatch, 0.0, 0.5 * length))  # type: ignore[arg-type]
    places = np.linspace(inset / length, 1.0 - inset / length, count) if length > 0.0 else [0.5] * count
    return radius + inset, [float(p) for p in places]


def distribute(parts: list[Capsule], count: int) -> list[dict[str, Any]]:
    """Hand out `count` spheres so that the largest R - r is as small as possible."""
    lengths = [float(np.linalg.norm(c.end - c.start)) for c in parts]
    shares = [1] * len(parts)
    for _ in range(count - len(parts)):
        excess = [cover(lengths[i], c.radius, shares[i])[0] - c.radius for i, c in enumerate(parts)]
        shares[int(np.argmax(excess))] += 1
    spheres = []
    for capsule, length, share in zip(parts, lengths, shares, strict=True):
        radius, places = cover(length, capsule.radius, share)
        for place in places:
            centre = capsule.start + place * (capsule.end - capsule.start)
            rounded = np.round(centre, 5)
            radius_up = math.ceil((radius + 1e-5) / ROUNDING) * ROUNDING
            spheres.append(
                {"link": capsule.link, "centre": rounded, "radius": radius_up, "parts": capsule.parts}
            )
    return spheres


def mesh_points(model: Any, urdf: Path) -> list[tuple[int, str, Any]]:
    """Return vertices of the visual meshes, thinned to some 3 mm: joint, link and points in the joint's frame.

    The visual meshes are the true surface; the collision meshes are convex hulls of it, which bridge hollows.
    """
    shapes = pin.buildGeomFromUrdf(
        model, str(urdf), pin.GeometryType.VISUAL, package_dirs=[str(urdf.parents[4])]
    )
    found = []
    for shape in shapes.geometryObjects:
        corners = np.array(shape.geometry.vertices()) * shape.meshScale
        place = shape.placement
        points = corners @ place.rotation.T + place.translation
        _, first = np.unique(np.round(points / 3e-3).astype(int), axis=0, return_index=True)
        found.append((shape.parentJoint, model.frames[shape.parentFrame].name, points[first]))
    return found


def centres(model: Any, data: Any, spheres: list[dict[str, Any]]) -> Any:
    """Return the spheres' centres in the world for the placements in `data`."""
    return np.array([data.oMf[model.getFrameId(s["link"])].act(s["centre"]) for s in spheres])


def random_configuration(model: Any, rng: Any) -> Any:
    """Return joint positions within the limits."""
    return rng.uniform(model.lowerPositionLimit, model.upperPositionLimit)


def grow(model: Any, meshes: Any, spheres: list[dict[str, Any]], samples: int) -> dict[str, float]:
    """Enlarge the spheres of links whose mesh sticks out; return by how much per link. [m]"""
    rng, data = np.random.default_rng(0), model.createData()
    worst: dict[str, float] = {}
    for _ in range(samples):
        pin.framesForwardKinematics(model, data, random_configuration(model, rng))
        middle, radius = centres(model, data, spheres), np.array([s["radius"] for s in spheres])
        for joint, link, points in meshes:
            place = data.oMi[joint]
            world = points @ place.rotation.T + place.translation
            out = (np.linalg.norm(world[:, None] - middle[None], axis=2) - radius).min(axis=1)
            worst[link] = max(worst.get(link, -np.inf), float(out.max()))
    grown = {k: math.ceil((v + 1e-3) / 1e-3) * 1e-3 for k, v in worst.items() if v > 0.0}
    for sphere in spheres:
        sphere["radius"] += grown.get(sphere["link"], 0.0)
    return grown


def touching_pairs(
    model: Any, srdf: Path, spheres: list[dict[str, Any]], samples: int
) -> tuple[list[list[int]], int]:
    """Return the pairs of spheres of links that the SRDF does not rule out, and how many never come near."""
    off = {
        frozenset((e.get("link1"), e.get("link2")))
        for e in ElementTree.parse(srdf).getroot().iter("disable_collisions")
    }
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(spheres)), 2)
        if spheres[i]["link"] != spheres[j]["link"]
        and any(frozenset(p) not in off for p in itertools.product(spheres[i]["parts"], spheres[j]["parts"]))
        and not {spheres[i]["link"], spheres[j]["link"]} <= set(FIXED_LINKS)
    ]
    rng, data = np.random.default_rng(1), model.createData()
    near = np.full(len(pairs), np.inf)
    first, second = np.array(pairs).T
    radius = np.array([s["radius"] for s in spheres])
    for _ in range(samples):
        pin.framesForwardKinematics(model, data, random_configuration(model, rng))
        middle = centres(model, data, spheres)
        gap = np.linalg.norm(middle[first] - middle[second], axis=1) - radius[first] - radius[second]
        near = np.minimum(near, gap)
    kept = [[int(i), int(j)] for (i, j), gap in zip(pairs, near, strict=True) if gap < NEVER]
    return kept, len(pairs) - len(kept)


def main() -> None:
    """Fit, report and write `spheres.yaml`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=21, help="spheres on the links that move")
    parser.add_argument("--samples", type=int, default=100, help="configurations that meshes are checked in")
    args = parser.parse_args()
    source = yaml.safe_load((FOLDER / "arm.yaml").read_text(encoding="utf-8"))["model"]
    urdf = distribution_file(source["distribution"], source["urdf"])
    srdf = distribution_file(source["distribution"], source["srdf"])
    model = pin.buildModelFromUrdf(str(urdf))
    parts = with_fingers(
        model, capsules(model, pin.buildGeomFromUrdf(model, str(urdf), pin.GeometryType.COLLISION))
    )
    moving = distribute([c for c in parts if c.link not in FIXED_LINKS], args.count)
    fixed = distribute([c for c in parts if c.link in FIXED_LINKS], FIXED_COUNT)
    spheres = moving + fixed
    grown = grow(model, mesh_points(model, urdf.with_name("panda.urdf")), spheres, args.samples)
    pairs, dropped = touching_pairs(model, srdf, spheres, 60 * args.samples)
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f"# Written by `python models/panda/fit_spheres.py --count {args.count}` from the capsules of {urdf.name};",
        "# do not edit.",
        "# Centres in the link's frame and radii in m. Grown because the visual mesh sticks out of the capsules: "
        + (", ".join(f"{k} {v:.3f} m" for k, v in sorted(grown.items())) or "none")
        + ".",
        f"# Pairs: links that the SRDF does not rule out; {dropped} that never came within {NEVER} m in "
        f"{60 * args.samples} random configurations are left out.",
    ]
    for title, group in (("moving", moving), ("fixed", fixed)):
        lines.append(f"{title}:")
        lines += [
            f"  - {{link: {s['link']}, centre: [{', '.join(f'{x + 0.0:g}' for x in s['centre'])}], "
            f"radius: {s['radius']:.4f}}}"
            for s in group
        ]
    lines.append("pairs:")
    lines += [f"  - [{i}, {j}]" for i, j in pairs]
    (FOLDER / "spheres.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(moving)} moving and {len(fixed)} fixed spheres, {len(pairs)} pairs; grown: {grown}")


if __name__ == "__main__":
    main()
