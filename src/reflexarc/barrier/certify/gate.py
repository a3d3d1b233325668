# SPDX-License-Identifier: Apache-2.0
"""What is asked before a learned barrier filters commands: is there a certificate that fits these weights?

No JAX and no rollouts: bytes are hashed and a file is read. Whether the claims are true is `reflexarc certify check`.
"""

from collections.abc import Callable
from pathlib import Path

from reflexarc.barrier.certify.certificate import FILE_NAME, PROCEDURES, Certificate, load_certificate
from reflexarc.barrier.certify.statistics import upper_bound
from reflexarc.barrier.learned import LearnedBarrier, file_hash, load_barrier
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir

NEEDED = "scenario"
"""The claim that is asked for."""
WEIGHTS = "barrier.safetensors"
"""Name of a barrier's file in its folder."""


def barrier_path(name: str) -> Path:
    """Return the weight file of a learned barrier.

    Args:
        name: folder of `models/barriers/`, or the path of a safetensors file.

    Raises:
        ModelError: there is no such barrier; the message lists those that exist.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        return path
    root = models_dir() / "barriers"
    path = root / name / WEIGHTS
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in root.glob(f"*/{WEIGHTS}"))) or "none"
        raise ModelError(f"there is no learned barrier {name!r} in {root}; those that exist: {known}")
    return path


def admit(
    path: Path,
    barrier: LearnedBarrier,
    fits: Callable[[Certificate], None],
    allow_uncertified: bool,
    option: str = "allow_uncertified",
) -> tuple[LearnedBarrier, bool]:
    """Return the barrier at the level that its certificate is for, and whether it has one.

    Args:
        path: safetensors file of the barrier.
        barrier: what was read from it.
        fits: raises `ModelError` where the certificate was made for another use than the caller's.
        allow_uncertified: return the barrier as it is, and False, where the certificate is missing or does not fit.
        option: name of that choice in the caller's configuration, for the message.

    Raises:
        ModelError: no certificate that matches and fits, and `allow_uncertified` is not set.
    """
    try:
        certificate = matching_certificate(path)
        fits(certificate)
    except ModelError as error:
        if allow_uncertified:
            return barrier, False
        raise ModelError(
            f"{error}; a learned barrier without a matching certificate is refused "
            f"({option}: true lets it pass, and every verdict says so)"
        ) from error
    return barrier.shifted(barrier.delta + certificate.delta), True


def matching_certificate(
    weights_path: Path, certificate_path: Path | None = None, needed: str = NEEDED
) -> Certificate:
    """Return the certificate of a barrier.

    Args:
        weights_path: safetensors file of the barrier.
        certificate_path: None takes `certificate.json` beside the weights.
        needed: claim that must be there and hold.

    Raises:
        ModelError: no weights; no certificate, or a damaged one; one for other weights, another system, another
            level shift or state, or by a procedure of another version; the needed claim missing or not holding.
    """
    barrier = load_barrier(weights_path)
    path = weights_path.parent / FILE_NAME if certificate_path is None else certificate_path
    certificate = load_certificate(path)
    found = file_hash(weights_path)
    if certificate.weights_hash != found:
        raise ModelError(
            f"{path}: the certificate is for weights {certificate.weights_hash[:12]}, {weights_path.name} is "
            f"{found[:12]}; refused"
        )
    if certificate.system["name"] != barrier.system or certificate.barrier["system"] != barrier.system:
        raise ModelError(
            f"{path}: the certificate is for the system {certificate.system['name']!r}, the barrier for "
            f"{barrier.system!r}; refused"
        )
    if certificate.barrier["delta"] != barrier.delta or tuple(certificate.barrier["state"]) != barrier.state:
        raise ModelError(f"{path}: the certificate is for another level shift or state; refused")
    made = certificate.code["procedures"].get(needed)
    if needed in certificate.claims and made != PROCEDURES.get(needed):
        raise ModelError(
            f"{path}: the {needed} claim was made by version {made} of its procedure, this code has version "
            f"{PROCEDURES.get(needed)}; refused, make it again with `reflexarc certify barrier`"
        )
    claim = certificate.claims.get(needed)
    if claim is None or not claim["holds"]:
        why = "has no such claim" if claim is None else claim["statement"]
        raise ModelError(f"{path}: a {needed} claim that holds is needed; the certificate {why}; refused")
    if needed == "scenario":
        bound = upper_bound(len(claim["violating"]), claim["samples"], claim["beta"])
        if bound > claim["epsilon"] * (1.0 + 1e-9):
            raise ModelError(
                f"{path}: {len(claim['violating'])} violations of {claim['samples']} episodes bound the probability by "
                f"{bound:.3g}, not by {claim['epsilon']:g}; refused"
            )
    return certificate
