"""A process that answers over a socket, to be killed: python -m tests.crash.child

Reads a line of JSON from stdin per life, {"dir", "socket", "relaxed", "die_at", "times"}, forks, and
prints the child's pid. What costs time, imports and kernels, is done once, before the forks.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading

from riskweave import Engine, Policy
from riskweave.engine.durable import DurableEngine, DurableSettings
from riskweave.engine.durable_commands import ActivatePolicy, ListAdd, RollBack
from riskweave.storage.open import open_stores
from tests.crash.faults import arm
from tests.crash.world import events, policy


def main() -> None:
    # What every life needs is loaded now.
    engine = Engine(Policy.from_dict(policy()))
    engine.decide_many(events(0, 10))
    engine.warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        life = json.loads(line)
        pid = os.fork()
        if pid == 0:
            serve(life)
            os._exit(0)
        print(pid, flush=True)


def serve(life: dict[str, object]) -> None:
    settings = DurableSettings(
        snapshot_every_events=150, snapshots_kept=2, relaxed=bool(life.get("relaxed")), group_events=64
    )
    if life.get("die_at"):
        arm(str(life["die_at"]), int(str(life["times"])))
    stores = open_stores(str(life["dir"]))
    stores.ids.in_memory = 400  # type: ignore[attr-defined]
    engine = DurableEngine.open(stores, Policy.from_dict(policy()), settings=settings)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(life["socket"]))
    door.listen(1)
    caller, _ = door.accept()
    lock = threading.Lock()

    def tell(number: int, answer: object) -> None:
        with lock:
            caller.sendall((json.dumps({"n": number, **answer}) + "\n").encode())  # type: ignore[dict-item]

    for line in caller.makefile("r"):
        asked = json.loads(line)
        number, kind = asked["n"], asked["op"]
        if kind == "event":
            future = engine.submit(asked["event"])
        elif kind == "many":
            future = engine.submit_many(asked["events"])
        elif kind == "label":
            future = engine.feedback(asked["label"])
        elif kind == "list":
            future = engine.command(ListAdd(list="bad", value=asked["value"], by="test"))
        elif kind == "activate":
            future = engine.command(ActivatePolicy(Policy.from_dict(policy(asked["policy"])), by="test"))
        else:
            future = engine.command(RollBack(by="test"))

        def done(future: object, number: int = number, kind: str = kind) -> None:
            try:
                result = future.result()  # type: ignore[attr-defined]
            except Exception as error:
                tell(number, {"error": f"{type(error).__name__}: {error}"})
                return
            if kind == "event":
                tell(number, {"answer": shown(result)})
            elif kind == "many":
                tell(number, {"answers": [shown(each) for each in result]})
            else:
                tell(number, {"done": str(result)})

        future.add_done_callback(done)


def shown(answer: object) -> dict[str, object]:
    """Return what the client compares: all that may never change."""
    decision = answer.decision  # type: ignore[attr-defined]
    return {
        "id": decision.event_id,
        "sequence": answer.sequence,  # type: ignore[attr-defined]
        "request": answer.request_id,  # type: ignore[attr-defined]
        "action": decision.action,
        "score": decision.score,
        "rules": decision.rules,
        "features": decision.features,
        "policy": answer.policy_version,  # type: ignore[attr-defined]
    }


if __name__ == "__main__":
    main()
