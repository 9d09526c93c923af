"""Trainers: each learns from a sample and gives an artifact; a kind of model a file."""
