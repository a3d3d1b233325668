# SPDX-License-Identifier: Apache-2.0
"""The force barrier's arithmetic, compiled; what it means stands in `contact`. Vectors of three, all in one frame."""

import math

import numba

_CLOSING = (0.4, 0.7)
"""Shares of the peak limit from which on a closing tip is braked, and fully braked."""
_BEYOND = (1.0, 1.15)
"""The same of the predicted peak."""
_YIELD = 0.3
"""Share of a force beyond push and reserve that the push yields by; more of it, with a sensor's delay, would excite."""
_TOO_FAST = (1.0, 1.2)
"""The same of the mode's speed."""


@numba.njit(cache=True)
def _ramp(x, low, high):
    return min(1.0, max(0.0, (x - low) / (high - low)))


@numba.njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True)
def _quadratic(m, x):
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += x[i] * m[i, j] * x[j]
    return total


@numba.njit(cache=True)
def _energy(inertia, v, body):
    """Return mu v^2 of the motion v, an upper bound over all directions; `body` gives way too."""
    square = _dot(v, v)
    both = _quadratic(inertia, v)
    if square < 1e-18 or both <= 0.0 or math.isinf(body):
        return both
    return both * body / (body + both / square)


@numba.njit(cache=True)
def _room(push, drag, twice, limit, stiffness):
    """Return the allowed norm of a push where nothing is touched; `twice` is mu v^2, `drag` is D v / 2."""
    size = math.sqrt(_dot(push, push))
    room = limit / 2.0 - stiffness * twice / (2.0 * limit)
    along = _dot(push, drag) / size if size > 1e-12 else 0.0
    beside = _dot(drag, drag) - along * along
    if room > 0.0:
        room *= math.sqrt(max(0.0, 1.0 - beside / (room * room)))
    return max(0.0, room + along)


@numba.njit(cache=True)
def _cut(first, second, limit, keep, shares):
    """Reduce `shares` until |shares[0] first + shares[1] second| <= limit; return whether that was needed.

    The first is left alone while it takes at most the share `keep` of what is allowed.
    """
    a, b = shares[0], shares[1]
    ff, fs, ss = a * a * _dot(first, first), a * b * _dot(first, second), b * b * _dot(second, second)
    square = ff + 2.0 * fs + ss
    if square <= limit * limit:
        return False
    if ff <= keep * keep * limit * limit and ss > 0.0:
        root = math.sqrt(max(0.0, fs * fs - ss * (ff - limit * limit)))
        shares[1] = b * min(1.0, max(0.0, (root - fs) / ss))
    elif keep >= 1.0:
        shares[1] = 0.0
    else:
        share = limit / math.sqrt(square)
        shares[0], shares[1] = a * share, b * share
    return True


@numba.njit(cache=True)
def _cut_along(first, second, normal, limit, keep, shares):
    """The same for the part along `normal`: shares[0] first . n + shares[1] second . n <= limit."""
    one, two = shares[0] * _dot(first, normal), shares[1] * _dot(second, normal)
    if one + two <= max(0.0, limit):  # what does not press is left alone
        return False
    if one <= keep * limit and two > 0.0:
        shares[1] *= max(0.0, (limit - one) / two)
    elif keep >= 1.0:
        shares[1] = 0.0
    else:
        share = max(0.0, limit) / (one + two)
        shares[0], shares[1] = shares[0] * share, shares[1] * share
    return True


@numba.njit(cache=True)
def _speed_of(damping, push, out):
    """Solve damping x = push, 3 x 3 symmetric positive definite, by its adjugate."""
    d = damping
    c00 = d[1, 1] * d[2, 2] - d[1, 2] * d[2, 1]
    c01 = d[1, 2] * d[2, 0] - d[1, 0] * d[2, 2]
    c02 = d[1, 0] * d[2, 1] - d[1, 1] * d[2, 0]
    det = d[0, 0] * c00 + d[0, 1] * c01 + d[0, 2] * c02
    if not det > 1e-12:
        return 0.0
    c11 = d[0, 0] * d[2, 2] - d[0, 2] * d[2, 0]
    c12 = d[0, 1] * d[2, 0] - d[0, 0] * d[2, 1]
    c22 = d[0, 0] * d[1, 1] - d[0, 1] * d[1, 0]
    out[0] = (c00 * push[0] + c01 * push[1] + c02 * push[2]) / det
    out[1] = (c01 * push[0] + c11 * push[1] + c12 * push[2]) / det
    out[2] = (c02 * push[0] + c12 * push[1] + c22 * push[2]) / det
    return math.sqrt(_dot(out, out))


@numba.njit(cache=True)
def _across(x, normal, out):
    along = _dot(x, normal)
    for i in range(3):
        out[i] = x[i] - along * normal[i]


@numba.njit(cache=True)
def _keep_all(first, second, keep, shares, damping, touch, speed_limit, limits, work):
    """Cut two parts of a push until every bound holds; return what bound last, 0 for nothing.

    `touch` is contact (0 or 1), measured force, that force below the peak, mu v^2 free or along the normal, the same
    across it, the damper's credit. work: D v / 2, normal, and scratch.
    """
    peak, sustained, surface, slack = limits[0], limits[1], limits[2], limits[6]
    contact, c, held, twice, beside, credit = touch
    drag, normal, one, two, push = work[0], work[1], work[2], work[3], work[4]
    binding = 0
    for i in range(3):
        push[i] = shares[0] * first[i] + shares[1] * second[i]
    if contact == 0.0:
        if _cut(first, second, _room(push, drag, twice, peak, surface), keep, shares):
            binding = 1
    else:
        allowed = (peak * peak - held * held - surface * twice) / (2.0 * (peak - held)) + credit
        if _cut_along(first, second, normal, allowed, keep, shares):
            binding = 2
        _across(first, normal, one)
        _across(second, normal, two)
        _across(push, normal, push)
        left = math.sqrt(peak * peak - held * held)
        if _cut(one, two, _room(push, drag, beside, left, surface), keep, shares):
            binding = 3
    beyond = 0.0
    if contact != 0.0:
        pressed = shares[0] * _dot(first, normal) + shares[1] * _dot(second, normal)
        beyond = _YIELD * max(0.0, c - max(0.0, pressed) - slack)
    if _cut(first, second, max(0.0, sustained - beyond), keep, shares):
        binding = 4
    _speed_of(damping, first, one)
    _speed_of(damping, second, two)
    if _cut(one, two, speed_limit, keep, shares):
        binding = 5
    return binding


@numba.njit(cache=True)
def bound_push(
    stiffness,
    stretch,
    damping,
    pace,
    velocity,
    inertia,
    mobility,
    force,
    speed_limit,
    period,
    limits,
    work,
    shares,
):
    """Fill `shares`: upright, level, pace. Return push wanted and left, braking, predicted peak, what binds."""
    peak, _, surface, body, touching, braking, _ = limits
    drag, normal, push, upright, level, pull = work[0], work[1], work[4], work[5], work[6], work[7]
    across = work[8]
    for i in range(3):
        drag[i] = level[i] = pull[i] = 0.0
        for j in range(3):
            drag[i] += 0.5 * damping[i, j] * velocity[j]
            pull[i] += damping[i, j] * pace[j]
        for j in range(2):
            level[i] += stiffness[i, j] * stretch[j]
        upright[i] = stiffness[i, 2] * stretch[2]
        push[i] = upright[i] + level[i] + pull[i]
    wanted = math.sqrt(_dot(push, push))
    c = math.sqrt(_dot(force, force))
    held = min(c, 0.999 * peak)
    contact = 1.0 if c >= touching else 0.0
    closing = credit = beside = 0.0
    if contact == 0.0:
        twice = _energy(inertia, velocity, body)
    else:
        for i in range(3):
            normal[i] = -force[i] / c
        closing = _dot(velocity, normal)
        into = max(0.0, closing)
        mass = 1.0 / max(1e-9, _quadratic(mobility, normal))
        if not math.isinf(body):
            mass = mass * body / (mass + body)
        twice = mass * into * into
        credit = _quadratic(damping, normal) * into / 2.0
        _across(velocity, normal, across)
        beside = _energy(inertia, across, body)
    touch = (contact, c, held, twice, beside, credit)
    shares[0] = shares[1] = 1.0
    binding = _keep_all(upright, level, 0.5, shares[:2], damping, touch, speed_limit, limits, work)
    # The reference moves on by what the cut left of its step; only that much is its pace.
    step = square = 0.0
    for i in range(3):
        share = shares[0] if i == 2 else shares[1]
        step += (share - 1.0) * stretch[i] * pace[i] * period
        square += pace[i] * pace[i] * period * period
    moved = min(1.0, max(0.0, 1.0 + step / square)) if square > 0.0 else 0.0
    if contact != 0.0 and binding:
        moved = 0.0  # a reference that is held back by a surface would only undo the damping against it
    for i in range(3):
        upright[i] = shares[0] * upright[i] + shares[1] * level[i]
        level[i] = moved * pull[i]
    both = shares[2:]
    both[0] = both[1] = 1.0
    found = _keep_all(upright, level, 1.0, both, damping, touch, speed_limit, limits, work)
    if binding == 0:
        binding = found
    for i in range(3):
        push[i] = upright[i] + both[1] * level[i]
    shares[2] = moved * both[1]
    size = math.sqrt(_dot(push, push))
    if contact != 0.0:
        net = max(0.0, _dot(push, normal)) - credit
        predicted = max(c, net + math.sqrt((net - held) * (net - held) + surface * twice))
    else:
        net = size - (_dot(push, drag) / size if size > 1e-12 else math.sqrt(_dot(drag, drag)))
        predicted = max(c, net + math.sqrt(net * net + surface * twice))
    speed = math.sqrt(_dot(velocity, velocity))
    brake = max(
        _ramp(c / peak, _CLOSING[0], _CLOSING[1]) if closing > 1e-3 else 0.0,
        _ramp(predicted / peak, _BEYOND[0], _BEYOND[1]),
        _ramp(speed / max(speed_limit, 1e-9), _TOO_FAST[0], _TOO_FAST[1]),
    )
    return wanted, size, braking * brake, predicted, binding
