# SPDX-License-Identifier: Apache-2.0
"""Lock-step run of an arm in contact: plant and arc 1000 times a second, task policy 10 times; same seed, same bytes.

In each period: the task policy, at its rate, proposes a goal and a stiffness; the arc judges it and answers with joint
torques; the plant steps. A run ends when the task is done, the force on the tip is beyond its limits, or time is up.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.arc import Arc
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, ContactVerdict, ImpedanceProposal, JointState, Mode
from reflexarc.policies.contact import ContactPolicy, make_contact_policy
from reflexarc.reflex.contact.view import DECISION_S
from reflexarc_sim.arm_figures import ArmSummary, ForceJudge, ReflexWatch, summarise
from reflexarc_sim.arm_plant import Scene, ToolContact
from reflexarc_sim.joint_runs import JointLog, carry_out
from reflexarc_sim.lockstep import scenario_arc
from reflexarc_sim.plants import make_arm_plant
from reflexarc_sim.scenario import Scenario

_UNKNOWN = np.full(3, np.nan)


class ArmLog(JointLog):
    """What is written down every period."""

    COLUMNS = {
        "time": 1, "tip": 3, "force": 3, "measured": 3, "stiffness": 3, "risk": 1, "reflex": 1, "torque": 7,
        "reference": 3, "tank": 1, "changed": 1, "braking": 1, "foreseen": 1,
    }  # fmt: skip
    """Name -> numbers per period; the stiffness by its entries xx, yy, xy, `foreseen` by the force barrier, and NaN for
    what the arc did not come to. [s, m, N, N, N/m, -, -, N m, m, J, -, N s/m, N]"""


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What a run left."""

    summary: ArmSummary
    log: dict[str, Array]
    """Columns of `ArmLog`, and `balls` (shape (t, b, 3) at the policy's rate) with `balls_time`. [m, s]"""
    contacts: tuple[ToolContact, ...]
    scene: Scene

    def save(self, path: Path) -> None:
        """Write the log with the scene's plan, path and walls as a compressed NumPy archive."""
        scene = self.scene
        events = np.array([[c.start, c.end, c.peak_force, *c.place] for c in self.contacts]).reshape(-1, 6)
        more = {
            "plan": scene.plan, "path": scene.path, "segments": scene.segments, "contacts": events,
            "partners": np.array([c.partner for c in self.contacts], dtype=str),
        }  # fmt: skip
        np.savez_compressed(path, allow_pickle=False, **self.log, **more)


class ArmRun:
    """A run under way."""

    def __init__(self, scenario: Scenario, seed: int, duration: float):
        """Build everything.

        Raises:
            ConfigError: the scenario cannot be built, or it has no arc: only the arc turns a proposal into torques.
        """
        if not scenario.arc_enabled:
            raise ConfigError(
                f"{scenario.where}: an arm in contact needs its arc, which turns goal and stiffness into torques; "
                "arc.enabled must be true (without reflexes: arc.contact.critic=false)"
            )
        self.scenario, self.seed = scenario, seed
        self.plant = make_arm_plant(scenario)
        self.policy: ContactPolicy = make_contact_policy(scenario.policy.name, scenario.policy.params)
        self.arc: Arc = scenario_arc(scenario)
        self.state: JointState = self.plant.reset(seed)
        self.policy.reset(self.plant.scene.plan)
        self.limit = min(duration, scenario.cell.horizon_s)
        contact = scenario.arc_config.contact
        self.judge = ForceJudge(
            contact.peak_n, contact.sustained_n, contact.sustained_s, self.plant.step_period
        )
        self.watch = ReflexWatch()
        self.log = ArmLog(math.ceil(self.limit / self.plant.step_period) + 1)
        self.contacts: list[ToolContact] = []
        self.done = False
        self.step_count = 0
        self.work, self.underflows = 0.0, 0
        self.faults: dict[str, int] = {}
        self._every = round(DECISION_S / self.plant.step_period)
        self._proposal: ImpedanceProposal | None = None
        self._balls: list[Array] = []
        self._hash = hashlib.sha256()

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.done or bool(self.judge.violation) or self.plant.time >= self.limit - 1e-9

    def step(self) -> None:
        """Advance one period."""
        now, plant, state = self.plant.time, self.plant, self.state
        if self.step_count % self._every == 0:
            self._proposal = self.policy.propose(state, now)
            self._balls.append(plant.balls())
        verdict = self.arc.tick(state, self._proposal, Mode.NORMAL, now)
        for fault in verdict.faults:
            self.faults[fault] = self.faults.get(fault, 0) + 1
        inside = verdict.contact
        reflex = inside is not None and bool(inside.reflex)
        self.log.add(
            time=now,
            tip=plant.tip(),
            force=plant.force(),
            measured=_UNKNOWN if state.wrench is None else state.wrench.force,
            risk=verdict.risk,
            reflex=reflex,
            torque=verdict.command,
            changed=verdict.intervened,
            **({} if inside is None else _columns(inside)),
        )
        if inside is not None:
            self.underflows = inside.underflows
        self.watch.add(now, self.judge.newest, reflex)
        self.state, events = plant.step(verdict.command)
        self.judge.add(plant.force())
        self.work += float(np.abs(verdict.command * self.state.velocity).sum()) * plant.step_period
        self._hash.update(verdict.command.tobytes() + self.state.position.tobytes())
        self.contacts += events
        self.step_count += 1
        self.done = plant.scene.reached(plant.tip())

    def finish(self) -> ArmResult:
        """Return what the run left."""
        self.contacts += self.plant.finish()
        log = self.log.arrays()
        log["balls"] = np.array(self._balls)
        log["balls_time"] = np.array(
            [k * self._every * self.plant.step_period for k in range(len(self._balls))]
        )
        took, force = self.plant.time, np.linalg.norm(log["force"], axis=1)
        summary = summarise(
            log,
            self.scenario,
            self.judge,
            self.watch,
            self.done,
            took,
            seed=self.seed,
            peak_force_n=float(max(force.max(initial=0.0), self.judge.newest)),
            contacts=len(self.contacts),
            tank_underflows=self.underflows,
            work_j=self.work,
            pushes=sum(p.start < took for p in self.plant.pushes),
            faults=dict(sorted(self.faults.items())),
            digest=self._hash.hexdigest(),
        )
        return ArmResult(summary, log, tuple(self.contacts), self.plant.scene)


def _columns(inside: ContactVerdict) -> dict[str, Any]:
    """Return what a log has of an arc's verdict."""
    k = inside.stiffness
    return {
        "reference": inside.reference,
        "stiffness": (k[0, 0], k[1, 1], k[0, 1]),
        "tank": inside.tank,
        "braking": inside.braking,
        "foreseen": inside.peak,
    }


def run_arm(
    scenario: Scenario,
    seed: int | None = None,
    duration: float | None = None,
    progress: Callable[[ArmRun], None] | None = None,
) -> ArmResult:
    """Run a scenario of an arm in contact until its task is done, a limit is broken, or time is up.

    Args:
        scenario: whose robot is an arm.
        seed: of the run; the scenario's own if None.
        duration: longest simulated time; the scenario's own if None. [s]
        progress: called 20 times per simulated second.

    Raises:
        ConfigError: the scenario cannot be built.
        PlantError: the simulation diverged.
    """
    run = ArmRun(
        scenario,
        scenario.seed if seed is None else seed,
        scenario.duration_s if duration is None else duration,
    )
    return carry_out(run, progress, 0.05)
