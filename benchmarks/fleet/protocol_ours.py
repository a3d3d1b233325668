# SPDX-License-Identifier: Apache-2.0
"""Ours on the protocol's problems: the learned roadmap, the team's plan, and its execution in the plan's order."""

import dataclasses
import time

import numpy as np
from protocol_team import LIMIT, TUBE, Outcome, Problem, Tally, no_plan

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.follow import drive_edges
from reflexarc.fleet.gcrl.mapping import attached
from reflexarc.fleet.roadmap import Roadmap, RoadmapOptions, selected
from reflexarc.fleet.roadmap_space_time import segment_distance
from reflexarc.fleet.roadmap_team import (
    Motion,
    TeamGraph,
    TeamOptions,
    TeamPlan,
    overlaps,
    plan_team,
)

ROUNDING = 0.1
"""Learned durations are rounded up to whole steps, but for this. [steps]"""
OURS = RoadmapOptions(vertices=400, spacing=0.9, longest=4.5, dearest=6.0, doubt=1.5, degree=48)
TEAM = TeamOptions(tube=TUBE, weight=0.05, improvements=200)
"""The radius is the problem's."""


def cleaned(agent: Agent, roadmap: Roadmap, new_from: int = 0) -> Roadmap:
    """Return the roadmap without edges that cannot be driven in their tubes, as SGM cleans up by trying.

    Args:
        agent: drives.
        roadmap: to be cleaned.
        new_from: only edges with an end at this vertex or beyond are tried.
    """
    g = roadmap.graph
    fresh = np.flatnonzero((g.tail >= new_from) | (g.head >= new_from))
    limit = int(2 * OURS.longest)
    driven = drive_edges(agent, g.positions[g.tail[fresh]], g.positions[g.head[fresh]], TUBE, limit)
    keep = np.ones(g.edges, dtype=bool)
    keep[fresh] = driven.steps <= roadmap.steps_upper[fresh] + 1.0
    return selected(roadmap, keep)


def team_graph(roadmap: Roadmap) -> TeamGraph:
    """Return what the team is planned on: durations in whole steps."""
    g = roadmap.graph
    steps = np.maximum(np.ceil(g.duration / roadmap.period - ROUNDING), 1).astype(np.int64)
    return TeamGraph(
        g.positions,
        g.first.astype(np.int64),
        g.head.astype(np.int64),
        steps,
        np.maximum(roadmap.risk, 0.0),
        roadmap.dwell,
    )


def ours(
    agent: Agent, roadmap: Roadmap, problem: Problem, corrections: dict[str, float] | None = None
) -> Outcome:
    """Plan a team on the learned roadmap and execute the plan in its order."""
    began = time.process_time()
    n = roadmap.graph.vertices
    try:
        whole, starts, goals = attached(roadmap, agent, problem.starts, problem.goals, OURS, corrections)
    except ConfigError:
        return no_plan("start or goal without an edge", began)
    graph = team_graph(cleaned(agent, whole, n))
    options = dataclasses.replace(TEAM, radius=problem.apart / 2.0)
    plan = plan_team(graph, starts, goals, options)
    if plan is None:
        return no_plan("no plan", began)
    if overlaps(plan, graph, starts, options):
        return no_plan("unsound plan", began)
    return execute(agent, graph, plan, problem, time.process_time() - began)


def execute(agent: Agent, graph: TeamGraph, plan: TeamPlan, problem: Problem, planning: float) -> Outcome:
    """Drive a plan: a robot begins a drive when all drives before it whose tubes are near are over."""
    drives = [[m for m in motions if m.u != m.v] for motions in plan.motions]
    before = _precedence(graph, drives, problem.apart)
    tally = Tally(agent, problem)
    start = tally.cost.copy()
    count = len(drives)
    over = np.zeros(count, dtype=int)
    going = np.zeros(count, dtype=bool)
    changed = crept = driven = waits = 0
    lengths = np.array([len(d) for d in drives])
    for _ in range(LIMIT):
        stopped = over == lengths
        if stopped.all() and tally.done.all():
            break
        for r in range(count):
            if not stopped[r] and not going[r]:
                going[r] = all(over[q] > i for q, i in before[r][over[r]])
        now = [
            drives[r][min(over[r], lengths[r] - 1)] if lengths[r] else Motion(0, 0, 0, 0)
            for r in range(count)
        ]
        u, v = (graph.positions[[getattr(m, end) for m in now]] for end in ("u", "v"))
        mode = np.where(going & ~stopped, 1, 0)
        moves = tally.move(agent, u, v, mode, stopped)
        waits += int((~going & ~stopped).sum())
        driven += int(mode.sum())
        changed += int(moves.changed.sum())
        crept += int(moves.crept.sum())
        there = (mode == 1) & (np.hypot(*(tally.x - v).T) <= TUBE)
        over += there
        going &= ~there
    share = max(driven, 1)
    return tally.outcome(
        changed=changed / share,
        crept=crept / share,
        waits=waits / count,
        planned=float((start + plan.costs).max()),
        planning=planning,
    )


def _precedence(
    graph: TeamGraph, drives: list[list[Motion]], apart: float
) -> list[list[list[tuple[int, int]]]]:
    """Return for every drive of every robot the drives (robot, number) of others that must be over first."""
    p = graph.positions
    out: list[list[list[tuple[int, int]]]] = [[[] for _ in own] for own in drives]
    for a in range(len(drives)):
        for b in range(a + 1, len(drives)):
            for i, m in enumerate(drives[a]):
                for j, o in enumerate(drives[b]):
                    gap = segment_distance(*p[m.u], *p[m.v], *p[o.u], *p[o.v])
                    if gap >= apart + 2.0 * TUBE:
                        continue
                    if m.end <= o.begin:
                        out[b][j].append((a, i))
                    else:
                        out[a][i].append((b, j))
    return out
