"""Jobs must name a project: a validator for the broker and an option for the command line."""
