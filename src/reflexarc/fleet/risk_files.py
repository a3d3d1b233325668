# SPDX-License-Identifier: Apache-2.0
"""Risks from files: the fourth value of a YAML roadmap's edges, or a file of risks for any graph.

A file of risks, YAML or JSON; vertices are numbers, on grids also cells [x, y]:

    states: [[vertex, cost], ...]     # an edge risks the mean of its ends' costs times its length
    edges: [[from, to, risk], ...]    # says more than `states`; one direction each
    default: 0.0                      # risk of edges that are not named
    wait: 0.1                         # risk of a step of waiting; default: the smallest risk of an edge at the vertex
    crossing: true                    # whether edges that cross may not be driven in one step
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.risk_model import RiskModel, risk_model
from reflexarc.fleet.graph import Graph

KEYS = ("states", "edges", "default", "wait", "crossing")


def load_risk_file(path: Path, graph: Graph) -> RiskModel:
    """Read a file of risks.

    Raises:
        ConfigError: it cannot be read, names what the graph does not have, or a risk is not acceptable.
    """
    content = _read(path)
    unknown = sorted(set(content) - set(KEYS))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; allowed: {', '.join(KEYS)}")
    try:
        tail = graph.tail
        risk = np.full(graph.edges, float(content.get("default", 0.0)))
        if content.get("states") is not None:
            cost = np.zeros(graph.vertices)
            for place, value in content["states"]:
                cost[_vertex(graph, place)] = float(value)
            length = np.hypot(*(graph.positions[tail] - graph.positions[graph.head]).T)
            risk += 0.5 * (cost[tail] + cost[graph.head]) * length
        number = {pair: k for k, pair in enumerate(zip(tail.tolist(), graph.head.tolist(), strict=True))}
        for start, end, value in content.get("edges") or ():
            pair = (_vertex(graph, start), _vertex(graph, end))
            if pair not in number:
                raise ConfigError(f"there is no edge from {graph.label(pair[0])} to {graph.label(pair[1])}")
            risk[number[pair]] = float(value)
        wait, crossing = content.get("wait"), content.get("crossing")
        if crossing is not None and not isinstance(crossing, bool):
            raise ConfigError(f"crossing is {crossing!r}; allowed: true or false")
        return risk_model(graph, risk, None if wait is None else float(wait), crossing)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: malformed risks ({error!r}); see docs/fleet/risk.md") from error


def load_roadmap_risk(path: Path, graph: Graph) -> RiskModel:
    """Read the risks in a YAML instance, the fourth value of each of its roadmap's edges.

    Raises:
        ConfigError: the file is no roadmap, an edge has no risk, or a risk is not acceptable.
    """
    content = _read(path).get("roadmap")
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: no roadmap, so its edges have no risks; give a file of risks with --risk-file"
        )
    directed = bool(content.get("directed", False))
    table: dict[tuple[int, int], float] = {}
    try:
        for edge in content["edges"]:
            if len(edge) != 4:
                raise ConfigError(
                    f"{path}: edge {edge}: risks need all four of from, to, duration, risk; nothing was planned"
                )
            u, v, risk = int(edge[0]), int(edge[1]), float(edge[3])
            table |= {(u, v): risk} if directed else {(u, v): risk, (v, u): risk}
        pairs = zip(graph.tail.tolist(), graph.head.tolist(), strict=True)
        return risk_model(graph, [table[pair] for pair in pairs])
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: malformed roadmap ({error!r}); see docs/fleet/risk.md") from error


def budget_of(text: str) -> tuple[float, bool]:
    """Return a budget, and whether it is a share of the range between the safest and the fastest plan.

    Raises:
        ConfigError: neither a number >= 0 nor a percentage.
    """
    share = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = float("nan")
    if not 0.0 <= value < float("inf"):
        raise ConfigError(
            f"--budget {text!r}: expected a risk >= 0 or a share such as 25%; nothing was planned"
        )
    return (value / 100.0, True) if share else (value, False)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def _vertex(graph: Graph, place: Any) -> int:
    if isinstance(place, list):
        x, y = (int(c) for c in place)
        if (x, y) not in graph.cells:
            raise ConfigError(f"({x}, {y}) is no free cell of the map")
        return graph.cells[x, y]
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < graph.vertices:
        raise ConfigError(f"{place!r} is no vertex; allowed: 0..{graph.vertices - 1}, on grids also [x, y]")
    return place
