"""Registers the stock match policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.match_policy import MatchPolicySpec

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def bourn_match_policies() -> Iterator[MatchPolicySpec]:
    """By id, by node, first, locality, variation; by what is left, and by topology."""
    from bourn_policies.match.custom import make_custom
    from bourn_policies.match.ids import IdPolicy
    from bourn_policies.match.locality import LocalityPolicy
    from bourn_policies.match.pack import AffinityPolicy, PackPolicy, SpreadPolicy
    from bourn_policies.match.topology import make_topology
    from bourn_policies.match.variation import VariationPolicy

    yield MatchPolicySpec(
        "first", lambda _: IdPolicy(True, node_centric=True, stop_early=True), summary="the first that fit"
    )
    yield MatchPolicySpec(
        "firstnodex",
        lambda _: IdPolicy(True, node_centric=True, stop_early=True),
        node_exclusive=True,
        summary="the first whole nodes that fit",
    )
    yield MatchPolicySpec("high", lambda _: IdPolicy(True), summary="higher ids at every level")
    yield MatchPolicySpec("low", lambda _: IdPolicy(False), summary="lower ids at every level")
    for prefix, high in (("hi", True), ("lo", False)):
        word = "highest" if high else "lowest"
        yield MatchPolicySpec(
            f"{prefix}node",
            lambda _, high=high: IdPolicy(high, node_centric=True),  # type: ignore[misc]
            summary=f"the {word} nodes, then the {word} ids in them",
        )
        yield MatchPolicySpec(
            f"{prefix}nodex",
            lambda _, high=high: IdPolicy(high, node_centric=True),  # type: ignore[misc]
            node_exclusive=True,
            summary=f"the {word} whole nodes",
        )
    yield MatchPolicySpec("custom", make_custom, summary="by id, as policy=high|low and its flags say")
    yield MatchPolicySpec("locality", lambda _: LocalityPolicy(), summary="contiguous ids")
    yield MatchPolicySpec("variation", lambda _: VariationPolicy(), summary="nodes of like performance")
    yield MatchPolicySpec("pack", lambda _: PackPolicy(), summary="the fullest nodes first")
    yield MatchPolicySpec("spread", lambda _: SpreadPolicy(), summary="the emptiest nodes first")
    yield MatchPolicySpec(
        "affinity", lambda _: AffinityPolicy(), summary="free GPUs stay free for jobs that ask"
    )
    yield MatchPolicySpec("topology", make_topology, summary="as few racks or switches as possible")
