# SPDX-License-Identifier: Apache-2.0
r"""Control barrier functions of relative degree one.

    L_f h(x) + L_g h(x) u >= -alpha(h(x)) + nu + rho(x)    <=>    -L_g h u <= L_f h + alpha(h) - nu - rho

(Ames, Xu, Grizzle, Tabuada, TAC 2017). nu is a margin for sampling (`sampled.py`), rho one for errors of the model
(`robust.py`). Where L_g h = 0 the row does not contain the input; see `rows.py` for what is decided then.
"""

from collections.abc import Callable
from typing import Any

from reflexarc.barrier.analytic.rows import Barrier, ClassK, Row, RowFunction, apply_class_k, lie_derivatives
from reflexarc.robots.systems.system import System


def cbf(
    system: System,
    h: Barrier,
    alpha: ClassK,
    nu: float = 0.0,
    rho: Callable[[Any], Any] | None = None,
) -> RowFunction:
    """Return the row function of a barrier of relative degree one.

    Args:
        system: the dynamics.
        h: the barrier, scalar or (k,).
        alpha: class-K function or linear gain. [1/s]
        nu: margin for sampling. [units of h per second]
        rho: margin for the model's error, a function of the gradient (k, n) giving (k,). [units of h per second]
    """

    def row(x) -> Row:
        value, drift, actuation, gradient = lie_derivatives(system, h, x)
        slack = drift + apply_class_k(alpha, value) - nu
        if rho is not None:
            slack = slack - rho(gradient)
        return Row(-actuation, slack, value)

    return row
