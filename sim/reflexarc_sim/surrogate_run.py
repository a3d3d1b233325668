# SPDX-License-Identifier: Apache-2.0
"""Record a lock-step run the way the live stack is recorded: the arc sees what went through messages.

The same loop runs surrogate and twin, so that a pair of runs differs in the plant alone. A session is three drives:
manoeuvres in an empty place, a touch of a bollard (`surrogate_drives`), and the scenario itself, with its supervisor
and gate where it has them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from reflexarc.arc import build_arc
from reflexarc.arc.inputs import ArcInputs
from reflexarc.assurance.twin.sessions import CONTACT, MANOEUVRES
from reflexarc.core import wire
from reflexarc.core.errors import ConfigError
from reflexarc.core.gate_interfaces import GATED
from reflexarc.core.interfaces import interface
from reflexarc.core.plant import ContactEvent, PlantEvent
from reflexarc.core.types import Array, BaseState, Proposal
from reflexarc.mission import MissionMonitor, MissionStarted
from reflexarc.policies import make_policy
from reflexarc.report.manifest import manifest
from reflexarc.report.recorded_config import ATTACHMENT
from reflexarc_sim import surrogate_messages as messages
from reflexarc_sim.missions import plan_missions
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.surrogate import Start, SurrogatePlant, TwinPlant, draw_parameters
from reflexarc_sim.surrogate_drives import (
    MANOEUVRES_S,
    TOUCH_S,
    bollard_place,
    empty_place,
    manoeuvres,
    touch,
)
from reflexarc_sim.surrogate_supervised import RecordedSupervised

_WHEELS_HZ = interface("joint_states").rate_hz

Propose = Callable[[BaseState, float], Proposal]
"""State and time [s] to what is wanted."""


def record_session(
    scenario: Scenario,
    seed: int,
    folder: Path,
    robot: int | None,
    planted: str = "none",
    duration: float = 20.0,
) -> tuple[Path, ...]:
    """Record the three drives of one session into `manoeuvres.mcap`, `contact.mcap` and `scenario.mcap` of `folder`.

    Args:
        scenario: what is driven.
        seed: of the session.
        folder: made if need be.
        robot: withheld seed of the surrogate that drives; None for the twin.
        planted: error planted in the surrogate, a key of `PLANTED`.
        duration: of the scenario's drive. [s]

    Raises:
        ConfigError: as of `check`.
        RecordingError: a recording exists already.
    """
    check(scenario)
    drives = (
        (MANOEUVRES, empty_place(scenario), Start.MIDDLE, MANOEUVRES_S, manoeuvres),
        (CONTACT, bollard_place(scenario), Start.BOLLARD, TOUCH_S, touch),
        ("scenario", scenario, Start.MISSION, duration, None),
    )
    paths = []
    for kind, driven, start, length, propose in drives:
        plant = make(driven, robot, planted, start)
        about = {"session": str(seed), "drive": kind, "source": "twin" if robot is None else "surrogate"}
        paths.append(folder / f"{kind}.mcap")
        try:
            record(plant, driven, seed, paths[-1], length, propose, about)
        finally:
            plant.close()
    return tuple(paths)


def check(scenario: Scenario) -> None:
    """Refuse a scenario that cannot be recorded here.

    Raises:
        ConfigError: it is not of one wheeled base with the arc, or it has judged plans.
    """
    wrong = {
        f"robot {scenario.robot!r} is an arm": scenario.of_arm,
        f"robot {scenario.robot!r} is a quadruped": scenario.of_walker,
        f"fleet.robots is {scenario.fleet.robots}": scenario.fleet.robots > 0,
        "arc.enabled is false": not scenario.arc_enabled,
        "reach.enabled is true": scenario.reach.enabled,
    }
    if reasons := ", ".join(text for text, holds in wrong.items() if holds):
        raise ConfigError(
            f"{scenario.where}: {reasons}; twins are validated, and their logs recorded, of one wheeled base with the "
            "arc and without judged plans, supervised or not; nothing was done"
        )


def make(scenario: Scenario, robot: int | None, planted: str, start: Start) -> TwinPlant:
    """Return the twin's plant, or that of the surrogate with the withheld seed `robot`."""
    if robot is None:
        return TwinPlant(scenario, start)
    return SurrogatePlant(scenario, draw_parameters(robot, planted), start)


def record(
    plant: TwinPlant,
    scenario: Scenario,
    seed: int,
    path: Path,
    duration: float,
    propose: Propose | None,
    about: Mapping[str, str],
) -> None:
    """Drive and record; without `propose` the scenario's policy drives its missions.

    A drive that `about` calls one of contact goes without the arc and has no verdicts.

    Raises:
        ConfigError: as of `check`.
        RecordingError: the recording exists already.
        PlantError: the simulation diverged.
    """
    check(scenario)
    log = messages.MessageLog(path)
    try:
        _Drive(plant, scenario, seed, propose, log, about.get("drive") != CONTACT).to_end(duration)
    finally:
        log.close(
            {"scenario": scenario.name, "seed": str(seed), **manifest(scenario), **about},
            {ATTACHMENT: yaml.safe_dump(dict(scenario.source), sort_keys=False).encode()},
        )


class _Drive:
    """Plant, messages, arc and policy of one run."""

    def __init__(
        self,
        plant: TwinPlant,
        scenario: Scenario,
        seed: int,
        propose: Propose | None,
        log: messages.MessageLog,
        with_arc: bool,
    ):
        config = scenario.arc_config
        self.plant, self.log, self.propose = plant, log, propose
        self.arc = build_arc(config) if with_arc else None
        self.inputs = ArcInputs(config, needs_map=True)
        supervised = with_arc and scenario.supervisor.enabled
        self.supervised = RecordedSupervised(scenario, log) if supervised else None
        self.truth = plant.reset(seed)
        self.policy = (
            None if propose is not None else make_policy(scenario.policy.name, scenario.policy.params)
        )
        start = self.truth.pose[:2]
        missions = (
            plan_missions(plant.world, start, scenario.missions, seed) if self.policy is not None else ()
        )
        self.monitor = MissionMonitor(missions, plant.world.route, scenario.missions.goal_tolerance_m)
        per_second = 1.0 / plant.step_period
        self.every_proposal = max(1, round(per_second / interface("proposal").rate_hz))
        self.every_wheels = max(1, round(per_second / _WHEELS_HZ))
        self.scan_stamp = self.obstacles_stamp = -1.0
        self.seq = 0
        keepouts = log.send("keepouts", messages.walls(plant.world.keepouts), 0.0)
        self.inputs.add_keepouts(wire.walls_from(keepouts))

    def to_end(self, duration: float) -> None:
        """Drive until the missions are over, or for `duration` [s]."""
        self._missions(())
        while self.plant.time < duration - 1e-9 and not (self.policy is not None and self.monitor.done):
            self._step()
        self._contacts(self.plant.finish())

    def _step(self) -> None:
        now, log, inputs = self.plant.time, self.log, self.inputs
        self._measured(now)
        state = inputs.state()
        assert state is not None
        if self.seq % self.every_proposal == 0 or self.arc is None:
            wanted = self.propose(state, now) if self.policy is None else self.policy.propose(state, now)  # type: ignore[misc]
            sent = log.send("proposal", messages.twist_stamped(wanted.stamp, wanted.twist), now)
            inputs.add_proposal(wire.proposal_from(sent))
        command = self._command(state, now)
        if self.seq % self.every_wheels == 0:
            log.send("joint_states", messages.wheels(now, *self.plant.wheels), now)
        self.truth, events = self.plant.step(command)
        self._contacts(events)
        self.seq += 1
        self._missions(events)

    def _command(self, state: BaseState, now: float) -> Array:
        """Return what the plant is sent, shape (2,), after the messages that say so. [m/s, rad/s]"""
        log, inputs = self.log, self.inputs
        assert inputs.proposal is not None
        if self.arc is None:
            log.send("cmd_vel", messages.twist_stamped(now, inputs.proposal.twist), now)
            return inputs.proposal.twist
        mode = self.supervised.mode(state, now) if self.supervised is not None else inputs.mode
        verdict, times = self.arc.tick(state, inputs.proposal, mode, now), self.plant.tick_times()
        record = inputs.record(self.seq, times.lateness, state)
        log.send("verdict", messages.verdict(verdict, record, times.used), now)
        log.send("cmd_vel", messages.twist_stamped(now, verdict.command), now)
        if self.supervised is None:
            return verdict.command
        gated = self.supervised.command(verdict, state, now)
        log.send(GATED, messages.twist_stamped(now, gated), now)
        return gated

    def _contacts(self, events: tuple[PlantEvent, ...]) -> None:
        for event in events:
            if isinstance(event, ContactEvent):
                self.log.send("contact_events", messages.contact(event), self.plant.time)

    def _measured(self, now: float) -> None:
        """Send what was measured by `now` [s]."""
        log, inputs, state = self.log, self.inputs, self.truth
        inputs.add_odometry(wire.odometry_from(log.send("odom", messages.odometry(state), now)))
        if state.obstacles.stamp > self.obstacles_stamp:
            self.obstacles_stamp = state.obstacles.stamp
            inputs.add_obstacles(
                wire.obstacles_from(log.send("obstacles", messages.obstacles(state.obstacles), now))
            )
        scan = self.plant.scan()
        if scan is not None and scan.stamp > self.scan_stamp:
            self.scan_stamp = scan.stamp
            sent = log.send("scan", messages.scan(scan), now)
            inputs.add_scan(wire.scan_from(sent), sent.header.frame_id)

    def _missions(self, events: tuple) -> None:
        if self.policy is None:
            return
        for event in self.monitor.update(self.plant.time, self.truth, events):
            if isinstance(event, MissionStarted):
                self.policy.reset(event.route)
