"""riskweave decides, in real time, what to do with a financial event."""

__version__ = "0.1.0"
