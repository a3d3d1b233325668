# SPDX-License-Identifier: Apache-2.0
"""Lock-step run of a quadruped: plant and arc 250 times a second, task policy 50 times; same seed, same bytes.

In each period: the task policy, at its rate, is told how fast to walk and proposes targets of the joints; the arc
judges them; the plant steps. A run ends when the robot falls or time is up.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reflexarc.arc import Arc
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import model_file
from reflexarc.core.types import Array, JointProposal, Mode, Status, WalkerState
from reflexarc.walking.observation import CONTROL_PERIOD
from reflexarc.walking.policy import load_walking_policy
from reflexarc_sim.joint_runs import JointLog, carry_out
from reflexarc_sim.lockstep import scenario_arc
from reflexarc_sim.plants import make_walker_plant
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.walk_config import Told
from reflexarc_sim.walker_figures import WalkerSummary, summarise
from reflexarc_sim.walker_plant import TrunkPush

HALTED = (Status.STOPPED, Status.NO_PROPOSAL, Status.LATCHED, Status.BACKUP)
_EPS = 1e-9
"""[s]"""


class WalkerLog(JointLog):
    """What is written down every tick."""

    COLUMNS = {
        "time": 1, "told": 3, "velocity": 3, "rate": 3, "position": 3, "lean": 1, "push": 3, "risk": 1, "reflex": 1,
        "halted": 1, "changed": 1, "targets": 12, "joints": 12, "power": 1, "time_used": 1,
    }  # fmt: skip
    """Name -> numbers per tick; velocities, rates and pushes in base_link.
    [s, (m/s, m/s, rad/s), m/s, rad/s, m, rad, N, -, -, -, -, rad, rad, W, s]"""


@dataclass(frozen=True, slots=True)
class WalkerResult:
    """What a run left."""

    summary: WalkerSummary
    log: dict[str, Array]
    """Columns of `WalkerLog`."""
    pushes: tuple[TrunkPush, ...]

    def save(self, path: Path) -> None:
        """Write the log and the pushes as a compressed NumPy archive."""
        rows = np.array([[p.start, p.end, *p.force] for p in self.pushes]).reshape(-1, 5)
        np.savez_compressed(path, allow_pickle=False, pushes=rows, **self.log)


class WalkerRun:
    """A run under way."""

    def __init__(self, scenario: Scenario, seed: int, duration: float):
        """Build everything.

        Raises:
            ConfigError: the scenario cannot be built.
            ModelError: weights are missing, damaged or of another robot.
        """
        self.seed, self.limit = seed, duration
        self.plant = make_walker_plant(scenario)
        self.policy = load_walking_policy(model_file(scenario.walk.policy), scenario.robot)
        self.arc: Arc | None = scenario_arc(scenario) if scenario.arc_enabled else None
        self.commands = scenario.walk.commands
        self.state: WalkerState = self.plant.reset(seed)
        self.log = WalkerLog(math.ceil(duration / self.plant.step_period) + 1)
        self.step_count = 0
        self.threshold = math.nan
        self.faults: dict[str, int] = {}
        self._every = round(CONTROL_PERIOD / self.plant.step_period)
        self._proposal: JointProposal | None = None
        self._sent: Array = self.plant.stance
        self._hash = hashlib.sha256()

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.plant.fallen or self.plant.time >= self.limit - _EPS

    def step(self) -> None:
        """Advance one period."""
        now, plant, state = self.plant.time, self.plant, self.state
        told = told_at(self.commands, now)
        if self.step_count % self._every == 0:
            self._propose(state, told, now)
        verdict = None if self.arc is None else self.arc.tick(state, self._proposal, Mode.NORMAL, now)
        if verdict is None:
            targets = self._sent if self._proposal is None else self._proposal.target
        else:
            targets = verdict.command
            for fault in verdict.faults:
                self.faults[fault] = self.faults.get(fault, 0) + 1
        inside = None if verdict is None else verdict.walker
        if inside is not None:
            self.threshold = inside.threshold
        halted = verdict is not None and verdict.status in HALTED
        row = {
            "time": now, "told": told, "velocity": state.velocity, "rate": state.rate, "position": plant.position(),
            "lean": plant.lean(), "push": plant.force(), "risk": math.nan if verdict is None else verdict.risk,
            "reflex": inside is not None and bool(inside.reflex) and not halted, "halted": halted,
            "changed": verdict is not None and verdict.intervened, "targets": targets, "joints": state.position,
            "time_used": math.nan if verdict is None else verdict.time_used,
        }  # fmt: skip
        self.state = plant.step(targets)
        self.log.add(**row, power=float(np.abs(plant.torque() * self.state.joint_rate).sum()))
        self._hash.update(targets.tobytes() + self.state.position.tobytes() + self.state.velocity.tobytes())
        self._sent = targets
        self.step_count += 1

    def finish(self) -> WalkerResult:
        """Return what the run left.

        Raises:
            ConfigError: it has not made a step.
        """
        if not self.step_count:
            raise ConfigError(f"a run of {self.limit} s has no step of {self.plant.step_period} s")
        log = self.log.arrays()
        summary = summarise(
            log, self.seed, self.plant.fallen, self.plant.step_period, refused=self.policy.refused,
            faults=dict(sorted(self.faults.items())), threshold=self.threshold, digest=self._hash.hexdigest(),
        )  # fmt: skip
        return WalkerResult(summary, log, self.plant.pushes)

    def _propose(self, state: WalkerState, told: Array, now: float) -> None:
        before = self._proposal
        if before is None or not np.array_equal(before.target, self._sent):
            self.policy.follow(self._sent)  # its last action is what was carried out, not what it wanted
        proposal = self.policy.propose(state, told, now)
        if proposal is not None:  # who has nothing to say is silent, and the arc sees the proposal grow old
            self._proposal = proposal


def told_at(commands: tuple[Told, ...], now: float) -> Array:
    """Return the velocity that is asked for at a time [s], shape (3,): that of the last command, at first none."""
    told = np.zeros(3)
    for command in commands:
        if command.time_s <= now + _EPS:
            told = np.array((command.forward, command.left, command.turn))
    return told


def run_walker(
    scenario: Scenario,
    seed: int | None = None,
    duration: float | None = None,
    progress: Callable[[WalkerRun], None] | None = None,
) -> WalkerResult:
    """Run a scenario of a quadruped until it falls or time is up.

    Args:
        scenario: whose robot is a quadruped.
        seed: of the run; the scenario's own if None.
        duration: simulated time; the scenario's own if None. [s]
        progress: called 10 times per simulated second.

    Raises:
        ConfigError: the scenario cannot be built.
        ModelError: weights are missing, damaged or of another robot.
        PlantError: the simulation diverged.
    """
    run = WalkerRun(
        scenario,
        scenario.seed if seed is None else seed,
        scenario.duration_s if duration is None else duration,
    )
    return carry_out(run, progress, 0.1)
