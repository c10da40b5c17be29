"""Time and order: pending jobs, reservations, what is free when."""
