# SPDX-License-Identifier: Apache-2.0
"""The modules that `mutate.py` breaks, and the tests that must notice: the fewest files that cover each of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A module and the tests that must notice when it is broken."""

    module: str
    """Below src/reflexarc."""
    tests: tuple[str, ...]
    """Files below tests/."""


_ONCE = "assurance/test_injection_mutants.py"
"""Tests written because a mutant survived."""
_GATE = ("assurance/test_gate.py", "assurance/test_gate_corners.py")
_TABLE = ("assurance/test_supervisor_table_corners.py", "assurance/test_supervisor_table.py")
_FORMULAS = (
    "assurance/test_monitors_checks.py",
    "assurance/test_monitors_corners.py",
    "assurance/test_monitors_semantics.py",
)
_DOUBT = "assurance/test_doubt_edges.py"
_EDGES, _SWITCHES = "assurance/test_monitors_edges.py", "assurance/test_monitors_switches.py"
_RECORDED = (
    "assurance/test_recorded_edges.py",
    "assurance/test_monitors_corners.py",
    "assurance/test_monitors_recording.py",
)

GATE = {
    "gate": Target("assurance/gate.py", (_ONCE, *_GATE)),
    "heartbeat": Target("assurance/heartbeat.py", (_ONCE, *_GATE)),
}
SUPERVISOR = {
    "supervisor": Target(
        "assurance/supervisor/supervisor.py",
        (
            "assurance/test_supervisor.py",
            "assurance/test_supervisor_by_hand.py",
            _ONCE,
            "assurance/test_supervisor_table.py",
            "assurance/test_supervisor_conformance.py",
        ),
    ),
    "table": Target("assurance/supervisor/table.py", _TABLE),
    "supervision": Target(
        "assurance/supervision.py",
        ("assurance/test_supervision_corners.py", "assurance/test_supervision.py"),
    ),
    "guards": Target(
        "assurance/guards.py",
        (
            _ONCE,
            "assurance/test_guards.py",
            "assurance/test_guards_corners.py",
            "assurance/test_supervision.py",
        ),
    ),
}
MONITORS = {
    "online": Target("assurance/monitors/online.py", (_ONCE, *_FORMULAS)),
    "parser": Target("assurance/monitors/parser.py", (_EDGES, *_FORMULAS[:2])),
    "compiled": Target("assurance/monitors/compiled.py", (_EDGES, *_FORMULAS)),
    "units": Target("assurance/monitors/units.py", (_EDGES,)),
    "monitor": Target("assurance/monitors/monitor.py", (_SWITCHES, *_FORMULAS[:2])),
    "requirements": Target("assurance/monitors/requirements.py", _RECORDED),
    "hysteresis": Target("assurance/monitors/hysteresis.py", (_SWITCHES,)),
    "drift": Target("assurance/monitors/drift.py", (_DOUBT, "assurance/test_drift.py")),
    "drift_file": Target("assurance/monitors/drift_file.py", (_DOUBT, "assurance/test_drift.py")),
    "entropy": Target("assurance/monitors/entropy.py", (_DOUBT, "assurance/test_entropy.py")),
    "approach": Target("assurance/monitors/approach.py", (_SWITCHES,)),
}
_BASE, _CHECKS = "arc/test_base_stages.py", "arc/test_contact_checks.py"
_CONTACT, _ZEROING, _REFLEX = (f"arc/test_contact_{name}.py" for name in ("stages", "zeroing", "reflex"))
_BARRIER = ("arc/test_barrier_stages.py", "arc/test_barrier_beside_learned.py")
BASE = {
    "mode_limits": Target("arc/mode_limits.py", (_ONCE, "arc/test_arc.py")),
    "postcheck": Target("arc/postcheck.py", (_ONCE, "arc/test_arc.py")),
    "sanity": Target(
        "arc/sanity.py", (_ONCE, "arc/test_sanity.py", "arc/test_corners.py", "arc/test_arc.py")
    ),
    "stage": Target("arc/stage.py", (_BASE,)),
    "arc": Target("arc/arc.py", (_BASE,)),
    "build": Target("arc/build.py", ("arc/test_build.py",)),
    "actuator_limits": Target("arc/actuator_limits.py", (_BASE,)),
    "legged_limits": Target("arc/legged_limits.py", (_BASE,)),
    "surroundings": Target("arc/surroundings.py", (_BASE,)),
    "inputs": Target("arc/inputs.py", (_BASE,)),
    "learned": Target("arc/learned.py", ("arc/test_learned_rows.py",)),
    "legged_learned": Target("arc/legged_learned.py", ("arc/test_learned_rows.py",)),
    "barrier_stage": Target("arc/barrier_stage.py", _BARRIER),
    "legged_barrier": Target("arc/legged_barrier.py", _BARRIER),
}
ARM = {
    "arm_inputs": Target("arc/arm_inputs.py", ("arc/test_arm_inputs.py",)),
    "joint_inputs": Target("arc/joint_inputs.py", ("arc/test_arm_inputs.py",)),
    "arm_sanity": Target("arc/arm_sanity.py", (_CHECKS,)),
    "arm_modes": Target("arc/arm_modes.py", (_CHECKS,)),
    "contact_sanity": Target("arc/contact_sanity.py", (_CHECKS,)),
    "tare": Target("arc/tare.py", (_ZEROING,)),
    "tip_stage": Target("arc/tip_stage.py", (_ZEROING,)),
    "arm_barrier": Target("arc/arm_barrier.py", ("arc/test_arm_barrier_stage.py",)),
    "impedance_stage": Target("arc/impedance_stage.py", ("arc/test_contact_braking.py",)),
    "contact_motion": Target("arc/contact_motion.py", (_CONTACT,)),
    "critic_stage": Target("arc/critic_stage.py", (_CONTACT,)),
    "reflex_stage": Target("arc/reflex_stage.py", (_REFLEX,)),
    "energy_stage": Target("arc/energy_stage.py", (_CONTACT,)),
    "force_stage": Target("arc/force_stage.py", (_CONTACT,)),
}
TARGETS = GATE | SUPERVISOR | MONITORS | BASE | ARM
