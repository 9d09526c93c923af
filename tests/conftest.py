"""What all tests share: Hypothesis repeats the same examples on every run, and never judges speed.

`HYPOTHESIS_PROFILE=explore` tries new examples, ten times as many.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeat", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile(
    "explore", deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
