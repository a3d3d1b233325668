# SPDX-License-Identifier: Apache-2.0
"""What OpenUSD itself says of a file: warnings while it is opened, and findings of its validators."""

# OpenUSD is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from pathlib import Path

from pxr import Sdf, Usd, UsdPhysics, UsdUtils, UsdValidation

from reflexarc_sim.usd.export import open_stage


def problems(path: Path) -> list[str]:
    """Return warnings, findings and physics objects that OpenUSD's own parser refuses; empty if all is well.

    Every validator that comes with `usd-core` is run. The parser is the one that Newton and PhysX build on.

    Raises:
        ConfigError: the file is no stage.
    """
    listener = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        stage = open_stage(path)
        found = [f"{e.GetName()}: {e.GetMessage()}" for e in _findings(stage)]
        found += _refused(stage)
    finally:
        said = listener.TakeUncoalescedDiagnostics()
        del listener
    return [*(f"diagnostic: {d.commentary}" for d in said), *found]


def _findings(stage: Usd.Stage) -> list[UsdValidation.ValidationError]:
    registry = UsdValidation.ValidationRegistry()
    return UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)


def _refused(stage: Usd.Stage) -> list[str]:
    # one function, renamed within usd-core 26; both names are there in 26.11
    load = getattr(UsdPhysics, "UsdPhysicsLoadStageFromPrimRange", None) or UsdPhysics.LoadUsdPhysicsFromRange
    parsed = load(stage, [Sdf.Path.absoluteRootPath])
    return [
        f"physics parser refuses {path}"
        for paths, descriptions in parsed.values()
        for path, description in zip(paths, descriptions, strict=True)
        if not description.isValid
    ]
