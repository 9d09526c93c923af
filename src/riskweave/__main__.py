"""`python -m riskweave` is `riskweave`."""

from riskweave.cli.app import main

main()
