"""The commands for programs that call the API, and for their rights: client, token."""

import difflib
from typing import Annotated, Final

import typer

from postroom import clock
from postroom.cli.output import AsJson, CommandFailure, command_group, console, moment, opened_store, print_json, row, table

Key = Annotated[str, typer.Argument(help="Key of the client; 'postroom find NAME' shows it.", metavar="KEY")]
Callback = Annotated[
    list[str] | None,
    typer.Option("--callback", help="URL that people may be sent back to after their consent; may be given more than once.", metavar="URL"),
]
Url = Annotated[str | None, typer.Option(help="Page of the program, for people.")]
Email = Annotated[str | None, typer.Option(help="Whom to write to about it.")]


_SHOWN: Final = 50
_PAGE: Final = 1_000


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    programs = command_group(app, "client", "Programs that call the API.")
    programs.command("add", epilog='Example: postroom client add "Timetable" --callback https://timetable.example/back')(add_client)
    programs.command("list", epilog="Example: postroom client list")(list_clients)
    programs.command("show", epilog="Example: postroom client show KEY")(show_client)
    programs.command("change", epilog="Example: postroom client change KEY --callback https://timetable.example/back")(change_client)
    programs.command("disable", epilog="Example: postroom client disable KEY")(disable_client)
    rights = command_group(app, "token", "Rights of programs to act for people.")
    rights.command("add", epilog="Example: postroom token add --client KEY --user 17 --scope mailclient")(add_token)
    rights.command("list", epilog="Example: postroom token list --user 17")(list_tokens)
    rights.command("revoke", epilog="Example: postroom token revoke 12")(revoke_token)


def add_client(  # noqa: PLR0917 - what a person may say of a program
    name: Annotated[str, typer.Argument(help="What the program is called.")],
    administrative: Annotated[bool, typer.Option("--administrative", help="It may act for anybody, without a token.")] = False,  # noqa: FBT002 - a flag
    user: Annotated[
        int | None,
        typer.Option(min=1, help="Make it a personal key: it acts for the person with this number, without a token.", metavar="NUMBER"),
    ] = None,
    callback: Callback = None,
    url: Url = None,
    email: Email = None,
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Add a program that may call the API, and print its key and secret: this once, they are kept encrypted."""
    from postroom.directory import clients, contacts  # noqa: PLC0415 - loaded by the commands that need it

    contact = contacts.Contact(url=url, email=email or "", callbacks=tuple(callback or ()))
    with opened_store() as store:
        add = store.database.write_now
        client = add(clients.add_client, store.vault, name, administrative=administrative, now=clock.now(), contact=contact, user_id=user)
    if as_json:
        print_json({"id": client.id, "key": client.key, "secret": client.secret})
    else:
        _print_pair(f"Client {client.id}: {client.name}", client.key, client.secret)


def list_clients(as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """List the programs that may call the API, and those that no longer may."""
    from postroom.directory import contacts  # noqa: PLC0415 - as above

    shown = table("Clients", "client", "name", "key", "state", "administrative", "person", "since", times=("since",), whole=("key",))
    after = 0
    with opened_store() as store:
        while programs := store.database.read_now(contacts.programs, after, _PAGE):
            for program in programs:
                if as_json:
                    print_json(program)
                state, administrative = "active" if program.active else "disabled", "yes" if program.administrative else ""
                person = program.user_id or ""
                row(shown, program.id, program.name, program.key, state, administrative, person, moment(program.created_at))
            after = programs[-1].id
    if not as_json:
        console().print(shown if after else "There is no client; 'postroom client add NAME' makes one.")


def show_client(key: Key, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show what is known of a program; its secret is not shown."""
    from postroom.directory import contacts  # noqa: PLC0415 - as above

    with opened_store() as store:
        program = store.database.read_now(contacts.program, key)
    if as_json:
        print_json(program)
        return
    contact = program.contact
    shown = table(f"Client {program.id}: {program.name}", "", "")
    row(shown, "key", program.key)
    row(shown, "state", "active" if program.active else "disabled")
    row(shown, "administrative", "yes" if program.administrative else "no")
    row(shown, "person", program.user_id or "")
    row(shown, "since", moment(program.created_at))
    row(shown, "page", contact.url or "")
    row(shown, "address", contact.email)
    row(shown, "callbacks", "\n".join(contact.callbacks))
    console().print(shown)


def change_client(key: Key, callback: Callback = None, url: Url = None, email: Email = None) -> None:
    """Change what is known of a program: what is given replaces what was there, the callbacks all together; an empty text removes it."""
    from postroom.directory import contacts  # noqa: PLC0415 - as above

    changes: dict[str, object] = {}
    if callback is not None:
        changes["callbacks"] = tuple(one for one in callback if one)
    if url is not None:
        changes["url"] = url
    if email is not None:
        changes["email"] = email
    with opened_store() as store:
        store.database.write_now(contacts.change, key, changes)
    console().print("Changed.")


def disable_client(key: Key) -> None:
    """Let a program call no more: from now on its key, and every token of it, is refused. What it has sent goes on its way."""
    from postroom.directory import clients  # noqa: PLC0415 - as above

    with opened_store() as store:
        store.database.write_now(clients.disable_client, key)
    console().print("Disabled.")


def add_token(
    client_key: Annotated[str, typer.Option("--client", help="Key of the client.", metavar="KEY")],
    user: Annotated[int, typer.Option("--user", min=1, help="Number of the person; 'postroom find NAME' shows it.", metavar="ID")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="What it may do for this person, mailclient say; may be given more than once.")
    ],
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Let a client act for a person within scopes, and print the token and its secret: this once, they are kept encrypted."""
    from postroom.application import SCOPES  # noqa: PLC0415 - as above
    from postroom.directory import clients  # noqa: PLC0415 - as above
    from postroom.directory.records import Token  # noqa: PLC0415 - as above
    from postroom.storage.database import Tx  # noqa: PLC0415 - as above
    from postroom.storage.secrets import Vault  # noqa: PLC0415 - as above

    for unknown in sorted(set(scope) - SCOPES.keys()):
        near = difflib.get_close_matches(unknown, SCOPES, 1)
        raise CommandFailure(
            f"There is no scope {unknown!r}; {f'did you mean {near[0]}?' if near else 'docs/usos.md and docs/schoology.md tell them.'}"
        )

    def add(tx: Tx, vault: Vault) -> Token:
        client = clients.client_by_key(tx, vault, client_key)
        if client is None:
            raise CommandFailure(f"There is no client with the key {client_key!r}; 'postroom client add NAME' makes one.")
        return clients.add_token(tx, vault, client.id, user, scope, clock.now())

    with opened_store() as store:
        token = store.database.write_now(add, store.vault)
    if as_json:
        print_json({"token": token.token, "secret": token.secret})
    else:
        _print_pair(f"Token for user {user}: {', '.join(sorted(token.scopes))}", token.token, token.secret)


def list_tokens(
    client_key: Annotated[str | None, typer.Option("--client", help="Only those of this client.", metavar="KEY")] = None,
    user: Annotated[int | None, typer.Option("--user", min=1, help="Only those for this person.", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show.")] = _SHOWN,
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """List which programs may act for whom, the newest rights first; the tokens themselves are not shown."""
    from postroom.directory import contacts, grants  # noqa: PLC0415 - as above

    with opened_store() as store:
        client_id = None if client_key is None else store.database.read_now(contacts.program, client_key).id
        found = store.database.read_now(grants.standing, client_id, user, clock.now(), limit)
    shown = table("Tokens", "token", "client", "person", "scopes", "since", "until", times=("since", "until"))
    for one in found:
        if as_json:
            print_json(one)
        person = f"{one.user_name} ({one.user_id})"
        until = moment(one.expires_at) or "revoked"
        row(shown, one.id, one.client_name, person, ", ".join(one.scopes), moment(one.created_at), until)
    if not as_json:
        console().print(shown if found else "No program may act for anybody by a token.")


def revoke_token(
    token: Annotated[
        str, typer.Argument(help="The token, as 'postroom token add' printed it, or its number in 'postroom token list'.", metavar="TOKEN")
    ],
) -> None:
    """End a token for good: from now on its client cannot act for the person by it."""
    from postroom.directory import clients, grants  # noqa: PLC0415 - as above

    with opened_store() as store:
        if len(token) < clients.KEY_LENGTH and token.isdecimal():
            store.database.write_now(grants.end, int(token), clock.now())
        else:
            store.database.write_now(clients.revoke_token, token, clock.now())
    console().print("Revoked.")


def _print_pair(title: str, key: str, secret: str) -> None:
    shown = table(title, "", "keep it now: it is not shown again")
    row(shown, "key", key)
    row(shown, "secret", secret)
    console().print(shown)
