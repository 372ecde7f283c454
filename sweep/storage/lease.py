"""Hold the right to run a study: one row a study in a table of our own beside Optuna's.

The owner renews its row as the first statement of every transaction. A row that it no longer
finds means that another process took over, and the transaction writes nothing (a fence).
All times are the database's clock, so the clocks of hosts need not agree.
"""

import uuid
from dataclasses import dataclass, replace

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.exc import IntegrityError

from sweep.errors import OwnedElsewhereError
from sweep.storage.process import Process

LIFE_S = 60.0

LEASES = Table(
    "sweep_leases",
    MetaData(),
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("token", String(32), nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(255), nullable=False),
    Column("expires", Float(53), nullable=False),
)
_STORED = [column for column in LEASES.c if column.name != "expires"]


@dataclass(frozen=True)
class Lease:
    """One process's right to run a study, as read from the table.

    `token` is the owner's secret name, `tick` counts its renewals, `started` tells its process
    from a later one under the same pid, `left_s` is the time to expiry in seconds.
    """

    study_id: int
    token: str
    tick: int
    host: str
    pid: int
    started: str
    left_s: float

    @property
    def alive(self) -> bool:
        """Say whether the owner still counts: not expired, and not known to be dead."""
        return self.left_s > 0 and not Process(self.host, self.pid, self.started).died_here


def create_table(connection: Connection) -> None:
    """Create the table of leases where it is missing."""
    LEASES.create(connection, checkfirst=True)


def has_table(connection: Connection) -> bool:
    """Tell whether the database has the table: who only reads does not make it."""
    return inspect(connection).has_table(LEASES.name)


def find(connection: Connection, study_id: int) -> Lease | None:
    """Read the lease of a study, alive or not; None when nobody holds one."""
    left_s = (LEASES.c.expires - now(connection)).label("left_s")
    query = select(*_STORED, left_s).where(LEASES.c.study_id == study_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Lease(**row)


def acquire(connection: Connection, study_id: int, study_name: str) -> Lease:
    """Take the lease of a study that is free, expired, or whose owner died on this machine.

    Raises OwnedElsewhereError: a living process holds it, or another one was faster.
    """
    held = find(connection, study_id)
    if held is not None and held.alive:
        raise OwnedElsewhereError(
            f"study {study_name!r}: one process at a time may run it, and {_who(held)} does "
            f"(lease good for another {held.left_s:.0f} s). Stop that one or wait for it"
        )
    if held is not None:
        connection.execute(_delete(held))
    lease = Lease(study_id, uuid.uuid4().hex, 0, *Process.of(), LIFE_S)
    row = {column.name: getattr(lease, column.name) for column in _STORED}
    try:
        connection.execute(LEASES.insert().values(**row, expires=now(connection) + LIFE_S))
    except IntegrityError as error:
        raise OwnedElsewhereError(
            f"study {study_name!r}: one process at a time may run it, and another one took it "
            "at this moment. `sweep status` names it"
        ) from error
    return lease


def renew(connection: Connection, lease: Lease, study_name: str) -> Lease:
    """Fence and renew: return the lease with the tick that is now in the table.

    A tick not above the old one means that the database lost acknowledged commits.

    Raises OwnedElsewhereError: the lease is no longer ours; nothing may be written.
    """
    query = LEASES.update().where(LEASES.c.study_id == lease.study_id)
    tick = connection.execute(
        query.where(LEASES.c.token == lease.token)
        .values(tick=LEASES.c.tick + 1, expires=now(connection) + LIFE_S)
        .returning(LEASES.c.tick)
    ).scalar_one_or_none()
    if tick is None:
        held = find(connection, lease.study_id)
        taken = f"{_who(held)} has taken it over" if held else "its lease is gone"
        raise OwnedElsewhereError(
            f"study {study_name!r}: {taken} while this process did not renew for more than "
            f"{LIFE_S:.0f} s. What was not yet saved here is dropped; `sweep status` says more"
        )
    return replace(lease, tick=tick, left_s=LIFE_S)


def release(connection: Connection, lease: Lease) -> None:
    """Give the lease back; one that was taken over is left alone."""
    connection.execute(_delete(lease))


def owner(connection: Connection, study_id: int) -> Lease | None:
    """Say who runs a study now; None when nobody does, or ever did."""
    if not has_table(connection):
        return None
    held = find(connection, study_id)
    return held if held is not None and held.alive else None


def owners(connection: Connection) -> dict[int, Lease]:
    """Say who runs which study now, by its id, in one statement."""
    if not has_table(connection):
        return {}
    left_s = (LEASES.c.expires - now(connection)).label("left_s")
    held = [Lease(**row) for row in connection.execute(select(*_STORED, left_s)).mappings()]
    return {lease.study_id: lease for lease in held if lease.alive}


def _delete(lease: Lease) -> Delete:
    return LEASES.delete().where(
        LEASES.c.study_id == lease.study_id, LEASES.c.token == lease.token
    )


def now(connection: Connection) -> ColumnElement[float]:
    """Return the database's clock, in seconds since 1970, as a part of a statement."""
    if connection.dialect.name == "sqlite":
        return literal_column("(julianday('now') - 2440587.5) * 86400.0", Float)
    return literal_column("CAST(extract(epoch FROM clock_timestamp()) AS float8)", Float)


def _who(lease: Lease) -> str:
    ours = (lease.host, lease.pid, lease.started) == Process.of()
    return f"pid {lease.pid} on {lease.host}" + (" (this very process)" if ours else "")
