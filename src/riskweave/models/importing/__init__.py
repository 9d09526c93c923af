"""Models of other libraries as artifacts: their files are read as text, nothing of theirs is run."""

from riskweave.models.importing.lightgbm import from_lightgbm
from riskweave.models.importing.onnx_file import from_onnx
from riskweave.models.importing.scikit_learn import from_sklearn
from riskweave.models.importing.xgboost import from_xgboost

__all__ = ["from_lightgbm", "from_onnx", "from_sklearn", "from_xgboost"]
