# SPDX-License-Identifier: Apache-2.0
r"""Sine for compiled loops over particles: a polynomial that the compiler turns into vector code.

    sin x = (-1)^k p(r),   r = x - k pi,   |r| <= pi / 2,      cos x = sin(x + pi / 2)

Functions of the C library are called once per particle and take most of the time of a loop that needs them. In single
precision k is found by adding 1.5 2^23, which rounds to whole numbers and leaves the parity of k in the lowest bit;
that bit becomes the sign. Rounding by instructions would double the longest chain of dependent ones. p has degree 9 in
single precision (the coefficients of `trigonometry`, right to about 2e-7 for |x| <= 1000 rad) and is Taylor's of degree
17 in double precision (right to about 1e-12).
"""

import math

import numba
import numpy as np
from numba.extending import overload

_SINGLE = tuple(np.float32(c) for c in (-1.66666605e-01, 8.33308816e-03, -1.98111121e-04, 2.60893145e-06))
_DOUBLE = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(1, 9))
_HIGH = 3.140625
"""pi to ten bits: k times it is exact in single precision for k < 2^14."""
_HIGH_1, _LOW_1, _PER_1 = np.float32(_HIGH), np.float32(math.pi - _HIGH), np.float32(1.0 / math.pi)
_ROUNDER = np.float32(1.5 * 2**23)
_SIGN = np.int32(31)
"""Place of the sign's bit."""


def near_sine(r):
    """Return sin r for |r| <= pi / 2, in the precision of r; for compiled code only."""
    raise NotImplementedError


def sine(x):
    """Return sin x, in the precision of x; for compiled code only."""
    raise NotImplementedError


@overload(near_sine, inline="always")
def _near_sine(r):  # pyright: ignore[reportUnusedFunction] - called by the compiler
    if r == numba.float32:
        a, b, c, d = _SINGLE

        def single(r):
            q = r * r
            return r + r * (q * (a + q * (b + q * (c + q * d))))

        return single
    a, b, c, d, e, f, g, h = _DOUBLE

    def double(r):
        q = r * r
        return r + r * (q * (a + q * (b + q * (c + q * (d + q * (e + q * (f + q * (g + q * h))))))))

    return double


@overload(sine, inline="always")
def _sine(x):  # pyright: ignore[reportUnusedFunction] - called by the compiler
    if x == numba.float32:

        def single(x):
            shifted = np.float32(x * _PER_1 + _ROUNDER)
            k = shifted - _ROUNDER
            value = np.float32(near_sine((x - k * _HIGH_1) - k * _LOW_1))
            odd = np.int32(shifted.view(np.int32) << _SIGN)
            return np.int32(value.view(np.int32) ^ odd).view(np.float32)

        return single

    def double(x):
        k = np.floor(x / math.pi + 0.5)
        odd = k - 2.0 * np.floor(0.5 * k)
        return (1.0 - 2.0 * odd) * near_sine((x - k * _HIGH) - k * (math.pi - _HIGH))

    return double
