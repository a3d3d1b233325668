# SPDX-License-Identifier: Apache-2.0
"""A supervisor table made by hand: a person near slows down, a lost sensor or a fault of the arc stops."""

from reflexarc.assurance.supervisor.table import FORMAT, VERSION, write_table

SIGNALS = ("person_near", "person_close", "tracker_lost", "lidar_lost", "arc_fault")


def write_small_table(path, signals=SIGNALS):
    """Write the table and return it as `read_table` would."""
    persons = [name for name in signals if name.startswith("person")]
    blind = [name for name in signals if name not in persons]

    def state(name, mode, hazards):
        return {"name": name, "mode": mode.lower(), "arc_mode": mode, "hazards": hazards, "alarms": []}

    content = {
        "format": FORMAT,
        "version": VERSION,
        "cell": "by hand",
        "model_sha256": "0" * 64,
        "policy": {"near": "slow", "blind": "stop"},
        "alarms": {},
        "signals": list(signals),
        "excused_by": dict.fromkeys(persons, "tracker_lost") if "tracker_lost" in signals else {},
        "hazards": {"near": persons, "blind": blind},
        "states": [
            state("normal", "NORMAL", []),
            state("slow", "SPEED_SEPARATION", ["near"]),
            state("stop", "PROTECTIVE_STOP", ["blind"]),
            state("default stop", "PROTECTIVE_STOP", []),
        ],
        "initial": 0,
        "default_stop": 3,
        "transitions": [
            {"hold": [0, 1, 2, 2], "release": [0, 1, 2, 2]},
            {"hold": [1, 1, 3, 3], "release": [0, 1, 3, 3]},
            {"hold": [2, 2, 2, 2], "release": [0, 2, 2, 2]},
            {"hold": [3, 3, 3, 3], "release": [0, 3, 3, 3]},
        ],
        "properties": {},
    }
    return write_table(content, path)
