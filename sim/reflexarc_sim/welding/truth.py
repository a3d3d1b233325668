# SPDX-License-Identifier: Apache-2.0
r"""What is really so: hazards, the gap between tool and person, contacts and their forces.

A contact begins when the gap closes while the tool moves towards the body; its peak is that of two masses and a spring
(`reflexarc.assurance.pfl`),

    F = v sqrt(mu k),     mu = (1 / m_H + 1 / m_R)^-1,

with v the tool's own speed towards the body. The person's own speed is left out, as somebody may walk into a machine
that stands still; `closing_force` tells the same with both.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from reflexarc.assurance.pfl import BodyRegion
from reflexarc_sim.welding.arm import Arm
from reflexarc_sim.welding.geometry import Point, minus, nearest_on_segment
from reflexarc_sim.welding.operator import Operator
from reflexarc_sim.welding.parameters import Tool, WeldingPlant, inside
from reflexarc_sim.welding.process import WORKING

MOVING = 0.001
"""A slower tool does not move. [m/s]"""


class Encounter(NamedTuple):
    """Tool and person at one instant."""

    gap: float
    """Between tool and nearest part of the person; negative where they overlap. [m]"""
    tool_towards: float
    """Speed of the tool towards that part. [m/s]"""
    person_towards: float
    """Speed of that part towards the tool. [m/s]"""


class Contact(NamedTuple):
    """A moving tool has touched the person."""

    stamp: float
    """[s]"""
    speed: float
    """Of the tool towards the body. [m/s]"""
    force: float
    """Peak, by the tool's own speed. [N]"""
    closing_force: float
    """Peak, by both speeds. [N]"""
    mode: str
    """Of the cell."""


def encounter(plant: WeldingPlant, tool: Tool, arm: Arm, person: Operator) -> Encounter:
    """Return how tool and person are to each other."""
    size, p = plant.person, arm.position
    limb, share = nearest_on_segment(p, person.torso, person.hand)
    torso_gap = math.dist(p, person.torso) - size.torso_radius_m - tool.radius_m
    limb_gap = math.dist(p, limb) - size.limb_radius_m - tool.radius_m
    if person.reaching and limb_gap < torso_gap:
        gap, body = limb_gap, limb
        velocity = _mix(person.torso_velocity, person.hand_velocity, share)
    else:
        gap, body, velocity = torso_gap, person.torso, person.torso_velocity
    way = minus(body, p)
    length = math.hypot(*way)
    if length < 1e-9:
        return Encounter(gap, arm.speed, math.hypot(*velocity))
    nx, ny = way[0] / length, way[1] / length
    return Encounter(gap, arm.velocity[0] * nx + arm.velocity[1] * ny, -(velocity[0] * nx + velocity[1] * ny))


def peak_force(region: BodyRegion, mass: float, speed: float) -> float:
    """Return the peak of a contact at a speed [m/s] with the robot's effective mass [kg]. [N]"""
    return max(speed, 0.0) * math.sqrt(region.reduced_mass(mass) * region.stiffness)


def hazards(plant: WeldingPlant, person: Operator, activity: str) -> Mapping[str, bool]:
    """Return which hazards of the model are really there."""
    working, where = activity in WORKING, place(plant, person.torso, person.hand)
    reached = person.reaching and inside(person.hand, plant.layout.bench)
    return {
        "HRW": reached and activity == "exchange",
        "HS": working and where in ("in_cell", "weld_spot"),
        "HC": working and where == "weld_spot",
    }


def place(plant: WeldingPlant, torso: Point, hand: Point) -> str:
    """Return the hazard model's location of a person."""
    layout = plant.layout
    if math.dist(torso, layout.weld_spot) - plant.person.torso_radius_m <= layout.weld_zone_m:
        return "weld_spot"
    if inside(torso, layout.area):
        return "in_cell"
    return "shared_table" if hand != torso and inside(hand, layout.bench) else "at_table"


def _mix(a: Point, b: Point, share: float) -> Point:
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
