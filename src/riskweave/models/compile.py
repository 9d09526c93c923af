"""From `models:` to a plan: where every PolicyError of this room is raised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from riskweave.batch import STAGE_MODELS, Layout
from riskweave.errors import ModelError, PolicyError, PolicyErrors, Span, did_you_mean
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type, Typed, stage_of
from riskweave.models import arrays
from riskweave.models.artifact import Artifact, Blend, Calibration, Feature, Lstm, read
from riskweave.models.curves import make_curves
from riskweave.models.importing.onnx_file import from_onnx
from riskweave.models.inputs import Codes, make_inputs
from riskweave.models.plan import ModelPlan, ModelsPlan, Scoring, Segment
from riskweave.models.runners import make_runner
from riskweave.models.spec import ModelSpec


class Columns(Protocol):
    """Gives an expression's value a column."""

    def column(self, node: Typed) -> Col: ...


class Policy(Protocol):
    """What a model asks of the policy it stands in."""

    def check(self, text: str, span: Span) -> Typed:
        """Return what an expression means, or raise."""
        ...

    def definition(self, text: str) -> str:
        """Return the hash of what an expression means."""
        ...

    def names(self) -> list[str]:
        """Return the names an expression may use, for hints."""
        ...

    def key_row(self, role: str) -> int | None:
        """Return the row of the key matrix of an entity's role; None when there is no such role."""
        ...

    def event_types(self) -> Sequence[str]: ...


class ModelsCompiler:
    """Reads the models of a policy and gives out their columns.

    Made before expressions are checked: `outputs` maps `fraud.score` to its column, `shadows` holds
    the names that nothing may decide by.
    """

    def __init__(self, specs: Sequence[ModelSpec], layout: Layout, pool: StringPool) -> None:
        self.layout = layout
        self.pool = pool
        self.outputs: dict[str, Col] = {}
        self.shadows: set[str] = set()
        self.specs = {spec.name: spec for spec in specs}
        self.artifacts: dict[str, Artifact] = {}
        self.columns: dict[str, Col] = {}
        errors: list[PolicyError] = []
        for spec in specs:
            try:
                self._lay_out(spec)
            except PolicyError as error:
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else PolicyErrors(errors)

    def _lay_out(self, spec: ModelSpec) -> None:
        """Read a model and give it its columns."""
        artifact = None if spec.blend else _read(spec)
        if artifact is not None:
            self.artifacts[spec.name] = artifact
            if spec.hash and artifact.hash != spec.hash:
                raise PolicyError(
                    f"model `{spec.name}` is not the one that `hash` asks for",
                    spec.source.span,
                    f"its hash is {artifact.hash}",
                )
        if artifact is not None and artifact.kind == "profile":
            if spec.risk:
                raise PolicyError(f"profile `{spec.name}` has no score to count as risk", spec.span)
            names = [("cluster", Type.INT), ("distance", Type.FLOAT)]
        else:
            names = [("raw", Type.FLOAT), ("score", Type.FLOAT)]
        for name, kind in names:
            column = self.layout.add(f"{spec.name}.{name}", kind, STAGE_MODELS)
            self.columns[column.name] = column
            if spec.shadow:
                self.shadows.add(column.name)
            else:
                self.outputs[column.name] = column

    def compile(self, compiler: Columns, policy: Policy) -> ModelsPlan:
        """Return the plan, or raise every mistake found at once."""
        errors: list[PolicyError] = []
        plans: list[ModelPlan] = []
        sequences: list[Scoring] = []
        try:
            ordered = self._in_order()
        except PolicyError as error:
            ordered, errors = [], [error]
        for spec in ordered:
            builder = _Builder(self, spec, compiler, policy)
            try:
                plans.append(builder.build())
                sequences += builder.sequences
            except PolicyError as error:
                errors += error.errors if isinstance(error, PolicyErrors) else [error]
        if errors:
            raise errors[0] if len(errors) == 1 else PolicyErrors(errors)
        return ModelsPlan(tuple(plans), tuple(sequences))

    def _in_order(self) -> list[ModelSpec]:
        """Return the models so that each comes after those it reads."""
        ordered: list[ModelSpec] = []
        done: set[str] = set()

        def visit(spec: ModelSpec, way: tuple[str, ...]) -> None:
            if spec.name in done:
                return
            if spec.name in way:
                circle = " -> ".join([*way[way.index(spec.name) :], spec.name])
                raise PolicyError(f"models read each other in a circle: {circle}", spec.span)
            for name in self._reads(spec):
                visit(self.specs[name], (*way, spec.name))
            done.add(spec.name)
            ordered.append(spec)

        for spec in self.specs.values():
            visit(spec, ())
        return ordered

    def _reads(self, spec: ModelSpec) -> list[str]:
        names = [name for name, _, _ in spec.blend]
        artifact = self.artifacts.get(spec.name)
        if artifact is not None:
            names += [each.split(".")[0] for each in artifact.feature_names() if each in self.columns]
        return [name for name in names if name in self.specs]


class _Builder:
    """Builds one model's plan."""

    def __init__(self, owner: ModelsCompiler, spec: ModelSpec, compiler: Columns, policy: Policy) -> None:
        self.owner = owner
        self.spec = spec
        self.compiler = compiler
        self.policy = policy
        self.sequences: list[Scoring] = []
        self.errors: list[PolicyError] = []

    def build(self) -> ModelPlan:
        spec, columns = self.spec, self.owner.columns
        if spec.blend:
            return self._blend()
        artifact = self.owner.artifacts[spec.name]
        scoring = self._scoring(spec.name, artifact)
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else PolicyErrors(self.errors)

        def row(name: str) -> int:
            column = columns.get(f"{spec.name}.{name}")
            return -1 if column is None else column.index

        return ModelPlan(
            name=spec.name,
            hash=artifact.hash,
            shadow=spec.shadow,
            risk=spec.risk,
            raw_row=row("raw"),
            score_row=row("score"),
            cluster_row=row("cluster"),
            distance_row=row("distance"),
            scoring=scoring,
        )

    def _blend(self) -> ModelPlan:
        spec = self.spec
        if spec.segment is not None:
            raise spec.segment.error("`segment` goes with an artifact that has curves for segments")
        parts = []
        for name, weight, span in spec.blend:
            column = self.owner.columns.get(f"{name}.score")
            if column is None:
                known = [each for each in self.owner.specs if f"{each}.score" in self.owner.columns]
                raise PolicyError(
                    f"there is no model `{name}` with a score to blend",
                    span,
                    did_you_mean(name, known) or f"models: {', '.join(known)}",
                )
            if self.owner.specs[name].shadow and not spec.shadow:
                raise PolicyError(
                    f"`{name}` is a shadow model, and `{spec.name}` is not", span, "blend shadows in a shadow"
                )
            parts.append((name, column.index, weight))
        hashes = {
            name: self.owner.artifacts[name].hash for name, _, _ in parts if name in self.owner.artifacts
        }
        text = repr([(name, weight, hashes.get(name, "")) for name, _, weight in parts])
        columns = self.owner.columns
        return ModelPlan(
            name=spec.name,
            hash=hashlib.sha256(text.encode()).hexdigest(),
            shadow=spec.shadow,
            risk=spec.risk,
            raw_row=columns[f"{spec.name}.raw"].index,
            score_row=columns[f"{spec.name}.score"].index,
            blend=tuple(parts),
        )

    def _scoring(self, path: str, artifact: Artifact) -> Scoring:
        about, model = artifact.about, artifact.about.model
        rows: list[int] = []
        codes: list[Codes | None] = []
        for feature in about.features:
            try:
                row, table = self._feature(feature)
            except PolicyError as error:
                self.errors.append(error)
                row, table = 0, None
            rows.append(row)
            codes.append(table)
        parts = {name: self._scoring(f"{path}/{name}", part) for name, part in artifact.parts.items()}
        try:
            runner = None if isinstance(model, Blend) else make_runner(artifact)
        except ModelError as error:
            raise PolicyError(f"model `{path}`: {error}", self.spec.source.span) from None
        inputs = make_inputs(about, artifact.weights, rows, codes)
        key_row, on, signature = -1, [node.text() for node in self.spec.on], ""
        if isinstance(model, Lstm):
            key_row, signature = self._sequence(artifact, model)
            on = on or list(model.on)
        scoring = Scoring(
            path=path,
            artifact=artifact,
            inputs=inputs,
            runner=runner,
            curves=make_curves(about.calibration),
            segment=self._segment(about.calibration),
            parts=parts or None,
            key_row=key_row,
            types=self._types(on),
            signature=signature,
        )
        if isinstance(model, Lstm):
            self.sequences.append(scoring)
        return scoring

    def _feature(self, feature: Feature) -> tuple[int, Codes | None]:
        """Return the row a feature stands in, and for a category the position each value means."""
        spec, span = self.spec, self.spec.source.span
        known = self.owner.columns.get(feature.name)
        if known is not None:
            if known.name in self.owner.shadows and not spec.shadow:
                raise PolicyError(
                    f"model `{spec.name}` reads `{feature.name}` of a shadow model",
                    span,
                    "shadow this one too",
                )
            node: Typed = known
        else:
            node = self._expression(feature, span)
        if feature.type == "number":
            if not (node.type.is_number or node.type is Type.BOOL):
                raise PolicyError(
                    f"model `{spec.name}` reads `{feature.name}` as a number; here it is a {node.type.value}",
                    span,
                    "train the model again with this policy, or bring the feature's type back",
                )
            return self.compiler.column(node).index, None
        if not (node.type.is_text or node.type.is_number or node.type is Type.BOOL):
            raise PolicyError(
                f"model `{spec.name}` reads `{feature.name}` as a category; here it is a {node.type.value}",
                span,
            )
        return self.compiler.column(node).index, self._codes(feature, node.type, span)

    def _codes(self, feature: Feature, kind: Type, span: Span) -> dict[int, int]:
        if kind.is_text:
            return {self.owner.pool.code(text): at for at, text in enumerate(feature.categories)}
        words = {"true": 1, "false": 0} if kind is Type.BOOL else {}
        found: dict[int, int] = {}
        for at, text in enumerate(feature.categories):
            try:
                number = words[text.lower()] if text.lower() in words else float(text)
            except ValueError:
                number = 0.5
            if number != int(number):
                raise PolicyError(
                    f"model `{self.spec.name}` knows `{feature.name}` as text such as `{text}`; here it is a "
                    f"{kind.value}",
                    span,
                )
            found[int(number)] = at
        return found

    def _expression(self, feature: Feature, span: Span) -> Typed:
        """Return what a feature's name means in this policy, and that it means what it did in training."""
        spec = self.spec
        retrain = f"or train again: riskweave train POLICY --model {spec.name}"
        try:
            node = self.policy.check(feature.name, Span(spec.artifact or spec.onnx))
        except PolicyError as error:
            near = error.hint or did_you_mean(feature.name, self.policy.names())
            raise PolicyError(
                f"model `{spec.name}` reads `{feature.name}`, which is not in this policy: {error.message}",
                span,
                f"{near} define it under `features:`, {retrain}".strip(),
            ) from None
        if stage_of(node) >= STAGE_MODELS:
            raise PolicyError(
                f"model `{spec.name}` reads `{feature.name}`, which is known only after models",
                span,
                "a model reads fields, attributes, features, and clusters of profiles",
            )
        if feature.definition and self.policy.definition(feature.name) != feature.definition:
            raise PolicyError(
                f"model `{spec.name}` was trained on another `{feature.name}` than this policy defines",
                span,
                f"bring its definition back, {retrain}",
            )
        return node

    def _sequence(self, artifact: Artifact, model: Lstm) -> tuple[int, str]:
        row = self.policy.key_row(model.entity)
        if row is None:
            raise PolicyError(
                f"model `{self.spec.name}` remembers the events of `{model.entity}`, which is no entity here",
                self.spec.source.span,
            )
        kept = {name: each for name, each in artifact.weights.items() if name.startswith("input_")}
        text = repr(
            (model.entity, model.steps, model.horizon_ms, model.on, [node.text() for node in self.spec.on],
             artifact.about.features, [self.policy.definition(each.name) for each in artifact.about.features],
             arrays.digest(kept))
        )  # fmt: skip
        return row, hashlib.sha256(text.encode()).hexdigest()

    def _segment(self, calibration: Calibration) -> Segment | None:
        node = self.spec.segment
        text = node.text() if node is not None else calibration.segment
        if not calibration.segments or not text:
            return None
        span = node.span if node is not None else self.spec.source.span
        typed = self.policy.check(text, span if node is not None else Span(self.spec.artifact))
        if stage_of(typed) >= STAGE_MODELS or not typed.type.is_text:
            raise PolicyError(f"model `{self.spec.name}`: a segment is a text known before models", span)
        pairs = sorted(
            (self.owner.pool.code(segment), 1 + number) for number, segment in enumerate(calibration.segments)
        )
        return Segment(
            self.compiler.column(typed).index,
            np.array([code for code, _ in pairs], np.float64),
            np.array([curve for _, curve in pairs], np.int64),
        )

    def _types(self, on: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
        known = self.policy.event_types()
        for name in on:
            if name not in known:
                raise PolicyError(
                    f"model `{self.spec.name}` looks at event type `{name}`, which does not exist",
                    self.spec.on[0].span if self.spec.on else self.spec.source.span,
                    did_you_mean(name, known) or f"event types: {', '.join(known)}",
                )
        return np.array([self.owner.pool.code(name) for name in on], np.float64) if on else None


def _read(spec: ModelSpec) -> Artifact:
    """Return the artifact that a model names; raises PolicyError."""
    name = spec.artifact or spec.onnx
    if spec.folder is None:
        raise PolicyError(
            f"model `{spec.name}` is a file, and this policy has no folder",
            spec.source.span,
            "give `Policy.from_dict` the folder in which its files are",
        )
    path = spec.folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise PolicyError(
            f"`{name}` is not within the policy's folder",
            spec.source.span,
            "copy the model beside the policy",
        )
    try:
        if spec.artifact:
            return read(path)
        features = [Feature(name=node.text()) for node in spec.features]
        gives: Literal["probability", "log_odds"] = "log_odds" if spec.gives == "log_odds" else "probability"
        return from_onnx(path, features, spec.output, spec.column, gives)
    except ModelError as error:
        raise PolicyError(f"model `{spec.name}` cannot be used: {error}", spec.source.span) from None
