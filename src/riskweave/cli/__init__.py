"""The command line: wires it all. Heavy imports happen inside commands."""
