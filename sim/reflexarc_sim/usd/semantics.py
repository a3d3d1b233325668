# SPDX-License-Identifier: Apache-2.0
"""Semantic labels: the contact classes of events, people and loose things, under the taxonomy `class`.

Isaac Sim's annotators read this taxonomy. A prim without a label has that of the nearest prim above it.
"""

# OpenUSD is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from pxr import Usd, UsdSemantics

TAXONOMY = "class"


def set_label(prim: Usd.Prim, label: str) -> None:
    """Label a prim and everything below it."""
    UsdSemantics.LabelsAPI.Apply(prim, TAXONOMY).CreateLabelsAttr([label])


def labels_of(prim: Usd.Prim) -> list[str]:
    """Return the labels of a prim, own or inherited; empty if there are none."""
    query = UsdSemantics.LabelsQuery(TAXONOMY, Usd.TimeCode.Default())
    return list(query.ComputeUniqueInheritedLabels(prim))
