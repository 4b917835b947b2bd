"""Many requests in one (wire/schoology.md §1.6): the first 50 paths, asked one after the other for the same caller, under one signature."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from postroom.dialects.operation import Answer, Nothing, Operations, operation
from postroom.dialects.parameters import BadParameter, decode
from postroom.dialects.schoology import errors, routing, users
from postroom.dialects.schoology.call import Call
from postroom.dialects.schoology.errors import SchoologyError
from postroom.errors import PostroomError, Unavailable

MAX_REQUESTS: Final = 50
"""Paths that are looked at; those after them are ignored."""

_MOUNT: Final = "/v1"


class Methods(Struct, frozen=True):
    """What a path allows: the answer to OPTIONS."""

    methods: list[str]


class Requests(Struct, frozen=True):
    """Paths to be asked."""

    request: Annotated[list[str] | str, Meta(description="Paths, from /v1 on, with their queries; one may stand alone.")] = []


class Response(Struct, frozen=True, kw_only=True):
    """What one path answers."""

    location: Annotated[str, Meta(description="The path as it was asked.")]
    response_code: int
    headers: dict[str, str]
    body: Any


class Responses(Struct, frozen=True):
    """All answers, in the order of the requests."""

    response: list[Response]


@operation("POST", "/multiget", parameters=Nothing, body=Requests, answers={200: Responses})
async def multiget(call: Call, _parameters: Nothing, body: Requests) -> Answer:
    """GET several paths, the first 50.

    Only the calls about users are possible; any other path answers with 404.
    """
    return await _each(call, body, _get)


@operation("POST", "/multioptions", parameters=Nothing, body=Requests, answers={200: Responses})
async def multioptions(call: Call, _parameters: Nothing, body: Requests) -> Answer:
    """Tell what methods several paths have, the first 50."""
    return await _each(call, body, _options)


OPERATIONS: Final[Operations] = (multiget, multioptions)


async def _each(call: Call, asked: Requests, ask: Callable[[Call, str], Awaitable[Answer]]) -> Answer:
    paths = [asked.request] if isinstance(asked.request, str) else asked.request
    return Answer(200, Responses([await _one(call, path, ask) for path in paths[:MAX_REQUESTS]]))


async def _one(call: Call, path: str, ask: Callable[[Call, str], Awaitable[Answer]]) -> Response:
    try:
        answer = await ask(call, path)
    except Unavailable:
        raise  # the whole of it may be tried again
    except SchoologyError as error:
        answer = Answer(error.status, error.text, error.headers)
    except (PostroomError, BadParameter) as error:
        refused = errors.translate(error)
        answer = Answer(refused.status, refused.text, refused.headers)
    return Response(location=path, response_code=answer.status, headers=dict(answer.headers), body=answer.content)


async def _get(call: Call, path: str) -> Answer:
    place, _, query = path.partition("?")
    found = call.find(place.removeprefix(_MOUNT))
    wanted = found.operation("GET")
    if wanted not in users.OPERATIONS:
        raise errors.not_found()
    return await wanted.handler(call, routing.parameters(wanted, found.values, decode(query.encode())), None)


async def _options(call: Call, path: str) -> Answer:
    allowed = call.find(path.partition("?")[0].removeprefix(_MOUNT)).allowed
    return Answer(200, Methods(allowed), {"Allow": ", ".join(allowed)})
