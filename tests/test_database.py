"""Opening for readers; how a database is opened and renamed in is in test_storage.py."""

from pathlib import Path

import pytest

from sweep.database import open_storage
from sweep.errors import StorageError


def test_a_reader_s_mistyped_path_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "there" / "studies.db"
    with pytest.raises(StorageError, match=r"must exist to be read, got no file .*--storage\."):
        open_storage(f"sqlite:///{path}", create=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_database_is_opened_to_be_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    open_storage(url).engine.dispose()
    reader = open_storage(url, create=False)
    assert reader.get_all_studies() == []
    reader.engine.dispose()
