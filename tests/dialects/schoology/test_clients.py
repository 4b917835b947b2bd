"""Published clients of the Schoology API against a whole running installation (contract §5, §6): only host and keys are changed.

What is known to be wrong with a client (§5.1, §5.2, §6) is worked round as its users do, or must fail as it does with the service.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
import requests
import schoolopy
from requests_oauthlib import OAuth1Session
from schoolopy.errors import NoDataError

from tests.dialects.schoology.published import VERSIONS, Answer, NodeClient
from tests.dialects.schoology.school import CALLBACK, School

REPLAYED: Final = "Duplicate timestamp/nonce combination, possible replay attack.  Request rejected."
NODE = pytest.mark.timeout(300)
"""The first of these tests installs its client."""
Request = Callable[..., Answer]
"""Calls a verb at a path below /v1, with a body if there is one, in the name of Anna."""


def correspond(school: School, request: Request) -> None:
    """Do everything that a mail application does: look who there is, write, be answered, list, read, mark, answer, delete (§1.2)."""
    offered = request("GET", "/messages/recipients").content["recipient"]
    assert {one["id"]: one["name"] for one in offered} == {str(school.jan): "Jan Robak"}
    written = {"subject": "Zażółć gęślą?", "message": "a & b < 3 = c\r\n+~%", "recipient_ids": str(school.jan)}
    made = request("POST", "/messages", written)
    assert made.status in {None, 201}
    thread = made.content["id"]
    assert made.content == {**written, "id": thread, "author_id": school.anna, "message_status": None, "mid": None} | {
        "last_updated": made.content["last_updated"]
    }
    (sent,) = request("GET", "/messages/sent?start=0&limit=20").content["message"]
    assert (sent["id"], sent["author_id"], sent["message_status"]) == (thread, None, None)

    school.answer(thread, "Tak")
    inbox = request("GET", "/messages/inbox?start=0&limit=20&with_attachments=TRUE").content
    assert [(one["id"], one["author_id"], one["message_status"]) for one in inbox["message"]] == [(thread, school.jan, "unread")]
    assert inbox["unread_count"] == "1"
    shown = request("GET", f"/messages/inbox/{thread}?keep_unread=TRUE").content["message"]
    assert [one["message"] for one in shown] == [written["message"], "Tak"]
    assert school.unread() == 1
    request("GET", f"/messages/sent/{thread}")
    assert school.unread() == 0
    marked = request("PUT", f"/messages/inbox/{thread}", {"message_status": "unread"})
    assert marked.status in {None, 204}
    assert school.unread() == 1

    again = request("POST", f"/messages/{thread}", {"subject": "Re", "message": "Dziękuję", "recipient_ids": str(school.jan)})
    assert (again.content["id"], again.content["recipient_ids"]) == (thread, f"{school.jan},{school.anna}")
    assert school.unread() == 0
    assert [line.content for line in school.seen_by(school.jan, thread)] == [written["message"], "Tak", "Dziękuję"]

    assert request("POST", "/messages", {**written, "subject": ""}) == Answer("You must enter a message subject", 400)
    assert request("DELETE", f"/messages/inbox/{thread}").status in {None, 204}
    assert request("GET", f"/messages/inbox/{thread}").status == 404
    assert len(school.seen_by(school.jan, thread)) == 3, "deleting un-sends nothing (§1.1)"


# -- requests-oauthlib (§5.1, §6.1) --------------------------------------------------------------------------------------


def with_requests(school: School, session: requests.Session) -> Request:
    def request(verb: str, path: str, body: object = None) -> Answer:
        response = session.request(verb, school.url(path), json=body, timeout=20)
        return Answer(response.json() if response.content else None, response.status_code)

    return request


@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
@pytest.mark.parametrize("place", ["AUTH_HEADER", "QUERY"])
def test_requests_oauthlib_with_a_personal_key(school: School, place: str, method: str) -> None:
    """§2.1: OAuth parameters in header or query, PLAINTEXT too; no oauth_token."""
    correspond(
        school, with_requests(school, OAuth1Session(school.key.key, school.key.secret, signature_type=place, signature_method=method))
    )


@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
@pytest.mark.parametrize("place", ["AUTH_HEADER", "QUERY"])
def test_requests_oauthlib_goes_three_legged(sqlite_school: School, place: str, method: str) -> None:
    """§2.3: both tokens by GET, a callback without a verifier."""
    school = sqlite_school
    signing = {"signature_type": place, "signature_method": method}
    session = OAuth1Session(school.program.key, school.program.secret, **signing)
    asked = dict(parse_qsl(session.get(school.url("/oauth/request_token")).text))
    back = school.consent(session.authorization_url(school.page, asked["oauth_token"], oauth_callback=CALLBACK))
    assert back == {"oauth_token": asked["oauth_token"]}
    session = OAuth1Session(school.program.key, school.program.secret, asked["oauth_token"], asked["oauth_token_secret"], **signing)
    token = dict(parse_qsl(session.get(school.url("/oauth/access_token")).text))
    session = OAuth1Session(school.program.key, school.program.secret, token["oauth_token"], token["oauth_token_secret"], **signing)
    correspond(school, with_requests(school, session))


def test_requests_oauthlib_signs_each_hop_anew(sqlite_school: School) -> None:
    """§1.5: 303 to the number of the caller."""
    session = OAuth1Session(sqlite_school.key.key, sqlite_school.key.secret)
    assert session.get(sqlite_school.url("/users/me"), timeout=20).json()["id"] == sqlite_school.anna


def test_oauth_parameters_in_a_form_are_refused(sqlite_school: School) -> None:
    """§2.1: the BODY type makes every body a form, which is 415."""
    session = OAuth1Session(sqlite_school.key.key, sqlite_school.key.secret, signature_type="BODY", force_include_body=True)
    data = {"subject": "s", "message": "m", "recipient_ids": str(sqlite_school.jan)}
    assert session.post(sqlite_school.url("/messages"), data=data, timeout=20).status_code == 415
    assert sqlite_school.unread(sqlite_school.jan) == 0


# -- schoolopy 0.3.1 (§6.2) ----------------------------------------------------------------------------------------------


class Sendable(schoolopy.Message):
    """A message as it must be sent: the client's own becomes the text of a Python dictionary."""

    def json(self) -> dict[str, Any]:
        return dict(self)


def with_schoolopy(school: School, auth: schoolopy.Auth) -> None:
    """Call each method for messages, and the bare verbs for what it has no method for. Every call signs http://api.schoology.com."""
    client = schoolopy.Schoology(auth, api_host=school.url("/"))
    assert client.get_messages("inbox") == client.get_messages("sent") == []
    made = client.create_message(Sendable({"subject": "Zażółć?", "message": "a & b", "recipient_ids": [str(school.jan)]}))
    assert (made.author_id, made.recipient_ids, made.message_status) == (school.anna, str(school.jan), None)
    assert [one.id for one in client.get_sent_messages()] == [made.id]
    school.answer(made.id, "Tak")
    assert [(one.id, one.message_status) for one in client.get_inbox_messages()] == [(made.id, "unread")]
    assert [one.message for one in client.get_message(made.id)] == ["a & b", "Tak"]
    assert school.unread() == 0
    with pytest.raises(NoDataError):  # it wants something in every answer; 204 has nothing
        client._put(f"messages/inbox/{made.id}", {"message_status": "unread"})
    assert school.unread() == 1
    answer = client._post(f"messages/{made.id}", {"subject": "Re", "message": "b", "recipient_ids": ""}, {})
    assert answer["recipient_ids"] == f"{school.jan},{school.anna}"
    assert client._get("messages/recipients", {})["recipient"][0]["id"] == str(school.jan)
    assert client.delete_message(made.id) is None
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_message(made.id)
    assert client.get_me().id == school.anna


def test_schoolopy_with_a_personal_key(school: School) -> None:
    """§5.2: Host api.schoology.com at another address, limit=20 everywhere, signed again on the 303."""
    with_schoolopy(school, schoolopy.Auth(school.key.key, school.key.secret))


def test_schoolopy_goes_three_legged(sqlite_school: School) -> None:
    """§6.2: both OAuth calls are signed for the address that is called, all others for api.schoology.com."""
    school = sqlite_school
    auth = schoolopy.Auth(school.program.key, school.program.secret, domain=school.base.rstrip("/"), three_legged=True)
    auth.API_ROOT = school.url("")
    assert school.consent(auth.request_authorization(CALLBACK)) == {"oauth_token": auth.request_token}
    assert auth.authorize()
    with_schoolopy(school, auth)


def test_schoolopy_sends_a_text_where_an_object_belongs(sqlite_school: School) -> None:
    """§6.2: its own send_message sends the text of a Python dictionary; a strict server answers 400."""
    client = schoolopy.Schoology(schoolopy.Auth(sqlite_school.key.key, sqlite_school.key.secret), api_host=sqlite_school.url("/"))
    with pytest.raises(requests.HTTPError, match="400"):
        client.send_message("s", "m", [str(sqlite_school.jan)])
    assert sqlite_school.unread(sqlite_school.jan) == 0


# -- the clients for Node (§5.1, §6.1) -----------------------------------------------------------------------------------


@NODE
@pytest.mark.parametrize("package", ["schoology", "schoologyapi"])
def test_clients_for_node_with_a_personal_key(school: School, package: str) -> None:
    """schoology: PLAINTEXT, raw secret and nonces, an empty token. schoologyapi: signatures for https://api.schoology.com."""
    with NodeClient(package, school.base, school.key.key, school.key.secret) as client:
        correspond(school, client.request)


@NODE
@pytest.mark.parametrize("package", ["schoology", "schoologyapi"])
def test_clients_for_node_with_a_token(sqlite_school: School, package: str) -> None:
    school = sqlite_school
    with NodeClient(package, school.base, school.program.key, school.program.secret, school.token.token, school.token.secret) as client:
        correspond(school, client.request)


@NODE
@pytest.mark.parametrize("package", ["schoology", "schoologyapi"])
def test_clients_for_node_go_three_legged(sqlite_school: School, package: str) -> None:
    """§2.3: one names the callback return_url, the other is what the documentation has; who the caller is then."""
    school = sqlite_school
    with NodeClient(package, school.base, school.program.key, school.program.secret) as client:
        url = client.do("ask", callback=CALLBACK).content
        assert school.consent(url)["oauth_token"] in url
        client.do("exchange")
        assert client.request("GET", "/app-user-info").content["api_uid"] == school.anna
        correspond(school, client.request)


@NODE
@pytest.mark.parametrize("package", VERSIONS)
def test_who_follows_a_redirect_with_the_old_signature_is_told_so(sqlite_school: School, package: str) -> None:
    """§1.5, §2.2, §5.2: on the 303 of users/me they send their header again; the text is compared verbatim, with its two spaces."""
    school = sqlite_school
    with NodeClient(package, school.base, school.key.key, school.key.secret) as client:
        assert client.request("GET", "/users/me") == Answer(REPLAYED, 401)
        assert client.request("GET", f"/users/{school.anna}").content["id"] == school.anna


@NODE
def test_schoology_js_reads_and_deletes(sqlite_school: School) -> None:
    """§5.1: what it signs rightly: GET and DELETE, with the query written in the address."""
    school = sqlite_school
    thread = school.write("Hej")
    with NodeClient("schoology.js", school.base, school.key.key, school.key.secret) as client:
        assert client.request("GET", "/messages/inbox?start=0&limit=20").content["message"][0]["id"] == thread
        assert client.request("GET", f"/messages/inbox/{thread}?keep_unread=TRUE").content["message"][0]["message"] == "Hej"
        assert school.unread() == 1
        client.request("DELETE", f"/messages/inbox/{thread}")
        assert client.request("GET", f"/messages/inbox/{thread}").status == 404


@NODE
def test_what_schoology_js_signs_wrongly_is_refused(sqlite_school: School) -> None:
    """§5.1, §6.1: a query that is not signed; members of a JSON body that are. Nothing changes."""
    school = sqlite_school
    thread = school.write("Hej")
    with NodeClient("schoology.js", school.base, school.key.key, school.key.secret) as client:
        assert client.request("GET", "/messages/inbox", apart={"limit": "5"}).status == 401
        written = {"subject": "s", "message": "m", "recipient_ids": str(school.jan)}
        assert client.request("POST", "/messages", written).status == 401
        assert client.request("PUT", f"/messages/inbox/{thread}", {"message_status": "read"}).status == 401
    assert (school.unread(), school.unread(school.jan)) == (1, 0)
