"""A model as a folder: what it is (`model.json`) and what it learned (`weights.npz`).

`write(folder, artifact)` returns its hash, `read(folder)` gives it back and raises ModelError for
whatever does not fit. Both files are plain data: reading runs nothing. docs/models.md describes
every field and array.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models import arrays

FORMAT = 1
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.npz"
ONNX_FILE = "model.onnx"
PARTS_FOLDER = "parts"
JSON_BYTES_MAX = 32 * 1024 * 1024
DEPTH_MAX = 4
PART_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)

Activation = Literal["identity", "relu", "tanh", "sigmoid"]
Json = None | bool | int | float | str | list[Any] | dict[str, Any]


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Data that refuses names it does not know."""


class Feature(_Plain, frozen=True):
    """One feature a model reads.

    `name` is an expression of the policy: `paid_24h`, `amount`, `customer.age`, `hour(event_time)`.
    `definition` hashes what it means (`riskweave.policy.definitions.definition`); empty: unchecked.
    A number is one input, and with `indicator` a second one after it: 1 where it is null. A category
    is one input, the position of its text in `categories` (NaN for null, -1 for a text not among
    them), or, with encoding `one_hot`, one input per category (all 0 for null and unknown text).
    """

    name: str
    type: Literal["number", "category"] = "number"
    definition: str = ""
    categories: tuple[str, ...] = ()
    encoding: Literal["value", "code", "one_hot"] = "value"
    indicator: bool = False

    @property
    def inputs(self) -> int:
        """Return how many inputs of the model this feature makes."""
        return (len(self.categories) if self.encoding == "one_hot" else 1) + self.indicator


class Linear(_Plain, frozen=True, tag="linear", tag_field="kind"):
    """Log-odds as a weighted sum; with `gamma`, of a Nystroem map of the RBF kernel."""

    gamma: float | None = None


class Trees(_Plain, frozen=True, tag="trees", tag_field="kind"):
    """A sum over trees.

    `base + scale * sum` is: the log-odds, the probability, or (`path`, an isolation forest) the
    mean path length, whose score is 2 ** (-mean / typical_path).
    """

    link: Literal["log_odds", "probability", "path"] = "log_odds"
    base: float = 0.0
    scale: float = 1.0
    typical_path: float = 1.0


class Mlp(_Plain, frozen=True, tag="mlp", tag_field="kind"):
    """Dense layers; `activations` has one for each."""

    activations: tuple[Activation, ...]


class Lstm(_Plain, frozen=True, tag="lstm", tag_field="kind"):
    """An LSTM over the last `steps` events of a key, the current one included, then dense layers.

    `entity` is the role whose events are meant, `on` their types (empty: all). Only events later
    than the current one's time less `horizon_ms` count.
    """

    entity: str
    steps: int
    horizon_ms: int = 90 * 86_400_000
    on: tuple[str, ...] = ()
    activations: tuple[Activation, ...] = ("identity",)


class Autoencoder(_Plain, frozen=True, tag="autoencoder", tag_field="kind"):
    """Dense layers back to the inputs; the log-odds are the log of the mean squared error."""

    activations: tuple[Activation, ...]


class Profile(_Plain, frozen=True, tag="profile", tag_field="kind"):
    """k-means: which centre is nearest, and how far. It has no score."""


class Part(_Plain, frozen=True):
    """A part of a blend: the folder `parts/NAME`, what it weighs, and its hash."""

    name: str
    weight: float
    hash: str = ""


class Blend(_Plain, frozen=True, tag="blend", tag_field="kind"):
    """A weighted sum of the parts' scores (probability), or of their log-odds plus an intercept."""

    parts: tuple[Part, ...]
    space: Literal["probability", "log_odds"] = "probability"
    intercept: float = 0.0


class Onnx(_Plain, frozen=True, tag="onnx", tag_field="kind"):
    """An ONNX graph in `model.onnx`: what its output number `column` of `output` says."""

    output: str = ""
    column: int = -1
    gives: Literal["probability", "log_odds"] = "probability"
    file: str = ""


Model = Linear | Trees | Mlp | Lstm | Autoencoder | Profile | Blend | Onnx


class Curve(_Plain, frozen=True):
    """One calibration map, from log-odds r to a probability.

    platt: sigmoid(a r + b). beta: sigmoid(a ln(p) - b ln(1 - p) + c) with p = sigmoid(r).
    isotonic: linear between the points (x, y), x log-odds, flat outside. none: sigmoid(r).
    """

    kind: Literal["none", "platt", "beta", "isotonic"] = "none"
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


class Calibration(_Plain, frozen=True):
    """The map for all (`curve`), and maps of their own for some values of the expression `segment`."""

    curve: Curve = Curve()
    segment: str = ""
    segments: dict[str, Curve] = {}


class Training(_Plain, frozen=True):
    """What a model was trained on: events with from_ms <= time < until_ms, and their fingerprint."""

    from_ms: int | None = None
    until_ms: int | None = None
    rows: int = 0
    positives: int = 0
    dataset: str = ""
    policy: str = ""


class Parity(_Plain, frozen=True):
    """How far scores were from those of the library that trained the model, over how many rows."""

    library: str
    max_abs_difference: float
    rows: int


class About(_Plain, frozen=True):
    """Everything in `model.json`."""

    model: Model
    features: tuple[Feature, ...] = ()
    precision: Literal["float64", "float32"] = "float64"
    calibration: Calibration = Calibration()
    training: Training = Training()
    metrics: dict[str, Json] = {}
    seeds: dict[str, int] = {}
    libraries: dict[str, str] = {}
    parity: Parity | None = None
    notes: dict[str, Json] = {}
    weights: str = ""
    format: int = FORMAT

    @property
    def inputs(self) -> int:
        """Return how many numbers the model proper sees, once features are encoded."""
        return sum(feature.inputs for feature in self.features)


@dataclass(frozen=True)
class Artifact:
    """A model in memory: what `model.json` says, its arrays, and the parts of a blend."""

    about: About
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, Artifact] = field(default_factory=dict)
    onnx: bytes = b""

    @property
    def kind(self) -> str:
        """Return linear, trees, mlp, lstm, autoencoder, profile, blend or onnx."""
        return str(self.about.model.__struct_config__.tag)

    @property
    def hash(self) -> str:
        """Return the SHA-256 of model.json as it is written, which holds the digests of all the rest."""
        return hashlib.sha256(_text(self)).hexdigest()

    def with_about(self, **changes: Any) -> Artifact:
        """Return the same model with other facts: calibration, training, metrics, parity, ..."""
        return dataclasses.replace(self, about=msgspec.structs.replace(self.about, **changes))

    def feature_names(self) -> tuple[str, ...]:
        """Return the names of all features, those of the parts included, each once."""
        names = [feature.name for feature in self.about.features]
        for part in self.parts.values():
            names += part.feature_names()
        return tuple(dict.fromkeys(names))


def write(folder: str | Path, artifact: Artifact) -> str:
    """Write a model into `folder` (made if need be) and return its hash; raises ModelError.

    The description comes last: a folder whose writing was cut short is refused, not misread.
    """
    from riskweave.models.shapes import check

    check(artifact)
    return _write(Path(folder), artifact)


def _write(folder: Path, artifact: Artifact) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in artifact.parts.items():
        _write(folder / PARTS_FOLDER / name, part)
    if artifact.onnx:
        _replace(folder / ONNX_FILE, artifact.onnx)
    _replace(folder / WEIGHTS_FILE, arrays.to_bytes(_native(artifact.weights)))
    text = _text(artifact)
    _replace(folder / MODEL_FILE, text)
    return hashlib.sha256(text).hexdigest()


def read(folder: str | Path) -> Artifact:
    """Read a model; raises ModelError when a byte is not what its description says."""
    from riskweave.models.shapes import check

    artifact = _read(Path(folder), 0)
    check(artifact)
    return artifact


def _read(folder: Path, depth: int) -> Artifact:
    if depth > DEPTH_MAX:
        raise ModelError(f"blends stand in each other more than {DEPTH_MAX} deep")
    path = folder / MODEL_FILE
    try:
        if path.stat().st_size > JSON_BYTES_MAX:
            raise ModelError(f"{path} is larger than {JSON_BYTES_MAX} bytes")
        text = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    try:
        version = msgspec.json.decode(text, type=_Version).format
        if version != FORMAT:
            raise ModelError(f"{path} has format {version}; this version reads {FORMAT}")
        about = msgspec.json.decode(text, type=About)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"{path} is no model's description: {error}") from None
    weights = arrays.read(folder / WEIGHTS_FILE)
    if arrays.digest(weights) != about.weights:
        raise ModelError(f"{folder / WEIGHTS_FILE} is not the file that {MODEL_FILE} describes")
    parts: dict[str, Artifact] = {}
    onnx = b""
    if isinstance(about.model, Blend):
        for part in about.model.parts:
            if not PART_NAME.fullmatch(part.name):
                raise ModelError(f"{path}: {part.name[:80]!r} is no part's name")
            parts[part.name] = _read(folder / PARTS_FOLDER / part.name, depth + 1)
    if isinstance(about.model, Onnx):
        try:
            onnx = (folder / ONNX_FILE).read_bytes()
        except OSError as error:
            raise ModelError(f"{folder / ONNX_FILE} cannot be read: {error.strerror}") from None
    artifact = Artifact(about, weights, parts, onnx)
    if _text(artifact) != text:
        raise ModelError(f"{path}, or something below it, was changed after it was written")
    return artifact


class _Version(msgspec.Struct):
    format: int


def _native(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays little-endian and contiguous, as they are written."""
    return {
        name: np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        for name, array in weights.items()
    }


def _text(artifact: Artifact) -> bytes:
    """Return model.json: keys sorted, with the digests of the arrays, the parts and the graph."""
    about = msgspec.structs.replace(artifact.about, weights=arrays.digest(_native(artifact.weights)))
    model = about.model
    if isinstance(model, Blend):
        parts = tuple(
            msgspec.structs.replace(
                part, hash=artifact.parts[part.name].hash if part.name in artifact.parts else ""
            )
            for part in model.parts
        )
        about = msgspec.structs.replace(about, model=msgspec.structs.replace(model, parts=parts))
    if isinstance(model, Onnx):
        file = hashlib.sha256(artifact.onnx).hexdigest()
        about = msgspec.structs.replace(about, model=msgspec.structs.replace(model, file=file))
    return msgspec.json.format(msgspec.json.encode(about, order="deterministic"), indent=1) + b"\n"


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(data)
    beside.replace(path)
