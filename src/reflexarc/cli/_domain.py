# SPDX-License-Identifier: Apache-2.0
"""Pick a ROS domain id that nobody on this machine uses."""

import os
import random
from pathlib import Path

from reflexarc.core.errors import ConfigError

FIRST_PORT = 7400
PORTS_PER_DOMAIN = 250
"""DDS-RTPS well-known ports: domain d uses 7400 + 250 d and up (OMG DDSI-RTPS 2.5, 9.6.2.3)."""
LAST_DOMAIN = 101
"""Highest domain whose ports stay below Linux's ephemeral range (32768 and up)."""


_taken: list[str] = []
"""The domain that was taken last; not one that the user set."""


def take_domain() -> None:
    """Give the processes to come the domain of `choose_domain`, and no way beyond this machine.

    Each launch takes one anew: between two launches somebody else may have begun to use the last one.

    Raises:
        ConfigError: as of `choose_domain`.
    """
    if _taken and os.environ.get("ROS_DOMAIN_ID") == _taken[0]:
        del os.environ["ROS_DOMAIN_ID"]
    if "ROS_DOMAIN_ID" in os.environ:
        choose_domain()
    else:
        _taken[:] = [str(choose_domain())]
        os.environ["ROS_DOMAIN_ID"] = _taken[0]
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # nobody else's robot is to listen


def choose_domain() -> int:
    """Return `ROS_DOMAIN_ID` if it is set, else a random domain without an open port on this machine.

    Raises:
        ConfigError: ROS_DOMAIN_ID is not a number from 0 to 232, or every domain is in use.
    """
    configured = os.environ.get("ROS_DOMAIN_ID")
    if configured is not None:
        if not configured.isdecimal() or int(configured) > 232:
            raise ConfigError(f"ROS_DOMAIN_ID={configured!r} is not a domain; allowed: 0 to 232")
        return int(configured)
    used = {domain_of_port(port) for port in open_udp_ports()}
    free = [domain for domain in range(1, LAST_DOMAIN + 1) if domain not in used]
    if not free:
        raise ConfigError(
            f"all ROS domains from 1 to {LAST_DOMAIN} are in use on this machine; set ROS_DOMAIN_ID"
        )
    return random.choice(free)


def domain_of_port(port: int) -> int:
    """Return the domain to which a UDP port belongs, negative for lower ports."""
    return (port - FIRST_PORT) // PORTS_PER_DOMAIN


def open_udp_ports(tables: tuple[str, ...] = ("/proc/net/udp", "/proc/net/udp6")) -> set[int]:
    """Return the local UDP ports in use; empty where the system does not tell."""
    ports = set()
    for table in tables:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        ports.update(int(line.split()[1].rsplit(":", 1)[1], 16) for line in lines)
    return ports
