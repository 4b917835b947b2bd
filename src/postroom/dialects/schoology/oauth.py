"""Three steps to a token (wire/schoology.md §2.3): request token, the person's consent (``postroom.pages.consent``), access token.

This is OAuth 1.0 as it was before its revision A: both calls are GET, the callback is named at the page, and no verifier comes back.
"""

from typing import Final

from postroom.clock import SECOND
from postroom.dialects.oauth1 import Form
from postroom.dialects.operation import Answer, Nothing, Operations, operation
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.call import Call
from postroom.dialects.schoology.scopes import SCOPE
from postroom.directory import grants
from postroom.errors import NotFound


@operation("GET", "/oauth/request_token", parameters=Nothing, answers={200: None})
async def request_token(call: Call, _parameters: Nothing, _body: None) -> Answer:
    """Begin to ask a person for consent.

    The answer is an urlencoded body: oauth_token, oauth_token_secret, xoauth_token_ttl (seconds). Send the person's browser to
    /oauth/authorize with oauth_token, and with oauth_callback or return_url if it is to come back.
    """
    made = await call.write(grants.ask, call.store.vault, call.client.id, None, [SCOPE], call.now)
    lifetime = str(grants.LIFETIME // SECOND)
    return Answer(200, Form((("oauth_token", made.token), ("oauth_token_secret", made.secret), ("xoauth_token_ttl", lifetime))))


@operation("GET", "/oauth/access_token", parameters=Nothing, answers={200: None})
async def access_token(call: Call, _parameters: Nothing, _body: None) -> Answer:
    """Exchange a request token that the person has allowed for an access token.

    The answer is an urlencoded body: oauth_token, oauth_token_secret. The token holds until it is revoked.
    """
    token = call.caller.request_token
    if token is None:
        raise errors.unsigned()
    try:
        made = await call.write(grants.exchange, call.store.vault, token, None, call.now, None)
    except NotFound:
        made = None
    if made is None:
        raise errors.unknown_caller(call.client.key, token)
    return Answer(200, Form((("oauth_token", made.token), ("oauth_token_secret", made.secret))))


OPERATIONS: Final[Operations] = (request_token, access_token)
