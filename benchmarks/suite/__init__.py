"""One benchmark a module: `run(arguments)` measures, compares with the peers, and keeps the result."""
