"""The `explanation:` section: what things are called, what is usual, what may change, what is private."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from riskweave.document import Node
from riskweave.errors import PolicyError, PolicyErrors, Span, did_you_mean
from riskweave.explanation.formats import LANGUAGES, UNITS
from riskweave.explanation.speech import holes

CODE_MAX = 40
TEXT_MAX = 200
CHOICES_MAX = 100

Made = TypeVar("Made")

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_.-]*")
_PHRASE_HOLES = ("value", "usual")


@dataclass(frozen=True, slots=True)
class Change:
    """A field that a counterfactual may change: between limits, or to one of `choices`.

    `how` is `number`, `category`, `time`, or empty for what goes with the field's type.
    """

    name: str
    how: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    span: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True)
class ExplanationSpec:
    """The section as written; everything may be left out."""

    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    phrases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)
    changeable: tuple[Change, ...] | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    mask: tuple[str, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict)

    def incomplete(self) -> Iterator[tuple[str, str, Span]]:
        """Yield what is not said in every language: the entry, the missing language, where it stands."""
        for part, entries in (("labels", self.labels), ("phrases", self.phrases)):
            for name, texts in entries.items():
                for language in LANGUAGES:
                    if not texts.get(language):
                        where = f"explanation.{part}.{name}"
                        yield where, language, self.spans.get(where, Span())


def read_explanation(section: Node | None) -> ExplanationSpec:
    """Read the section; raises PolicyErrors with everything that cannot be read."""
    if section is None:
        return ExplanationSpec()
    section.only("labels", "phrases", "units", "usual", "changeable", "codes", "mask")
    spans: dict[str, Span] = {}
    errors: list[PolicyError] = []

    def entries(part: str) -> Iterator[tuple[str, Node]]:
        node = section.get(part)
        for name, each in node.items() if node is not None else ():
            spans[f"explanation.{part}.{name}"] = node.key_span(name) if node is not None else each.span
            yield name, each

    def read(part: str, reader: Callable[[str, Node], Made]) -> dict[str, Made]:
        found: dict[str, Made] = {}
        for name, node in entries(part):
            try:
                found[name] = reader(name, node)
            except PolicyErrors as error:
                errors.extend(error.errors)
            except PolicyError as error:
                errors.append(error)
        return found

    labels = read("labels", lambda _, node: _texts(node, ()))
    phrases = read("phrases", lambda _, node: _texts(node, _PHRASE_HOLES))
    units = read("units", lambda _, node: node.choice(*UNITS))
    usual = read("usual", lambda _, node: node.text())
    codes = read("codes", lambda _, node: _code(node))
    changes = read("changeable", _change)
    try:
        _refuse_twice(codes, spans)
        masked = _mask(section.get("mask"), spans)
    except PolicyError as error:
        errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else PolicyErrors(errors)
    return ExplanationSpec(
        labels,
        phrases,
        units,
        usual,
        None if section.get("changeable") is None else tuple(changes.values()),
        codes,
        tuple(masked),
        spans,
    )


def check_names(
    spec: ExplanationSpec, fields: Collection[str], features: Collection[str], others: Collection[str]
) -> None:
    """Raise for entries that name nothing of the policy.

    `others` are what may have a label or a code beside fields and features: rules, patterns, lists,
    entities, models, event types.
    """
    values = [*fields, *features]
    known = {
        "labels": [*values, *others],
        "phrases": values,
        "units": values,
        "usual": values,
        "changeable": list(fields),
        "codes": [*values, *others],
        "mask": values,
    }
    errors = []
    for where, span in spec.spans.items():
        _, part, name = where.split(".", 2)
        base, dot, _ = name.partition(".")
        if name not in known[part] and not (dot and part in ("labels", "codes") and base in others):
            errors.append(_unknown(f"`{where}` names nothing of this policy", span, name, known[part]))
    for name, usual in spec.usual.items():
        if usual not in features:
            span = spec.spans[f"explanation.usual.{name}"]
            errors.append(
                _unknown(f"`explanation.usual.{name}` is no feature: `{usual}`", span, usual, features)
            )
    if errors:
        raise errors[0] if len(errors) == 1 else PolicyErrors(errors)


def _unknown(message: str, span: Span, name: str, known: Collection[str]) -> PolicyError:
    hint = did_you_mean(name, known) or "use the name of a field, a feature, a rule or a pattern"
    return PolicyError(message, span, hint)


def _texts(node: Node, allowed: tuple[str, ...]) -> dict[str, str]:
    """Return text by language; placeholders are those of a phrase, `{value}` and `{usual}`."""
    texts = {}
    for language, text in node.by_language().items():
        if len(text) > TEXT_MAX:
            raise node.error(f"`{node.path}` is too long", f"at most {TEXT_MAX} characters")
        typed = re.sub(r"\{(\w+)\}", r"{\1:value}", text)
        for hole in holes(typed):
            if hole.name not in allowed:
                raise node.error(
                    f"`{node.path}` has a placeholder `{hole.name}`",
                    did_you_mean(hole.name, allowed)
                    or (
                        f"known: {', '.join(f'{{{each}}}' for each in allowed)}" if allowed else "use phrases"
                    ),
                )
        texts[language] = typed
    if not texts:
        raise node.error(f"`{node.path}` says nothing", "write {en: ..., zh: ...}")
    return texts


def _code(node: Node) -> str:
    code = node.text()
    if not _CODE.fullmatch(code) or len(code) > CODE_MAX:
        raise node.error(
            f"`{code}` cannot be a reason code", "use capital letters, digits, _, - and ., as in VEL_01"
        )
    return code


def _refuse_twice(codes: Mapping[str, str], spans: Mapping[str, Span]) -> None:
    taken: dict[str, str] = {}
    for name, code in codes.items():
        if code in taken:
            span = spans[f"explanation.codes.{name}"]
            raise PolicyError(
                f"reason code `{code}` is taken by `{taken[code]}`", span, "codes tell reasons apart"
            )
        taken[code] = name


def _change(name: str, node: Node) -> Change:
    if node.is_null or isinstance(node.value, str):
        how = "" if node.is_null else node.choice("number", "category", "time", "known")
        return Change(name, "category" if how == "known" else how, span=node.span)
    if node.is_list:
        choices = node.texts()
        if len(choices) > CHOICES_MAX:
            raise node.error(f"`{node.path}` has {len(choices)} values", f"at most {CHOICES_MAX}")
        return Change(name, "category", choices=tuple(choices), span=node.span)
    node.only("min", "max", "values", "how")
    low, high, values, kind = node.get("min"), node.get("max"), node.get("values"), node.get("how")
    choices = values.texts() if values else []
    if low and high and low.number() > high.number():
        raise node.error(f"`{node.path}`: `min` lies above `max`")
    return Change(
        name,
        kind.choice("number", "category", "time") if kind else "category" if choices else "",
        low.number() if low else None,
        high.number() if high else None,
        tuple(choices),
        node.span,
    )


def _mask(node: Node | None, spans: dict[str, Span]) -> list[str]:
    if node is None:
        return []
    names = node.texts()
    places = node.elements() if node.is_list else [node]
    for name, place in zip(names, places, strict=True):
        spans[f"explanation.mask.{name}"] = place.span
    return names
