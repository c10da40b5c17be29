"""The walk over vertices, which `bourn resource-query` matches with, as the field's scheduler does."""
