"""Priority policies: which pending job comes first."""
