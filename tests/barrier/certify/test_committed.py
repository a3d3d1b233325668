# SPDX-License-Identifier: Apache-2.0
"""Every learned barrier of the repository has a certificate that fits its weights and recomputes on a subsample."""

import pytest

from reflexarc.barrier.certify.certificate import FILE_NAME, load_certificate
from reflexarc.barrier.certify.check import check
from reflexarc.barrier.learned import file_hash
from reflexarc.core.paths import models_dir

WEIGHTS = sorted((models_dir() / "barriers").glob("*/barrier.safetensors"))
EPISODES = 16


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.parent.name)
def test_a_committed_barrier_has_a_certificate_that_recomputes(path):
    certificate = path.parent / FILE_NAME
    assert load_certificate(certificate).weights_hash == file_hash(path)
    assert [f for f in check(certificate, path, EPISODES) if not f.matched] == []
