"""Programs that break Bourn on purpose, with a seed, and say what was lost: nothing, if all is well."""
