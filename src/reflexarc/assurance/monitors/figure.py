# SPDX-License-Identifier: Apache-2.0
"""Robustness of every requirement over time, one panel each, with a common time axis."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reflexarc.assurance.monitors.monitor import Outcome
from reflexarc.assurance.monitors.recorded import Finding, Samples

COLOURS = {Outcome.SATISFIED: "#009E73", Outcome.VIOLATED: "#D55E00", Outcome.UNKNOWN: "#7b8794"}
"""Okabe-Ito, as in the report."""


def draw(samples: Samples, findings: list[Finding], path: Path) -> None:
    """Draw to a PNG or, by the suffix, an SVG file; times at which no flag asked for anything stay empty."""
    figure = Figure(figsize=(9.6, 0.6 + 1.15 * len(findings)), layout="constrained")
    (FigureCanvasSVG if path.suffix == ".svg" else FigureCanvasAgg)(figure)
    panels = figure.subplots(len(findings), 1, sharex=True, squeeze=False)[:, 0]
    for panel, finding in zip(panels, findings, strict=True):
        shown = np.where(np.isfinite(finding.series), finding.series, np.nan)
        panel.axhline(0.0, color="#7b8794", lw=0.8)
        panel.plot(samples.time, shown, color=COLOURS[finding.outcome], lw=1.0)
        below = shown < 0.0
        if below.any():
            panel.fill_between(
                samples.time, shown, 0.0, where=below, color=COLOURS[Outcome.VIOLATED], alpha=0.3
            )
        unit = finding.requirement.unit
        panel.set_ylabel(f"[{unit}]", fontsize=8)
        title = f"{finding.requirement.id}: {finding.requirement.text} ({finding.outcome})"
        panel.set_title(title, fontsize=8, loc="left")
        panel.tick_params(labelsize=8)
    panels[-1].set_xlabel("time [s]", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
