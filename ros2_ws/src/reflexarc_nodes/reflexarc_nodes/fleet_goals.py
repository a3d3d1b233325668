# SPDX-License-Identifier: Apache-2.0
"""Goals of a fleet by the action `fleet_goal`: accepted or refused, watched, and answered on arrival."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future
from reflexarc_msgs.action import FleetGoal

from reflexarc.core.errors import ReflexArcError
from reflexarc.fleet.execution import Fleet

ACTION = "fleet_goal"
NEAR_M = 1.0
"""Largest distance of a goal from the vertex that is taken for it. [m]"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A goal that is under way."""

    handle: Any
    done: Future


class FleetGoals:
    """Serves the action; `answer` is to be called whenever the fleet was told where its robots are."""

    def __init__(self, node: Any, fleet: Fleet, closed: str = ""):
        """Advertise the action.

        Args:
            node: with `executor_`.
            fleet: which the goals are for.
            closed: why every goal is refused; empty if they are welcome.
        """
        self._fleet, self._closed, self._logger, self._executor = (
            fleet,
            closed,
            node.get_logger(),
            node.executor_,
        )
        self._now = 0.0
        self._waiting: dict[str, _Waiting] = {}
        self._server = ActionServer(
            node, FleetGoal, ACTION, self._execute, goal_callback=self._judge, cancel_callback=self._cancel
        )

    def answer(self, now: float) -> None:
        """Tell how far everybody is, and end the goals of those who are there or were lost, at time `now` [s]."""
        self._now = now
        fleet = self._fleet
        for name, waiting in list(self._waiting.items()):
            if fleet.lost(name) or fleet.goal(name) is None:
                self._end(name, "the robot was lost" if fleet.lost(name) else "")
                continue
            driven, _, length = fleet.progress(name)
            left = FleetGoal.Feedback(left=length - driven, delay=fleet.delay(name, now))
            waiting.handle.publish_feedback(left)

    def finish(self) -> None:
        """End the goals that are under way: the planner ends."""
        for name in list(self._waiting):
            self._end(name, "the planner ended")

    def _judge(self, request: FleetGoal.Goal) -> GoalResponse:
        """Refuse what cannot be meant; the reason is logged, as the protocol has no place for it."""
        vertex, gap = self._vertex(request)
        names = self._fleet.names
        problem = self._closed
        if not problem and (request.robot not in names or not gap <= NEAR_M):
            problem = f"known robots: {', '.join(names)}; allowed distance from a vertex: {NEAR_M} m"
        if not problem and self._fleet.lost(request.robot):
            problem = "the robot was lost"
        if not problem:
            return GoalResponse.ACCEPT
        self._logger.error(
            f"goal refused: robot {request.robot!r}, {gap:.2f} m from vertex {vertex}; {problem}"
        )
        return GoalResponse.REJECT

    def _cancel(self, handle: Any) -> CancelResponse:
        """Refuse: a robot may only stop where it may stand; send it to a bay instead."""
        return CancelResponse.REJECT

    async def _execute(self, handle: Any) -> FleetGoal.Result:
        """Send the robot and wait until it is there, or was lost or sent elsewhere."""
        name, begin = handle.request.robot, self._now
        try:
            self._fleet.send(name, self._vertex(handle.request)[0], begin)
        except ReflexArcError as error:
            handle.abort()
            return FleetGoal.Result(reached=False, reason=str(error))
        if name in self._waiting:
            self._end(name, "the robot was sent elsewhere")
        self._waiting[name] = waiting = _Waiting(handle, Future(executor=self._executor))
        reason = await waiting.done
        handle.abort() if reason else handle.succeed()
        return FleetGoal.Result(reached=not reason, reason=reason, duration=self._now - begin)

    def _end(self, name: str, reason: str) -> None:
        self._waiting.pop(name).done.set_result(reason)

    def _vertex(self, request: FleetGoal.Goal) -> tuple[int, float]:
        gaps = np.hypot(*(self._fleet.roadmap.positions - (request.goal.x, request.goal.y)).T)
        return int(gaps.argmin()), float(gaps.min())
