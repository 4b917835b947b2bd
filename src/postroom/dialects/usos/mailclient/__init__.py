"""services/mailclient: its 18 methods and create_and_send_message (wire/usos.md §1.4, §7), one handler each, a few lines long.

``messages`` writes, shows and deletes them; ``attachments`` their files; ``recipients`` the group and the frozen list;
``sending`` sends. The rules are not here but in ``postroom.messages``.
"""

from typing import Final

from postroom.dialects.usos.mailclient import attachments, messages, recipients, sending
from postroom.dialects.usos.modules import Module

MODULE: Final = Module(
    name="services/mailclient",
    title="Mail client",
    summary="Write, address and send messages, and see who got them.",
    description="""\
A message begins as a draft. Whom it goes to stands in its recipients group, which may hold primary groups, custom groups,
users and single addresses. Before sending, refresh_recipients freezes the list of all who are in the group at that moment;
the list is valid for 24 hours, or until the group is changed.

Attachments are not put into the mail: a list of links to them is appended, and they live for attachments_lifetime days
from sending.""",
    endpoints=(
        attachments.attachment,
        attachments.attachments,
        messages.copy_message,
        sending.create_and_send_message,
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
    ),
)
"""The module; its methods in the order of its page."""
