# SPDX-License-Identifier: Apache-2.0
"""One warm arc for all tests of this folder, reset before each."""

import pytest

from reflexarc.arc import ArcConfig, build_arc


@pytest.fixture(scope="session")
def warm_arc():
    return build_arc(ArcConfig())


@pytest.fixture
def arc(warm_arc):
    warm_arc.reset()
    return warm_arc
