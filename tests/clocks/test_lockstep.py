# SPDX-License-Identifier: Apache-2.0
"""Lock-step: same seed, same bytes; stored digests; and what the arc is for."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario

STORE = Path(__file__).parent / "digests.json"
PACKAGES = ("mujoco", "numpy", "scipy", "daqp", "numba", "jupedsim", "shapely")
CASES = {
    "calm": ("sidewalk_calm", 0, True, 12.0, {}),
    "calm_without_arc": ("sidewalk_calm", 0, False, 12.0, {}),
    "delivery": ("sidewalk_delivery", 7, True, 12.0, {}),
    "noisy_odometry": ("sidewalk_calm", 3, True, 6.0, {"sensors.odometry.position_std": "0.01"}),
}


def fingerprint():
    """What bytes may depend on: package versions and the processor's vector units (libraries choose code by them)."""
    flags = ""
    if Path("/proc/cpuinfo").exists():
        words = set(Path("/proc/cpuinfo").read_text().split())
        flags = " ".join(sorted(words & {"avx2", "fma", "avx512f", "avx512_fp16", "amx_tile"}))
    return {
        "machine": platform.machine(),
        "vector_units": flags,
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in PACKAGES},
    }


def run_case(name):
    scenario, seed, arc, duration, overrides = CASES[name]
    return run(load_scenario(scenario, overrides), seed, arc, duration).summary


@pytest.mark.parametrize("name", CASES)
def test_run_has_the_stored_digest(name):
    stored = json.loads(STORE.read_text())
    if stored["fingerprint"] != fingerprint():
        here, there = fingerprint(), stored["fingerprint"]
        differing = {k: (there.get(k), here[k]) for k in here if there.get(k) != here[k]}
        pytest.skip(f"digests were stored with other (stored, here): {differing}")
    assert run_case(name).digest == stored["digests"][name], (
        f"the run {name} changed; if that was intended, store the new digests: python -m tests.clocks.test_lockstep"
    )


def test_another_process_gets_the_same_bytes():
    code = "from tests.clocks.test_lockstep import run_case; print(run_case('noisy_odometry').digest)"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, timeout=300
    )
    assert answer.stdout.strip() == run_case("noisy_odometry").digest


def test_another_seed_gives_another_run():
    scenario = load_scenario("sidewalk_calm")
    assert run(scenario, 1, duration=2.0).summary.digest != run(scenario, 2, duration=2.0).summary.digest


@pytest.mark.parametrize("seed", [0, 6, 16])
def test_with_the_arc_nobody_is_touched_by_a_moving_robot(seed):
    summary = run(load_scenario("sidewalk_delivery"), seed).summary
    assert summary.pedestrian_contacts_moving == 0
    assert summary.successes == summary.missions == 2
    assert summary.interventions > 0
    assert "postcheck_failed" not in summary.faults


def test_without_the_arc_the_same_policy_runs_into_people():
    summary = run(load_scenario("sidewalk_delivery"), 0, arc_enabled=False).summary
    assert summary.pedestrian_contacts_moving > 0
    assert summary.ticks == 0


if __name__ == "__main__":
    digests = {name: run_case(name).digest for name in CASES}
    STORE.write_text(json.dumps({"fingerprint": fingerprint(), "digests": digests}, indent=2) + "\n")
    print(f"stored {len(digests)} digests in {STORE}")
