"""The service, through its own doors."""
