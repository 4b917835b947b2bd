"""The commands about attachments and the links that lead to them."""

import asyncio
from typing import Annotated

import typer

from postroom import clock
from postroom.cli.output import console, moment, opened_store, row, table


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    group = typer.Typer(help="Links to attachments.", no_args_is_help=True)
    app.add_typer(group, name="link")
    group.command("list", epilog="Example: postroom link list 42")(list_links)
    group.command("revoke", epilog="Example: postroom link revoke 7")(revoke)


def list_links(number: Annotated[int, typer.Argument(min=1, help="The number of the message.", metavar="N")]) -> None:
    """Show the attachments of a message, and until when their links lead to them."""
    from postroom.messages.attachments import of_messages  # noqa: PLC0415 - loaded by the commands that need it

    with opened_store() as store:
        found = store.database.read_now(of_messages, [number])[number]
    if not found:
        console().print(f"Message {number} has no attachments.")
        return
    shown = table(f"Attachments of message {number}", "attachment", "file", "bytes", "link")
    for attachment in found:
        until = f"until {moment(attachment.expires_at)}" if attachment.expires_at else "of a draft"
        ended = f"ended {moment(attachment.revoked_at)}" if attachment.revoked_at else until
        row(shown, attachment.id, attachment.filename, f"{attachment.size:,}", ended)
    console().print(shown)


def revoke(
    attachment: Annotated[int, typer.Argument(help="The number of the attachment; 'postroom link list N' shows it.", metavar="ID")],
) -> None:
    """Withdraw the link to an attachment for good, and delete the file: whoever follows the link is told that it is gone."""
    from postroom.messages import attachments  # noqa: PLC0415 - as above

    with opened_store() as store:
        blob_key = store.database.write_now(attachments.revoke, attachment, clock.now())
        # Another attachment may be over the same bytes: a file that was forwarded.
        if blob_key is not None and not store.database.read_now(attachments.blobs_in_use, [blob_key]):
            asyncio.run(store.blobs.delete(blob_key))
    console().print("Withdrawn." if blob_key is not None else "It was withdrawn before.")
