"""Every change of the operational tables, in order."""
