"""A client that never gives up, a process that is killed again and again, and the auditor of both."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from riskweave import Engine, Policy
from riskweave.engine.durable_commands import Activated, ListAdd, decode_command
from riskweave.engine.durable_host import body_events, policy_of, policy_row, read_event
from riskweave.engine.durable_recovery import recover
from riskweave.engine.durable_verify import verify
from riskweave.engine.memory import EventMemory
from riskweave.engine.ports import Kind
from riskweave.storage.decisions import Decisions
from riskweave.storage.open import open_stores
from tests.crash.world import events, policy

ROOT = Path(__file__).parents[2]
WINDOW = 40


class Mortal:
    """Lives of one engine on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket_path = str(folder.parent / "door")
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        self.pid = 0

    def born(self, relaxed: bool = False, die_at: str = "", times: int = 1) -> None:
        """Begin a life; with `die_at` it ends by itself at that point of `faults`."""
        Path(self.socket_path).unlink(missing_ok=True)
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        life = {
            "dir": str(self.folder),
            "socket": self.socket_path,
            "relaxed": relaxed,
            "die_at": die_at,
            "times": times,
        }
        self.parent.stdin.write(json.dumps(life) + "\n")
        self.parent.stdin.flush()
        self.pid = int(self.parent.stdout.readline())

    @property
    def is_alive(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def live(self, relaxed: bool = False) -> socket.socket:
        """Begin a life; return a connection to it."""
        self.born(relaxed)
        caller = self.door()
        assert caller is not None, "the process died before it opened its door"
        return caller

    def door(self) -> socket.socket | None:
        """Return a connection to the life that has begun; None when it is over already."""
        until = time.monotonic() + 60
        while True:
            caller = socket.socket(socket.AF_UNIX)
            try:
                caller.connect(self.socket_path)
                return caller
            except OSError:
                caller.close()
                if not self.is_alive:
                    return None
                assert time.monotonic() < until, "the process did not open its door"
                time.sleep(0.005)

    def kill(self) -> None:
        """End a life as a power cut would, as far as the process is concerned."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.is_alive:
            time.sleep(0.002)

    def end(self) -> None:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.parent.stdin.close()
        self.parent.wait(60)
        self.parent.stdout.close()


class Client:
    """Sends events, many at a time, and sends again what was not answered; remembers every answer."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.seed = seed
        self.made = 0
        self.waiting: list[dict[str, Any]] = []
        self.sent: dict[int, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.done: list[dict[str, Any]] = []
        self.number = 0
        self.repeats = 0
        self.asked: dict[str, int] = {}

    def talk(
        self,
        caller: socket.socket,
        mortal: Mortal,
        until: float,
        first: list[dict[str, Any]],
        after: float | None = None,
    ) -> bool:
        """Talk until it is time, then kill, then hear what was still on its way.

        With `after` it is time so many seconds after a change of policy was answered. Return whether the
        process died by itself.
        """
        changes = self.changes
        # What was sent and not answered is sent again, as it was.
        again = [
            self.sent[number] for number in sorted(self.sent) if self.sent[number]["op"] in ("event", "many")
        ]
        self.sent.clear()
        queue = [*first, *again]
        caller.settimeout(0.01)
        buffer = b""
        killed = False
        while True:
            if not killed and time.monotonic() >= until:
                mortal.kill()
                killed = True
            try:
                while not killed and len(self.sent) < WINDOW:
                    self._send(caller, queue.pop(0) if queue else self._next())
                data = caller.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                # It ended by itself, or is about to.
                mortal.kill()
                break
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
            if after is not None and self.changes > changes:
                until, after = time.monotonic() + after, None
        # Not sent because the life ended first: that is for the next one.
        for each in queue:
            self.number += 1
            self.sent[self.number] = each
        caller.close()
        return not killed

    def do(self, caller: socket.socket, asked: dict[str, Any]) -> None:
        """Ask for one thing, and wait for it."""
        caller.settimeout(60)
        before = len(self.done)
        self._send(caller, asked)
        lines = caller.makefile("rb")
        while len(self.done) == before:
            self._hear(json.loads(lines.readline()))

    def finish(self, caller: socket.socket) -> None:
        """Send everything that is still unanswered, and wait for it."""
        queue = [each for each in self.sent.values() if each["op"] in ("event", "many")]
        self.sent.clear()
        caller.settimeout(60)
        for each in queue:
            self._send(caller, each)
        lines = caller.makefile("rb")
        while self.sent:
            self._hear(json.loads(lines.readline()))
        lines.close()
        caller.close()

    @property
    def changes(self) -> int:
        """Return how many changes of policy were answered."""
        return sum(each["op"] in ("activate", "back") for each in self.done)

    def _send(self, caller: socket.socket, asked: dict[str, Any]) -> None:
        self.number += 1
        self.sent[self.number] = asked
        self.asked[asked["op"]] = self.asked.get(asked["op"], 0) + 1
        caller.sendall((json.dumps({"n": self.number, **asked}) + "\n").encode())

    def _next(self) -> dict[str, Any]:
        chance = self.draw.random()
        if chance < 0.1 and self.answers:
            self.repeats += 1
            return {"op": "event", "event": self.events[self.draw.choice(list(self.answers))]}
        if chance < 0.13 and self.answers:
            return {"op": "label", "label": {"event_id": self.draw.choice(list(self.answers)), "value": True}}
        if chance < 0.14:
            return {"op": "list", "value": f"guest{self.draw.randrange(50)}"}
        size = 30 if chance < 0.16 else 1
        made = events(self.seed, size, self.made)
        self.made += size
        self.events |= {each["id"]: each for each in made}
        return {"op": "many", "events": made} if size > 1 else {"op": "event", "event": made[0]}

    def _hear(self, told: dict[str, Any]) -> None:
        asked = self.sent.pop(told["n"])
        assert "error" not in told, (asked, told)
        if asked["op"] not in ("event", "many"):
            self.done.append(asked)
        for answer in told.get("answers", [told.get("answer")]):
            if answer is not None:
                before = self.answers.setdefault(answer["id"], answer)
                assert before == answer, "another answer for the same event"


def audit(folder: Path, client: Client) -> dict[str, int]:
    """Check all that was promised, from the journal's own bytes and with an engine of one's own."""
    stores = open_stores(folder)
    try:
        found = verify(stores)
        assert found.ok, found
        recovered = recover(stores)
        assert recovered.damage == []
        seen: dict[str, int] = {}
        own: Engine | None = None
        changes = activations = 0
        past: list[dict[str, Any]] = []
        for entry in stores.journal.read():
            if entry.kind is Kind.COMMAND:
                command = decode_command(entry.body)
                changes += 1
                if isinstance(command, Activated):
                    activations += 1
                    own = _activated(stores, own, command, past)
                elif isinstance(command, ListAdd):
                    assert own is not None
                    own.add_to_list(command.list, command.value, by=command.by, time_ms=command.time_ms)
            elif entry.kind is Kind.LABEL:
                assert own is not None
                own.learn(read_event(entry.body))
                changes += 1
            else:
                assert own is not None
                for row, event in enumerate(body_events(entry)):
                    assert event["id"] not in seen, "decided twice"
                    seen[str(event["id"])] = entry.position + row
                    decision = own.decide(event)
                    answer = client.answers.get(str(event["id"]))
                    assert event == client.events[str(event["id"])]
                    if answer is not None:
                        assert answer["sequence"] == entry.position + row
                        assert (answer["action"], answer["score"]) == (decision.action, decision.score)
                        assert (answer["rules"], answer["features"]) == (decision.rules, decision.features)
        assert set(client.answers) <= set(seen), "an acknowledged decision is lost"
        asked = sum(each["op"] in ("list", "label", "activate", "back") for each in client.done)
        assert changes - 1 >= asked, "an acknowledged change is lost"
        decisions = Decisions(stores)
        for identity in client.draw.sample(sorted(client.answers), min(50, len(client.answers))):
            stored = decisions.get(identity)
            assert stored is not None
            assert stored.decision.action == client.answers[identity]["action"]
        assert own is not None
        assert_same_state(own, recovered.host.engine)
        return {
            "events": len(seen),
            "acknowledged": len(client.answers),
            "repeats": client.repeats,
            "activations_asked": client.asked.get("activate", 0) + client.asked.get("back", 0),
            "activations": activations - 1,
            "told_activations": client.changes,
        }
    finally:
        stores.close()


def _activated(stores: Any, own: Engine | None, command: Activated, past: list[dict[str, Any]]) -> Engine:
    row = policy_row(stores, command.policy)
    if own is None:
        own = Engine(policy_of(stores, row))
    else:
        from riskweave.engine.durable_host import history

        before = history(stores, 1, row.position - 1)
        new = policy_of(stores, row)
        own.replace_policy(new, before.parts(), before.labels(new))
    own.state.memory = EventMemory(0)
    return own


def assert_same_state(first: Engine, second: Engine) -> None:
    """Both decide what comes next alike, and remember as much."""
    probe = events(999, 200, 5_000_000)
    for event in probe:
        one, other = first.decide(event), second.decide(event)
        assert one == other
    assert first.state.watermark_ms == second.state.watermark_ms
    assert first.state.events == second.state.events


def lives(mortal: Mortal, client: Client, kills: int, plan: list[list[dict[str, Any]]]) -> Iterator[int]:
    """Live and die so many times, at random moments; what `plan` says is asked first in each life."""
    for number in range(kills):
        if client.draw.random() < 0.25:
            # It dies on its way, before it could answer anything.
            mortal.born()
            time.sleep(client.draw.uniform(0.0, 0.2))
            mortal.kill()
        caller = mortal.live()
        first = plan[number % len(plan)] if plan else []
        # Every other change is waited for, so that lives also end soon after one.
        after = client.draw.uniform(0.0, 0.1) if first and client.draw.random() < 0.5 else None
        longest = 20.0 if after is not None else client.draw.uniform(0.0, 0.25)
        client.talk(caller, mortal, time.monotonic() + longest, list(first), after)
        yield number


def die_at(mortal: Mortal, client: Client, point: str, times: int, first: list[dict[str, Any]]) -> bool:
    """Live until that point of `faults`; return whether it was reached."""
    mortal.born(die_at=point, times=times)
    caller = mortal.door()
    if caller is None:
        return True
    return client.talk(caller, mortal, time.monotonic() + 20.0, list(first))


__all__ = ["Client", "Mortal", "Policy", "assert_same_state", "audit", "lives", "policy"]
