# SPDX-License-Identifier: Apache-2.0
"""Raw contacts of any simulator become contact episodes; the raw ones are kept.

A raw contact is the resultant of all contact points with one partner in one physics step. Those with the
same partner that are at most `gap` apart in time belong to one episode. Its impulse is the norm of the
*vector* sum, so pushes that cancel do not add up and a bounce counts with what it really transferred; its
change of velocity is the largest distance of the partner's velocity from that before the first touch.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent

MERGE_GAP_S = 0.25
"""Longest pause within an episode; as in `reflexarc.core.plant.ContactEvent`. [s]"""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class RawContact:
    """What the robot and one partner did to each other in one physics step."""

    time: float
    """End of the step. [s]"""
    contact_class: ContactClass
    partner: str
    impulse: Vector
    """Resultant impulse on the partner, normal and friction, all contact points. [N s]"""
    normal_force: float
    """Sum of the normal forces. [N]"""
    robot_speed: float
    """Speed of base_link before the step. [m/s]"""
    velocity_before: Vector = (0.0, 0.0, 0.0)
    """Velocity of the partner before the step. [m/s]"""
    velocity_after: Vector = (0.0, 0.0, 0.0)
    """Velocity of the partner after the step. [m/s]"""
    position: tuple[float, float] = (0.0, 0.0)
    """Of the first contact point, in the fixed frame. [m]"""


@dataclass(frozen=True, slots=True)
class ContactEpisode:
    """One encounter."""

    event: ContactEvent
    """The merged contact."""
    raw: tuple[RawContact, ...]
    """What it was merged from, in order of time."""


def merge_contacts(contacts: Iterable[RawContact], gap: float = MERGE_GAP_S) -> list[ContactEpisode]:
    """Return the episodes in order of their start.

    Args:
        contacts: in any order.
        gap: longest pause within an episode. [s]

    Raises:
        ConfigError: a time, impulse or force that is not finite, a negative force, or a partner with two
            classes.
    """
    by_partner: dict[str, list[RawContact]] = {}
    for index, contact in enumerate(contacts, start=1):
        _check(contact, index)
        by_partner.setdefault(contact.partner, []).append(contact)
    episodes = []
    for partner, rows in by_partner.items():
        if len({row.contact_class for row in rows}) > 1:
            raise ConfigError(
                f"raw contacts: partner {partner!r} has more than one class; nothing was merged"
            )
        rows.sort(key=lambda row: row.time)
        begin = 0
        for i in range(1, len(rows) + 1):
            if i == len(rows) or rows[i].time - rows[i - 1].time > gap:
                episodes.append(_merge(rows[begin:i]))
                begin = i
    return sorted(episodes, key=lambda episode: (episode.event.start, episode.event.partner))


def _check(contact: RawContact, index: int) -> None:
    numbers = (contact.time, *contact.impulse, contact.normal_force, contact.robot_speed)
    if not all(map(math.isfinite, numbers)) or contact.normal_force < 0.0 or contact.robot_speed < 0.0:
        raise ConfigError(
            f"raw contact {index}: time, impulse, normal_force >= 0 and robot_speed >= 0 "
            f"must be finite, found {contact}"
        )


def _merge(rows: list[RawContact]) -> ContactEpisode:
    first = rows[0]
    total = np.sum([row.impulse for row in rows], axis=0)
    base = np.array(first.velocity_before)
    delta_v = max(float(np.linalg.norm(np.array(row.velocity_after) - base)) for row in rows)
    event = ContactEvent(
        start=first.time,
        end=rows[-1].time,
        contact_class=first.contact_class,
        partner=first.partner,
        impulse=float(np.linalg.norm(total)),
        peak_force=max(row.normal_force for row in rows),
        delta_v=delta_v,
        robot_speed=first.robot_speed,
        position=first.position,
    )
    return ContactEpisode(event, tuple(rows))
