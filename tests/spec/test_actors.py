"""How it is said who trains on a cluster."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.spec.actors import actors_line, hosts_of, provenance_lines

FACTS: dict[str, Any] = {
    "kind": "ray",
    "hosts": {
        "node-a": {"living": 2, "joining": 0, "lost": 0, "device": "AMD EPYC",
                   "versions": {"python": "3.11.7", "torch": "2.13.0"}},
        "node-b": {"living": 3, "joining": 1, "lost": 2, "device": "AMD EPYC", "versions": {}},
    },
}  # fmt: skip


def test_living_and_lost_actors_are_named_by_host() -> None:
    assert actors_line(FACTS) == "5 actors: node-a 2, node-b 3 (1 starting, 2 lost)"


def test_one_actor_is_one() -> None:
    assert actors_line({"hosts": {"a": {"living": 1}}}) == "1 actor: a 1"


def test_a_host_that_lost_all_its_actors_is_still_named() -> None:
    assert actors_line({"hosts": {"a": {"living": 0, "lost": 3}}}) == "0 actors: a 0 (3 lost)"


def test_of_many_hosts_the_last_are_summed_up() -> None:
    hosts = {f"n{i}": {"living": 2, "lost": i == 9} for i in range(10)}
    line = actors_line({"hosts": hosts})
    assert line == "20 actors: n0 2, n1 2, n2 2, n3 2, 6 more hosts 12 (1 lost)"


def test_provenance_names_hosts_devices_and_versions() -> None:
    assert provenance_lines(FACTS) == [
        "node-a: 2 actors, AMD EPYC, python 3.11.7, torch 2.13.0",
        "node-b: 3 actors (2 lost), AMD EPYC",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["hosts", "living", "lost", "versions", "device", "a"]), inner),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_whatever_another_program_wrote_there_is_read(facts: Any) -> None:
    line = actors_line(facts)
    assert (line == "") == (hosts_of(facts) == [])
    assert len(provenance_lines(facts)) == len(hosts_of(facts))


@pytest.mark.parametrize("facts", [None, {}, {"kind": "local"}, {"hosts": {}}, {"hosts": 3}])
def test_where_no_cluster_trained_nothing_is_said(facts: Any) -> None:
    assert actors_line(facts) == "" and provenance_lines(facts) == []
