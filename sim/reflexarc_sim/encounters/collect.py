# SPDX-License-Identifier: Apache-2.0
"""Log runs of a scenario with an exploring policy.

    python -m reflexarc_sim.encounters.collect FOLDER --seeds 5000 5044

Even seeds run with the arc, odd ones without, so that the data hold careful and careless motion alike. Each
seed draws its own cruise speed and number of pedestrians.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from reflexarc_sim.encounters.log import EncounterLog
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario


def collect(folder: Path, scenario: str, seed: int, duration: float) -> Path:
    """Run one seed and write its log; a log that is there already is kept.

    Args:
        folder: where to.
        scenario: name of the scenario.
        seed: of world, crowd and exploration.
        duration: longest run. [s]
    """
    path = folder / f"{scenario}_{seed}.npz"
    if path.exists():
        return path
    rng = np.random.default_rng(seed)
    arc = seed % 2 == 0
    overrides = {
        "policy.name": "reflexarc_sim.encounters:ExploringPolicy",
        "policy.params": {
            "seed": seed,
            "params": {"cruise_speed_m_s": round(float(rng.uniform(1.0, 2.5)), 2)},
        },
        "crowd.count": int(rng.integers(20, 36)),
        "missions.count": 4,
        "arc.learned": {"enabled": False},
        "sensors.lidar.rate_hz": 10.0,
    }
    log = EncounterLog()
    run(load_scenario(scenario, overrides), seed, arc_enabled=arc, duration=duration, observers=(log,))
    log.finish(scenario=scenario, seed=seed, arc=arc, **overrides).save(path)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenario", default="sidewalk_delivery")
    parser.add_argument(
        "--seeds", type=int, nargs=2, default=(5000, 5040), help="first and one past the last"
    )
    parser.add_argument("--duration", type=float, default=60.0, help="longest run in simulated seconds")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(*options.seeds):
        started = time.perf_counter()
        path = collect(options.folder, options.scenario, seed, options.duration)
        print(f"{path.name}: {time.perf_counter() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
