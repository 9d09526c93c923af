"""An engine as the journal drives it: every entry is carried out in one way, live, recovering or verifying.

What is journaled is decided: an event goes to bytes first, and what the bytes say is decided, so a
replay sees the very same values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.engine.answers import Answers
from riskweave.engine.decisions import Decision, Decisions
from riskweave.engine.durable_commands import (
    Activated,
    Command,
    RemoveShadow,
    ShadowAdded,
    apply,
    decode_command,
)
from riskweave.engine.durable_ladder import RULES, SAFE, Failures, Remembering, guarded, plainly, without
from riskweave.engine.durable_outcomes import Outcomes
from riskweave.engine.durable_policies import unpack_policy
from riskweave.engine.durable_records import (
    ACTION_NUMBERS,
    Record,
    Shape,
    encode_block,
    encode_ones,
    read_shape,
)
from riskweave.engine.engine import Engine, _Source
from riskweave.engine.keeping import take_snapshot
from riskweave.engine.memory import EventMemory
from riskweave.engine.ports import Entry, Kind, PolicyRow, Stores
from riskweave.engine.snapshot import Snapshot
from riskweave.engine.texts import make_room
from riskweave.errors import EventError, LimitError, StorageFailed
from riskweave.events.labels import read_label
from riskweave.events.record import event_id
from riskweave.events.spec import read_spec
from riskweave.events.table import Decoded, row_place
from riskweave.policy.plan import Plan
from riskweave.policy.policy import Policy

_decoder = msgspec.msgpack.Decoder()
_events = msgspec.msgpack.Decoder(dict[str, object])

Event = Mapping[str, object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_bytes(event: Event, bytes_max: int) -> bytes:
    """Return an event as the journal keeps it; raises EventError for what cannot be kept."""
    try:
        data: bytes = _encoder.encode(event)
    except (TypeError, ValueError, OverflowError, UnicodeError, RecursionError) as error:
        raise EventError("record", event, f"text, numbers, lists and maps ({error})") from None
    if len(data) > bytes_max:
        raise EventError("record", f"{len(data)} bytes", f"at most {bytes_max} bytes")
    return data


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)


def read_event(data: bytes) -> dict[str, object]:
    """Return an event from its bytes; raises EventError when they hold something else."""
    try:
        return _events.decode(data)
    except msgspec.ValidationError:
        raise EventError("record", _decoder.decode(data), "a map of names to values") from None


def events_body(parts: Sequence[bytes]) -> bytes:
    """Return events that are bytes already as one body: an array of binary strings."""
    return _encoder.encode(parts)


def table_body(table: Any) -> bytes:
    """Return an Arrow table as a body."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def body_table(body: bytes) -> Any:
    """Return the table of a body."""
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        return reader.read_all()


def body_events(entry: Entry) -> list[dict[str, object]]:
    """Return the events of an entry as records."""
    if entry.kind is Kind.TABLE:
        rows: list[dict[str, object]] = body_table(entry.body).to_pylist()
        return rows
    return [read_event(each) for each in _decoder.decode(entry.body)]


def source_of(entry: Entry, count: int | None = None) -> _Source:
    """Return the events of an entry, or the first `count` of them, as the engine takes a block."""
    rows = body_table(entry.body) if entry.kind is Kind.TABLE else body_events(entry)
    return _Source(rows, 0, entry.count if count is None else count)


def body_event(entry: Entry, index: int) -> dict[str, object]:
    """Return one event of an entry."""
    if entry.kind is Kind.TABLE:
        row: dict[str, object] = body_table(entry.body).slice(index, 1).to_pylist()[0]
        return row
    return read_event(_decoder.decode(entry.body)[index])


def check(entry: Entry) -> Entry:
    """Return the entry, or raise StorageFailed when its bytes are not what was written."""
    if entry.checksum() != entry.crc:
        raise StorageFailed(f"the journal is damaged at position {entry.position}: wrong checksum")
    return entry


@dataclass(frozen=True, slots=True)
class How:
    """How much of the policy decides: the rung, the models left out, the action of the rung `safe`."""

    rung: int = 0
    skipped: frozenset[str] = frozenset()
    safe_action: str = "REVIEW"

    @property
    def note(self) -> str:
        """Return what the journal keeps of it beside the rung."""
        names = ",".join(sorted(self.skipped))
        return f"{names};{self.safe_action}" if self.rung == SAFE else names

    @classmethod
    def of(cls, entry: Entry) -> How:
        """Return how an entry was decided."""
        names, _, action = entry.skipped.partition(";")
        return cls(entry.rung, frozenset(filter(None, names.split(","))), action or "REVIEW")


@dataclass(frozen=True, slots=True)
class _Variant:
    """A part of the policy that decides, and what the rest of it has to remember."""

    plan: Plan
    answers: Answers
    remembering: Remembering


class Host:
    """An engine, the policy's number in the journal, and the failures of its models."""

    def __init__(self, engine: Engine, policy: PolicyRow) -> None:
        self.engine = engine
        self.failures = Failures()
        self.shadows: dict[str, tuple[str, bytes]] = {}
        self.taken(engine, policy)

    def taken(self, engine: Engine, policy: PolicyRow) -> None:
        """Go on with this engine under this policy."""
        self.engine = engine
        self.policy = policy
        # The journal answers repeated ids, for longer than any engine would.
        engine.state.memory = EventMemory(0)
        self.full = engine.plan
        self._variants: dict[tuple[frozenset[str], bool], _Variant] = {}
        self._has_models = bool(engine.plan.models.models)
        self._use(How())

    def _use(self, how: How) -> _Variant:
        """Have the engine decide by as much of the policy as `how` says."""
        key = how.skipped, how.rung >= RULES
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variants[key] = self._variant(*key)
        engine = self.engine
        if engine.plan is not variant.plan:
            engine.plan, engine.answers, engine._recorder = variant.plan, variant.answers, None
        return variant

    def _variant(self, skipped: frozenset[str], plain: bool) -> _Variant:
        engine = self.engine
        plan = guarded(self.full, self.failures) if self._has_models else self.full
        plan = without(plainly(plan) if plain else plan, skipped)
        return _Variant(plan, Answers(plan, engine.outputs, engine.rule_ids), Remembering(self.full, skipped))

    # ---- deciding

    def identity(self, event: Event) -> str | None:
        """Return the id of an event that can be decoded."""
        return event_id(self.full.decode, event)

    def one(self, event: Event, how: How) -> tuple[Decision, How]:
        """Decide one event; a model that fails is left out, and the answer says so."""
        variant = self._use(how)
        engine = self.engine
        decision = engine.decide(event)
        if variant.remembering.any:
            variant.remembering.step(engine.state, engine._one)
        how = self._after(how)
        if how.rung == SAFE:
            decision = replace(
                decision, action=how.safe_action, score=0.0, hits=(), rule_numbers=(), outcome=None
            )
        return decision, how

    def _after(self, how: How) -> How:
        if not self.failures.failed:
            return how
        return replace(how, rung=max(how.rung, 1), skipped=how.skipped | frozenset(self.failures.failed))

    def decoded(self, source: _Source) -> Decoded:
        """Decode a block; nothing is remembered."""
        state = self.engine.state
        make_room(self.full.pool, (self.full, state))
        decoded = source.decode(self.full, state.events, row_place)
        batch = decoded.batch
        np.maximum.accumulate(batch.time_ms, out=batch.watermark_ms)
        np.maximum(batch.watermark_ms, state.watermark_ms, out=batch.watermark_ms)
        return decoded

    def block(self, decoded: Decoded, source: _Source, how: How) -> tuple[Decisions, How]:
        """Decide a decoded block in which all is new and readable."""
        variant = self._use(how)
        decisions = self.engine._decide_fresh(decoded, source)
        variant.remembering.step(self.engine.state, decoded.batch)
        how = self._after(how)
        if how.rung == SAFE:
            decisions.action[:] = ACTION_NUMBERS[how.safe_action]
            decisions.score[:] = 0.0
            decisions.hit_start[:] = 0
            decisions.hit_rule = decisions.hit_rule[:0]
        return decisions, how

    def learn(self, label: Event) -> dict[str, object]:
        """Take a label; return it with its field's name and the time it counts from written out."""
        read = read_label(label, list(self.full.labels))
        now = self.engine.state.watermark_ms
        due_ms = now if read.time_ms is None else max(now, read.time_ms)
        self.engine.learn(label)
        return {**label, "label": read.name, "due_ms": due_ms}

    # ---- replaying

    def replay(self, entry: Entry, stores: Stores, upto: int | None = None) -> bytes:
        """Carry out an entry that was journaled; return the record that comes of it.

        With `upto` only its events up to that position are decided.
        """
        if entry.kind is Kind.LABEL:
            self.engine.learn(read_event(entry.body))
            return b""
        if entry.kind is Kind.COMMAND:
            self._command(entry, stores)
            return b""
        how = How.of(entry)
        count = entry.count if upto is None else max(0, min(entry.count, upto - entry.position + 1))
        if entry.kind is Kind.ONE_BY_ONE:
            record = self._replay_ones(entry, how, count)
        else:
            source = source_of(entry, count)
            decoded = self.decoded(source)
            if decoded.rejected:
                raise decoded.rejected[0].error
            record = encode_block(self.block(decoded, source, how)[0])
        self.failures.take()
        return record

    def _replay_ones(self, entry: Entry, how: How, count: int) -> bytes:
        return encode_ones([self.one(event, how)[0] for event in body_events(entry)[:count]])

    def _command(self, entry: Entry, stores: Stores) -> None:
        command = decode_command(entry.body)
        if isinstance(command, Activated):
            row = policy_row(stores, command.policy)
            self.activate(
                row, policy_of(stores, row), history(stores, command.history_from, entry.position - 1)
            )
        else:
            self.command(command)

    def command(self, command: Command) -> tuple[Command, object]:
        """Carry out a command; see `durable_commands.apply`."""
        done, result = apply(self.engine, command)
        if isinstance(done, ShadowAdded):
            self.shadows[done.name] = (done.version, done.content)
        elif isinstance(done, RemoveShadow):
            self.shadows.pop(done.name, None)
        return done, result

    def activate(self, row: PolicyRow, policy: Policy, past: History) -> None:
        """Go over to another policy, its new features filled from the past."""
        engine = self.engine
        self._use(How())
        engine.plan = self.full
        engine.replace_policy(policy, past.parts(), past.labels(policy))
        self.taken(engine, row)

    def follow(self, entry: Entry, stores: Stores) -> None:
        """Take in what another policy decided; what this one cannot read is passed over, as in a history."""
        if not entry.kind.holds_events:
            with contextlib.suppress(EventError, LimitError):
                if entry.kind is Kind.LABEL:
                    self.engine.learn(read_event(entry.body))
                else:
                    command = decode_command(entry.body)
                    if not isinstance(command, Activated):
                        self.command(command)
            return
        how = How.of(entry)
        source = source_of(entry)
        decoded = self.decoded(source)
        self.block(decoded, source, how)
        self.failures.take()

    # ---- state

    def snapshot(self) -> Snapshot:
        """Return the engine's state, in arrays of its own."""
        return take_snapshot(self.full, self.engine.state)

    @classmethod
    def restored(cls, stores: Stores, row: PolicyRow, state: Snapshot) -> Host:
        """Return a host that goes on from a snapshot."""
        return cls(Engine.restore(policy_of(stores, row), state), row)


def policy_row(stores: Stores, number: int) -> PolicyRow:
    """Return a policy that was in force, by number."""
    for row in stores.journal.policies():
        if row.number == number:
            return row
    raise StorageFailed(f"the journal does not know policy number {number}")


def policy_of(stores: Stores, row: PolicyRow) -> Policy:
    """Return a policy from its stored content."""
    return unpack_policy(stores.journal.content(row.content), stores.folder)


class Shapes:
    """The shapes of all policies that were in force, read once each."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._known: dict[int, Shape] = {}
        self.outcomes = Outcomes(lambda number: policy_of(stores, policy_row(stores, number)))

    def of(self, number: int) -> Shape:
        """Return the shape of a policy's decisions."""
        if number not in self._known:
            row = policy_row(self.stores, number)
            self._known[number] = read_shape(self.stores.journal.content(row.shape))
        return self._known[number]

    def record(self, entry: Entry) -> Record:
        """Return the decisions of a checked entry."""
        return Record(entry.kind, entry.record, self.of(entry.policy))


# ---- the past, for features that begin later


def entries(stores: Stores, first: int, last: int | None = None) -> Iterator[Entry]:
    """Yield checked entries that reach into [first, last], from the archive and then the journal."""
    kept_from = stores.journal.first().position + 1
    if first < kept_from:
        until = kept_from - 1 if last is None else min(last, kept_from - 1)
        yield from map(check, stores.archive.read(first, until))
    expected = max(first, kept_from)
    for entry in stores.journal.read(expected, last):
        if entry.position > expected:
            # They went to the archive while we were reading.
            yield from map(check, stores.archive.read(expected, entry.position - 1))
        yield check(entry)
        expected = entry.last + 1


@dataclass(frozen=True, slots=True)
class _Part:
    """The events of an entry, read when they are asked for: history does not fit in memory."""

    fetch: Callable[[], Sequence[Any]]
    size: int

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, which: slice) -> Sequence[Any]:
        return self.fetch()[which]


@dataclass(frozen=True, slots=True)
class History:
    """The events and labels in [first, last] of the journal and archive."""

    stores: Stores
    first: int
    last: int

    def parts(self) -> Iterable[Any]:
        """Return the events in the order in which they arrived, as few parts that are read when used."""
        if self.last < self.first:
            return []
        runs: list[Any] = []
        for entry in entries(self.stores, self.first, self.last):
            if entry.kind.holds_events:
                runs.append((entry.position, entry.count))
        return [self._run(each) for each in _joined(runs)]

    def _run(self, run: list[tuple[int, int]]) -> _Part:
        first, last = run[0][0], run[-1][0] + run[-1][1] - 1
        size = sum(count for _, count in run)

        def fetch() -> list[dict[str, object]]:
            found: list[dict[str, object]] = []
            for entry in entries(self.stores, first, last):
                if entry.kind.holds_events:
                    found += body_events(entry)
            return found

        return _Part(fetch, size)

    def labels(self, policy: Policy) -> list[dict[str, object]]:
        """Return the labels that a policy knows, with the time from which each counted."""
        known = read_spec(policy.document.root).labels()
        found: list[dict[str, object]] = []
        if self.last < self.first or not known:
            return found
        for entry in entries(self.stores, self.first, self.last):
            if entry.kind is Kind.LABEL:
                label = read_event(entry.body)
                if label["label"] in known:
                    found.append(
                        {**label, "time": _EPOCH + timedelta(milliseconds=int(str(label["due_ms"])))}
                    )
        return found


def history(stores: Stores, first: int, last: int) -> History:
    """Return the past in [first, last]."""
    return History(stores, first, last)


_PART_ROWS = 8_192


def _joined(runs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group entries into parts of a few thousand events."""
    parts: list[list[tuple[int, int]]] = []
    rows = _PART_ROWS
    for run in runs:
        if rows + run[1] > _PART_ROWS:
            parts.append([])
            rows = 0
        parts[-1].append(run)
        rows += run[1]
    return parts


def summary(
    record_time: NDArray[np.int64], action: NDArray[np.int8], score: NDArray[np.float64]
) -> dict[str, Any]:
    """Return what an entry says about its decisions without being read."""
    known = score[~np.isnan(score)]
    return {
        "time_min_ms": int(record_time.min()),
        "time_max_ms": int(record_time.max()),
        "actions": int(np.bitwise_or.reduce(1 << action.astype(np.int64))),
        "score_max": float(known.max()) if known.size else 0.0,
    }
