"""The language of conditions and values: parse, check types, compile to a program, run."""
