import threading

from engine.kafka.credit import AHEAD_BYTES, N_READS, Credit


def test_a_few_reads_may_wait_and_each_is_given_back_with_its_last_batch():
    credit = Credit()
    for _ in range(N_READS):
        assert credit.is_there
        credit.take({(0, 0): 10, (0, 1): 10})
    assert not credit.is_there

    credit.give((0, 0))
    assert not credit.is_there, "the other batch of the oldest read waits"
    credit.give((0, 1))
    assert credit.is_there


def test_bytes_that_wait_are_bounded():
    credit = Credit()
    credit.take({(0, 0): AHEAD_BYTES})
    assert not credit.is_there
    credit.give((0, 0))
    assert credit.is_there
    assert credit.is_whole


def test_who_waits_for_credit_is_woken_when_a_batch_leaves():
    credit = Credit()
    for _ in range(N_READS):
        credit.take({(0, 3): 1})
    assert not credit.wait(0)
    threading.Timer(0.01, credit.give, [(0, 3)]).start()
    assert credit.wait(30)
