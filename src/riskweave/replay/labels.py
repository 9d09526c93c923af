"""A file of labels: event_id, value, time of arrival, and which label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from riskweave.engine.engine import Engine
from riskweave.errors import EventError
from riskweave.events.hashing import hash_texts_of
from riskweave.events.readers import read_table_whole
from riskweave.events.times import iso_ms
