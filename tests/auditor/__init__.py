"""An independent auditor: knows what every answer of a served policy must be, and imports nothing of ours."""
