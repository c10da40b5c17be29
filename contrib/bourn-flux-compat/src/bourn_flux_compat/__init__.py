"""Bourn under the names of Flux: the command `flux` and the variables FLUX_*; `import flux` is beside it."""
