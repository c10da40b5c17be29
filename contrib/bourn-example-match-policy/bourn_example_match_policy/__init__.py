"""A match policy for Bourn: nodes whose property ``inlet`` (degrees) is lowest come first."""

from bourn.hookspecs import hookimpl
from bourn.hookspecs.match_policy import MatchPolicySpec


class Coolest:
    """The coolest nodes first; nodes without the property last."""

    def order(self, vertex):
        """Return the temperature, then the id."""
        return (float((vertex.properties or {}).get("inlet") or "inf"), vertex.id)


@hookimpl
def bourn_match_policies():
    """Register the policy."""
    yield MatchPolicySpec("coolest", lambda options: Coolest(), summary="the coolest nodes first")
