# SPDX-License-Identifier: Apache-2.0
"""Newton is an optional package: one message where it is missing, before anything else is done."""

from importlib.util import find_spec

from reflexarc.core.errors import ConfigError
from reflexarc_sim.usd.needs import require_usd

_MODULES = ("newton", "mujoco_warp", "warp", "newton_usd_schemas")


def require_newton() -> None:
    """Return if Newton and what it stands on are installed; nothing is imported but OpenUSD.

    Raises:
        ConfigError: one of them is not there; the message says what to install.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"plant.type 'newton' needs Newton; not installed: {', '.join(missing)}; "
            "pip install 'reflexarc[newton]'; nothing was run"
        )
    require_usd()
