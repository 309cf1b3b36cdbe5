from itertools import combinations, product

import pytest

from engine.kafka.names import changelog_name, fixed_transactional_id, is_fixed, models_of, transactional_id

NAMES = ["a", "b", "a-b", "b-a", "a.b", "a_b", "a b", "a..b", "a.-b", "a.20b", "-", ".", "-a", "a-", "ä", "a-changelog"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (changelog_name("prices", "average"), "prices-average-changelog"),
        (changelog_name("prices-eu", "average"), "prices-eu-average-changelog"),
        (changelog_name("prices", "eu-average"), "prices-eu.-average-changelog"),
        (changelog_name("prices of ä", "a/b"), "prices.20of.20.c3.a4-a.2fb-changelog"),
        (transactional_id("prices", "host:1"), "prices-host.3a1"),
        (fixed_transactional_id("prices", "average", [0, 2], 7), "prices-average.p7.s0.s2"),
    ],
)
def test_names_have_only_what_kafka_takes(name, expected):
    assert name == expected


@pytest.mark.parametrize("named", [changelog_name, transactional_id])
def test_no_two_groups_have_one_name(named):
    pairs = list(product(NAMES, NAMES))
    assert [both for both in combinations(pairs, 2) if named(*both[0]) == named(*both[1])] == []


def test_the_engine_of_a_partition_has_the_name_of_no_other_engine():
    fixed = {fixed_transactional_id(group, model, [0], 1) for group, model in product(NAMES, NAMES)}
    assert len(fixed) == len(NAMES) ** 2
    others = {transactional_id(group, instance) for group, instance in product(NAMES, ["a.p1.s0", "a-0-1", *NAMES])}
    assert not fixed & others
    assert all(map(is_fixed, fixed))
    assert not any(map(is_fixed, others))


@pytest.mark.parametrize(
    ("group", "topics", "models"),
    [
        ("prices", ["prices", "prices-a-changelog", "prices-b-changelog", "other-a-changelog"], ["a", "b"]),
        ("prices", ["prices--changelog", "prices-changelog", "prices-a-changelogs"], []),
        ("prices", ["prices-eu-a-changelog", "prices.2e-a-changelog", "prices-a.-changelog"], []),
        ("prices of", ["prices.20of-a-changelog"], ["a"]),
    ],
)
def test_the_models_of_a_group_are_found_by_their_topics(group, topics, models):
    assert models_of(group, topics) == models


def test_every_model_is_found_by_its_group_alone():
    topics = [changelog_name(group, model) for group, model in product(NAMES, NAMES)]
    assert all(models_of(group, topics) == NAMES for group in NAMES)
