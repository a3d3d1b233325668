# SPDX-License-Identifier: Apache-2.0
"""Figures of a live run are those of a lock-step run, although verdicts come rarely, late and after the truth."""

import dataclasses

import numpy as np
import pytest

from reflexarc.core.arm_wire import Truth
from reflexarc.core.joint_wire import JointRecord
from reflexarc_sim.arm_live_figures import ArmLiveFigures
from reflexarc_sim.arm_lockstep import ArmLog, ArmRun
from reflexarc_sim.scenario import load_scenario

SECONDS = 1.5
BATCH, EVERY = 10, 10
"""Steps of a truth message, ticks between two verdicts that change nothing."""
DELAY = 7
"""Ticks by which verdicts arrive late."""


class Nodes:
    """Plays the nodes around the figures: a lock-step run whose results come as messages would."""

    def __init__(self):
        # a threshold at which the reflex by rule acts even on noise, so that there is something to compare
        keys = {"duration_s": str(SECONDS), "arc.contact.rule_threshold": "0.02", "arc.contact.weights": "''"}
        keys |= {"policy.name": "contact_follower", "policy.params": "{stiffness_n_m: 1000.0}"}
        self.scenario = load_scenario("maze_arm", keys)
        self.run = ArmRun(self.scenario, 0, SECONDS)
        self.figures = ArmLiveFigures(self.scenario, 0)
        self.said, self.waiting, self.rows = None, [], []
        tick = self.run.arc.tick

        def listen(state, proposal, mode, now):
            verdict = tick(state, proposal, mode, now)
            self.heard(verdict, self.run.step_count)
            return verdict

        self.run.arc.tick = listen

    def heard(self, verdict, seq):
        inside = verdict.contact
        said = (verdict.status, verdict.faults, inside.reflex if inside else "")
        if seq % EVERY == 0 or said != self.said:
            self.waiting.append((verdict, JointRecord(seq, 0.0, seq // 100, verdict.now, verdict.now, 0.0)))
        self.said = said

    def go(self):
        """Make the run and return its result and the figures."""
        plant = self.run.plant
        while not self.run.over:
            self.run.step()
            self.rows.append((plant.time, plant.tip(), plant.tip_velocity(), plant.force()))
            if len(self.rows) == BATCH:
                self.truth()
            while self.waiting and self.waiting[0][0].now <= plant.time - DELAY * plant.step_period:
                self.figures.add_verdict(*self.waiting.pop(0))
        if self.rows:
            self.truth()
        for verdict in self.waiting:
            self.figures.add_verdict(*verdict)
        last = self.run.arc.tick(self.run.state, None, 0, plant.time)
        self.figures.add_verdict(last, JointRecord(self.run.step_count, 0.0, 0, 0.0, 0.0, 0.0))
        result = self.run.finish()
        for contact in result.contacts:
            self.figures.add_contact(contact)
        return result, self.figures.result()

    def truth(self):
        time, tip, velocity, force = (np.array(column) for column in zip(*self.rows, strict=True))
        self.rows.clear()
        pushes = sum(p.start < time[-1] for p in self.run.plant.pushes)
        self.figures.add_truth(
            Truth(time, tip, velocity, force, self.run.plant.balls(), self.run.work, pushes)
        )


@pytest.fixture(scope="module")
def both():
    return Nodes().go()


def test_the_end_is_the_same(both):
    twin, live = both
    for name in (
        "task",
        "outcome",
        "success",
        "violation",
        "pushes",
        "contacts",
        "limits",
        "threshold",
        "seed",
    ):
        assert getattr(live.summary, name) == getattr(twin.summary, name), name
    assert live.summary.duration_s == pytest.approx(twin.summary.duration_s, abs=0.0021)
    assert live.summary.work_j == pytest.approx(twin.summary.work_j, rel=1e-9)


def test_forces_and_reflexes_are_the_same(both):
    twin, live = both
    assert twin.summary.reflexes > 0, "otherwise nothing is compared"
    assert live.summary.reflexes == twin.summary.reflexes
    assert live.summary.reflexes_untouched == twin.summary.reflexes_untouched
    assert live.summary.reflex_share == pytest.approx(twin.summary.reflex_share, abs=0.003)
    for name in ("peak_force_n", "cvar95_force_n", "mean_force_n"):
        assert getattr(live.summary, name) == pytest.approx(getattr(twin.summary, name), abs=0.05), name
    assert live.summary.tank_least_j == pytest.approx(twin.summary.tank_least_j, abs=0.02)


def test_the_log_is_that_of_lockstep_a_step_later(both):
    twin, live = both
    assert set(live.log) == set(twin.log) >= set(ArmLog.COLUMNS)
    steps = len(live.log["time"]) - 1
    assert live.log["time"][:steps] == pytest.approx(twin.log["time"][1 : steps + 1], abs=1e-9)
    assert live.log["tip"][:steps] == pytest.approx(twin.log["tip"][1 : steps + 1], abs=1e-12)
    assert live.log["force"][:steps] == pytest.approx(twin.log["force"][1 : steps + 1], abs=1e-12)


def test_nothing_counts_before_a_verdict_that_is_not_older_has_come():
    nodes = Nodes()
    for _ in range(20):
        nodes.run.step()
        plant = nodes.run.plant
        nodes.rows.append((plant.time, plant.tip(), plant.tip_velocity(), plant.force()))
    nodes.truth()
    assert nodes.figures.now == 0.0
    nodes.figures.add_verdict(*nodes.waiting[-1])
    assert nodes.figures.now == pytest.approx(nodes.waiting[-1][0].now)


def test_a_broken_limit_ends_the_run_and_what_comes_later_does_not_count():
    figures = ArmLiveFigures(load_scenario("maze_arm"), 0)
    nodes = Nodes()
    nodes.run.step()
    verdict, record = nodes.waiting[0]
    force = np.zeros((30, 3))
    force[10, 0] = 50.0
    tip = np.tile(nodes.run.plant.tip(), (30, 1))
    time = 0.001 * np.arange(1, 31)
    figures.add_truth(Truth(time, tip, np.zeros((30, 3)), force, np.zeros((0, 3)), 0.0, 0))
    figures.add_verdict(dataclasses.replace(verdict, now=1.0), record)
    assert figures.over and figures.now == pytest.approx(0.011)
    summary = figures.summary()
    assert (summary.outcome, summary.success) == ("violation", False)
    assert "50.0 N on the tip" in summary.violation and summary.peak_force_n == 50.0


def test_faults_are_counted_by_tick_from_the_beginning_of_time():
    figures = ArmLiveFigures(load_scenario("maze_arm"), 0)
    nodes = Nodes()
    nodes.run.step()
    verdict, _ = nodes.waiting[0]
    sound = dataclasses.replace(verdict, faults=())
    broken = dataclasses.replace(verdict, faults=("wrench_stale",))
    ticks = (
        (0, 0, broken),
        (40, 0, broken),
        (41, 1, broken),
        (45, 5, sound),
        (50, 10, broken),
        (60, 20, sound),
    )
    for seq, now, said in ticks:
        figures.add_verdict(
            dataclasses.replace(said, now=0.001 * now), JointRecord(seq, 0.0, 0, 0.0, 0.0, 0.0)
        )
    assert figures.faults == {"wrench_stale": 14}
