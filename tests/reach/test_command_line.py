# SPDX-License-Identifier: Apache-2.0
"""`reflexarc reach`: what it prints for every system, and what it refuses."""

import json

import numpy as np
import pytest

from reflexarc.cli import main
from reflexarc.reach.systems import SYSTEMS

USER = """
import jax.numpy as jnp
low, high, dt, steps = [-1.0, -1.0], [1.0, 1.0], 0.1, 20
def field(x):
    return jnp.stack([-x[0], -2.0 * x[1]])
"""


def call(capsys, *words):
    """Run the command and return its exit code and the object in its last line."""
    code = main(["reach", *words, "--json"])
    lines = capsys.readouterr().out.splitlines()
    return code, json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_risk_of_a_box_for_every_system(capsys, name):
    system = SYSTEMS[name]
    box = [str(v) for pair in zip(system.low[:2], system.high[:2], strict=True) for v in pair]
    code, found = call(capsys, "risk", "--system", name, "--t", str(system.dt), "--box", *box, "--n", "200")
    assert code == 0
    assert set(found) >= {"p", "ci_low", "ci_high", "n", "ess", "seconds"}
    assert 0.0 <= found["ci_low"] <= found["p"] <= found["ci_high"] <= 1.0
    assert found["n"] == 200


def test_van_der_pols_known_box_lies_in_the_interval(capsys):
    code, found = call(
        capsys, "risk", "--system", "vdp", "--t", "1", "--box", "1.5", "2", "-0.5", "0.5", "--n", "20000"
    )
    assert code == 0
    assert found["ci_low"] <= 0.0606 <= found["ci_high"]
    assert found["ci_high"] - found["ci_low"] < 0.01


def test_on_the_way_is_at_least_as_likely_as_at_the_end(capsys):
    words = ("risk", "--system", "vdp", "--t", "1", "--box", "1.5", "2", "-0.5", "0.5", "--n", "4000")
    end, way = call(capsys, *words)[1], call(capsys, *words, "--on-the-way")[1]
    assert way["p"] > end["p"]


def test_user_system_contracts_as_its_file_says(capsys, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(USER)
    code, found = call(
        capsys, "density", "--system", str(file), "--t", "1", "--at", "0.1", "0.05", "--n", "500"
    )
    assert code == 0
    # Uniform of density 1/4 whose volume has shrunk by exp(-3).
    assert found["log_density"] == pytest.approx(np.log(0.25) + 3.0, abs=1e-5)
    assert found["entropy"] == pytest.approx(np.log(4.0) - 3.0, abs=1e-5)
    assert found["high"][0] <= np.exp(-1.0) + 1e-6
    one = call(capsys, "risk", "--system", str(file), "--t", "1", "--coordinates", "1", "--box", "-inf", "0")[
        1
    ]
    assert one["ci_low"] <= 0.5 <= one["ci_high"]


def test_plots_are_written(capsys, tmp_path):
    picture = tmp_path / "pictures/vdp.svg"
    assert (
        call(capsys, "density", "--system", "vdp", "--t", "0.5", "--n", "300", "--plot", str(picture))[0] == 0
    )
    assert "<svg" in picture.read_text()
    curve = tmp_path / "first.png"
    words = (
        "risk",
        "--system",
        "vdp",
        "--t",
        "1",
        "--box",
        "1",
        "2",
        "-1",
        "1",
        "--n",
        "300",
        "--on-the-way",
    )
    assert call(capsys, *words, "--plot", str(curve))[0] == 0
    assert curve.read_bytes().startswith(b"\x89PNG")


def test_plan_says_whether_it_is_accepted_and_draws_the_scene(capsys, tmp_path):
    picture = tmp_path / "scene.svg"
    code, found = call(capsys, "plan", "--case", "driving", "--seed", "1", "--plot", str(picture))
    assert code == int(not found["accepted"])
    assert set(found) == {"accepted", "bound", "segments", "checks", "perturbed", "reason", "seconds"}
    assert found["bound"] <= 1e-2
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("risk",), "--system is required"),
        (("risk", "--system", "vdp"), "--box is required"),
        (("risk", "--system", "nobody", "--box", "0", "1"), "nobody"),
        (("risk", "--system", "none.py", "--box", "0", "1"), "none.py"),
        (("risk", "--system", "vdp", "--box", "2", "1"), "low 2 lies above high 1"),
        (("risk", "--system", "vdp", "--box", "1"), "low and high of each"),
        (("risk", "--system", "vdp", "--box", "0", "x"), "'x' is not a number"),
        (("risk", "--system", "vdp", "--box", "0", "nan"), "'nan' is not a number"),
        (("risk", "--system", "vdp", "--box", "0", "1", "--coordinates", "7"), "0 to 1"),
        (("risk", "--system", "vdp", "--box", "0", "1", "--t", "0.07"), "multiple of vdp's 0.05 s"),
        (("risk", "--system", "vdp", "--box", "0", "1", "--t", "-1"), "positive multiple"),
        (("risk", "--system", "vdp", "--box", "0", "1", "--n", "0"), "--n 0"),
        (("risk", "--system", "vdp", "--box", "0", "1", "--initial", "1", "0", "0", "1"), "low 1 lies above"),
        (("density", "--system", "vdp", "--at", "1"), "--at needs 2 numbers"),
        (("plan", "--case", "boat"), "boat"),
        (("plan", "--epsilon", "1e-9"), "cannot prove"),
    ],
)
def test_what_is_not_acceptable_is_refused_with_the_reason(capsys, words, message):
    assert main(["reach", *words]) == 2
    assert message in capsys.readouterr().err
