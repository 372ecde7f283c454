from hypothesis import given
from hypothesis import strategies as st

from sweep.spec.seeds import derive

keys = st.tuples(st.integers(0, 2**63 - 1), st.text(), st.lists(st.integers(0, 10**6)))


@given(keys, keys)
def test_different_keys_have_different_seeds(
    a: tuple[int, str, list[int]], b: tuple[int, str, list[int]]
) -> None:
    seeds = [derive(seed, stream, *key) for seed, stream, key in (a, b)]
    assert (seeds[0] == seeds[1]) == (a == b)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_stay_what_they_are() -> None:
    # Stored studies resume by them: another value here would change their tables.
    assert derive(0, "ask", 3) == 4020905006410707416
