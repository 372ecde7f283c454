"""How it is said who trains on a cluster."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.spec.actors import actors_line, hosts_of, provenance, provenance_line, turned_away

FACTS: dict[str, Any] = {
    "kind": "ray",
    "hosts": {
        "": {"living": 0, "joining": 1, "lost": 0},
        "node-a": {
            "living": 2,
            "joining": 0,
            "lost": 0,
            "device": "AMD EPYC (AVX512)",
            "versions": {"python": "3.11.7", "torch": "2.13.0"},
        },
        "node-b": {
            "living": 3,
            "joining": 1,
            "lost": 2,
            "device": "AMD EPYC (AVX512)",
            "versions": {"python": "3.11.8", "torch": "2.13.0"},
        },
    },
    "turned_away": {"node-c": "3 actors in a row were lost there: its process has ended"},
}


def test_living_and_lost_actors_are_named_by_host() -> None:
    assert actors_line(FACTS) == "5 actors: node-a 2, node-b 3 (1 starting, 2 lost)"


def test_one_actor_is_one() -> None:
    assert actors_line({"hosts": {"a": {"living": 1}}}) == "1 actor: a 1"


def test_actors_that_wait_are_told_where_none_trains() -> None:
    facts = {"hosts": {"a": {"living": 0, "lost": 3}, "": {"joining": 2}}}
    assert actors_line(facts) == "0 actors: a 0 (3 lost), 2 starting or waiting for room"
    assert (
        actors_line({"hosts": {"": {"joining": 1}}}) == "0 actors: 1 starting or waiting for room"
    )


def test_of_many_hosts_the_last_are_summed_up() -> None:
    hosts = {f"n{i}": {"living": 2, "lost": int(i == 9)} for i in range(10)}
    line = actors_line({"hosts": hosts})
    assert line == "20 actors: n0 2, n1 2, n2 2, n3 2, 6 more hosts 12 (1 lost)"


def test_a_host_that_gets_no_more_actors_is_named_with_the_reason() -> None:
    (line,) = turned_away(FACTS)
    assert line.startswith("node-c gets no more actors: 3 actors in a row were lost there")


def test_provenance_names_hosts_devices_and_versions() -> None:
    assert provenance(FACTS) == {
        "kind": "ray",
        "hosts": ["node-a: 2 actors", "node-b: 3 actors (2 lost)"],
        "devices": ["AMD EPYC (AVX512)"],
        "versions": {"python": "3.11.7, 3.11.8", "torch": "2.13.0"},
    }
    assert provenance_line(FACTS) == (
        "node-a: 2 actors, node-b: 3 actors (2 lost); AMD EPYC (AVX512);"
        " python 3.11.7, 3.11.8, torch 2.13.0"
    )


KEYS = ["hosts", "living", "lost", "versions", "device", "joining", "turned_away", "a", ""]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@settings(max_examples=50)
@given(json_values | st.fixed_dictionaries(dict.fromkeys(KEYS, json_values)))
def test_whatever_another_program_wrote_there_is_read(facts: Any) -> None:
    assert isinstance(actors_line(facts) + provenance_line(facts), str)
    assert (provenance(facts) == {}) == (hosts_of(facts) == [])
    assert all(turned_away(facts))


@pytest.mark.parametrize("facts", [None, {}, {"kind": "local"}, {"hosts": {}}, {"hosts": 3}])
def test_where_no_cluster_trained_nothing_is_said(facts: Any) -> None:
    assert (actors_line(facts), provenance(facts), provenance_line(facts)) == ("", {}, "")
