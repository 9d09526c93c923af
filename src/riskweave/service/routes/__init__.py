"""Everything a person or an admin tool calls: one module a subject, each with a `router`."""
