# SPDX-License-Identifier: Apache-2.0
"""OpenUSD is an optional package: one message where it is missing, before anything else is done."""

from reflexarc.core.errors import ConfigError


def require_usd() -> None:
    """Return if OpenUSD can be imported.

    Raises:
        ConfigError: it cannot; the message says what to install.
    """
    try:
        from pxr import Usd, UsdPhysics  # noqa: F401, PLC0415 - only asked whether it is there
    except ImportError as error:
        raise ConfigError(
            f"stages need OpenUSD, which cannot be imported ({error}); pip install 'reflexarc[usd]'; "
            "nothing was written"
        ) from error
