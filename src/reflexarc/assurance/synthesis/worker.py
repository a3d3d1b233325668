# SPDX-License-Identifier: Apache-2.0
"""The process that runs Storm: one model and its queries in, one JSON line per answer out.

It stands apart because a query can hang; `checker.py` ends it then. Requests and answers are JSON lines.

    {"model": text, "queries": [{name, formula, over}], "explore": bool}
    {"states": n, "transitions": n}, {"name": ..., "value": ...} for each query, {"name": ..., "error": ...}
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer requests from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # Storm prints; its words must not get between the answers

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        import stormpy  # noqa: F401, PLC0415 - the reason is worth an answer
    except ImportError as error:
        say({"fatal": f"stormpy cannot be imported ({error}); install reflexarc[assurance]"})
        return
    say({"ready": True})
    for line in sys.stdin:
        _answer(json.loads(line), say)


def _answer(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    import stormpy  # noqa: PLC0415 - slow to import

    try:
        model, program = _built(request["model"], request["explore"])
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        return
    say({"states": model.nr_states, "transitions": model.nr_transitions})
    for query in request["queries"]:
        try:
            prop = stormpy.parse_property(query["formula"], program)
            say(
                {
                    "name": query["name"],
                    "value": _value(stormpy.model_checking(model, prop), model, query["over"]),
                }
            )
        except Exception as error:
            say({"name": query["name"], "error": f"{type(error).__name__}: {error}"})
    if request["explore"]:
        try:
            say({"name": "explore", "value": _supervisor_turns(model)})
        except Exception as error:
            say({"name": "explore", "error": f"{type(error).__name__}: {error}"})


def _built(text: str, explore: bool) -> tuple[Any, Any]:
    import stormpy  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pm"
        path.write_text(text, encoding="utf-8")
        program = stormpy.parse_prism_program(str(path))
    options = stormpy.BuilderOptions()
    options.set_build_all_labels(True)
    options.set_build_all_reward_models(True)
    options.set_build_state_valuations(explore)
    return stormpy.build_model(program, options=options), program


def _value(result: Any, model: Any, over: str) -> Any:
    """Return the value of the initial state, or least, mean, largest and number over the states with a label."""
    if not over:
        return result.get_value(model.initial_states[0])
    values = [result.get_value(state) for state in model.labeling.get_states(over)]
    if not values:
        return {"states": 0}
    return {"min": min(values), "mean": sum(values) / len(values), "max": max(values), "states": len(values)}


def _supervisor_turns(model: Any) -> list[dict[str, Any]]:
    """Return every state in the supervisor's turn with its labels and its successors."""
    count = range(model.nr_states)
    told = [json.loads(str(model.state_valuations.to_json(state))) for state in count]
    return [
        {
            "state": told[state],
            "labels": sorted(model.labeling.get_labels_of_state(state)),
            "successors": [
                told[entry.column] for entry in model.transition_matrix.get_row(state) if entry.value > 0.0
            ],
        }
        for state in count
        if told[state]["turn"] == 0 and told[state]["mishap"] == 0
    ]


if __name__ == "__main__":
    main()
