"""Plan and state: decide, decide_many, learn, snapshot, restore."""
