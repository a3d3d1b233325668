# SPDX-License-Identifier: Apache-2.0
"""One node of a name per ROS domain and machine.

Two plants in one graph both move the robot and both publish the clock, and DDS finds nothing wrong with it: a
participant simply takes the next free port. So the launcher takes an abstract Unix socket for every node
that it starts, named `reflexarc-domain-<domain>-<namespace>/<node>`. The kernel gives the name to one
process and frees it when that process ends, however it ends, so a stale lock cannot exist. Machines do not
see each other's locks.
"""

import re
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from reflexarc.launcher.errors import AlreadyRunningError, LaunchFileError

DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
MAX_DOMAIN = 232
"""Largest ROS domain: its ports, 7400 + 250 per domain, still fit below 65536."""
_PREFIX = "reflexarc-domain-"
_UCRED = struct.Struct("3i")
"""`struct ucred` of the kernel: pid, uid, gid."""
_BACKLOG = 1024
"""Askers that are remembered; nobody accepts them, connecting alone tells them the holder's number."""
_LISTED = re.compile(r"@" + _PREFIX + r"(\d+)-(\S+)$")


class RunningNode(NamedTuple):
    """A node that a launcher on this machine holds."""

    domain: int
    name: str
    """Fully qualified."""
    pid: int | None
    """Process number of its launcher; None when it went away meanwhile."""


class NodeLocks:
    """The locks of one launch; free them with `release`."""

    def __init__(self, domain: int, names: Iterable[str]) -> None:
        """Take the lock of every node, or none.

        Args:
            domain: ROS domain.
            names: Fully qualified node names.

        Raises:
            AlreadyRunningError: A node of this name runs in this domain on this machine.
        """
        self._sockets: list[socket.socket] = []
        try:
            for name in sorted(names):
                self._take(domain, name)
        except AlreadyRunningError:
            self.release()
            raise

    def release(self) -> None:
        """Free all names."""
        for taken in self._sockets:
            taken.close()
        self._sockets.clear()

    def _take(self, domain: int, name: str) -> None:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(_address(domain, name))
        except OSError as error:
            lock.close()
            holder = _holder(domain, name)
            who = "a process that just ended; try again" if holder is None else f"process {holder}"
            raise AlreadyRunningError(
                f"node {name} in ROS domain {domain} is already taken by {who}. Nothing was started. Stop "
                f"the other, set {DOMAIN_VARIABLE} to a free domain (0 to {MAX_DOMAIN}), or use another "
                "namespace"
            ) from error
        lock.listen(_BACKLOG)
        self._sockets.append(lock)


def domain_of(environment: Mapping[str, str]) -> int:
    """Return the ROS domain that `environment` selects.

    Raises:
        LaunchFileError: It is not a whole number from 0 to `MAX_DOMAIN`.
    """
    text = environment.get(DOMAIN_VARIABLE) or "0"
    if not text.isascii() or not text.isdigit() or int(text) > MAX_DOMAIN:
        raise LaunchFileError(
            None, f"{DOMAIN_VARIABLE} is {text!r}, but must be a whole number from 0 to {MAX_DOMAIN}"
        )
    return int(text)


def running_nodes() -> list[RunningNode]:
    """Return every node that launchers on this machine hold, by domain and name."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
    found = {(int(match[1]), match[2]) for line in lines if (match := _LISTED.search(line))}
    return [RunningNode(domain, name, _holder(domain, name)) for domain, name in sorted(found)]


def _address(domain: int, name: str) -> bytes:
    return f"\0{_PREFIX}{domain}-{name}".encode()


def _holder(domain: int, name: str) -> int | None:
    """Ask the kernel which process listens on the lock."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.setblocking(False)
            probe.connect(_address(domain, name))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        except OSError:
            return None
    return _UCRED.unpack(credentials)[0] or None
