# SPDX-License-Identifier: Apache-2.0
"""The event log of a run: one JSON object per line, flushed line by line so that it is whole after any
end.
"""

import json
import math
from pathlib import Path
from typing import Any


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

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
