"""History through the engine."""
