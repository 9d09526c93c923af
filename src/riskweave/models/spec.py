"""What the analyst wrote under `models:`: an artifact, an ONNX file, or a blend of other models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riskweave.document import Node
from riskweave.errors import PolicyError, Span

NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model: where it is, who may read it, and what it may change.

    `source` is the node that names the folder or file, so that errors point at it.
    """

    name: str
    span: Span
    source: Node
    folder: Path | None
    artifact: str = ""
    onnx: str = ""
    features: tuple[Node, ...] = ()
    output: str = ""
    column: int = -1
    gives: str = "probability"
    blend: tuple[tuple[str, float, Span], ...] = ()
    shadow: bool = False
    risk: bool = False
    hash: str = ""
    segment: Node | None = None
    on: tuple[Node, ...] = ()


def read_models(node: Node, folder: Path | None = None) -> list[ModelSpec]:
    """Read the section `models:`; files are looked for in `folder`."""
    return [_read_model(name, each, node.key_span(name), folder) for name, each in node.items()]


def _read_model(name: str, node: Node, span: Span, folder: Path | None) -> ModelSpec:
    if not name.isidentifier() or len(name) > NAME_MAX:
        raise PolicyError(f"`{name}` cannot be a model's name", span, "use letters, digits and _")
    if not node.is_map:
        return ModelSpec(name, span, node, folder, artifact=node.text())
    node.only(
        "artifact", "onnx", "blend", "features", "output", "column", "gives",
        "shadow", "risk", "hash", "segment", "on",
    )  # fmt: skip
    sources = [key for key in ("artifact", "onnx", "blend") if node.get(key) is not None]
    if len(sources) != 1:
        raise PolicyError(f"model `{name}` needs one of `artifact`, `onnx` and `blend`", span)
    kind = sources[0]
    source = node.need(kind)
    for key in ("features", "output", "column", "gives"):
        if kind != "onnx" and key in node:
            raise PolicyError(f"`{key}` goes with `onnx`; an artifact says it itself", node.key_span(key))
    for key in ("hash", "on"):
        if kind == "blend" and key in node:
            raise PolicyError(f"`{key}` goes with the parts of a blend", node.key_span(key))
    features = node.get("features")
    if kind == "onnx" and (features is None or not features.elements()):
        raise PolicyError(f"model `{name}` needs `features`: what the graph reads, in order", span)
    column, gives, output = node.get("column"), node.get("gives"), node.get("output")
    shadow, risk, pinned, on = node.get("shadow"), node.get("risk"), node.get("hash"), node.get("on")
    if shadow is not None and risk is not None and shadow.flag() and risk.flag():
        raise risk.error(f"a shadow model decides nothing, so `{name}` cannot count as risk")
    return ModelSpec(
        name=name,
        span=span,
        source=source,
        folder=folder,
        artifact=source.text() if kind == "artifact" else "",
        onnx=source.text() if kind == "onnx" else "",
        features=tuple(features.elements()) if features else (),
        output=output.text() if output else "",
        column=column.integer(-10_000, 10_000) if column else -1,
        gives=gives.choice("probability", "log_odds") if gives else "probability",
        blend=_parts(source) if kind == "blend" else (),
        shadow=shadow.flag() if shadow else False,
        risk=risk.flag() if risk else False,
        hash=pinned.text() if pinned else "",
        segment=node.get("segment"),
        on=(tuple(on.elements()) if on.is_list else (on,)) if on else (),
    )


def _parts(node: Node) -> tuple[tuple[str, float, Span], ...]:
    parts = tuple((name, each.number(0.0, 1.0), node.key_span(name)) for name, each in node.items())
    if not parts or abs(sum(weight for _, weight, _ in parts) - 1.0) > 1e-9:
        raise node.error("the weights of a blend must add up to 1", "as in {lr: 0.3, gbdt: 0.4, nn: 0.3}")
    return parts
