"""The stock distribution policies: which child instance gets a job."""
