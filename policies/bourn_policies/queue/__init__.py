"""Stock queue policies."""
