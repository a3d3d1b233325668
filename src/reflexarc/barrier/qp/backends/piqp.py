# SPDX-License-Identifier: Apache-2.0
"""PIQP, a proximal interior-point solver (Schwan et al., CDC 2023)."""

import numpy as np
import piqp

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.core.types import Array


class Piqp:
    """The dense interface, set up anew in every call."""

    tolerance = 1e-7

    def __init__(self, n: int, capacity: int):
        """Keep the Hessian; `capacity` needs no memory here."""
        self._hessian = np.asfortranarray(np.eye(n))

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        solver = piqp.DenseSolver()
        solver.settings.eps_abs = solver.settings.eps_duality_gap_abs = 1e-10
        solver.settings.eps_rel = solver.settings.eps_duality_gap_rel = 0.0
        solver.setup(
            self._hessian,
            -target,
            G=np.asfortranarray(rows) if len(offsets) else None,
            h_u=offsets if len(offsets) else None,
            x_l=lower,
            x_u=upper,
        )
        status = solver.solve()
        result = solver.result
        bounds = np.asarray(result.z_bu) - np.asarray(result.z_bl)
        rows_duals = np.asarray(result.z_u) if len(offsets) else np.zeros(0)
        return Answer(
            np.asarray(result.x),
            np.concatenate([bounds, rows_duals]),
            int(result.info.iter),
            status == piqp.PIQP_PRIMAL_INFEASIBLE,
        )
