# SPDX-License-Identifier: Apache-2.0
"""Figures of cost statements as SVG: components with intervals, break-even, tornado."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from reflexarc.economics.statement import Statement
from reflexarc.report import style
from reflexarc.report.figures import PAGE_INCHES, svg

_COLOURS = (style.SKY, style.ORANGE, style.VERMILION, style.PURPLE, style.BLUE, style.GREEN, style.MUTED)


def statements(items: Sequence[Statement]) -> str:
    """Draw the operating cost of each policy as a stack of components, its revenue, and its margin with interval."""
    with mpl.rc_context(style.SETTINGS):
        figure, (stack, dots) = plt.subplots(
            1, 2, figsize=(PAGE_INCHES, 1.2 + 0.45 * len(items)), sharey=True, width_ratios=(3, 2)
        )
        y = np.arange(len(items))[::-1]
        left = np.zeros(len(items))
        for colour, name in zip(_COLOURS, items[0].components, strict=False):
            values = np.array([s.figures[name] for s in items])
            stack.barh(y, values, left=left, color=colour, height=0.6, label=name)
            left += values
        stack.plot(
            [s.figures["revenue"] for s in items], y, "|", color=style.INK, ms=16, mew=2, label="revenue"
        )
        stack.set_yticks(y, [s.name for s in items])
        stack.set_title("Operating cost [usd/run]")
        stack.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4)
        for row, s in zip(y, items, strict=True):
            margin = s.figures["margin"]
            if s.ci95 is not None:
                dots.plot(s.ci95["margin"], (row, row), color=style.BLUE, lw=2)
            dots.plot(margin, row, "o", color=style.BLUE if s.rankable else style.MUTED)
        dots.axvline(0.0, color=style.VERMILION, lw=1)
        dots.set_title("Margin, 95 % interval [usd/run]")
        figure.tight_layout()
        return svg(figure)


def tornado(statement: Statement, swings: Sequence[Any]) -> str:
    """Draw the margin over each parameter's stated range, widest first."""
    moving = [s for s in swings if s.width > 0.0][:20]
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 1.0 + 0.28 * max(1, len(moving))))
        for row, s in enumerate(reversed(moving)):
            low, high = sorted((s.margin_low, s.margin_high))
            axis.barh(row, high - low, left=low, color=style.SKY, height=0.6)
            axis.plot((low, high), (row, row), "|", color=style.BLUE, ms=10, mew=2)
        labels = [f"{s.parameter} {s.low:g} … {s.high:g} {s.unit}" for s in reversed(moving)]
        axis.set_yticks(range(len(moving)), labels)
        axis.axvline(statement.figures["margin"], color=style.INK, lw=1)
        axis.use_sticky_edges = False
        axis.margins(x=0.06)
        axis.set_title(f"Margin over each parameter's stated range [usd/run], {statement.name}")
        figure.tight_layout()
        return svg(figure)


def break_even(statement: Statement, rows: Sequence[Any]) -> str:
    """Draw each component now and as it would have to be for a margin of zero."""
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 1.0 + 0.35 * len(rows)))
        for row, item in enumerate(reversed(rows)):
            colour = style.GREEN if item.enough else style.VERMILION
            axis.barh(row, item.now, color=style.SKY, height=0.6)
            axis.plot((item.needed, item.needed), (row - 0.35, row + 0.35), color=colour, lw=2.5)
        axis.set_yticks(range(len(rows)), [item.component for item in reversed(rows)])
        axis.set_title(
            f"Now (bar) and needed alone (green: enough; red: not even zero is) [usd/run], {statement.name}"
        )
        figure.tight_layout()
        return svg(figure)
