"""Stock match policies, a short file each."""
