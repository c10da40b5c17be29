"""Archives of the key-value store (`bourn archive`), extracted on the nodes of a job before it starts."""
