# SPDX-License-Identifier: Apache-2.0
"""Does what was learned in a kinematic model hold for the robot in MuJoCo? Scenario `cells_delivery`, without the arc.

Predicted steps and costs of every delivery beside those of the drive: time over the period of the policy, and the worst
cost of each period at the simulated poses.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from figures import mean_interval

from reflexarc.core.intervals import clopper_pearson
from reflexarc.core.plant import ContactEvent
from reflexarc.policies.goal_conditioned import GoalConditioned
from reflexarc_sim.missions import mission_stops
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.scenario import load_scenario

SCENARIO = "cells_delivery"
SEEDS, SHORT_SEEDS = 50, 1
LIMIT = 60
"""Periods after which a delivery has failed."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Drive the deliveries of the seeds and return what was predicted and what happened.

    Args:
        full: all seeds.
        progress: told what is going on.
    """
    scenario = load_scenario(SCENARIO)
    stages = {}
    for stage in ("unconstrained", "constrained"):
        policy = GoalConditioned.from_dict({**scenario.policy.params, "stage": stage}, SCENARIO)
        plant = MujocoPlant(scenario)
        rows, touched = [], 0
        for seed in range(SEEDS if full else SHORT_SEEDS):
            found, contacts = _drive(plant, policy, seed)
            rows += found
            touched += contacts
        plant.close()
        arrived = [row for row in rows if row["arrived"]]
        stages[stage] = {
            "deliveries": len(rows),
            "arrived": len(arrived) / len(rows),
            "arrived_interval": list(clopper_pearson(len(arrived), len(rows), 0.05)),
            "contacts": touched,
            **{
                f"{what}_{name}": mean_interval([row[f"{what}_{name}"] for row in arrived])
                for what in ("predicted", "driven")
                for name in ("steps", "cost")
            },
            "steps_error": mean_interval([abs(r["predicted_steps"] - r["driven_steps"]) for r in arrived]),
            "cost_error": mean_interval([abs(r["predicted_cost"] - r["driven_cost"]) for r in arrived]),
            "rows": rows,
        }
        progress(f"{stage}: {len(arrived)} of {len(rows)} deliveries in MuJoCo, {touched} contacts")
    return {"stages": stages}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return how many arrive, and the contacts."""
    return {
        f"driven_{stage}_{key}": found[key]
        for stage, found in part["stages"].items()
        for key in ("deliveries", "arrived", "contacts")
    }


def _drive(plant: Any, policy: GoalConditioned, seed: int) -> tuple[list[dict[str, Any]], int]:
    """Return one row per delivery of a seed, and how many contacts there were; a failed one ends the seed."""
    domain, agent = policy.agent.domain, policy.agent
    cost = jax.jit(jax.vmap(domain.cost))
    state, contacts, rows = plant.reset(seed), 0, []
    every = round(domain.period / plant.step_period)
    for goal in mission_stops(plant.world, plant.scenario.missions, seed)[1:]:
        here = np.concatenate([state.pose, state.twist])
        steps, costs = agent.expected(here[None], goal[None])
        policy.reset(goal[None])
        began, poses, arrived = plant.time, [here], False
        while not arrived and plant.time - began < LIMIT * domain.period:
            state, events = plant.step(policy.propose(state, plant.time).twist)
            contacts += sum(isinstance(e, ContactEvent) for e in events)
            poses.append(np.concatenate([state.pose, state.twist]))
            arrived = bool(np.hypot(*(state.pose[:2] - goal)) < domain.goal_radius)
        paid = np.asarray(cost(np.array(poses, dtype=np.float32)))
        worst = [float(paid[k : k + every + 1].max()) for k in range(0, len(paid) - 1, every)]
        rows.append(
            {
                "seed": seed,
                "arrived": arrived,
                "predicted_steps": float(steps.mean()),
                "driven_steps": (plant.time - began) / domain.period,
                "predicted_cost": float(costs.mean()),
                "driven_cost": float(sum(worst)),
            }
        )
        if not arrived:
            break
    return rows, contacts + sum(isinstance(e, ContactEvent) for e in plant.finish())
