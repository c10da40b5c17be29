"""Readers of resource graphs: GRUG recipes, JGF, R version 1, hwloc XML, TOML."""
