"""An ONNX graph as an artifact: kept as it is, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from riskweave.errors import ModelError
from riskweave.models.artifact import About, Artifact, Feature, Onnx
from riskweave.models.onnx_graph import FILE_BYTES_MAX
from riskweave.models.runners import make_runner
from riskweave.models.shapes import check


def from_onnx(
    model: Any,
    features: Sequence[Feature],
    output: str = "",
    column: int = -1,
    gives: Literal["probability", "log_odds"] = "probability",
) -> Artifact:
    """Return a graph (bytes, a path, or a ModelProto) as an artifact; `features` make up its one input."""
    if hasattr(model, "SerializeToString"):
        model = model.SerializeToString()
    if not isinstance(model, bytes):
        path = Path(model)
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise ModelError(f"{path} is larger than {FILE_BYTES_MAX} bytes")
            model = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    about = About(model=Onnx(output=output, column=column, gives=gives), features=tuple(features))
    artifact = Artifact(about, onnx=model)
    check(artifact)
    make_runner(artifact)
    return artifact
