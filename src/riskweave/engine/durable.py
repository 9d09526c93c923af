"""An engine that loses nothing: every event and its decision are in the journal before the answer is told.

One thread owns the engine. It takes what waits, decides it, and commits it as one group: while a group is
on its way to disk the next one gathers. See docs/durability.md.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from riskweave.engine.durable_activation import Activation, activated_row
from riskweave.engine.durable_answers import Answer, Health, ManyAnswers, request_id
from riskweave.engine.durable_block import Block
from riskweave.engine.durable_check import Checker
from riskweave.engine.durable_commands import (
    ActivatePolicy,
    AddShadow,
    AnyCommand,
    Command,
    RollBack,
    ShadowAdded,
    encode_command,
)
from riskweave.engine.durable_draft import Draft
from riskweave.engine.durable_first import FirstAnswers
from riskweave.engine.durable_host import (
    Event,
    Host,
    How,
    event_bytes,
    policy_of,
    read_event,
)
from riskweave.engine.durable_ladder import Rests, rung_for, skipped_at
from riskweave.engine.durable_recovery import host_at, position_before, recover, start
from riskweave.engine.durable_shadows import Shadows
from riskweave.engine.durable_snapshots import Snapshotter
from riskweave.engine.engine import Engine
from riskweave.engine.ports import RUNGS, DurableSettings, Entry, Kind, PolicyRow, Stores
from riskweave.engine.snapshot import Snapshot
from riskweave.errors import (
    DeadlineExceeded,
    EventError,
    Overloaded,
    PolicyError,
    RiskweaveError,
    StateError,
    StorageFailed,
)
from riskweave.events.hashing import hash_text
from riskweave.policy.policy import Policy

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("riskweave.durable")

T = TypeVar("T")
Clock = Callable[[], int]


def wall_clock_ms() -> int:
    """Return milliseconds since 1970; only ever used to say when something was received."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Single:
    event: Event
    deadline: float | None
    future: Future[Answer]
    arrived: float


@dataclass(slots=True)
class _Label:
    label: Event
    future: Future[None]
    arrived: float


@dataclass(slots=True)
class _Call:
    """Work between two groups: a command or a look at the engine."""

    run: Callable[[], object]
    future: Future[Any]
    arrived: float


@dataclass(slots=True)
class _Bulk:
    source: Any
    size: int
    answers: ManyAnswers
    future: Future[ManyAnswers]
    started: float
    done: int = 0
    deciding: bool = False


@dataclass(slots=True)
class _Prepared:
    """An event that can be read: what it is, its bytes, its id and the id's hash (0: none)."""

    item: _Single
    event: dict[str, object]
    data: bytes
    identity: str | None
    id_hash: int


class DurableEngine:
    """Decides events durably; every method may be called from any thread.

    `submit` and the like return futures. `close` drains the queue, commits, and leaves a snapshot.
    """

    def __init__(self, stores: Stores, settings: DurableSettings, clock: Clock, host: Host) -> None:
        self.stores = stores
        self.settings = settings
        self.clock = clock
        self._host = host
        self._draft = Draft(stores.journal.tip(), clock)
        self._first = FirstAnswers(stores)
        self._rests = Rests(settings)
        self._snapshots = Snapshotter(stores, settings)
        self._shadows = Shadows(stores)
        self._queue: deque[_Single | _Label | _Call] = deque()
        self._bulk: deque[_Bulk] = deque()
        self._bulk_rows = 0
        self._signal = threading.Condition()
        self._closing = False
        self._failed: str | None = None
        self._retry_at = 0.0
        self._commit_by: float | None = None
        self._unanswered: list[Callable[[], None]] = []
        self._rung = 0
        self._decided = self._refused = self._dropped = 0
        self._damage: tuple[str, ...] = ()
        self._clock_note: str | None = None
        self._activating: str | None = None
        self._activation_lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "riskweave-writer")
        self._on_its_way: Future[None] | None = None
        self._checker = Checker(stores, 0)
        self._thread = threading.Thread(target=self._loop, name="riskweave-engine", daemon=True)

    @classmethod
    def open(
        cls,
        stores: Stores,
        policy: Policy | None = None,
        *,
        settings: DurableSettings | None = None,
        clock: Clock = wall_clock_ms,
    ) -> DurableEngine:
        """Go on where the journal ends: newest good snapshot, then the entries after it.

        On an empty journal `policy` is put in force, at the journal's first position; later the
        journal says which policy is in force, and `policy` is not looked at.
        """
        settings = settings or DurableSettings()
        stores.journal.set_durable(not settings.relaxed)
        if stores.journal.tip().position == 0:
            if policy is None:
                raise StateError("the journal is empty: a policy is needed to begin with")
            start(stores, policy, clock)
        recovered = recover(stores)
        engine = cls(stores, settings, clock, recovered.host)
        engine._damage = tuple(recovered.damage)
        for each in recovered.damage:
            log.error("storage damage: %s", each)
        engine._snapshots.last = recovered.snapshot
        recovered.host.engine.warm_up()
        engine._thread.start()
        engine._shadows.start(recovered.host.shadows)
        engine._checker = Checker(stores, recovered.snapshot)
        engine._checker.start()
        return engine

    # ---- from any thread

    @property
    def policy_version(self) -> str:
        """Return the version of the policy in force."""
        return self._host.policy.version

    @property
    def policies(self) -> list[PolicyRow]:
        """Return every policy that was put in force, in order."""
        return self.stores.journal.policies()

    @property
    def journal_identity(self) -> str:
        return self.stores.journal.identity

    def policy(self, row: PolicyRow | None = None) -> Policy:
        """Return the policy in force, or one that was."""
        return self._host.engine.policy if row is None else policy_of(self.stores, row)

    def submit(self, event: Event, deadline: float | None = None) -> Future[Answer]:
        """Decide an event; the answer comes after the commit (`relaxed`: after deciding).

        `deadline` is a moment of `time.monotonic()`: when it passes before the event's turn, nothing
        is decided. The future may hold EventError, DuplicateError, Overloaded, DeadlineExceeded or
        StorageFailed.
        """
        future: Future[Answer] = Future()
        now = time.monotonic()
        if deadline is None and self.settings.deadline_ms is not None:
            deadline = now + self.settings.deadline_ms / 1e3
        self._put(_Single(event, deadline, future, now))
        return future

    def submit_many(self, events: Sequence[Event] | pa.Table) -> Future[ManyAnswers]:
        """Decide many events, in order; what cannot be read, or repeats an id, is answered one by one."""
        future: Future[ManyAnswers] = Future()
        source: Any = events
        size = source.num_rows if hasattr(source, "num_rows") else len(source)
        answers = ManyAnswers(size, self.stores.journal.identity, not self.settings.relaxed)
        bulk = _Bulk(source, size, answers, future, time.monotonic())
        with self._signal:
            refusal = self._refusal()
            if refusal is None and self._bulk_rows + size > self.settings.queue_bulk_rows:
                refusal = Overloaded(self._bulk_rows, 1.0)
            if refusal is None:
                self._bulk.append(bulk)
                self._bulk_rows += size
                self._signal.notify_all()
            else:
                self._refused += size
        if refusal is not None:
            future.set_exception(refusal)
        return future

    def feedback(self, label: Event) -> Future[None]:
        """Take a label (`event_id`, `value`, `label`, `time`); done after the commit."""
        future: Future[None] = Future()
        self._put(_Label(label, future, time.monotonic()))
        return future

    def command(self, command: AnyCommand) -> Future[Any]:
        """Carry out a change, journaled at one position; see `durable_commands`."""
        future: Future[Any] = Future()
        if isinstance(command, (ActivatePolicy, RollBack, AddShadow)):
            work = self._add_shadow if isinstance(command, AddShadow) else self._activate
            threading.Thread(
                target=self._in_background,
                args=(work, command, future),
                name="riskweave-activation",
                daemon=True,
            ).start()
        else:
            self._put(_Call(lambda: self._carry_out(command), future, time.monotonic()))
        return future

    def read(self, function: Callable[[Engine], T]) -> Future[T]:
        """Look at the engine between two groups; `function` must not change it."""
        future: Future[T] = Future()
        self._put(_Call(lambda: function(self._host.engine), future, time.monotonic()))
        return future

    def as_of(self, at: int | datetime, function: Callable[[Engine], T]) -> T:
        """Look at an engine as it was behind a position, or before event time passed a moment."""
        self.flush()
        if isinstance(at, datetime):
            at = position_before(self.stores, int(at.timestamp() * 1000))
        return function(host_at(self.stores, at).engine)

    def flush(self, timeout: float | None = 60.0) -> int:
        """Wait until all that was decided is on disk; return the last position."""
        future: Future[int] = Future()
        self._put(_Call(self._flushed, future, time.monotonic()), always=True)
        return future.result(timeout)

    def snapshot(self, timeout: float | None = 300.0) -> int:
        """Take a snapshot now and wait until it is stored; return its position."""
        future: Future[int] = Future()
        self._put(
            _Call(lambda: self._snapshots.take(self._host, self._flushed_tip()), future, time.monotonic())
        )
        position = future.result(timeout)
        self._snapshots.wait(timeout)
        return position

    def health(self) -> Health:
        """Return how the engine is; cheap, never waits."""
        why: list[str] = []
        if self._failed is not None:
            why.append(self._failed)
        if not self._thread.is_alive() and not self._closing:
            why.append("the engine thread has ended")
        state = "failed" if why else "ok"
        if self._rung:
            why.append(f"answers at rung `{RUNGS[self._rung]}`")
        why += [f"model `{name}` failed: {text}" for name, text in sorted(self._rests.why.copy().items())]
        damage = (*self._damage, *self._checker.damage)
        why += damage
        if self._snapshots.error is not None:
            why.append(f"snapshots fail: {self._snapshots.error}")
        if self._clock_note is not None:
            why.append(self._clock_note)
        shadows = self._shadows.states()
        why += [f"shadow `{name}`: {text}" for name, text in shadows.items() if text.startswith("failed")]
        if why and state == "ok":
            state = "degraded"
        committed = self._draft.committed.position
        size = -1
        if self._failed is None:
            with contextlib.suppress(OSError, StorageFailed):
                size = self.stores.journal.nbytes()
        age = self._snapshots.age_s()
        return Health(
            state=state,
            why=tuple(why),
            rung=RUNGS[self._rung],
            policy_version=self.policy_version,
            position=committed,
            lag=self._draft.position - committed,
            queued=len(self._queue) + self._bulk_rows,
            decided=self._decided,
            refused=self._refused,
            dropped=self._dropped,
            last_snapshot=self._snapshots.last,
            snapshot_age_s=age,
            snapshot_stall_ms=self._snapshots.stall_ms,
            journal_bytes=size,
            disk="failed" if self._failed is not None else "ok",
            damage=damage,
            unchecked=self._checker.unchecked,
            activating=self._activating,
            shadows=shadows,
        )

    def close(self, timeout: float | None = 60.0) -> None:
        """Refuse what is new, finish what waits, commit, leave a snapshot."""
        with self._signal:
            self._closing = True
            self._signal.notify_all()
        self._shadows.stop()
        self._checker.stop()
        self._thread.join(timeout)
        if not self._thread.is_alive() and self._failed is None:
            with contextlib.suppress(RiskweaveError, OSError):
                self._snapshots.take(self._host, self._draft.committed)
            self._snapshots.wait(timeout)
        self._writer.shutdown(wait=False)
        self._refuse_all(StorageFailed(self._failed or "the engine is closed"))

    # ---- the queue

    def _put(self, item: _Single | _Label | _Call, always: bool = False) -> None:
        with self._signal:
            refusal = None if always and not self._closing else self._refusal()
            if refusal is None and not always and len(self._queue) >= self.settings.queue_events:
                refusal = Overloaded(len(self._queue), 1.0)
            if refusal is None:
                self._queue.append(item)
                self._signal.notify_all()
            else:
                self._refused += 1
        if refusal is not None:
            item.future.set_exception(refusal)

    def _refusal(self) -> RiskweaveError | None:
        if self._closing:
            return StorageFailed("the engine is closing")
        if self._failed is not None:
            return StorageFailed(self._failed)
        return None

    def _loop(self) -> None:
        while True:
            with self._signal:
                self._await_work()
                if self._closing and not (self._queue or self._bulk):
                    break
            try:
                self._turn()
            except StorageFailed as error:
                self._storage_failed(error)
            except BaseException as error:
                log.exception("the engine failed; it is built anew from the journal")
                self._rebuild(error)
        with contextlib.suppress(StorageFailed):
            self._commit()

    def _await_work(self) -> None:
        while not (self._queue or self._bulk or self._closing):
            due = self._retry_at if self._failed is not None else self._commit_by
            if due is None:
                self._signal.wait()
                continue
            left = due - time.monotonic()
            if left <= 0:
                return
            self._signal.wait(left)

    def _turn(self) -> None:
        """Serve what waits: one run of single requests, one call, and one block of a bulk."""
        if self._failed is not None:
            self._retry()
            return
        group = self._gather()
        if group:
            try:
                self._serve(group)
            except BaseException as error:
                self._failed = self._failed or _why(error)
                _refuse([item.future for item in group], error)
                raise
        call = self._next_call()
        if call is not None:
            self._run_call(call)
        if self._bulk:
            self._serve_bulk(self._bulk[0])
        if self._commit_by is not None and time.monotonic() >= self._commit_by:
            self._commit()
        self._snapshots.maybe(self._host, self._draft, self._commit)

    def _gather(self) -> list[_Single | _Label]:
        group: list[_Single | _Label] = []
        with self._signal:
            while self._queue and len(group) < self.settings.group_events:
                if isinstance(self._queue[0], _Call):
                    break
                group.append(cast("_Single | _Label", self._queue.popleft()))
        return group

    def _next_call(self) -> _Call | None:
        with self._signal:
            if self._queue and isinstance(self._queue[0], _Call):
                return cast(_Call, self._queue.popleft())
        return None

    # ---- single events and labels

    def _serve(self, group: list[_Single | _Label]) -> None:
        started = time.monotonic()
        how = self._how((started - group[0].arrived) * 1e3, len(group) + len(self._queue))
        prepared = self._prepared(group, started)
        known = self._known([each.id_hash for each in prepared.values()])
        repeats: list[tuple[_Prepared, int]] = []
        pending = self._draft.hashes
        answers: list[tuple[_Single, Answer]] = []
        labels: list[_Label] = []
        ran = frozenset(how.skipped)
        for number, item in enumerate(group):
            if isinstance(item, _Label):
                self._take_label(item, labels)
                continue
            ready = prepared.get(number)
            if ready is None:
                continue
            position = known.get(ready.id_hash, pending.get(ready.id_hash, -1)) if ready.id_hash else -1
            if position >= 0:
                repeats.append((ready, position))
                continue
            began = time.perf_counter()
            try:
                decision, done = self._host.one(ready.event, how)
            except EventError as error:
                self._refused += 1
                item.future.set_exception(error)
                continue
            if done is not how:
                self._rests.failed(self._host.failures.take())
                ran = ran | done.skipped
            sequence = self._draft.one(self._host.policy.number, done, ready.data, ready.id_hash, decision)
            took_us = (time.perf_counter() - began) * 1e6
            answers.append((item, self._answer(decision, sequence, done, took_us)))
        if self._rests.failures:
            self._rests.succeeded(ran)
        self._decided += len(answers)
        self._rung = how.rung

        def tell() -> None:
            for item, answer in answers:
                _resolve(item.future, answer)
            for label in labels:
                _resolve(label.future, None)

        self._finish(tell)
        for ready, position in repeats:
            self._repeat(ready, position)

    def _prepared(self, group: list[_Single | _Label], now: float) -> dict[int, _Prepared]:
        """Return the events of a group that can be read and are still waited for."""
        found: dict[int, _Prepared] = {}
        for number, item in enumerate(group):
            if isinstance(item, _Label):
                continue
            if not item.future.set_running_or_notify_cancel():
                self._dropped += 1
                continue
            if item.deadline is not None and now > item.deadline:
                self._dropped += 1
                item.future.set_exception(
                    DeadlineExceeded("the deadline passed before the event's turn came")
                )
                continue
            try:
                data = event_bytes(item.event, self.settings.event_bytes_max)
                event = read_event(data)
                identity = self._host.identity(event)
            except EventError as error:
                self._refused += 1
                item.future.set_exception(error)
                continue
            id_hash = 0 if identity is None else hash_text(identity)
            found[number] = _Prepared(item, event, data, identity, id_hash)
        return found

    def _known(self, hashes: list[int]) -> dict[int, int]:
        """Return the positions of ids that the journal has, by hash."""
        if not hashes:
            return {}
        positions = self.stores.ids.find(np.array(hashes, np.uint64))
        return {
            each: position
            for each, position in zip(hashes, positions.tolist(), strict=True)
            if position >= 0 and each
        }

    def _take_label(self, item: _Label, labels: list[_Label]) -> None:
        if not item.future.set_running_or_notify_cancel():
            return
        try:
            data = event_bytes(item.label, self.settings.event_bytes_max)
            written = self._host.learn(read_event(data))
        except EventError as error:
            self._refused += 1
            item.future.set_exception(error)
            return
        self._draft.change(Kind.LABEL, self._host.policy.number, event_bytes(written, 2**31))
        labels.append(item)

    def _repeat(self, ready: _Prepared, position: int) -> None:
        """Give the first answer again, or refuse other content under the same id."""
        assert ready.identity is not None
        try:
            if position > self._draft.committed.position:
                self._commit()
            answer = self._again(position, ready.identity, ready.event)
        except RiskweaveError as error:
            if isinstance(error, EventError):
                self._refused += 1
            ready.item.future.set_exception(error)
            return
        _resolve(ready.item.future, answer)

    def _again(self, position: int, identity: str, event: Event) -> Answer:
        started = time.perf_counter()
        stored = self._first.find(position, identity, event, self._host.full.decode.sources)
        took_us = (time.perf_counter() - started) * 1e6
        return Answer(
            stored.decision,
            stored.sequence,
            stored.request_id,
            True,
            stored.policy_version,
            stored.rung,
            took_us,
            True,
            stored.skipped,
        )

    def _answer(self, decision: Any, sequence: int, how: How, took_us: float) -> Answer:
        return Answer(
            decision,
            sequence,
            request_id(self.stores.journal.identity, sequence),
            not self.settings.relaxed,
            self._host.policy.version,
            RUNGS[how.rung],
            took_us,
            False,
            tuple(sorted(how.skipped)),
        )

    def _how(self, waited_ms: float, queued: int) -> How:
        """Return how much of the policy is run now."""
        rung = rung_for(waited_ms, queued, self.settings) if self.settings.ladder else 0
        skipped = skipped_at(rung, self._host.full, self.settings) if rung else frozenset()
        resting = self._rests.resting()
        if resting:
            rung, skipped = max(rung, 1), skipped | resting
        return How(rung, skipped, self.settings.safe_action)

    # ---- many events

    def _serve_bulk(self, bulk: _Bulk) -> None:
        try:
            if bulk.done == 0 and not bulk.future.set_running_or_notify_cancel():
                bulk.done = bulk.size
            else:
                self._serve_block(bulk)
                if bulk.done >= bulk.size:
                    self._arrive()
        except (RiskweaveError, TypeError, ValueError) as error:
            if bulk.deciding and not isinstance(error, StorageFailed):
                self._failed = _why(error)
                raise  # State may have changed: it is built anew.
            # Nothing of this block is remembered; blocks before it stand, and repeat their answers.
            bulk.done = bulk.size
            if isinstance(error, StorageFailed):
                self._drop_bulk(bulk)
                bulk.future.set_exception(StorageFailed(str(error), maybe_recorded=True))
                raise
            bulk.future.set_exception(error)
        if bulk.done >= bulk.size:
            self._drop_bulk(bulk)
            if not bulk.future.done() and not bulk.future.cancelled():
                bulk.answers.processing_us = (time.monotonic() - bulk.started) * 1e6
                bulk.future.set_result(bulk.answers)

    def _drop_bulk(self, bulk: _Bulk) -> None:
        with self._signal:
            if self._bulk and self._bulk[0] is bulk:
                self._bulk.popleft()
                self._bulk_rows -= bulk.size

    def _serve_block(self, bulk: _Bulk) -> None:
        size = min(self.settings.block_rows, bulk.size - bulk.done)
        block = Block(self, bulk.source, bulk.answers, bulk.done, size)
        decoded, hashes, again = block.read()
        bulk.deciding = True
        block.decide(decoded, hashes)
        bulk.deciding = False
        block.repeat(again)
        bulk.done += size

    # ---- calls

    def _run_call(self, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            result = call.run()
        except StorageFailed as error:
            call.future.set_exception(error)
            raise
        except Exception as error:
            call.future.set_exception(error)
            return
        if not call.future.done():
            call.future.set_result(result)

    def _carry_out(self, command: Command) -> object:
        done, result = self._host.command(command)
        self._draft.change(Kind.COMMAND, self._host.policy.number, encode_command(done))
        self._commit()
        self._shadows.follow(self._host.shadows)
        return result

    def _flushed(self) -> int:
        self._commit()
        return self._draft.committed.position

    def _flushed_tip(self) -> Any:
        self._commit()
        return self._draft.committed

    def _on_engine(self, work: Callable[[], T], timeout: float | None = None) -> T:
        """Run `work` on the engine thread, between two groups."""
        future: Future[T] = Future()
        self._put(_Call(work, future, time.monotonic()))
        return future.result(timeout)

    # ---- policies

    def _in_background(self, work: Callable[[Any], object], command: AnyCommand, future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work(command))
        except BaseException as error:
            future.set_exception(error)

    def _activate(self, command: ActivatePolicy | RollBack) -> str:
        """Fill a copy under the new policy while the old one decides, then go over at one position."""
        with self._activation_lock:
            row, policy = activated_row(self.stores, self._host.policy, command)
            self._activating = row.version
            try:
                activation = Activation(self.stores, row, policy, command)
                old, tip, state = self._on_engine(self._forked)
                activation.begin(old, tip, state)
                while activation.behind(self._draft.committed.position):
                    activation.catch_up(self._draft.committed.position)
                return self._on_engine(lambda: self._go_over(activation))
            finally:
                self._activating = None

    def _forked(self) -> tuple[PolicyRow, Any, Snapshot]:
        self._commit()
        return self._host.policy, self._draft.committed, self._host.snapshot()

    def _go_over(self, activation: Activation) -> str:
        self._commit()
        host, entry_body, row = activation.finish(self._host, self._draft.committed.position)
        host.shadows = self._host.shadows
        position = self._draft.change(Kind.COMMAND, row.number, entry_body)
        self._draft.policies.append(replace(row, position=position))
        self._host = host
        self._rests = Rests(self.settings)
        self._snapshots.soon = True
        self._commit()
        return row.version

    def _add_shadow(self, command: AddShadow) -> str:
        packed = Activation.packed(self.stores, command.policy)
        if command.name in self._host.shadows:
            raise PolicyError(f"there is a shadow `{command.name}` already", None, "remove it first")
        added = ShadowAdded(
            name=command.name,
            version=command.policy.version,
            content=packed,
            by=command.by,
            why=command.why,
        )
        self._on_engine(lambda: self._carry_out(added))
        return command.policy.version

    # ---- commits

    def _finish(self, tell: Callable[[], None]) -> None:
        """Commit and tell; relaxed: tell, and commit soon."""
        if not self.settings.relaxed:
            self._commit()
            tell()
            return
        tell()
        if self._commit_by is None and not self._draft.is_empty:
            self._commit_by = time.monotonic() + self.settings.relaxed_commit_ms / 1e3
        if self._draft.size >= 64 * self.settings.group_events:
            self._commit()

    def _commit(self) -> None:
        """Make what is decided durable; raises StorageFailed, and it stays to be written."""
        self._commit_by = None
        self._arrive()
        draft = self._draft
        if draft.is_empty:
            return
        entries = draft.sealed()
        self._append(lambda: self.stores.journal.append(entries, draft.policies))
        self._add_ids(entries)
        draft.written()
        if draft.clock_step_ms:
            self._clock_note = f"the clock went back by {draft.clock_step_ms} ms at {draft.position}"
        self._snapshots.grown(draft.committed)
        self._shadows.wake()

    def _send(self) -> None:
        """Have what is decided written while the next block is decided; `_arrive` says how it went."""
        self._arrive()
        draft = self._draft
        assert not draft.policies
        entries = draft.sent()
        # Known at once, so that the next block finds its repeats.
        self._add_ids(entries)
        self._on_its_way = self._writer.submit(self.stores.journal.append, entries)

    def _arrive(self) -> None:
        """Wait for what is on its way to disk; raises StorageFailed, and it stays to be written."""
        on_its_way, self._on_its_way = self._on_its_way, None
        if on_its_way is None:
            return
        try:
            self._append(on_its_way.result)
        except BaseException:
            self._draft.returned()
            raise
        self._draft.arrived()
        self._snapshots.grown(self._draft.committed)
        self._shadows.wake()

    def _append(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (StorageFailed, OSError, MemoryError) as error:
            if not isinstance(error, StorageFailed):
                error = StorageFailed(f"the journal cannot be written: {error}")
            # Before anybody is told, so that whoever is told finds it in `health`.
            self._note_failure(error)
            raise error from error.__cause__

    def _add_ids(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.ids:
                self.stores.ids.add(np.frombuffer(entry.ids, "<u8"), entry.position)

    def _note_failure(self, error: StorageFailed) -> None:
        if self._failed is None:
            log.error("storage failed: %s", error)
        self._failed = str(error)
        self._retry_at = time.monotonic() + self.settings.retry_s

    def _storage_failed(self, error: StorageFailed) -> None:
        self._note_failure(error)
        self._refuse_all(error)

    def _refuse_all(self, error: StorageFailed) -> None:
        with self._signal:
            waiting: list[Future[Any]] = [item.future for item in self._queue]
            waiting += [bulk.future for bulk in self._bulk]
            self._refused += len(self._queue) + self._bulk_rows
            self._queue.clear()
            self._bulk.clear()
            self._bulk_rows = 0
        for future in waiting:
            if not future.done():
                future.set_exception(StorageFailed(str(error)))

    def _retry(self) -> None:
        """See whether the storage works again, and write what it still has to take."""
        left = self._retry_at - time.monotonic()
        if left > 0 and not self._closing:
            time.sleep(min(left, 0.05))
            return
        self.stores.journal.reopen()
        self._commit()
        log.warning("storage works again")
        self._failed = None

    def _rebuild(self, error: BaseException) -> None:
        """After an error that nobody foresaw: what is not in the journal never was."""
        why = self._failed = _why(error)
        self._refuse_all(StorageFailed(f"the engine failed ({why}); send the events again"))
        try:
            if self._on_its_way is not None:
                wait([self._on_its_way])
                self._on_its_way = None
            self.stores.journal.reopen()
            recovered = recover(self.stores)
            self._host = recovered.host
            self._draft = Draft(self.stores.journal.tip(), self.clock)
            self._failed = None
        except (RiskweaveError, OSError) as again:
            self._storage_failed(StorageFailed(f"{why}; then {again}"))


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _refuse(futures: Sequence[Future[Any]], error: BaseException) -> None:
    """Answer what was not answered when the engine or the disk failed."""
    failed = StorageFailed(f"{error}; send the event again", maybe_recorded=True)
    for future in futures:
        if not future.done():
            future.set_exception(failed)


def _resolve(future: Future[Any], value: object) -> None:
    if not future.cancelled():
        future.set_result(value)


__all__ = ["Answer", "DurableEngine", "DurableSettings", "Health", "ManyAnswers", "wall_clock_ms"]
