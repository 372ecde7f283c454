"""Derive every random stream from the study's one seed, by name."""

import hashlib
import json


def derive(study_seed: int, stream: str, *key: int) -> int:
    """Derive the seed of one stream.

    Args:
        study_seed: the study's public seed, the key `seed` of its file.
        stream: what the numbers are for: `weights`, `order`, `split`, `ask`, …
        key: the place in the stream, such as (fold, seed index, epoch).

    Returns:
        An integer in [0, 2**63): a hash, so that neighbouring keys share nothing
        and no stream depends on how much of another was used.
    """
    text = json.dumps([study_seed, stream, *key])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
