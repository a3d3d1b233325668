# SPDX-License-Identifier: Apache-2.0
"""Certificate file, gate, check and command line: what fits passes, everything else gets a decided answer."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.barrier.certify import certificate as file
from reflexarc.barrier.certify import grid
from reflexarc.barrier.certify.cells import CellSettings
from reflexarc.barrier.certify.certificate import digest_of, load_certificate
from reflexarc.barrier.certify.check import check
from reflexarc.barrier.certify.gate import matching_certificate
from reflexarc.barrier.certify.identity import system_hash, system_of
from reflexarc.barrier.certify.issue import issue, recipe_alpha
from reflexarc.barrier.certify.scenario import ScenarioSettings
from reflexarc.barrier.learned import load_barrier
from reflexarc.cli import main
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.robots.systems import SYSTEMS
from tests.barrier.certify.nets import affine_barrier
from tests.barrier.certify.test_cells import braking_barrier

QUICK = ScenarioSettings(epsilon=0.05, beta=1e-3, alpha=4.0)
CELLS = CellSettings(alpha=4.0, smallest_cell=2.0**-5)


def real(barrier):
    return replace(barrier, system="double_integrator", state=("x", "v"))


@pytest.fixture(scope="module", autouse=True)
def small_work():
    """Short episodes and 41 nodes per axis are enough to find out whether two computations agree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(grid.SHAPES, "double_integrator", (41, 41))
        patch.setitem(SYSTEMS, "double_integrator", replace(SYSTEMS["double_integrator"], steps=200))
        yield


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A barrier with its certificate."""
    folder = tmp_path_factory.mktemp("barrier")
    # the box reaches 3 m/s: half the deceleration is enough from there on
    barrier = real(affine_barrier([(-1.0, 0.0), (-1.0, -3.2)], [-0.3, -0.3], "", ("x", "v")))
    barrier.save(folder / "barrier.safetensors")
    made = issue(folder / "barrier.safetensors", scenario_settings=QUICK, cell_settings=CELLS)
    made.save(folder / "certificate.json")
    return folder


@pytest.fixture
def copy(shelf, tmp_path):
    for name in ("barrier.safetensors", "certificate.json"):
        (tmp_path / name).write_bytes((shelf / name).read_bytes())
    return tmp_path


def rewritten(folder, change, sign=True):
    """Change the certificate, and unless told otherwise make its digest fit again, as a careful forger would."""
    path = folder / "certificate.json"
    content = json.loads(path.read_text())
    change(content)
    if sign:
        content.pop("digest")
        content["digest"] = digest_of(content)
    path.write_text(json.dumps(content))
    return path


def findings_of(folder, subsample: int | None = 32, **more):
    found = check(folder / "certificate.json", folder / "barrier.safetensors", subsample, **more)
    return {f.name for f in found if not f.matched}


def test_a_certificate_matches_its_weights_and_every_claim_recomputes(shelf):
    certificate = matching_certificate(shelf / "barrier.safetensors")
    assert set(certificate.claims) == {"scenario", "grid", "cells"}
    assert certificate.claims["scenario"]["holds"] and certificate.delta == 0.0
    assert findings_of(shelf) == set()
    assert findings_of(shelf, subsample=None) == set()


def test_other_weights_are_refused(copy):
    barrier = load_barrier(copy / "barrier.safetensors")
    barrier.members[0].biases[0][0] += 1e-9
    barrier.save(copy / "barrier.safetensors")
    with pytest.raises(ModelError, match="is for weights .*refused"):
        matching_certificate(copy / "barrier.safetensors")
    assert findings_of(copy) == {"weights", "claims"}


def test_another_level_shift_is_refused_because_it_is_another_file(copy):
    load_barrier(copy / "barrier.safetensors").shifted(0.2).save(copy / "barrier.safetensors")
    with pytest.raises(ModelError, match="is for weights"):
        matching_certificate(copy / "barrier.safetensors")


def test_another_system_is_refused(copy):
    rewritten(copy, lambda c: c["system"].update(name="boat"))
    with pytest.raises(ModelError, match="for the system 'boat'"):
        matching_certificate(copy / "barrier.safetensors")
    assert "system name" in findings_of(copy)


def test_a_system_whose_definition_changed_is_found_out(shelf):
    here = SYSTEMS["double_integrator"]
    slower = replace(here, period=0.04)
    other = replace(here, f=lambda x: 1.001 * here.f(x))
    weaker = replace(here, inputs=replace(here.inputs, lower=np.array([-0.9])))
    for changed in (slower, other, weaker):
        assert system_hash(changed) != system_hash(here)
        assert "system" in findings_of(shelf, system=changed)
    assert system_hash(replace(here, source="elsewhere")) == system_hash(here)


def test_another_version_of_a_procedure_is_refused(copy):
    rewritten(copy, lambda c: c["code"]["procedures"].update(scenario=0))
    with pytest.raises(ModelError, match="version 0 of its procedure"):
        matching_certificate(copy / "barrier.safetensors")
    assert "procedure of scenario" in findings_of(copy)


def test_other_versions_of_the_libraries_are_named_but_accepted(copy):
    rewritten(copy, lambda c: c["code"]["libraries"].update(numpy="1.0"))
    assert matching_certificate(copy / "barrier.safetensors").code["libraries"]["numpy"] == "1.0"
    found = check(copy / "certificate.json", copy / "barrier.safetensors", 20)
    (code,) = (f for f in found if f.name == "code")
    assert code.matched and "'1.0'" in code.text and "checked by" in code.text


def test_an_edit_is_found_by_the_digest(copy):
    rewritten(copy, lambda c: c["claims"]["grid"].update(false_safe_of_ring=0.0001), sign=False)
    with pytest.raises(ModelError, match="changed after it was made"):
        load_certificate(copy / "certificate.json")


FORGERIES = {
    "scenario: violations": lambda c: c["claims"]["scenario"].update(violating=[3], bound=0.0663),
    "scenario: margins": lambda c: c["claims"]["scenario"]["spot"].__setitem__(4, 2.5),
    "scenario: bound": lambda c: c["claims"]["scenario"].update(bound=0.001),
    "scenario: sample size": lambda c: c["claims"]["scenario"].update(epsilon=0.01),
    "grid: called safe": lambda c: c["claims"]["grid"].update(called_safe=0.9),
    "grid: failure": lambda c: c["claims"]["grid"].update(failure=0.01),
    "cells: verdict": lambda c: c["claims"]["cells"].update(holds=not c["claims"]["cells"]["holds"]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_number_with_a_fitting_digest_is_found_by_recomputing_a_part(copy, name):
    rewritten(copy, FORGERIES[name])
    assert name in findings_of(copy)


def test_a_forged_proof_is_found_by_random_states(tmp_path):
    everything_safe = real(affine_barrier([(0.0, 0.0)], [1.0], "", ("x", "v")))
    everything_safe.save(tmp_path / "barrier.safetensors")
    made = issue(
        tmp_path / "barrier.safetensors", ["cells"], cell_settings=replace(CELLS, smallest_cell=0.125)
    )
    made.save(tmp_path / "certificate.json")
    assert findings_of(tmp_path) == set()
    proof = {"refuted": 0.0, "undecided": 0.0, "proven": 1.0, "holds": True, "counterexamples": []}
    rewritten(tmp_path, lambda c: c["claims"]["cells"].update(proof))
    assert findings_of(tmp_path) == {"cells: random states"}


def test_a_scenario_claim_that_does_not_hold_does_not_open_the_gate(copy):
    rewritten(copy, lambda c: c["claims"]["scenario"].update(holds=False))
    with pytest.raises(ModelError, match="that holds is needed"):
        matching_certificate(copy / "barrier.safetensors")


def test_the_gate_recomputes_the_bound_of_a_claim_that_says_it_holds(copy):
    rewritten(copy, lambda c: c["claims"]["scenario"].update(violating=[1, 2, 3]))
    with pytest.raises(ModelError, match="3 violations of 135 episodes bound the probability"):
        matching_certificate(copy / "barrier.safetensors")


def test_a_certificate_without_the_scenario_claim_does_not_open_the_gate(copy):
    rewritten(copy, lambda c: c["claims"].pop("scenario"))
    with pytest.raises(ModelError, match="has no such claim"):
        matching_certificate(copy / "barrier.safetensors")
    assert matching_certificate(copy / "barrier.safetensors", needed="grid").delta == 0.0


def test_no_certificate_and_no_weights_are_refused(copy):
    (copy / "certificate.json").unlink()
    with pytest.raises(ModelError, match="no such certificate"):
        matching_certificate(copy / "barrier.safetensors")
    with pytest.raises(ModelError, match="no such barrier file"):
        matching_certificate(copy / "other.safetensors")


BROKEN = {
    "format": (lambda c: c.update(format="reflexarc-certificate-9"), "is not 'reflexarc-certificate-1'"),
    "missing": (lambda c: c["claims"]["scenario"].pop("bound"), r"missing entries \['bound'\]"),
    "unknown": (lambda c: c["barrier"].update(colour="red"), r"unknown entries \['colour'\]"),
    "type": (lambda c: c["claims"]["scenario"].update(samples="many"), "samples is 'many'"),
    "truth": (lambda c: c["claims"]["scenario"].update(samples=True), "samples is True"),
    "claim": (lambda c: c["claims"].update(hope={}), r"claims \['hope'\]"),
    "none": (lambda c: c.update(claims={}), "claims none"),
    "procedure": (lambda c: c["code"].update(procedures={}), "procedures lacks"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_certificate_is_refused_with_the_reason(copy, name):
    change, message = BROKEN[name]
    with pytest.raises(ModelError, match=message):
        load_certificate(rewritten(copy, change))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": NaN}', "[" * 100_000])
def test_what_is_no_certificate_at_all_is_refused(tmp_path, text):
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"certificate|format"):
        load_certificate(path)


def test_the_gain_comes_from_the_recipe():
    plain = real(braking_barrier())
    assert recipe_alpha(plain) == ScenarioSettings().alpha
    assert recipe_alpha(replace(plain, recipe={"alpha": 10.0})) == 10.0
    assert recipe_alpha(replace(plain, recipe={"filter": {"alpha": 2}})) == 2.0
    assert recipe_alpha(replace(plain, recipe={"alpha": -1.0})) == ScenarioSettings().alpha


def test_a_barrier_of_an_unknown_system_or_another_state_is_refused():
    with pytest.raises(UnknownNameError, match="double_integrator_test"):
        system_of(braking_barrier())
    with pytest.raises(ModelError, match="the barrier is for the state"):
        system_of(replace(real(braking_barrier()), state=("v", "x")))


def test_claims_that_need_a_grid_are_refused_for_many_states(tmp_path):
    (system,) = [s for s in SYSTEMS.values() if s.n > 4][:1]
    names = tuple(c.name for c in system.state)
    barrier = affine_barrier([np.zeros(system.n)], [1.0], system.name, names)
    barrier.save(tmp_path / "b.safetensors")
    with pytest.raises(ConfigError, match="only the scenario claim"):
        issue(tmp_path / "b.safetensors", ["grid"])
    with pytest.raises(ConfigError, match="unknown claim 'hope'"):
        issue(tmp_path / "b.safetensors", ["hope"])


def test_the_command_line_makes_and_checks_and_keeps_other_claims(copy, capsys):
    weights, out = copy / "barrier.safetensors", copy / "certificate.json"
    code = main(
        [
            "certify",
            "barrier",
            str(weights),
            "--scenario",
            "--epsilon",
            "0.05",
            "--beta",
            "1e-3",
            "--alpha",
            "4",
            "--json",
        ]
    )
    made = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0 and set(made["claims"]) == {"scenario", "grid", "cells"}
    assert load_certificate(out).claims["scenario"]["samples"] == 135
    assert main(["certify", "check", str(out), "--subsample", "20", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["matched"] and not answer["full"]
    rewritten(copy, lambda c: c["claims"]["scenario"]["spot"].__setitem__(0, 9.0))
    assert main(["certify", "check", str(out), "--subsample", "20"]) == 1
    assert "DIFFERS  scenario: margins" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["barrier", "B", "--epsilon", "2"], "epsilon: 2.0 must lie strictly between"),
        (["barrier", "B", "--alpha", "nan"], "--alpha: 'nan' must be a finite number"),
        (["barrier", "B", "--violations", "-3"], "--violations: '-3' must be a whole number"),
        (["check", "C", "--subsample", "0"], "0 episodes prove nothing"),
    ],
)
def test_unacceptable_requests_exit_with_two(copy, capsys, words, message):
    names = {"B": str(copy / "barrier.safetensors"), "C": str(copy / "certificate.json")}
    assert main(["certify", *(names.get(w, w) for w in words)]) == 2
    assert message in capsys.readouterr().err


def test_weights_must_lie_beside_the_certificate_or_be_named(copy, capsys):
    moved = copy / "elsewhere"
    moved.mkdir()
    (moved / "certificate.json").write_bytes((copy / "certificate.json").read_bytes())
    assert main(["certify", "check", str(moved / "certificate.json")]) == 2
    assert "name them with --weights" in capsys.readouterr().err


def test_the_gate_needs_no_jax():
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = "import reflexarc.barrier.certify.gate, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(file.PROCEDURES) == {"scenario", "grid", "cells"}
