from riskweave.models.artifact import *
def from_lightgbm(m, f): return Artifact(About(model=Trees(), features=tuple(f)), {})
from_sklearn = from_xgboost = from_lightgbm
