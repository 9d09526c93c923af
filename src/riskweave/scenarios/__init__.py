"""Ready policies, one folder each."""
