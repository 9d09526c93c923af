"""From risk to action: bands, floors and ceilings."""
