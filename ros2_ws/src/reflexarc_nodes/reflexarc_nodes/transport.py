# SPDX-License-Identifier: Apache-2.0
"""A participant without shared memory, for a node that nobody else's death may delay.

A process that was stopped or killed while it held a queue of Fast DDS's shared memory makes everybody who writes to
that queue wait for about a second (measured: zero commands of the gate 1.01 and 1.03 s after the signal instead of
0.2 s). Over UDP a message to a dead reader is dropped, and nobody waits.

`FASTDDS_BUILTIN_TRANSPORTS=UDPv4` alone is not enough: where `ROS_AUTOMATIC_DISCOVERY_RANGE` is LOCALHOST the ROS layer
makes its own transports, shared memory among them, and the variable is not read. There the range SYSTEM_DEFAULT is
taken with a profile of Fast DDS that says the same: only the loopback interface, no multicast, peers on this machine.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PEERS = 100
"""Participants of one domain on this machine that are looked for."""
_PROFILE = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com">
  <profiles>
    <transport_descriptors>
      <transport_descriptor>
        <transport_id>loopback</transport_id>
        <type>UDPv4</type>
        <maxInitialPeersRange>{PEERS}</maxInitialPeersRange>
        <interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>
      </transport_descriptor>
    </transport_descriptors>
    <participant profile_name="without_shared_memory" is_default_profile="true">
      <rtps>
        <builtin>
          <metatrafficUnicastLocatorList><locator/></metatrafficUnicastLocatorList>
          <initialPeersList>
            <locator><udpv4><address>127.0.0.1</address></udpv4></locator>
          </initialPeersList>
        </builtin>
        <userTransports><transport_id>loopback</transport_id></userTransports>
        <useBuiltinTransports>false</useBuiltinTransports>
      </rtps>
    </participant>
  </profiles>
</dds>
"""
_RANGE, _FILE = "ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTDDS_DEFAULT_PROFILES_FILE"
_MAPPED = Path("/proc/self/maps")


@contextmanager
def without_shared_memory() -> Iterator[None]:
    """Let participants that are made inside the block use UDP only; a profile or transport that is set is kept.

    With static peers a range of LOCALHOST is kept too, since the profile would not reach them: see `shared_memory`.
    """
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    local = os.environ.get(_RANGE) == "LOCALHOST" and not os.environ.get("ROS_STATIC_PEERS")
    if not local or os.environ["FASTDDS_BUILTIN_TRANSPORTS"] != "UDPv4" or _FILE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="reflexarc-profile-") as folder:
        profile = Path(folder) / "udp.xml"
        profile.write_text(_PROFILE, encoding="utf-8")
        os.environ |= {_RANGE: "SYSTEM_DEFAULT", _FILE: str(profile)}
        try:
            yield
        finally:
            os.environ[_RANGE] = "LOCALHOST"
            del os.environ[_FILE]


def shared_memory() -> bool:
    """Whether this process has queues of Fast DDS's shared memory open; False where the system does not tell."""
    try:
        return "/dev/shm/fastdds" in _MAPPED.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
