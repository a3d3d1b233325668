# SPDX-License-Identifier: Apache-2.0
"""Part of the study: every certificate under models/barriers is recomputed, in part or in full."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.barrier.certify.certificate import FILE_NAME, load_certificate
from reflexarc.barrier.certify.check import check
from reflexarc.core.errors import ReflexArcError
from reflexarc.core.paths import models_dir

SUBSAMPLE = 50
"""Hold-out episodes per certificate in the short run."""
FIGURES = {
    "scenario": (
        "epsilon",
        "beta",
        "alpha",
        "delta",
        "samples",
        "bound",
        "least_margin",
        "intervened",
        "return_mean",
    ),
    "grid": ("shape", "unavoidable", "false_safe_of_unavoidable", "false_safe_of_ring", "false_unsafe"),
    "cells": (
        "alpha",
        "cells",
        "proven",
        "refuted",
        "undecided",
        "failure_claim",
        "condition_claim",
        "seconds",
    ),
}
"""Figures of each claim that the table shows."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Recompute the certificates and return what they claim and whether it matched."""
    rows = []
    for path in committed():
        started = time.perf_counter()
        try:
            certificate = load_certificate(path)
            findings = check(path, path.parent / "barrier.safetensors", None if full else SUBSAMPLE)
        except ReflexArcError as error:
            rows.append(
                {"barrier": path.parent.name, "matched": False, "differs": [str(error)], "claims": {}}
            )
            progress(f"{path.parent.name}: {error}")
            continue
        differs = [f"{f.name}: {f.text}" for f in findings if not f.matched]
        claims = {
            name: {
                "holds": claim["holds"],
                "statement": claim["statement"],
                **{key: claim[key] for key in FIGURES[name]},
            }
            for name, claim in certificate.claims.items()
        }
        if "scenario" in claims:
            claims["scenario"]["violations"] = len(certificate.claims["scenario"]["violating"])
        rows.append(
            {
                "barrier": path.parent.name,
                "system": certificate.system["name"],
                "matched": not differs,
                "differs": differs,
                "compared": len(findings),
                "seconds": round(time.perf_counter() - started, 1),
                "claims": claims,
            }
        )
        progress(f"{path.parent.name}: {len(findings)} comparisons, {'; '.join(differs) or 'all match'}")
    return {"whole": full, "certificates": rows}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return how many scenario certificates hold and how many certificates were found to match."""
    rows = part["certificates"]
    strict = [
        row
        for row in rows
        if row["matched"]
        and row["claims"].get("scenario", {}).get("holds")
        and row["claims"]["scenario"]["epsilon"] <= 1e-2
    ]
    return {
        "certificates": len(rows),
        "certificates_matched": sum(row["matched"] for row in rows),
        "scenario_certificates_held": len(strict),
    }


def committed() -> list[Path]:
    """Return where the certificate of each barrier under models/barriers has to be."""
    weights = sorted((models_dir() / "barriers").glob("*/barrier.safetensors"))
    return [path.parent / FILE_NAME for path in weights]
