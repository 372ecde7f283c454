"""Optuna's migrations, read once: it reads them anew whenever it opens a database."""

from functools import cache

from alembic.util import pyfiles

READS = "load_module_py"


def keep_migrations() -> None:
    """Keep what is read, for as long as this process lives."""
    setattr(pyfiles, READS, cache(getattr(pyfiles, READS)))
