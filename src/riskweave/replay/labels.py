"""A file of labels: event_id, value, time of arrival, and which label."""

from __future__ import annotations

