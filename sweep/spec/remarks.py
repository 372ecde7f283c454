"""Remarks on a study's network: what its user should know of it, a sentence each.

They are found when the study is planned, stored with it, and said by everything that shows it. A
remark is stored by its kind: a later version may say the same in better words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SPARED, SCALES, EMBEDDINGS = "spared", "scales", "embeddings"
SCALE_FREE, SCALE_FREE_L1 = "scale_free", "scale_free_l1"
FLATTENED, SOFTMAX, SQUASHED, BOUNDED = "flattened", "softmax", "squashed", "bounded"
FIRST, LAST_ROW = "first", "last_row"
MOST = 4  # names that are told

# By kind. {about}: what the remark is about, or {0}, {1} each; {strength}: as the study calls it.
SENTENCES: Mapping[str, str] = {
    SPARED: "Not penalised, although of two dimensions or more: {about} (part of a norm layer, a"
    " bias, or a scale; name it in penalty.include to penalise it, or in penalty.exempt to settle"
    " it)",
    SCALE_FREE: "A normalisation makes the outputs independent of the size of {about}: there"
    " {strength} changes the effective learning rate only, not how complex the network is",
    SCALE_FREE_L1: "A normalisation makes the outputs independent of the size of {about}: there"
    " {strength} changes which weights become 0, and the effective learning rate, but cannot"
    " shrink what the network computes",
    SCALES: "Penalised, although all entries begin as the same number: {about}; if it is a scale,"
    " name it in penalty.exempt, since the penalty pulls it to 0",
    EMBEDDINGS: "Penalised embeddings: {about}; rows that a batch does not use shrink too, so it"
    " is usual to name them in penalty.exempt",
    FIRST: "The first of the {about} things that forward() returns is taken for the outputs; the"
    " others are not trained on",
    LAST_ROW: "Of the {0} rows of `sweep fit` the last batch of {1} has one alone, on which the"
    " network cannot train; another training.batch_size leaves more",
    FLATTENED: "Rows of shape {about} are flattened for the mlp, which does not see what lies"
    " beside what; a network of your own gets their shape (model.source)",
    SOFTMAX: "The network's outputs are probabilities, and the loss takes their softmax once"
    " more: leave the softmax out of the network",
    SQUASHED: "The network's outputs stay within {about} whatever its weights, and the loss makes"
    " probabilities of them: leave the last activation out of the network",
    BOUNDED: "The network's outputs stay within {0} whatever its weights, but the targets that it"
    " is trained on go from {1}: leave the last activation out of the network",
}


class Remark(NamedTuple):
    """A remark on a network.

    Attributes:
        kind: one of `SENTENCES`.
        about: what of the network: names of tensors, or words.
    """

    kind: str
    about: tuple[str, ...] = ()


def sentences(remarks: Iterable[Remark], strength: str) -> list[str]:
    """Say remarks, a sentence each without its full stop.

    Args:
        remarks: any; those of a kind that this version does not know are left out.
        strength: what the study calls it.
    """
    return [
        SENTENCES[remark.kind].format(
            *remark.about, about=_listed(remark.about), strength=strength
        )
        for remark in remarks
        if remark.kind in SENTENCES
    ]


def stored_remarks(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    """Return remarks as plain data, as a study stores them."""
    return [{"kind": kind, "about": list(about)} for kind, about in remarks]


def read_remarks(content: Sequence[Mapping[str, Any]]) -> tuple[Remark, ...]:
    """Read what `stored_remarks` returned."""
    return tuple(Remark(each["kind"], tuple(each["about"])) for each in content)


def _listed(about: Sequence[str]) -> str:
    more = f" and {len(about) - MOST} more" if len(about) > MOST else ""
    return ", ".join(about[:MOST]) + more
