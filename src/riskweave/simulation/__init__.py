"""One city from one seed: labelled event streams of eleven trades in which the same people live."""
