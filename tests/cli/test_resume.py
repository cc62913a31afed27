"""A report that is killed has the bytes of one that never was; the long form is benchmarks/resume.py."""

from benchmarks.resume import killed_and_resumed


def test_killed_runs_go_on_to_the_same_bytes(tmp_path):
    rounds = killed_and_resumed(tmp_path, kills=3)
    assert sum(count for count, _ in rounds) == 3
    assert [differing for _, differing in rounds] == [0] * len(rounds)
