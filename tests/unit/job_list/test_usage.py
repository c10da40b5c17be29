"""What is read of a job's usage from its exec eventlog."""

from bourn_plugins.job_list.usage import sum_up


def test_the_shells_of_a_job_are_added_up():
    texts = [
        '{"timestamp":1.0,"name":"init"}\n{"timestamp":1.0,"name":"shell.start"}\n',
        '{"timestamp":2.0,"name":"complete","context":{"status":0,"usage":'
        '{"wall":1.5,"user":1.0,"system":0.25,"maxrss":10}}}\n{"timestamp":2.0,"name":"done"}\n',
        '{"timestamp":2.0,"name":"complete","context":{"status":0,"usage":'
        '{"wall":2.0,"user":0.5,"system":0.0,"maxrss":7}}}\n',
    ]
    assert sum_up(texts) == {"wall": 2.0, "cpu": 1.75, "maxrss": 10240}


def test_nothing_is_known_before_the_end():
    assert sum_up([]) is None
    assert sum_up(['{"timestamp":1.0,"name":"init"}\n']) is None
    assert sum_up(['{"timestamp":1.0,"name":"note","context":{"text":"no \\"usage\\" here"}}\n']) is None
    assert sum_up(['{"timestamp":1.0,"name":"note","context":{"usage":"none"}}\n']) is None
