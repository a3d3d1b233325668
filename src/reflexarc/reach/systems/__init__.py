# SPDX-License-Identifier: Apache-2.0
"""The benchmark systems of density reachability, one file each, in one table."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from reflexarc.core.errors import UnknownNameError
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.user import load_user_system as load_user_system

NAMES = (
    "vdp",
    "dint",
    "kop",
    "pend",
    "robot",
    "car",
    "quad",
    "acc",
    "gcas",
    "toon",
    "driving",
    "hovercraft",
)


class _Systems(Mapping[str, ClosedLoop]):
    """Builds a system when it is first asked for: some read weights."""

    def __getitem__(self, name: str) -> ClosedLoop:
        if name not in NAMES:
            raise UnknownNameError("system", name, NAMES)
        return _build(name)

    def __contains__(self, name: object) -> bool:
        return name in NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


@cache
def _build(name: str) -> ClosedLoop:
    return import_module(f"{__name__}.{name}").system()


SYSTEMS = _Systems()
"""Name -> system. A name that is not there raises `UnknownNameError`."""
