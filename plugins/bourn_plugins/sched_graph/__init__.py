"""The graph scheduler: a resource graph, matchers over it, and the planner of when what is free."""
