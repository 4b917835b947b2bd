"""What every answer of the dialect must look like, whatever was asked (contract §3.4 to §3.6)."""

from typing import Any

import requests

KEYS = {
    "method_forbidden": {"reason"},
    "method_not_found": {"method_name"},
    "param_missing": {"param_name", "user_messages"},
    "param_invalid": {"param_name"},
    "param_forbidden": {"param_name", "reason"},
    "field_not_found": {"field_name", "method_name"},
    "field_invalid": {"field_name", "method_name"},
    "field_forbidden": {"field_name", "method_name", "reason"},
    "object_not_found": {"param_name", "method_name"},
    "object_invalid": {"reason"},
    "object_forbidden": {"reason"},
}
"""Errors, and the keys that each always has."""

STATUSES = {400, 401, 403, 404, 405, 413}


def error_of(response: requests.Response) -> dict[str, Any]:
    """Check that an answer is a success or an error of the vocabulary; return its body, which is empty for a success."""
    if response.status_code == 200:
        return {}
    assert response.status_code in STATUSES, (response.status_code, response.text)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    body: dict[str, Any] = response.json()
    assert body["message"]
    if "error" in body:
        assert KEYS[body["error"]] <= body.keys(), body
        assert body.get("reason") != "scope_missing" or body["missing_scopes"]
    return body
