"""Labelled event streams from one seed."""
