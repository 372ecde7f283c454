"""The messages between a team and its members: plain data, which can cross processes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from sweep.spec.resolved import Setting
from sweep.training.messages import Report


class Make(NamedTuple):
    """Drop the cohort, if there is one, and make another. The member answers."""

    team: int  # whom answers are for from here on
    width: int  # lanes
    partition: int  # of the rows into folds


class Start(NamedTuple):
    """Put a trial into a free slot."""

    trial: Hashable
    setting: Setting


class Stop(NamedTuple):
    """Take a trial out of its slot, where it has not ended meanwhile."""

    trial: Hashable


class Train(NamedTuple):
    """Train until a trial ends or an error comes. The member answers after each epoch."""


class Made(NamedTuple):
    """What a cohort has."""

    width: int  # lanes
    n_slots: int


Message = Make | Start | Stop | Train
Epochs = list[list[Report]]  # one after another, of each the reports of all trials


class Answer(NamedTuple):
    """The answer to a message, as far as it is known."""

    team: int  # who asked
    content: Made | Epochs | Exception
