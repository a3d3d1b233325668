# SPDX-License-Identifier: Apache-2.0
"""The event log of a run: one JSON object per line, flushed line by line so that it is whole after any
end.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reflexarc.core.plant import ContactEvent, PlantEvent
from reflexarc.mission import MissionEnded, MissionStarted


class EventLog:
    """Writes `events.jsonl`; without a folder it writes nothing."""

    def __init__(self, folder: Path | None):
        """Start an empty log in `folder`, which is made if need be."""
        self._file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / "events.jsonl").open("w", encoding="utf-8")

    def write(self, time: float, kind: str, text: str, **details: Any) -> None:
        """Add an event at plant time `time` [s]; numbers that are not finite become null."""
        if self._file is not None:
            entry = {"time": time, "kind": kind, "text": text, **details}
            self._file.write(json.dumps({key: _plain(value) for key, value in entry.items()}) + "\n")
            self._file.flush()

    def plant_event(self, event: PlantEvent) -> None:
        """Add a contact, cargo loss or rollover with all its fields."""
        details = asdict(event)
        stamp = details.get("stamp", details.get("end"))
        kind = type(event).__name__.removesuffix("Event").lower()
        partner = f" with {event.contact_class} {event.partner}" if isinstance(event, ContactEvent) else ""
        self.write(stamp, kind, f"{kind}{partner}", **details)

    def mission(self, event: MissionStarted | MissionEnded, odometer: float) -> str:
        """Add the start or end of a mission, with the way driven so far [m], and return it in words."""
        details: dict[str, Any] = {"state": "started"}
        text = f"mission {event.number} "
        if isinstance(event, MissionStarted):
            text += f"started, goal ({event.goal[0]:.1f}, {event.goal[1]:.1f}) m"
        else:
            details = {"state": "ended", "outcome": str(event.outcome), "duration": event.duration}
            text += f"ended: {event.outcome} after {event.duration:.1f} s"
        self.write(event.stamp, "mission", text, number=event.number, **details, odometer_m=odometer)
        return text

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
