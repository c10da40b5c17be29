from bourn_example_match_policy import Coolest, bourn_match_policies

from bourn.testing import check_match_policy


class Node:
    def __init__(self, id, **properties):
        self.id, self.properties = id, properties


def test_is_a_sound_policy():
    for spec in bourn_match_policies():
        check_match_policy(spec)


def test_cool_before_warm_before_unknown():
    nodes = [Node(0), Node(1, inlet="27.5"), Node(2, inlet="21")]
    assert [node.id for node in sorted(nodes, key=Coolest().order)] == [2, 1, 0]
