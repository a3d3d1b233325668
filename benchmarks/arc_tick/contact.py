# SPDX-License-Identifier: Apache-2.0
"""Part of the study: the tick of an arm in contact, stage by stage, and its networks beside the same ones in JAX.

Joint states, wrenches and proposals are those of lock-step runs. They are put through the arc again, once with nothing
but the arc's own wall clock inside the tick, and once with the thread's CPU time around every stage.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contact_networks import networks_times, weights_file
from contact_scenes import SCENARIO, Contact, recorded
from tick_figures import percentiles

from reflexarc.arc import Arc
from reflexarc.arc.stage import Stage, Tick
from reflexarc.core.types import Array, Mode, Verdict

FULL_SEEDS, SHORT_SEEDS = (0, 1, 2, 3, 4), (3,)
CRITIC_REFLEX, WITH_TIP, WHOLE = "critic_reflex", "tip_critic_reflex", "tick"
GROUPS = {CRITIC_REFLEX: ("critic", "reflex"), WITH_TIP: ("tip", "critic", "reflex")}
TOUCHING_N = 2.0
"""Planar or not: from this force on a tick counts as one in contact. [N]"""
ROUNDS = 3
"""Replays of each run by each clock."""


class Clocked:
    """A stage that also writes down the CPU time of its thread."""

    def __init__(self, stage: Stage):
        """Take the stage."""
        self.name, self._stage = stage.name, stage
        self.seconds = 0.0

    def reset(self) -> None:
        """Reset the stage."""
        self._stage.reset()

    def apply(self, tick: Tick) -> None:
        """Let the stage act."""
        before = time.thread_time_ns()
        self._stage.apply(tick)
        self.seconds = 1e-9 * (time.thread_time_ns() - before)


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Record runs, replay them, and time the networks.

    Args:
        full: five runs instead of one.
        progress: told what is going on.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file, learned = weights_file(Path(scratch))
        progress(f"driving {SCENARIO} in lock-step with {'learned' if learned else 'random'} weights")
        arc, runs, views = recorded(file, FULL_SEEDS if full else SHORT_SEEDS)
        progress(f"{sum(map(len, runs))} ticks, replayed {ROUNDS} times by each clock")
        return {
            "scenario": SCENARIO,
            "seeds": list(FULL_SEEDS if full else SHORT_SEEDS),
            "weights": "learned" if learned else "random",
            "looked_fraction": len(views) / sum(map(len, runs)),
            **_arc_times(arc, runs),
            "networks": networks_times(file, views, 20_000 if full else 3_000),
        }


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Return wall times of the arc, CPU times of critic and reflex, and the ratio of JAX to our inference."""
    wall, cpu, networks = figures["wall_us"]["all"], figures["cpu_us"]["all"], figures["networks"]
    return {
        f"contact_{name}_{q}_us": wall[name][q] for name in (CRITIC_REFLEX, WITH_TIP, WHOLE) for q in ("p50", "p99")
    } | {
        "contact_critic_reflex_cpu_p50_us": cpu[CRITIC_REFLEX]["p50"],
        "contact_critic_reflex_cpu_p99_us": cpu[CRITIC_REFLEX]["p99"],
        "contact_tick_cpu_p50_us": cpu[WHOLE]["p50"],
        "contact_tick_cpu_p99_us": cpu[WHOLE]["p99"],
        "contact_critic_p50_us": networks["critic_us"]["p50"],
        "contact_critic_ratio_jax": round(networks["critic_ratio_jax"], 2),
        "contact_critic_and_recovery_ratio_jax": round(networks["both_ratio_jax"], 2),
    }  # fmt: skip


def _arc_times(arc: Arc, runs: Sequence[Sequence[Contact]]) -> dict[str, Any]:
    """Replay by the arc's wall clock, then by CPU time; return percentiles, and of which ticks they are."""
    plain = arc.stages
    clocked = tuple(Clocked(stage) for stage in plain)
    wall: list[list[float]] = []
    whole: list[float] = []
    cpu: list[list[float]] = []
    kinds: list[tuple[bool, bool, bool]] = []
    equal = 0
    statuses: dict[str, int] = {}
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for scenes in runs:
            for turn in range(ROUNDS):
                arc.stages = plain
                arc.reset()
                for scene in scenes:
                    before = time.thread_time_ns()
                    verdict = arc.tick(scene.state, scene.proposal, Mode.NORMAL, scene.now)
                    whole.append(1e-9 * (time.thread_time_ns() - before))
                    wall.append([verdict.time_used, *verdict.stage_times])
                    kinds.append(_kind(scene, verdict))
                    equal += bool(np.array_equal(verdict.command, scene.command))
                    if turn == 0:
                        statuses[verdict.status.name] = statuses.get(verdict.status.name, 0) + 1
                arc.stages = clocked
                arc.reset()
                for scene in scenes:
                    arc.tick(scene.state, scene.proposal, Mode.NORMAL, scene.now)
                    cpu.append([stage.seconds for stage in clocked])
    finally:
        arc.stages = plain
        gc.enable()
        gc.unfreeze()
    acted, touching, reflex = np.array(kinds).T
    names = [stage.name for stage in plain]
    of_thread = np.column_stack([whole, cpu])
    chosen = {"all": acted, "in_contact": acted & touching, "in_reflex": acted & reflex}
    return {
        "ticks": len(wall) // ROUNDS,
        "replays": ROUNDS,
        "replayed_alike": equal / len(wall),
        "in_contact_fraction": float(touching.mean()),
        "in_reflex_fraction": float(reflex.mean()),
        "statuses": statuses,
        "wall_us": {k: _table(np.array(wall)[rows], names) for k, rows in chosen.items() if rows.any()},
        "cpu_us": {k: _table(of_thread[rows], names) for k, rows in chosen.items() if rows.any()},
    }


def _kind(scene: Contact, verdict: Verdict) -> tuple[bool, bool, bool]:
    """Return whether the impedance acted, the tip touched something, and a recovery was going on."""
    inside, wrench = verdict.contact, scene.state.wrench
    touching = wrench is not None and float(np.linalg.norm(wrench.force)) > TOUCHING_N
    return inside is not None, touching, inside is not None and bool(inside.reflex)


def _table(times: Array, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return percentiles of the tick, of groups of stages and of every stage; times [s], shape (ticks, 1 + stages)."""
    column = {name: times[:, 1 + k] for k, name in enumerate(names)}
    groups = {group: sum(column[name] for name in members) for group, members in GROUPS.items()}
    return {name: percentiles(x) for name, x in {WHOLE: times[:, 0], **groups, **column}.items()}
