"""What the past says: exact windows, distinct, profile, geo."""
