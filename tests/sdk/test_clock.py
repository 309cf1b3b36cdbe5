import time

import pytest

from engine import now
from engine.sdk.clock import set_clock


@pytest.fixture(autouse=True)
def own_clock():
    yield
    set_clock()


def test_without_an_engine_it_is_the_time_of_the_computer():
    before_s = time.time()
    assert before_s <= now() <= time.time()


def test_within_one_it_is_what_the_engine_says():
    set_clock(lambda: 7.5)
    assert now() == 7.5
    set_clock()
    assert now() > 7.5
