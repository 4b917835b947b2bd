"""The OpenAPI document holds: calls made of it, and calls that break it, get answers that it names, never a 500."""

from typing import Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests_oauthlib import OAuth1
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.dialects.schoology.school import School

CALLS: Final = 12
"""For each operation."""
CHECKS: Final = [not_a_server_error, status_code_conformance]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_the_document_is_kept(sqlite_school: School, mode: GenerationMode) -> None:
    """§3.1: each operation, called as its declaration wants it, and with what it does not want."""
    school = sqlite_school
    for content in "ab":
        school.answer(school.write(content), content)
    auth = OAuth1(school.key.key, school.key.secret)
    answered: set[tuple[str, int]] = set()
    for found in schemathesis.openapi.from_url(school.url("/openapi.json"), timeout=20).get_all_operations():
        operation = found.ok()

        @settings(max_examples=CALLS, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def keep(case: Case) -> None:
            response = case.call(auth=auth, timeout=20, allow_redirects=False)
            checks = (
                [*CHECKS, response_schema_conformance] if response.status_code < 300 and response.content else CHECKS
            )  # many errors have no body (§3.1)
            case.validate_response(response, checks=checks)
            answered.add((case.operation.label, response.status_code))

        keep()
    assert ("GET /messages/inbox", 200) in answered, "signatures are accepted"
