"""What an instance has: a graph of typed vertices, and changes to it."""
