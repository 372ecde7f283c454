"""Sum up the studies of a storage, in as many statements for a thousand of them as for one."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages._rdb.models import TrialValueModel
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    not_,
    or_,
    select,
)

from sweep.spec.attributes import ALPHA_RANGE, OUTCOME, SPEC
from sweep.storage import lease
from sweep.storage.foreign import ASKED
from sweep.storage.schema import (
    DIRECTIONS,
    PARAMS,
    REPORTS,
    STUDIES,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)

MOST = 2**31 - 1  # trials


@dataclass
class Summary:
    """What is known of one study without a look at each of its trials.

    Trials that another program wrote into one of sweep's studies count as `n_foreign` alone.
    `best_value` and `best_params` are of the best COMPLETE trial, None where there is none or
    where the study has several objectives; `steps` are the last ones reported by trials under
    way; `attrs` has the user attributes asked for; `owner` is who runs the study.
    """

    name: str
    owner: lease.Lease | None
    states: dict[TrialState, int] = field(default_factory=dict)
    n_diverged: int = 0  # FAIL, because their training diverged
    n_foreign: int = 0
    best_value: float | None = None
    best_params: dict[str, Any] | None = None
    steps: list[int] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)


def study_names(connection: Connection) -> list[str]:
    """Return the names of all studies, oldest first."""
    query = select(STUDIES.c.study_name).order_by(STUDIES.c.study_id)
    return list(connection.execute(query).scalars())


def summaries(
    connection: Connection, attrs: Iterable[str], study_name: str | None = None
) -> list[Summary]:
    """Sum up all studies, oldest first, or the one named, with some of their user attributes.

    Raises one of UNREADABLE: a row that cannot be read.
    """
    chosen = select(STUDIES.c.study_id, STUDIES.c.study_name).order_by(STUDIES.c.study_id)
    if study_name is not None:
        chosen = chosen.where(STUDIES.c.study_name == study_name)
    owners = lease.owners(connection)
    found = {
        study_id: Summary(name, owners.get(study_id))
        for study_id, name in connection.execute(chosen)
    }
    of_these = TRIALS.c.study_id.in_(chosen.order_by(None).with_only_columns(STUDIES.c.study_id))
    foreign = select(TRIALS.c.study_id, func.count()).where(of_these, _is_foreign())
    for study_id, count in connection.execute(foreign.group_by(TRIALS.c.study_id)):
        found[study_id].n_foreign = count
    own = and_(of_these, not_(_is_foreign()))
    _count(connection, found, own)
    _find_best(connection, found, own)
    under_way = TRIALS.c.state.in_([TrialState.RUNNING, TrialState.WAITING])
    query = select(TRIALS.c.study_id, func.max(REPORTS.c.step)).join(TRIALS)
    query = query.where(of_these, under_way).group_by(TRIALS.c.study_id, TRIALS.c.trial_id)
    for study_id, step in connection.execute(query):
        found[study_id].steps.append(step)
    wanted = select(STUDY_USER_ATTRS).where(STUDY_USER_ATTRS.c.key.in_(list(attrs)))
    for row in connection.execute(wanted):
        if row.study_id in found:
            found[row.study_id].attrs[row.key] = json.loads(row.value_json)
    return list(found.values())


def _is_foreign() -> ColumnElement[bool]:
    """Match trials of sweep's studies that another program wrote, as far as rows tell.

    They ended without an outcome, or the search had not asked for them (`sweep.storage.foreign`).
    """
    attr, noted, said = STUDY_USER_ATTRS.c, STUDY_SYSTEM_ATTRS.c, USER_ATTRS.c
    made = [
        _there(select(attr.key).where(attr.study_id == TRIALS.c.study_id, attr.key == key))
        for key in (SPEC, ALPHA_RANGE)
    ]
    outcome = _there(
        select(said.key).where(said.trial_id == TRIALS.c.trial_id, said.key == OUTCOME)
    )
    asked = select(cast(noted.value_json, Integer)).correlate(TRIALS)
    asked = asked.where(noted.study_id == TRIALS.c.study_id, noted.key == ASKED)
    late = TRIALS.c.number >= func.coalesce(asked.scalar_subquery(), MOST)
    ended = TRIALS.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
    waits = TRIALS.c.state == TrialState.WAITING
    return and_(*made, or_(and_(ended, ~outcome), and_(late, ~waits)))


def _there(query: Select[Any]) -> ColumnElement[bool]:
    """Tell of each trial whether the query has a row, whatever else is joined."""
    return query.correlate(TRIALS).exists()


def _count(
    connection: Connection, found: dict[int, Summary], of_these: ColumnElement[bool]
) -> None:
    """Count trials by state, and those that diverged."""
    query = select(TRIALS.c.study_id, TRIALS.c.state, func.count()).where(of_these)
    for study_id, state, count in connection.execute(
        query.group_by(TRIALS.c.study_id, TRIALS.c.state).order_by(func.min(TRIALS.c.trial_id))
    ):
        found[study_id].states[state] = count
    said = and_(USER_ATTRS.c.key == "outcome", USER_ATTRS.c.value_json == '"diverged"')
    query = select(TRIALS.c.study_id, func.count()).join_from(TRIALS, USER_ATTRS)
    query = query.where(of_these, TRIALS.c.state == TrialState.FAIL, said)
    for study_id, count in connection.execute(query.group_by(TRIALS.c.study_id)):
        found[study_id].n_diverged = count


def _find_best(
    connection: Connection, found: dict[int, Summary], of_these: ColumnElement[bool]
) -> None:
    best, decode = _best(of_these), cache(json_to_distribution)  # studies share distributions
    query = select(best, PARAMS).outerjoin_from(best, PARAMS, PARAMS.c.trial_id == best.c.trial_id)
    for row in connection.execute(query.where(best.c.place == 1).order_by(PARAMS.c.param_id)):
        study = found[row.study_id]
        study.best_value = TrialValueModel.stored_repr_to_value(row.value, row.value_type)
        study.best_params = study.best_params or {}
        if row.param_name is not None:
            space = decode(row.distribution_json)
            study.best_params[row.param_name] = space.to_external_repr(row.param_value)


def _best(of_these: ColumnElement[bool]) -> Subquery:
    """Give COMPLETE trials their place, 1 the best, in studies that have one objective."""
    several = select(DIRECTIONS.c.study_id).where(DIRECTIONS.c.objective == 1)
    up = case((DIRECTIONS.c.direction == StudyDirection.MAXIMIZE, -1), else_=1)
    kinds = TrialValueModel.TrialValueType
    mark = VALUES.c.value_type
    infinite = case((mark == kinds.INF_NEG, -1), (mark == kinds.INF_POS, 1), else_=0)
    place = func.row_number().over(
        partition_by=TRIALS.c.study_id,
        order_by=(up * infinite, up * VALUES.c.value, TRIALS.c.trial_id),
    )
    query = select(TRIALS.c.study_id, TRIALS.c.trial_id, VALUES.c.value, VALUES.c.value_type,
                   place.label("place"))  # fmt: skip
    query = query.join_from(TRIALS, VALUES).join(
        DIRECTIONS, and_(DIRECTIONS.c.study_id == TRIALS.c.study_id, DIRECTIONS.c.objective == 0)
    )
    complete = TRIALS.c.state == TrialState.COMPLETE
    single = TRIALS.c.study_id.not_in(several)
    return query.where(of_these, complete, VALUES.c.objective == 0, single).subquery()
