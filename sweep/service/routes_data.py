"""Routes of the files that studies may name: send one, list them."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from sweep.service.auth import Submitter
from sweep.service.folder import LONGEST_NAME
from sweep.service.problems import Problem, responses
from sweep.service.routes_studies import Serving
from sweep.service.service import Service
from sweep.service.sources import FILE
from sweep.service.tokens import Identity
from sweep.service.uploads import Stored, Uploads

router = APIRouter(tags=["data"])
BYTES = {"schema": {"type": "string", "format": "binary"}}
BODY = {"required": True, "content": {"application/octet-stream": BYTES, "text/csv": BYTES}}
FileName = Annotated[
    str, Path(pattern=FILE, max_length=LONGEST_NAME, description="NAME.csv, .parquet or .npz.")
]


class DataFile(BaseModel):
    """A file that a study may name as `data.source`; `sha256` is null for one that may change."""

    name: str
    size_bytes: int
    sha256: str | None

    @classmethod
    def of(cls, stored: Stored) -> DataFile:
        """Return what is shown of a file."""
        return cls(**stored._asdict())


class DataList(BaseModel):
    """The files that studies of the project may name."""

    items: list[DataFile]


@router.get("/data", response_model=DataList)
def listed(service: Serving, identity: Submitter) -> DataList:
    """List the files that studies of the project may name, by name."""
    beside = [service.config.data] if service.config.data else []
    stored = _uploads(service, identity).list(beside)
    return DataList(items=[DataFile.of(one) for one in stored])


@router.put(
    "/data/{file}",
    status_code=201,
    response_model=DataFile,
    openapi_extra={"requestBody": BODY},
    responses={
        200: {"model": DataFile, "description": "It was there before, the same."},
        **responses(404, 408, 409, 413, 507),  # 404: a name with a slash is another route
    },
)
async def upload(
    request: Request, response: Response, service: Serving, identity: Submitter, file: FileName
) -> DataFile:
    """Send a file of rows: CSV, Parquet or npz. Its name stands for this content for good."""
    if await to_thread.run_sync(service.disk_is_full):
        raise Problem(507, "disk: must have room for the file, got too little. Try later")
    incoming = await to_thread.run_sync(_uploads(service, identity).begin, file)
    try:
        async for part in request.stream():
            await to_thread.run_sync(incoming.write, part)
        stored, new = await to_thread.run_sync(incoming.finish)
    finally:
        incoming.discard()
    response.status_code = 201 if new else 200
    return DataFile.of(stored)


def _uploads(service: Service, identity: Identity) -> Uploads:
    return Uploads(service.uploads(identity.project), service.config.limits.upload_bytes)
