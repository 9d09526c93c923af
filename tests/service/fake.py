"""A small engine behind the service's port: a bare engine, one thread, nothing durable."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import Future, ThreadPoolExecutor

from riskweave import Engine
from riskweave.errors import RiskweaveError
from riskweave.service.explaining import explainer
from riskweave.service.port import Decided as Answer
from riskweave.service.port import Health
from riskweave.service.port import Recorded as StoredDecision


class FakeBackend:
    """Decides for real and keeps everything in a list. `refuse` is raised by the next submissions."""

    def __init__(self, policy):
        self.engine = Engine(policy)
        self.kept: list[StoredDecision] = []
        self.first: dict[str, StoredDecision] = {}
        self.versions = [policy]
        self.refuse: Exception | None = None
        self.commands: list[tuple] = []
        self._numbers = itertools.count(1)
        self._thread = ThreadPoolExecutor(1)

    def policy(self):
        return self.engine.policy

    def submit(self, event, deadline_s):
        return self._thread.submit(self._decide, dict(event))

    def submit_many(self, events):
        if not isinstance(events, list):
            events = events.to_pylist()
        return self._thread.submit(lambda: [self._tried(dict(each)) for each in events])

    def _tried(self, event):
        try:
            return self._decide(event)
        except RiskweaveError as error:
            return error

    def _decide(self, event):
        if self.refuse is not None:
            raise self.refuse
        decision = self.engine.decide(event)
        first = self.first.get(decision.event_id)
        if first is None:
            number = next(self._numbers)
            version = self.engine.policy.version
            first = StoredDecision(
                number, f"fake-{number:x}", time.time_ns() // 1_000_000, event, decision, version, "full"
            )
            self.kept.append(first)
            self.first[decision.event_id] = first
        return Answer(
            decision,
            first.sequence,
            first.request_id,
            True,
            first.policy_version,
            "full",
            12.0,
            decision.duplicate,
        )

    def feedback(self, label):
        return self._thread.submit(self.engine.learn, label)

    def add_to_list(self, name, value, expires_ms, by, why):
        return self._command("add", by, lambda: self.engine.add_to_list(name, value, expires_ms, by, why))

    def remove_from_list(self, name, value, by, why):
        return self._command("remove", by, lambda: self.engine.remove_from_list(name, value, by, why))

    def change_list(self, name, added, removed, by):
        def tried(work, *arguments):
            try:
                return work(*arguments)
            except RiskweaveError as error:
                return error

        def change():
            made = [tried(self.engine.add_to_list, name, value, ends, by, why) for value, ends, why in added]
            return made + [
                tried(self.engine.remove_from_list, name, value, by, why) for value, why in removed
            ]

        return self._command("bulk", by, change)

    def update_attributes(self, entity, key, values, by):
        return self._command("attributes", by, lambda: self.engine.update_attributes(entity, key, values))

    def activate(self, policy, by):
        self.versions.append(policy)
        return self._command("activate", by, lambda: self.engine.replace_policy(policy))

    def roll_back(self, by):
        def back():
            if len(self.versions) < 2:
                raise RiskweaveError("there is no policy before this one")
            self.versions.pop()
            self.engine.replace_policy(self.versions[-1])

        return self._command("roll back", by, back)

    def add_shadow(self, name, policy, by):
        return self._command("shadow", by, lambda: None)

    def remove_shadow(self, name, by):
        return self._command("no shadow", by, lambda: None)

    def shadow_records(self, name, first, limit):
        return []

    def _command(self, what, by, work) -> Future:
        self.commands.append((what, by))
        return self._thread.submit(work)

    def read(self, function):
        return self._thread.submit(function, self.engine)

    def as_of(self, time_ms, function):
        return function(self.engine)

    def find(self, identity):
        return next(
            (each for each in self.kept if identity in (each.decision.event_id, each.request_id)), None
        )

    def search(self, search, cursor, limit):
        found = [each for each in reversed(self.kept) if cursor is None or each.sequence < cursor]
        found = [each for each in found if self._fits(each, search)]
        part = found[:limit]
        return part, part[-1].sequence if len(found) > limit else None

    @staticmethod
    def _fits(each, search):
        decision = each.decision
        return (
            (search.actions is None or decision.action in search.actions)
            and (search.from_ms is None or decision.time_ms >= search.from_ms)
            and (search.until_ms is None or decision.time_ms < search.until_ms)
            and (search.score_min is None or decision.score >= search.score_min)
            and (search.rule is None or search.rule in decision.rules)
            and all(str(each.event.get(name)) == value for name, value in search.fields.items())
        )

    def stream(self, from_sequence):
        yield from [each for each in self.kept if each.sequence >= from_sequence]

    def explain(self, recorded, hidden):
        return explainer(Engine(self.engine.policy), hidden).of_stored(recorded.decision, recorded.event)

    def position(self):
        return self.kept[-1].sequence if self.kept else 0

    def health(self):
        return Health("ok", (), {"position": self.position(), "lag": 0})

    def close(self, timeout_s):
        self._thread.shutdown()
