"""The module services/mailing (wire/usos.md §1.5)."""

from typing import Final

from postroom.dialects.usos.mailing import sending, status, template
from postroom.dialects.usos.modules import Module

MODULE: Final = Module(
    name="services/mailing",
    title="Sending email messages",
    summary="Send mail to any addresses in the name of a program, and see who got it.",
    description="""\
For administrative consumers. A sending method queues messages, which are delivered as fast as possible; what became of a message can be
asked for 7 days, with the same consumer key. Each recipient gets a mail of its own. Beside the text, the server makes
everything: headers, the wrapping of plain text, a signature.

To many people with the same text: send_simple_message. With other values in the text for each: send_simple_by_template. With
different texts: send_simple_messages.""",
    endpoints=(
        status.check_message_status,
        status.check_messages_status,
        template.send_simple_by_template,
        sending.send_simple_message,
        sending.send_simple_messages,
        status.system_status,
    ),
)
"""The module; its methods in the order of its page."""
