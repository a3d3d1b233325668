# SPDX-License-Identifier: Apache-2.0
"""The certificate file: what was claimed about which weights, on which system, by which code.

    {"format": "reflexarc-certificate-1",
     "barrier": {"sha256", "system", "state", "form", "delta"},
     "system":  {"name", "sha256", "period_s"},
     "data":    {"sha256"},                      of the data set that the weights name, "" if they name none
     "code":    {"version", "procedures", "libraries"},
     "claims":  {"scenario" | "grid" | "cells": {"statement", "holds", ...}},
     "digest":  SHA-256 of all of the above}

The digest finds accidents; whoever wants to be sure of a claim recomputes it (`reflexarc certify check`).
This module does not import JAX: the arc reads certificates.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ModelError

FORMAT = "reflexarc-certificate-1"
FILE_NAME = "certificate.json"
"""Name of the certificate beside its weights."""
PROCEDURES = {"scenario": 1, "grid": 1, "cells": 1}
"""Version of each claim's meaning; raised when a number of the same name would mean something else."""
LIBRARIES = ("numpy", "scipy", "jax", "hj-reachability")

_NUMBER, _WHOLE, _TEXT, _TRUTH, _LIST, _DICT = (int, float), int, str, bool, list, dict
_TOP = {
    "format": _TEXT,
    "barrier": _DICT,
    "system": _DICT,
    "data": _DICT,
    "code": _DICT,
    "claims": _DICT,
    "digest": _TEXT,
}
_PARTS: dict[str, dict[str, Any]] = {
    "barrier": {"sha256": _TEXT, "system": _TEXT, "state": _LIST, "form": _TEXT, "delta": _NUMBER},
    "system": {"name": _TEXT, "sha256": _TEXT, "period_s": _NUMBER},
    "data": {"sha256": _TEXT},
    "code": {"version": _TEXT, "procedures": _DICT, "libraries": _DICT},
}
_CLAIMS: dict[str, dict[str, Any]] = {
    "scenario": {
        "statement": _TEXT,
        "holds": _TRUTH,
        "epsilon": _NUMBER,
        "beta": _NUMBER,
        "alpha": _NUMBER,
        "model_error": _NUMBER,
        "sized_for_violations": _WHOLE,
        "delta": _NUMBER,
        "calibration": _LIST,
        "samples": _WHOLE,
        "violating": _LIST,
        "bound": _NUMBER,
        "least_margin": _NUMBER,
        "spot": _LIST,
        "counterexample": _LIST,
        "intervened": _NUMBER,
        "infeasible": _NUMBER,
        "return_mean": _NUMBER,
    },
    "grid": {
        "statement": _TEXT,
        "holds": _TRUTH,
        "shape": _LIST,
        "delta": _NUMBER,
        "failure": _NUMBER,
        "unavoidable": _NUMBER,
        "ring": _NUMBER,
        "false_safe_of_unavoidable": _NUMBER,
        "false_safe_of_ring": _NUMBER,
        "false_unsafe": _NUMBER,
        "called_safe": _NUMBER,
        "worst_state": _LIST,
        "horizon_s": _NUMBER,
    },
    "cells": {
        "statement": _TEXT,
        "holds": _TRUTH,
        "alpha": _NUMBER,
        "model_error": _NUMBER,
        "delta": _NUMBER,
        "smallest_cell": _NUMBER,
        "batches": _WHOLE,
        "cells": _WHOLE,
        "proven": _NUMBER,
        "refuted": _NUMBER,
        "undecided": _NUMBER,
        "failure_claim": _LIST,
        "condition_claim": _LIST,
        "counterexamples": _LIST,
        "seconds": _NUMBER,
    },
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was read and found complete, or has just been made."""

    barrier: dict[str, Any]
    system: dict[str, Any]
    data: dict[str, Any]
    code: dict[str, Any]
    claims: dict[str, dict[str, Any]]

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weight file."""
        return self.barrier["sha256"]

    @property
    def delta(self) -> float:
        """Level above the file's own at which the scenario claim was made, 0 without one. [units of l]"""
        return float(self.claims["scenario"]["delta"]) if "scenario" in self.claims else 0.0

    def content(self) -> dict[str, Any]:
        """Return the file's content with its digest."""
        body = {
            "format": FORMAT,
            "barrier": self.barrier,
            "system": self.system,
            "data": self.data,
            "code": self.code,
            "claims": self.claims,
        }
        return {**body, "digest": digest_of(body)}

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps(self.content(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def describe_barrier(barrier: LearnedBarrier, weights_hash: str) -> dict[str, Any]:
    """Return the part `barrier` of a certificate."""
    return {
        "sha256": weights_hash,
        "system": barrier.system,
        "state": list(barrier.state),
        "form": barrier.form,
        "delta": barrier.delta,
    }


def describe_data(barrier: LearnedBarrier) -> dict[str, Any]:
    """Return the part `data`: the hash of the data set that the recipe of the weights names."""
    recipe = barrier.recipe
    found = recipe.get("data_sha256") or recipe.get("data_hash") or recipe.get("data")
    if isinstance(found, dict):
        found = found.get("sha256") or found.get("hash")
    return {"sha256": found if isinstance(found, str) else ""}


def describe_code(procedures: dict[str, int] | None = None) -> dict[str, Any]:
    """Return the part `code`: version of this package, of the procedures, and of the libraries."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ""
    return {
        "version": metadata.version("reflexarc"),
        "procedures": dict(procedures or PROCEDURES),
        "libraries": versions,
    }


def digest_of(body: dict[str, Any]) -> str:
    """Return the SHA-256 of a certificate's content without its digest."""
    text = json.dumps(body, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def load_certificate(path: Path) -> Certificate:
    """Read a certificate and check that it is whole.

    Raises:
        ModelError: missing, not JSON, of another format, a missing, unknown or ill-typed entry, or a digest that does
            not fit the content.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such certificate")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(f"{path}: not a readable certificate ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ModelError(f"{path}: format {found!r} is not {FORMAT!r}; refused")
    _check_entries(content, _TOP, str(path))
    for part, entries in _PARTS.items():
        _check_entries(content[part], entries, f"{path}: {part}")
    unknown = sorted(set(content["claims"]) - set(_CLAIMS))
    if unknown or not content["claims"]:
        raise ModelError(f"{path}: claims {unknown or 'none'}; allowed: {', '.join(_CLAIMS)}; refused")
    for name, claim in content["claims"].items():
        if not isinstance(claim, dict):
            raise ModelError(f"{path}: claim {name} must be an object; refused")
        _check_entries(claim, _CLAIMS[name], f"{path}: claim {name}")
        if content["code"]["procedures"].get(name) is None:
            raise ModelError(f"{path}: code.procedures lacks {name!r}; refused")
    digest = content.pop("digest")
    if digest != digest_of(content):
        raise ModelError(
            f"{path}: the content does not fit its digest: it was changed after it was made; refused"
        )
    content.pop("format")
    return Certificate(**content)


def _check_entries(content: dict[str, Any], entries: dict[str, Any], where: str) -> None:
    missing, unknown = sorted(set(entries) - set(content)), sorted(set(content) - set(entries))
    if missing or unknown:
        raise ModelError(f"{where}: missing entries {missing}, unknown entries {unknown}; refused")
    for key, kind in entries.items():
        value = content[key]
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise ModelError(f"{where}: {key} is {value!r}, which is not acceptable; refused")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
