"""The interned matcher: states, masks, and what fits."""
