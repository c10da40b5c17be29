"""The broker: one process a rank that routes messages, hosts modules and serves local clients."""
