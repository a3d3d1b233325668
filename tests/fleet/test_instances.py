# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.graph import UNREACHABLE, grid, roadmap, steps_to
from reflexarc.fleet.instances import load_map, load_movingai, load_yaml, make_instance

MAP = "type octile\nheight 3\nwidth 4\nmap\n..T.\n.@..\nG...\n"
SCENARIO = "version 1\n0\tm.map\t4\t3\t0\t0\t3\t0\t5.0\n0\tm.map\t4\t3\t0\t2\t1\t0\t4.0\n"
GRID_YAML = """
map:
  dimensions: [4, 3]
  obstacles: [[2, 0], !!python/tuple [1, 1]]
agents:
  - {name: agent0, start: [0, 0], goal: [3, 0]}
  - {name: agent1, start: [0, 2], goal: [1, 0]}
"""
ROADMAP_YAML = """
roadmap:
  vertices: [[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]]
  edges: [[0, 1], [1, 2, 7.5]]
agents: [{start: 0, goal: 2}]
radius: 0.3
"""


@pytest.fixture
def files(tmp_path):
    def write(**texts):
        for name, text in texts.items():
            (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_a_map_and_a_scenario_are_read_as_written(files):
    folder = files(m_map=MAP, m_scen=SCENARIO)
    instance = load_movingai(folder / "m.map", folder / "m.scen", 2)
    cells = instance.graph.cells
    assert instance.graph.vertices == 10 and (2, 0) not in cells and (1, 1) not in cells
    assert instance.starts == (cells[0, 0], cells[0, 2]) and instance.goals == (cells[3, 0], cells[1, 0])
    steps = steps_to(instance.graph, instance.goals)
    assert steps[0, instance.starts[0]] == 7 and steps[1, instance.starts[1]] == 3


def test_yaml_grids_equal_movingai_grids(files):
    folder = files(m_map=MAP, m_scen=SCENARIO, m_yaml=GRID_YAML)
    one, other = load_movingai(folder / "m.map", folder / "m.scen", 2), load_yaml(folder / "m.yaml")
    assert one.graph.rows == other.graph.rows
    assert (one.starts, one.goals) == (other.starts, other.goals)
    assert load_yaml(folder / "m.yaml", 1).agents == 1


def test_roadmaps_have_durations_and_lead_both_ways_unless_directed(files):
    folder = files(r_yaml=ROADMAP_YAML, d_yaml=ROADMAP_YAML.replace("agents", "  directed: true\nagents"))
    graph = load_yaml(folder / "r.yaml").graph
    durations = dict(
        zip(zip(graph.tail.tolist(), graph.head.tolist(), strict=True), graph.duration, strict=True)
    )
    assert durations == {(0, 1): 5.0, (1, 0): 5.0, (1, 2): 7.5, (2, 1): 7.5}
    directed = load_yaml(folder / "d.yaml").graph
    assert directed.edges == 2 and (directed.opposite == -1).all()
    assert steps_to(directed, [0])[0].tolist() == [0, UNREACHABLE, UNREACHABLE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MAP.replace("type octile\n", "typo\n"), r"m\.map:1: malformed map line 'typo'"),
        (MAP.replace("height 3", "height three"), r"m\.map:2: malformed map line"),
        (MAP.replace("..T.", "..x."), r"m\.map:5: malformed map line: letter 'x'; allowed: \.GS free"),
        (MAP.replace(".@..", ".@."), r"m\.map:6: malformed map line: 3 cells; width is 4"),
        (MAP.replace("G...\n", ""), r"height is 3, but 2 lines follow"),
        (MAP.replace("map\n", ""), r"malformed map line"),
        ("", r"needs the lines 'height N'"),
        (MAP.replace("width 4", "width 0"), r"0 x 3 cells; allowed: 1 to"),
        (MAP.replace(".", "@").replace("G", "@"), r"at least one free cell"),
    ],
)
def test_a_malformed_map_names_its_line(files, text, message):
    with pytest.raises(ConfigError, match=message):
        load_map(files(m_map=text) / "m.map")


@pytest.mark.parametrize(
    ("old", "new", "agents", "message"),
    [
        ("3\t0\t5.0", "2\t0\t5.0", 2, r"m\.scen:2: agent 0: its goal \(2, 0\) lies inside an obstacle"),
        ("4\t3\t0\t2", "4\t3\t1\t1", 2, r"agent 1: its start \(1, 1\) lies inside an obstacle"),
        ("3\t0\t5.0", "4\t0\t5.0", 2, r"its goal \(4, 0\) lies outside of the map of 4 x 3"),
        ("4\t3\t0\t2", "4\t3\t0\t0", 2, r"agents 0 and 1 have the same start, cell \(0, 0\)"),
        ("1\t0\t4.0", "3\t0\t4.0", 2, r"agents 0 and 1 have the same goal, cell \(3, 0\)"),
        ("4\t3\t0\t2", "9\t9\t0\t2", 2, r"made for a map of 9 x 9 cells"),
        ("5.0", "5.0\t1", 2, r"m\.scen:2: malformed scenario line"),
        ("version 1\n", "", 2, r"begins with the line 'version 1'"),
        ("", "", 0, r"0 agents; an instance needs at least one"),
        ("", "", 3, r"2 agents; 3 were asked for"),
    ],
)
def test_a_bad_scenario_says_what_is_wrong(files, old, new, agents, message):
    folder = files(m_map=MAP, m_scen=SCENARIO.replace(old, new) if old else SCENARIO)
    with pytest.raises(ConfigError, match=message):
        load_movingai(folder / "m.map", folder / "m.scen", agents)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "no YAML"),
        ("agents: []", "needs the key 'agents' and either 'map' or 'roadmap'"),
        (GRID_YAML + "speed: 1\n", "unknown key 'speed'; allowed"),
        (
            GRID_YAML.replace("goal: [3, 0]", "goal: [2, 0]"),
            "agent 0: its goal .2, 0. lies inside an obstacle",
        ),
        (GRID_YAML.replace("goal: [3, 0]", "goal: 3"), "malformed instance"),
        (GRID_YAML.replace("[2, 0],", "[7, 0],"), r"obstacle \[7, 0\] lies outside of 4 x 3"),
        (ROADMAP_YAML.replace("goal: 2", "goal: 3"), r"agent 0: its goal 3 is no vertex; allowed: 0..2"),
        (ROADMAP_YAML.replace("7.5", ".nan"), r"edge 1 -> 2: its duration nan must be a finite time"),
        (ROADMAP_YAML.replace("7.5", "0"), r"its duration 0.0 must be"),
        (
            ROADMAP_YAML.replace("[0.0, 0.0]", "[.inf, 0.0]"),
            r"vertex 0: its position \[inf, 0.0\] must be finite",
        ),
        (
            ROADMAP_YAML.replace("[0, 1]", "[0, 5]"),
            r"edge 0 -> 5: both ends must be different vertices in 0..2",
        ),
        (ROADMAP_YAML.replace("[0, 1]", "[0, 1], [1, 0]"), r"edge 1 -> 0 is given twice"),
        (ROADMAP_YAML.replace(", [1, 2, 7.5]", ""), r"agent 0: its goal, vertex 2 .* cannot be reached"),
        (ROADMAP_YAML.replace("0.3", "-0.3"), r"radius -0.3 must be a finite length"),
        (ROADMAP_YAML.replace("[{start: 0, goal: 2}]", "[]"), "zero agents"),
    ],
)
def test_a_bad_yaml_instance_says_what_is_wrong(files, text, message):
    with pytest.raises(ConfigError, match=message):
        load_yaml(files(m_yaml=text) / "m.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.map: cannot be read"):
        load_map(tmp_path / "none.map")


def test_a_goal_behind_a_wall_is_noticed():
    graph = grid(["..@."])
    with pytest.raises(
        ConfigError, match=r"agent 0: its goal, cell \(3, 0\), cannot be reached from its start"
    ):
        make_instance(graph, [0], [2])


def test_diagonal_edges_cut_no_corners():
    graph = grid(["..", ".@"], diagonal=True)
    assert graph.edges == 4
    graph = grid(["..", ".."], diagonal=True)
    assert graph.edges == 12 and np.isclose(graph.duration, math.sqrt(2.0)).sum() == 4


def test_opposite_edges_and_incoming_edges_belong_together():
    graph = roadmap(np.random.default_rng(0).random((6, 2)), [(0, 1), (1, 0), (1, 2), (2, 3), (5, 1), (3, 2)])
    tail = graph.tail
    for e in range(graph.edges):
        k = graph.opposite[e]
        assert k == -1 or (tail[k], graph.head[k]) == (graph.head[e], tail[e])
    for v in range(graph.vertices):
        for k in range(graph.back_first[v], graph.back_first[v + 1]):
            assert graph.head[graph.back_edge[k]] == v and tail[graph.back_edge[k]] == graph.back_tail[k]
