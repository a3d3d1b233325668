# SPDX-License-Identifier: Apache-2.0
"""Contact of log and twin, which drove against the same obstacle with the same commands.

contact_force    largest normal force of all episodes, log over twin, less 1
"""

import math
from collections.abc import Iterable

from reflexarc.core import wire
from reflexarc.core.plant import ContactEvent
from reflexarc.report.recording import Recording

CONTACT_UNITS = {"contact_force": "1"}
"""Metrics of a drive of contact and their units."""


def recorded_contacts(recording: Recording) -> list[ContactEvent]:
    """Return the contact episodes of a recording; none where its topic is missing."""
    return [wire.contact_from(entry.message) for entry in recording.optional_topic("contact_events")]


def contact_gap(log: Iterable[ContactEvent], twin: Iterable[ContactEvent]) -> dict[str, float]:
    """Return the metrics of `CONTACT_UNITS`; NaN where one did not touch, or a force is not finite."""
    found, expected = _peak(log), _peak(twin)
    return {"contact_force": found / expected - 1.0 if expected > 0.0 and found > 0.0 else math.nan}


def _peak(events: Iterable[ContactEvent]) -> float:
    forces = [event.peak_force for event in events]
    return max(forces) if forces and all(math.isfinite(force) for force in forces) else math.nan
