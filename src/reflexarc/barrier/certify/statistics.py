# SPDX-License-Identifier: Apache-2.0
"""The statistics of hold-out certificates, in the certificates' words: violations, samples and beta."""

from reflexarc.core.intervals import clopper_pearson_upper as upper_bound
from reflexarc.core.intervals import conformal_level, required_samples

__all__ = ["conformal_level", "required_samples", "upper_bound"]
