import pytest

from engine.kafka.names import changelog_name, fixed_transactional_id, models_of, transactional_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (changelog_name("prices", "average"), "prices-average-changelog"),
        (changelog_name("prices of ä", "a/b"), "prices_of__-a_b-changelog"),
        (transactional_id("prices", "host:1"), "prices-host_1"),
        (fixed_transactional_id("prices", "average", [0, 2], 7), "prices-average-0-2-7"),
    ],
)
def test_names_have_only_what_kafka_takes(name, expected):
    assert name == expected


@pytest.mark.parametrize(
    ("group", "topics", "models"),
    [
        ("prices", ["prices", "prices-a-changelog", "prices-b-changelog", "other-a-changelog"], ["a", "b"]),
        ("prices", ["prices--changelog", "prices-changelog", "prices-a-changelogs"], []),
        ("prices of", ["prices_of-a-changelog"], ["a"]),
        ("prices", ["prices-a-changelog-changelog"], ["a-changelog"]),
    ],
)
def test_the_models_of_a_group_are_found_by_their_topics(group, topics, models):
    assert models_of(group, topics) == models
