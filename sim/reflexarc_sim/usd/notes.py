# SPDX-License-Identifier: Apache-2.0
"""What a stage cannot express, collected while it is made, so that nothing is lost silently."""


class Notes:
    """Losses, each with the names that it concerns."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, what: str, of: str) -> None:
        """Take down that `what` could not be expressed for the thing named `of`."""
        names = self._found.setdefault(what, [])
        if of not in names:
            names.append(of)

    def lines(self, shown: int = 4) -> tuple[str, ...]:
        """Return one sentence per loss, with the first `shown` names that it concerns."""
        out = []
        for what, names in self._found.items():
            more = f" and {len(names) - shown} more" if len(names) > shown else ""
            out.append(f"{what}: {', '.join(names[:shown])}{more}")
        return tuple(out)
