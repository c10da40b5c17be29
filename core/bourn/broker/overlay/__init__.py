"""The network between the brokers of an instance: a tree of encrypted links.

Decisions (`topology`, `census`, `health`, and `bourn.broker.router`) are plain objects; `peer` is what a
broker knows of a neighbour, `link` moves a peer's bytes, `network` and `tls` make connections, and `overlay`
holds it all together.
"""
