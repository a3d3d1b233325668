# SPDX-License-Identifier: Apache-2.0
"""Finished runs of a part, kept as they come: a study that was broken off goes on where it was.

`REFLEXARC_JOURNAL=FILE` names the journal; each part adds its own ending.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """Key to value, one JSON line each; without a file nothing is kept."""

    def __init__(self, part: str):
        """Read what the part left."""
        name = os.environ.get("REFLEXARC_JOURNAL")
        self._path = Path(f"{name}.{part}") if name else None
        self._rows: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            lines = self._path.read_text(encoding="utf-8").splitlines()
            self._rows = dict(json.loads(line) for line in lines)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what is kept under `key`, else make it and keep it."""
        if key not in self._rows:
            self._rows[key] = make()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, self._rows[key]]) + "\n")
        return self._rows[key]
