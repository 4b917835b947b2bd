"""services/mailclient: the 18 methods (wire/usos.md §1.4), one handler each, a few lines long.

``messages`` writes, shows and deletes them; ``attachments`` their files; ``recipients`` the group and the frozen list;
``sending`` sends. The rules are not here but in ``postroom.messages``.
"""

from collections.abc import Sequence
from typing import Any, Final

from postroom.dialects.endpoint import Endpoint
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailclient import attachments, messages, recipients, sending

ENDPOINTS: Final[Sequence[Endpoint[Call, Any]]] = (
    attachments.attachment,
    attachments.attachments,
    messages.copy_message,
    messages.create_message,
    attachments.delete_attachments,
    messages.delete_messages,
    messages.message,
    messages.messages,
    attachments.put_attachment,
    recipients.recipients,
    recipients.recipients_group,
    recipients.refresh_recipients,
    sending.retry_send_message,
    sending.send_message,
    attachments.update_attachment,
    messages.update_message,
    recipients.update_recipients_group,
    messages.user,
)
"""All methods of the module, as its page lists them."""
