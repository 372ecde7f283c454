"""Remarks on a network: a sentence each, and stored by their kind."""

from __future__ import annotations

import pytest

from sweep.spec.remarks import SENTENCES, Remark, read_remarks, sentences, stored_remarks

ABOUT = {"bounded": ("0 to 1", "-2 to 2.5"), "softmax": (), "last_row": ("48", "47")}


@pytest.mark.parametrize("kind", SENTENCES)
def test_each_kind_is_one_sentence_that_names_what_it_is_about(kind: str) -> None:
    about = ABOUT.get(kind, ("first.thing",))
    (said,) = sentences([Remark(kind, about)], "weight_decay")
    assert all(each in said for each in about)
    assert "{" not in said and "\n" not in said and not said.endswith(".")
    assert said[0].isupper() and ("alpha" not in said)


def test_of_many_names_some_are_told() -> None:
    names = tuple(f"{i}.weight" for i in range(9))
    (said,) = sentences([Remark("embeddings", names)], "alpha")
    assert "0.weight, 1.weight, 2.weight, 3.weight and 5 more;" in said


def test_what_is_stored_is_read_again() -> None:
    remarks = (Remark("scale_free", ("0.weight",)), Remark("softmax"), Remark("of later", ("x",)))
    assert read_remarks(stored_remarks(remarks)) == remarks
    assert len(sentences(remarks, "alpha")) == 2
