"""services/oauth: how a program gets a token (wire/usos.md §2.2); the page that asks the person is ``postroom.pages.consent``."""

from typing import Final

from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.oauth import tokens

MODULE: Final = Module(
    name="services/oauth",
    title="OAuth",
    summary="Get a person's consent, and the access token that comes of it.",
    description="""\
OAuth 1.0a in three steps. Call request_token with the scopes that you need. Send the person's browser to
services/oauth/authorize with the parameter oauth_token (and interactivity, minimal or confirm_user, and langpref, pl or en);
it comes back to your callback with oauth_token and oauth_verifier, or with oauth_token and error=access_denied. Then call
access_token, signed with the request token, within half an hour from the first step.

A program without a callback gives oob instead: the person reads a PIN from the page and types it in.""",
    endpoints=(tokens.access_token, tokens.request_token, tokens.revoke_token),
)
"""The module; its methods in the order of its page."""
