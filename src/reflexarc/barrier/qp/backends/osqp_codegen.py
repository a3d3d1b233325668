# SPDX-License-Identifier: Apache-2.0
"""OSQP as generated C code (Banjac et al., Embedded code generation using the OSQP solver, CDC 2017).

The code is generated for one size, compiled by the machine's own C compiler into a shared library, and called
through ctypes: no Python wrapper stands in the way, and the same C files run on a microcontroller. Libraries
are kept in the user's cache folder under a hash of what they were made from.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import osqp

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.barrier.qp.backends.osqp import _INFINITY, RHO, ROUNDS, SETTINGS, fill, problem_arrays
from reflexarc.barrier.qp.backends.polish import polish
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

_DOUBLES = ctypes.POINTER(ctypes.c_double)
_PRIMAL_INFEASIBLE = (3, 4)
"""OSQP_PRIMAL_INFEASIBLE and its inaccurate form."""
_GLUE = """
#include "osqp.h"
#include "workspace.h"
int reflexarc_solve(const double *q, const double *l, const double *u, const double *a, long entries,
                    const double *z, const double *y, double *z_out, double *y_out, long *iterations) {
  OSQPInt i;
  osqp_update_data_vec(&solver, q, l, u);
  osqp_update_data_mat(&solver, OSQP_NULL, OSQP_NULL, 0, a, OSQP_NULL, (OSQPInt)entries);
  osqp_update_rho(&solver, REFLEXARC_RHO);
  osqp_warm_start(&solver, z, y);
  osqp_solve(&solver);
  for (i = 0; i < REFLEXARC_N; i++) z_out[i] = solver.solution->x[i];
  for (i = 0; i < REFLEXARC_M; i++) y_out[i] = solver.solution->y[i];
  *iterations = (long)solver.info->iter;
  return (int)solver.info->status_val;
}
"""


class OsqpCodegen:
    """One compiled workspace, updated and started from the target in every call."""

    tolerance = 1e-8

    def __init__(self, n: int, capacity: int, max_iterations: int = 4000):
        """Generate and compile, or load what an earlier call compiled.

        Raises:
            ConfigError: no C compiler, or it fails; the message holds its output.
        """
        size = n + capacity
        self._n = n
        self._entries = problem_arrays(n, capacity)[1].data
        self._low, self._high = np.full(size, -_INFINITY), np.full(size, _INFINITY)
        self._linear, self._zero = np.zeros(n), np.zeros(size)
        self._z, self._y = np.zeros(n), np.zeros(size)
        self._iterations = ctypes.c_long(0)
        # A process may hold several filters of one size: the generated code has one workspace, so each loads a copy.
        library = _library(n, capacity, max_iterations)
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(library, Path(folder) / f"{library.stem}-{id(self)}.so")
            self._call = ctypes.CDLL(str(copy)).reflexarc_solve
        self._arguments = [
            a.ctypes.data_as(_DOUBLES) for a in (self._linear, self._low, self._high, self._entries)
        ]
        self._arguments.append(ctypes.c_long(len(self._entries)))
        self._arguments += [a.ctypes.data_as(_DOUBLES) for a in (self._z, self._zero, self._z, self._y)]
        self._arguments.append(ctypes.byref(self._iterations))

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        fill(self._entries, self._low, self._high, rows, offsets, lower, upper)
        np.negative(target, out=self._linear)
        self._z[:] = target
        status = self._call(*self._arguments)
        z, y = self._z.copy(), self._y[: self._n + len(offsets)].copy()
        infeasible = status in _PRIMAL_INFEASIBLE
        if not infeasible:
            polish(target, rows, offsets, lower, upper, z, y, ROUNDS)
        return Answer(z, y, self._iterations.value, infeasible)


def _library(n: int, capacity: int, max_iterations: int) -> Path:
    """Return the compiled library for one size, made now if it is not in the cache."""
    key = f"{osqp.__version__} {n} {capacity} {max_iterations} {sorted(SETTINGS.items())} {_GLUE}"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reflexarc" / "osqp"
    library = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not library.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = _compile(Path(folder), n, capacity, max_iterations)
            made.replace(library)  # atomic: another process sees all of it or nothing
    return library


def _compile(folder: Path, n: int, capacity: int, max_iterations: int) -> Path:
    compiler = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)), None)
    if compiler is None:
        raise ConfigError(
            "the QP solver 'osqp_codegen' needs a C compiler (cc, gcc or clang, or $CC); "
            "install one or choose 'osqp', which needs none"
        )
    hessian, matrix = problem_arrays(n, capacity)
    solver = osqp.OSQP()
    bounds = np.full(n + capacity, _INFINITY)
    solver.setup(hessian, np.zeros(n), matrix, -bounds, bounds, max_iter=max_iterations, **SETTINGS)
    solver.codegen(str(folder), parameters="matrices", force_rewrite=True, compile=False)
    (folder / "glue.c").write_text(_GLUE, encoding="utf-8")
    sources = [str(p) for p in sorted(folder.rglob("*.c")) if p.name != "emosqp.c"]
    includes = sorted({str(p.parent) for p in folder.rglob("*.h")})
    made = folder / "solver.so"
    command = [compiler, "-O3", "-shared", "-fPIC", f"-DREFLEXARC_N={n}", f"-DREFLEXARC_M={n + capacity}"]
    command += [f"-DREFLEXARC_RHO={RHO}"]
    command += [f"-I{i}" for i in includes] + sources + ["-lm", "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(
            f"the C compiler {compiler!r} failed on OSQP's generated code; nothing was kept:\n{done.stderr[-2000:]}"
        )
    return made
