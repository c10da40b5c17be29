"""Writers of matches: simple, JGF, R and its short forms, DOT."""
