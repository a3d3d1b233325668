# SPDX-License-Identifier: Apache-2.0
"""Colours and matplotlib settings of the report, in one place.

Hues are the Okabe-Ito palette, which stays distinguishable under the common colour vision deficiencies
(M. Okabe and K. Ito, Color Universal Design, 2008).
"""

import matplotlib as mpl

from reflexarc.report import columns

mpl.use("svg")

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
INK = "#1f2933"
MUTED = "#7b8794"
GRID = "#e4e7eb"
BUILDING = "#d9d4cc"
PEDESTRIAN = "#9aa5b1"

WITH_ARC = columns.WITH_ARC.colour
WITHOUT_ARC = columns.WITHOUT_ARC.colour
PROPOSAL = MUTED

STAGE_COLOURS = (ORANGE, SKY, PURPLE, GREEN, VERMILION, BLUE)
"""Shading of interventions, given to the stages in the order of their names."""

OBSTACLE_COLOURS = {
    "bollard": "#52606d",
    "trash_bin": "#3e6b4f",
    "mailbox": "#b8860b",
    "ramp": "#c9bfa8",
    "building": BUILDING,
    "kerb": "#52606d",
}

SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reflexarc",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
}


def stage_colour(stage: str, stages: tuple[str, ...]) -> str:
    """Return the colour of `stage` among all `stages` of a report."""
    return STAGE_COLOURS[sorted(stages).index(stage) % len(STAGE_COLOURS)]
