"""Everything that can go wrong, drawn as a tree.

    RiskweaveError
    ├── PolicyError        the analyst's mistake: a policy that cannot be right
    │   └── PolicyErrors   several of them, all that one check found
    ├── EventError         the sender's mistake: one record that cannot be read
    │   └── DuplicateError the same event id again, with other content
    ├── StateError         a snapshot that does not fit or is damaged
    ├── ModelError         a model's files that cannot be used
    ├── LimitError         something from outside is larger than allowed
    ├── Overloaded         too much at once: come back in a moment
    ├── DeadlineExceeded   nobody waits for this answer any more
    └── StorageFailed      what must be durable cannot be written, or what was written cannot be read

An error says where, what, the text itself, and the way out.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# A longer line of a policy is shown in part.
CARET_MAX = 160


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in a policy file.

    `line` and `column` count from 1; `text` is the whole line, without its end.
    A span made in Python, not read from a file, has `line` 0 and names its place
    in `file` (`Policy.rules[3].when`); `text` is then the value itself.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    length: int = 1
    text: str = ""

    def within(self, offset: int, length: int) -> Span:
        """Return the part of this span that starts `offset` characters into it."""
        return Span(self.file, self.line, self.column + offset, max(length, 1), self.text)

    def place(self) -> str:
        """Return `file:line:column`, as editors and terminals understand it."""
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return self.file or "policy"

    def caret(self) -> str:
        """Return the line with a row of `^` under the span, indented by four."""
        if not self.text:
            return ""
        text = self.text.replace("\t", " ")
        column = max(self.column, 1)
        length = min(self.length, CARET_MAX)
        if len(text) > CARET_MAX + column:
            text = text[: CARET_MAX + column - 1] + "…"
        if column > CARET_MAX:
            # What is wrong stands far to the right: show the line from near there on.
            cut = column - 1 - CARET_MAX // 4
            text, column = "…" + text[cut:], column - cut + 1
        before = _cells(text[: column - 1])
        under = _cells(text[column - 1 : column - 1 + length])
        return f"    {text}\n    {' ' * before}{'^' * max(under, 1)}"


def _cells(text: str) -> int:
    """Return how many terminal cells `text` takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class RiskweaveError(Exception):
    """Base of every error that riskweave raises on purpose."""


class PolicyError(RiskweaveError):
    """A policy is wrong at one place."""

    def __init__(self, message: str, span: Span | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.span = span or Span()
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{self.span.place()}: {self.message}"]
        caret = self.span.caret()
        if caret:
            lines.append(caret)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class PolicyErrors(PolicyError):  # noqa: N818
    """Several places of a policy are wrong; `errors` holds each, in file order."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.errors = sorted(errors, key=lambda each: (each.span.file, each.span.line, each.span.column))
        first = self.errors[0]
        super().__init__(first.message, first.span, first.hint)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class EventError(RiskweaveError):
    """One record cannot be an event: names the place, the field, what was there, what is expected."""

    def __init__(self, field: str, found: object, expected: str, place: str = "") -> None:
        self.field = field
        self.found = shorten(found)
        self.expected = expected
        self.place = place
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}field `{self.field}`: found {self.found}, expected {self.expected}"


class DuplicateError(EventError):
    """An event id came again with other content; `difference` maps field to (first, now)."""

    def __init__(self, event_id: str, difference: dict[str, tuple[object, object]]) -> None:
        self.event_id = event_id
        self.difference = difference
        name, (first, now) = next(iter(difference.items()))
        others = [each for each in difference if each != name]
        also = f" (different too: {', '.join(others)})" if others else ""
        super().__init__(
            name,
            now,
            f"{shorten(first)} as when event id `{event_id}` was first decided{also}; "
            "send a new id for a new event",
        )


class StateError(RiskweaveError):
    """A snapshot is damaged, or was made by a policy whose state does not fit."""


class ModelError(RiskweaveError):
    """A model's files are damaged, or hold what this version cannot score."""


class LimitError(RiskweaveError):
    """Something that comes from outside is larger than the limit that protects this process."""


class Overloaded(RiskweaveError):  # noqa: N818
    """The queue is full; try again after `retry_after_s`."""

    def __init__(self, waiting: int, retry_after_s: float) -> None:
        super().__init__(
            f"{waiting} events are waiting, the most there may be; try again in {retry_after_s:g} s"
        )
        self.waiting = waiting
        self.retry_after_s = retry_after_s


class DeadlineExceeded(RiskweaveError):  # noqa: N818
    """The deadline passed before the event's turn came; nothing was decided or remembered."""


class StorageFailed(RiskweaveError):  # noqa: N818
    """The disk or the database does not do its part.

    `maybe_recorded` tells that the event may turn out to be in the journal: send it again with the same id,
    and it is decided exactly once.
    """

    def __init__(self, message: str, maybe_recorded: bool = False) -> None:
        super().__init__(message)
        self.maybe_recorded = maybe_recorded


def shorten(value: object, limit: int = 60) -> str:
    """Return `value` as one short line for a message."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out integers of thousands of digits
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or an empty string when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
