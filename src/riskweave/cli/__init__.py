"""The command line: wires it all."""
