"""The shell host: one process per user and rank that runs all that user's job shells there.

It is single-threaded and has one epoll loop of its own instead of trio: nothing here waits in the middle of
anything, it starts in a third of the time and of the memory (which each of many brokers pays for), and user
processes are spawned from a small process.
"""
