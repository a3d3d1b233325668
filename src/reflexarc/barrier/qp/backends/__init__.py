# SPDX-License-Identifier: Apache-2.0
"""Solvers by name; each is imported only when it is asked for, so that none but the default must be installed."""

from importlib import import_module

from reflexarc.barrier.qp.backends.backend import Answer, Backend
from reflexarc.core.errors import ConfigError, UnknownNameError

BACKENDS = {
    "daqp": "reflexarc.barrier.qp.backends.daqp:Daqp",
    "elastiqp": "reflexarc.barrier.qp.backends.elastiqp:Elastiqp",
    "osqp": "reflexarc.barrier.qp.backends.osqp:Osqp",
    "osqp_codegen": "reflexarc.barrier.qp.backends.osqp_codegen:OsqpCodegen",
    "piqp": "reflexarc.barrier.qp.backends.piqp:Piqp",
}
"""Name to class; a new solver is a new file and a line here."""

__all__ = ["BACKENDS", "Answer", "Backend", "make_backend"]


def make_backend(name: str, n: int, capacity: int) -> Backend:
    """Return a solver for n variables and at most `capacity` rows.

    Raises:
        UnknownNameError: no such solver.
        ConfigError: it is not installed or cannot be built here.
    """
    if name not in BACKENDS:
        raise UnknownNameError("QP solver", name, BACKENDS)
    module, _, attribute = BACKENDS[name].partition(":")
    try:
        return getattr(import_module(module), attribute)(n, capacity)
    except ModuleNotFoundError as error:
        raise ConfigError(f"the QP solver {name!r} needs the Python package {error.name!r}") from error
