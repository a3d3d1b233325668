# SPDX-License-Identifier: Apache-2.0
"""Whether the other nodes are still there: when each topic that a node needs was heard last."""

import time
from collections.abc import Iterable


class Hearing:
    """Remembers the steady time at which each topic was heard."""

    def __init__(self, names: Iterable[str], start_timeout: float, silence: float):
        """Take the topics, and how long they may be silent before they first come and afterwards. [s]"""
        self._start_timeout, self._silence = start_timeout, silence
        self._heard = dict.fromkeys(names, time.monotonic())
        self.missing = set(self._heard)
        """Topics of which nothing has come yet."""

    def hear(self, name: str) -> None:
        """Take down that something came; topics that are not needed do not count."""
        if name in self._heard:
            self._heard[name] = time.monotonic()
            self.missing.discard(name)

    def silent(self) -> str:
        """Say which topic has been silent for too long; empty if none."""
        now = time.monotonic()
        for name, heard in self._heard.items():
            if name in self.missing and now - heard > self._start_timeout:
                return f"node_killed: nothing has ever arrived on {name} within {self._start_timeout:g} s"
            if name not in self.missing and now - heard > self._silence:
                return f"node_killed: {name} has been silent for {now - heard:.1f} s, allowed {self._silence:g} s"
        return ""

    def waiting(self) -> list[str]:
        """Return the warning that some topics have not come yet, if so."""
        return [f"waiting for {', '.join(sorted(self.missing))}"] if self.missing else []
