"""Any model as an ONNX graph, run by onnxruntime on one thread (the extra `onnx`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models.artifact import Onnx

Floats = NDArray[np.float64]

FILE_BYTES_MAX = 1 << 30


class OnnxRunner:
    """A session over the graph; log-odds from what its output says."""

    def __init__(self, model: Onnx, graph: bytes, inputs: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ModelError("an ONNX model needs onnxruntime: pip install riskweave[onnx]") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self.session: Any = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own kinds, all of them a graph it cannot read
            raise ModelError(f"the ONNX graph cannot be read: {str(error)[:300]}") from None
        self.model = model
        takes = self.session.get_inputs()
        kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
        if len(takes) != 1 or takes[0].type not in kinds:
            raise ModelError("the ONNX graph must have one input, of float or double numbers")
        self.name = takes[0].name
        self.kind = kinds[takes[0].type]
        shape = takes[0].shape
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != inputs):
            raise ModelError(f"the ONNX graph reads {shape}, the model gives (rows, {inputs})")
        outputs = [each.name for each in self.session.get_outputs()]
        self.output = model.output or outputs[-1]
        if self.output not in outputs:
            raise ModelError(f"the ONNX graph has no output `{self.output}`; it has {', '.join(outputs)}")

    def raw(self, inputs: Floats) -> Floats:
        if not len(inputs):
            return np.empty(0)
        (found,) = self.session.run([self.output], {self.name: inputs.astype(self.kind)})
        if isinstance(found, list):
            raise ModelError(f"output `{self.output}` is a list of maps; export it with zipmap=False")
        values = np.asarray(found, np.float64).reshape(len(inputs), -1)
        column = self.model.column
        if not -values.shape[1] <= column < values.shape[1]:
            raise ModelError(f"output `{self.output}` has no column {column}")
        chosen = np.ascontiguousarray(values[:, column])
        if self.model.gives == "log_odds":
            return chosen
        held = np.clip(chosen, 1e-15, 1.0 - 1e-15)
        result: Floats = np.log(held / (1.0 - held))
        return result
