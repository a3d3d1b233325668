# SPDX-License-Identifier: Apache-2.0
"""Does the cluster entropy of sampled plans foretell that the planner's choice touches something?

The planner: the lattice of `reflexarc.reach.planner` from a random free pose in a scene of the planning study, each
plan of one second scored by exp(-cost / temperature) and by how likely it is to keep clear of the obstacles as
perceived, with an error of 0.15 m. Its choice, the best score, fails where it touches a true obstacle. Thresholds are
chosen on the first half of the cases and judged on the second, beside flagging nothing and beside the perceived
clearance of the choice. The temperature is how decided the planner is; it is fitted to nothing, so three are shown.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from reflexarc.assurance.monitors.entropy import THRESHOLD, cluster_entropy, lateral_anchors
from reflexarc.core.types import Array
from reflexarc.reach.planner.candidates import lattice
from reflexarc.reach.planner.plan import HALF
from reflexarc.reach.planner.scene import Scene, generate

POSES = 20
"""Per scene."""
PERCEPTION_STD = 0.15
"""[m]"""
TEMPERATURES = (1.0, 0.1, 0.03)
POINTS = 20
"""Way points of a plan."""
SPEED = 1.0
"""[m/s]"""
OFFSETS = (0.3, 0.12, 0.0, -0.12, -0.3)
"""Of the anchors, within the lattice's 0.32 m. [m]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Sample plans and judge both monitors, per temperature.

    Args:
        full: 200 scenes instead of 15.
        progress: told after each temperature.
    """
    anchors = lateral_anchors(SPEED, 2.0 * HALF * np.arange(1, POINTS + 1) / POINTS, OFFSETS)
    scenes = [generate("driving", seed) for seed in range(200 if full else 15)]
    result = {}
    for temperature in TEMPERATURES:
        figures = _judged([row for scene in scenes for row in _scene(scene, temperature, anchors)])
        progress(
            f"entropy, temperature {temperature}: {figures['failures']} failures in {figures['cases']} cases"
        )
        result[str(temperature)] = figures
    return result


def _judged(rows: list[tuple[float, float, bool]]) -> dict[str, Any]:
    entropy, margin, failed = (np.array(column) for column in zip(*rows, strict=True))
    failed = failed.astype(bool)
    half = len(failed) // 2
    on_entropy = _best_threshold(entropy[:half], failed[:half])
    on_margin = _best_threshold(-margin[:half], failed[:half])
    judged = slice(half, None)
    sound = entropy[judged][~failed[judged]]
    return {
        "cases": len(failed),
        "failures": int(failed.sum()),
        "flag_none_accuracy": float(1.0 - failed[judged].mean()),
        "entropy_published_threshold": _flags(entropy[judged] >= THRESHOLD, failed[judged], THRESHOLD),
        "entropy_chosen_threshold": _flags(entropy[judged] >= on_entropy, failed[judged], on_entropy),
        "clearance_chosen_threshold": _flags(-margin[judged] >= on_margin, failed[judged], -on_margin),
        "mean_entropy_failed": float(entropy[judged][failed[judged]].mean())
        if failed[judged].any()
        else None,
        "mean_entropy_sound": float(sound.mean()) if sound.size else None,
    }


def _scene(scene: Scene, temperature: float, anchors: Array) -> list[tuple[float, float, bool]]:
    """Entropy, perceived clearance of the choice and whether it fails, per pose."""
    rng = np.random.default_rng([7, scene.seed])
    found = []
    for _ in range(POSES):
        pose = _free_pose(scene, rng)
        candidates = lattice(scene.case, np.array([[SPEED, 0.0, 0.0]] * 2))
        body = _paths(candidates.controls)
        turn = np.array([[math.cos(pose[2]), math.sin(pose[2])], [-math.sin(pose[2]), math.cos(pose[2])]])
        places = body @ turn + pose[:2]
        error = np.zeros_like(scene.centre)
        error[:, :2] = rng.normal(0.0, PERCEPTION_STD, (len(scene.centre), 2))
        perceived = _clearance(scene, places, error)
        scores = np.exp(-candidates.cost / temperature) * ndtr(perceived / PERCEPTION_STD)
        choice = int(scores.argmax())
        true = _clearance(scene, places[choice][None], np.zeros_like(error))[0]
        found.append(
            (cluster_entropy(body, scores, anchors).entropy, float(perceived[choice]), bool(true < 0.0))
        )
    return found


def _free_pose(scene: Scene, rng: np.random.Generator) -> Array:
    while True:
        pose = np.array(
            [*rng.uniform((0.5, 0.5), np.subtract(scene.case.size, 0.5)), rng.uniform(-math.pi, math.pi)]
        )
        if scene.clearance(np.array([pose[0], pose[1], 0.0])) > 0.05:
            return pose


def _paths(controls: Array) -> Array:
    """Way points of controls (C, 2, 3) in the frame of the start, shape (C, POINTS, 2), by the midpoint rule."""
    step = 2.0 * HALF / POINTS
    x, yaw, points = np.zeros((len(controls), 2)), np.zeros(len(controls)), []
    for k in range(POINTS):
        v, w = controls[:, 2 * k // POINTS, 0], controls[:, 2 * k // POINTS, 1]
        middle = yaw + 0.5 * step * w
        x = x + step * v[:, None] * np.stack([np.cos(middle), np.sin(middle)], axis=1)
        yaw = yaw + step * w
        points.append(x)
    return np.stack(points, axis=1)


def _clearance(scene: Scene, places: Array, error: Array) -> Array:
    """Smallest clearance along each path to obstacles displaced by an error, shape (C,). [m]"""
    centre = (scene.centre + error)[:, :2]
    gap = np.linalg.norm(places[:, :, None] - centre, axis=-1) - scene.radius
    edge = np.minimum(places, np.subtract(scene.case.size, places)).min(axis=-1)
    return np.minimum(gap.min(axis=(1, 2)) if len(centre) else np.inf, edge.min(axis=1)) - scene.case.robot


def _best_threshold(score: Array, failed: np.ndarray) -> float:
    """Threshold of the largest F1."""
    levels = np.unique(score)
    flagged = score[None] >= levels[:, None]
    hits = (flagged & failed).sum(axis=1)
    return float(levels[np.argmax(2.0 * hits / (flagged.sum(axis=1) + failed.sum()))])


def _flags(flagged: np.ndarray, failed: np.ndarray, threshold: float) -> dict[str, float]:
    hits = int((flagged & failed).sum())
    return {
        "threshold": float(threshold),
        "flagged_share": float(flagged.mean()),
        "true_positive_rate": hits / max(int(failed.sum()), 1),
        "precision": hits / max(int(flagged.sum()), 1),
        "accuracy": float((flagged == failed).mean()),
    }
