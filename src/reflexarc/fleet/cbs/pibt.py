# SPDX-License-Identifier: Apache-2.0
"""Priority inheritance with backtracking (PIBT, Okumura et al. 2019/2022): one step of all agents at once.

Agents choose in order of priority. Who wants a vertex that another stands on makes that one choose first, with the
inherited priority; who finds nothing lets its caller try the next. With the swap rule of LaCAM* (Okumura, IJCAI 2023)
two agents that must change places on a dead-end lane do so: the pusher backs out, the puller follows.
"""

import numba
import numpy as np

NOBODY = -1


@numba.njit(cache=True)
def _usable(u, before, first, at, goals):
    """Whether a swapping pair may turn off to `u`: not where it came from, and no dead end that is somebody's goal."""
    if u == before:
        return False
    agent = at[u]
    return not (first[u + 1] - first[u] == 1 and agent != NOBODY and goals[agent] == u)


@numba.njit(cache=True)
def _swap_required(pusher, puller, from_pusher, from_puller, first, head, at, goals, distance):
    """Whether the pusher, driving on, would push the puller away from the puller's goal all along a lane."""
    back, front = from_pusher, from_puller
    while distance[pusher, front] < distance[pusher, back]:
        ways, way = 0, NOBODY
        for e in range(first[front], first[front + 1]):
            if _usable(head[e], back, first, at, goals):
                ways += 1
                way = head[e]
        if ways >= 2:
            return False
        if ways == 0:
            break
        back, front = front, way
    return distance[puller, back] < distance[puller, front] and (
        distance[pusher, back] == 0 or distance[pusher, front] < distance[pusher, back]
    )


@numba.njit(cache=True)
def _swap_possible(from_pusher, from_puller, first, head, at, goals):
    """Whether, backing out, the pair comes to a junction."""
    back, front = from_pusher, from_puller
    while front != from_pusher:
        ways, way = 0, NOBODY
        for e in range(first[front], first[front + 1]):
            if _usable(head[e], back, first, at, goals):
                ways += 1
                way = head[e]
        if ways >= 2:
            return True
        if ways == 0:
            return False
        back, front = front, way
    return False


@numba.njit(cache=True)
def _partner(i, wish, now, then, first, head, at, goals, distance):
    """Return the agent that `i` has to change places with, `NOBODY` if none."""
    if wish == now[i]:
        return NOBODY
    j = at[wish]
    if j != NOBODY and then[j] == NOBODY:
        if _swap_required(i, j, now[i], now[j], first, head, at, goals, distance) and _swap_possible(
            now[j], now[i], first, head, at, goals
        ):
            return j
    for e in range(first[now[i]], first[now[i] + 1]):
        k = at[head[e]]
        if k == NOBODY or wish == now[k]:
            continue
        if _swap_required(k, i, now[i], wish, first, head, at, goals, distance) and _swap_possible(
            wish, now[i], first, head, at, goals
        ):
            return k
    return NOBODY


@numba.njit(cache=True)
def _choose(i, now, then, first, head, at, next_at, goals, distance, noise):
    """Let agent `i` choose its next vertex, and first whoever it pushes; false if it has to stay and be passed over."""
    here = now[i]
    degree = first[here + 1] - first[here]
    options = np.empty(degree + 1, dtype=np.int32)
    rank = np.empty(degree + 1, dtype=np.float64)
    for k in range(degree + 1):
        u = head[first[here] + k] if k < degree else here
        value = distance[i, u] + 0.5 * noise[(i * 31 + u * 17) % noise.shape[0]]
        if at[u] != NOBODY and u != here:
            value += 0.25
        j = k
        while j > 0 and rank[j - 1] > value:
            rank[j], options[j] = rank[j - 1], options[j - 1]
            j -= 1
        rank[j], options[j] = value, u
    partner = _partner(i, options[0], now, then, first, head, at, goals, distance)
    if partner != NOBODY:
        options = options[::-1].copy()
    for k in range(degree + 1):
        u = options[k]
        if next_at[u] != NOBODY:
            continue
        j = at[u]
        if j >= 0 and j != i and then[j] == here:
            continue
        next_at[u] = i
        then[i] = u
        if j >= 0 and j != i and then[j] == NOBODY:
            if not _choose(j, now, then, first, head, at, next_at, goals, distance, noise):
                continue
        if k == 0 and partner != NOBODY and then[partner] == NOBODY and next_at[here] == NOBODY:
            next_at[here] = partner
            then[partner] = here
        return True
    next_at[here] = i
    then[i] = here
    return False


@numba.njit(cache=True)
def next_configuration(now, order, who, where, first, head, at, next_at, goals, distance, noise, then):
    """Write the vertices of all agents one step later; false if the constraints cannot be kept.

    Args:
        now: vertex per agent.
        order: agents by falling priority.
        who: agents whose next vertex is prescribed, shape (k,).
        where: that vertex, shape (k,).
        first: graph.
        head: graph.
        at: scratch of vertices, all `NOBODY` before and after.
        next_at: as `at`.
        goals: goal per agent.
        distance: steps to the goal, shape (agents, n).
        noise: breaks ties, in [0, 1).
        then: output, vertex per agent.
    """
    fine = True
    for i in range(now.shape[0]):
        at[now[i]] = i
        then[i] = NOBODY
    for k in range(who.shape[0]):
        i, u = who[k], where[k]
        j = at[u]
        if next_at[u] != NOBODY or (j >= 0 and j != i and then[j] == now[i]):
            fine = False
            break
        then[i] = u
        next_at[u] = i
    if fine:
        for i in order:
            if then[i] == NOBODY and not _choose(
                i, now, then, first, head, at, next_at, goals, distance, noise
            ):
                fine = False
                break
    for i in range(now.shape[0]):
        at[now[i]] = NOBODY
        if then[i] != NOBODY:
            next_at[then[i]] = NOBODY
    return fine
