"""Models of other libraries as artifacts: their files are read as text, nothing of theirs is run."""

from riskweave.models.importing.lightgbm import from_lightgbm

__all__ = ["from_lightgbm"]
