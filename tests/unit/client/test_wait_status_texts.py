"""How the ends of tasks are put into words."""

from bourn.client.progress import describe


def test_describe():
    assert describe(0) == ""
    assert describe(3 << 8) == "task(s) exited with exit code 3"
    assert describe(15) == "task(s) Terminated"
    assert describe(11 | 0x80) == "task(s) Segmentation fault (core dumped)"
