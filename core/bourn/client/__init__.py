"""Clients of an instance: the blocking handle, its asynchronous twin, and what is built on them.

Everything here but `bourn.client.aio` is light to import: no trio, no attrs, no msgspec.
"""
