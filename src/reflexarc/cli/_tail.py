# SPDX-License-Identifier: Apache-2.0
"""Follow a file of JSON lines while somebody else writes it."""

import json
from pathlib import Path
from typing import Any


class JsonLines:
    """Reads what was added since the last look; a line that is not finished yet waits for the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Return the mappings added since the last call; the file may not exist yet."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [entry for line in whole.splitlines() if isinstance(entry := _parsed(line), dict)]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
