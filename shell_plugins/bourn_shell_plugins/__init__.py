"""The stock shell plugins: one small file each, loaded in shell hosts only."""
