"""Queue mails in django-post_office or django-mailer and send them: ``post_office|mailer PORT MAILS BYTES DATABASE THREADS``.

``DATABASE`` is a file for SQLite or a ``postgresql://`` URL. With ``THREADS`` 0 the application is set up as it comes; else it is
tuned: SQLite in WAL mode, and for django-post_office batches of 1,000 mails and so many threads in each process. Prints the
seconds from the command that sends the queue until it is done, which include what the application notes about each mail;
start-up and queueing are off the clock.
"""

import sys
import time
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.mail import send_mass_mail
from django.core.mail.utils import DNS_NAME
from django.core.management import call_command


def _database(name: str, *, tuned: bool) -> dict[str, object]:
    if name.startswith("postgresql:"):
        url = urlsplit(name)
        place = {"HOST": url.hostname, "PORT": url.port, "USER": url.username, "NAME": url.path[1:]}
        return {"ENGINE": "django.db.backends.postgresql", **place}
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"
    options = {"timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": pragmas} if tuned else {}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}


def _configure(app: str, port: int, database: str, threads: int) -> None:
    """Set the application up: as it comes, or tuned when it is told a number of threads."""
    settings.configure(
        DATABASES={"default": _database(database, tuned=threads > 0)},
        INSTALLED_APPS=["django.contrib.contenttypes", app],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        EMAIL_BACKEND={"post_office": "post_office.EmailBackend", "mailer": "mailer.backend.DbBackend"}[app],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        POST_OFFICE={"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": threads} if threads else {},
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def _sent(app: str) -> int:
    if app == "post_office":
        from post_office.models import STATUS, Email  # noqa: PLC0415 - models are there only after the set-up

        return Email.objects.filter(status=STATUS.sent).count()
    from mailer.models import RESULT_SUCCESS, MessageLog  # noqa: PLC0415 - as above

    return MessageLog.objects.filter(result=RESULT_SUCCESS).count()


def _queue(app: str, mails: int, size: int) -> None:
    body = ("y" * 70 + "\n") * ((size - 400) // 71)
    if app == "post_office":
        from post_office import mail  # noqa: PLC0415 - as above

        # send_many is its quick way to queue, which is off the clock
        mail.send_many(
            [{"recipients": f"to{n}@example.org", "sender": "from@example.org", "subject": "peer", "message": body} for n in range(mails)]
        )
    else:
        send_mass_mail(tuple(("peer", body, "from@example.org", [f"to{n}@example.org"]) for n in range(mails)))


def main() -> None:
    """Run what the command line asks for."""
    app, port, mails, size, database, threads = sys.argv[1:]
    _configure(app, int(port), database, int(threads))
    _queue(app, int(mails), int(size))
    str(DNS_NAME)  # asks the resolver, once for the process
    started = time.perf_counter()
    if app == "post_office":
        call_command("send_queued_mail", processes=2)
    else:
        call_command("send_mail")
    seconds = time.perf_counter() - started
    if _sent(app) != int(mails):
        sys.exit(f"{_sent(app)} of {mails} mails were sent")
    print(seconds)


if __name__ == "__main__":
    main()
