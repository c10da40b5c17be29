"""`bourn resource-query`: its options, session, commands."""
