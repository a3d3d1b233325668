# SPDX-License-Identifier: Apache-2.0
"""The filter's quadratic programme: one problem type, one solution type, several solvers, one check."""

from reflexarc.barrier.qp.backends import BACKENDS, make_backend
from reflexarc.barrier.qp.backup import Backup, Filtered, filter_or_backup
from reflexarc.barrier.qp.filter import FilterQp
from reflexarc.barrier.qp.problem import QpProblem, QpSolution, Tier
from reflexarc.barrier.qp.residual import kkt_residual

__all__ = [
    "BACKENDS",
    "Backup",
    "FilterQp",
    "Filtered",
    "QpProblem",
    "QpSolution",
    "Tier",
    "filter_or_backup",
    "kkt_residual",
    "make_backend",
]
