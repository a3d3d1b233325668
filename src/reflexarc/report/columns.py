# SPDX-License-Identifier: Apache-2.0
"""The columns of a comparison: what each of them changes in the scenario, and what it is called.

A run belongs to one column (`RunEntry.column`). Runner, table, figures and costs go through `COLUMNS` in its order, so
a further column is a further entry here.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One way of running a scenario."""

    key: str
    """Its name in run.json, and the end of the names of its runs' folders."""
    title: str
    """Short words, over a column."""
    phrase: str
    """The same in a sentence."""
    arc: bool
    """Whether the arc stands between policy and plant."""
    colour: str
    """Of its lines and headings; all are from the palette named in `style`."""
    overrides: tuple[tuple[str, Any], ...] = ()
    """Dotted keys of the scenario with the values that they get."""


WITH_ARC = Column("with-arc", "with arc", "with the arc", True, "#0072B2")
WITH_LEARNED = Column(
    "with-arc-learned",
    "with arc + learned barrier",
    "with the arc and the learned barrier",
    True,
    "#009E73",
    (("arc.learned.enabled", True),),
)
WITHOUT_ARC = Column("without-arc", "without arc", "without the arc", False, "#D55E00")

COLUMNS = {column.key: column for column in (WITH_ARC, WITH_LEARNED, WITHOUT_ARC)}
"""Every column by its key, in the order in which they are shown."""
