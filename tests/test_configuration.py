"""Settings (configuration.py): one name in the file, one in the environment, each checked, each described, secrets never shown."""

import contextlib
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.configuration import SettingsError, describe, load, template
from postroom.settings import Settings

DOCUMENT = Path(__file__).parent.parent / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No postroom.toml of the place where the tests happen to run."""
    monkeypatch.chdir(tmp_path)


def test_defaults_without_anything() -> None:
    assert load({}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('log_level = "debug"\n[http]\nport = 1000\nhost = "::1"\n')
    settings = load({"POSTROOM_HTTP__PORT": "2000"}, file)
    assert (settings.http.port, settings.http.host, settings.log_level) == (2000, "::1", "debug")


def test_the_file_is_the_named_one_or_postroom_toml(tmp_path: Path) -> None:
    (tmp_path / "postroom.toml").write_text("[http]\nport = 1000\n")
    (tmp_path / "named.toml").write_text("[http]\nport = 2000\n")
    assert load({}).http.port == 1000
    assert load({"POSTROOM_CONFIG": "named.toml"}).http.port == 2000
    assert load({"POSTROOM_CONFIG": ""}).http.port == 1000


@pytest.mark.parametrize(
    ("environment", "read"),
    [
        ({"POSTROOM_USOS__ADMINISTRATIVE_MAIL": "true"}, lambda s: s.usos.administrative_mail is True),
        ({"POSTROOM_USOS__ADMINISTRATIVE_MAIL": "0"}, lambda s: s.usos.administrative_mail is False),
        ({"POSTROOM_MAIL__OWN_DOMAINS": "a.example, b.example,"}, lambda s: s.mail.own_domains == ["a.example", "b.example"]),
        ({"POSTROOM_RELAY__TIMEOUT": "2.5"}, lambda s: s.relay.timeout == 2.5),
        ({"POSTROOM_RELAY__TIMEOUT": "3"}, lambda s: s.relay.timeout == 3.0),
        ({"POSTROOM_DATA_DIR": "/srv/mail"}, lambda s: s.data_dir == Path("/srv/mail")),
        ({"POSTROOM_RELAY__PASSWORD": "12345"}, lambda s: s.relay.password == "12345"),
        ({"POSTROOM_DATABASE__URL": "postgresql://u:p@h:5432/d"}, lambda s: s.database.url == "postgresql://u:p@h:5432/d"),
        ({"OTHER": "x", "postroom_http__port": "1"}, lambda s: s == Settings()),
    ],
)
def test_values_from_the_environment(environment: dict[str, str], read: object) -> None:
    assert callable(read)
    assert read(load(environment))


def test_the_refusal_of_a_word_lists_those_that_fit(tmp_path: Path) -> None:
    file = tmp_path / "postroom.toml"
    file.write_text('[relay]\nsecurity = "ssl"\n')
    for environment, named in ({"POSTROOM_RELAY__SECURITY": "ssl"}, None), ({}, file):
        with pytest.raises(SettingsError, match="one of none, opportunistic, starttls, tls"):
            load(environment, named)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"POSTROOM_HTTP__PORT": "0"}, "http.port: "),
        ({"POSTROOM_HTTP__PORT": "many"}, "POSTROOM_HTTP__PORT"),
        ({"POSTROOM_HTTP__PROT": "1"}, "POSTROOM_HTTP__PROT"),
        ({"POSTROOM_SECRET_KEY": "short"}, "secret_key"),
        ({"POSTROOM_HTTP__PUBLIC_URL": "ftp://x"}, "http.public_url"),
        ({"POSTROOM_HTTP__PUBLIC_URL": "post.example"}, "http.public_url"),
        ({"POSTROOM_MAIL__DOMAIN": "a b"}, "mail.domain"),
        ({"POSTROOM_MAIL__DOMAIN": "żółw.example"}, "mail.domain"),
        ({"POSTROOM_MAIL__NO_REPLY": "a@b\r\nBcc: x@y"}, "mail.no_reply"),
        ({"POSTROOM_MAIL__RETURN_PATH": "ż@b"}, "mail.return_path"),
        ({"POSTROOM_MAIL__DOMAIN": "a@b.example"}, "mail.domain"),
        ({"POSTROOM_MAIL__DOMAIN": f"{'a' * 64}.example"}, "mail.domain"),
        ({"POSTROOM_MAIL__DOMAIN": "a." * 123 + "example"}, "mail.no_reply"),
        ({"POSTROOM_MAIL__NO_REPLY": "no-reply"}, "mail.no_reply"),
        ({"POSTROOM_MAIL__RETURN_PATH": "<bounces@uni.example>"}, "mail.return_path"),
        ({"POSTROOM_MAIL__RETURN_PATH": "a..b@uni.example"}, "mail.return_path"),
        ({"POSTROOM_BOUNCES__DOMAIN": "bounces..example"}, "bounces.domain"),
        ({"POSTROOM_MAIL__ORGANISATION": "a\r\nBcc: x@y"}, "mail.organisation"),
        ({"POSTROOM_RELAY__HELO": "a\r\nQUIT"}, "relay.helo"),
        ({"POSTROOM_RELAY__HOST": "x\r\ny"}, "relay.host"),
        ({"POSTROOM_RELAY__HOST": "two words"}, "relay.host"),
        ({"POSTROOM_RELAYS": '{"b": {"host": "\\t"}}'}, "relays.b.host"),
        ({"POSTROOM_ROUTES": '[{"recipients": ["uni.*"], "relays": ["default"]}]'}, "routes: route 1: 'uni.*'"),
        ({"POSTROOM_ROUTES": '[{"recipients": ["@uni.example"], "relays": ["default"]}]'}, "routes: route 1: '@uni.example'"),
        ({"POSTROOM_ROUTES": '[{"recipients": ["a@uni.example"], "relays": ["default"]}]'}, "routes: route 1: 'a@uni.example'"),
        ({"POSTROOM_ROUTES": '[{"senders": ["a@"], "relays": ["default"]}]'}, "routes: route 1: 'a@'"),
        ({"POSTROOM_DOMAINS": '{"Uni.example": {}, "uni.example": {}}'}, "is there twice"),
        ({"POSTROOM_DOMAINS": '{"*": {}}'}, "domains: '*'"),
        ({"POSTROOM_USOS__TIMEZONE": "Europe/Nowhere"}, "usos.timezone"),
        ({"POSTROOM_USOS__TIMEZONE": "/etc/passwd"}, "usos.timezone"),
        ({"POSTROOM_USOS__TIMEZONE": ""}, "usos.timezone"),
        ({"POSTROOM_SUPEROFFICE__TIMEZONE": "Mars"}, "superoffice.timezone"),
        ({"POSTROOM_SUPEROFFICE__TENANTS": "Cust12345,a/b"}, "superoffice.tenants: 'a/b'"),
        ({"POSTROOM_SUPEROFFICE__TENANTS": "Developers"}, "superoffice.tenants: 'developers' is where"),
        ({"POSTROOM_SUPEROFFICE__WAIT": "nan"}, "superoffice.wait"),
        ({"POSTROOM_USOS__CONTACT_EMAILS": "post@uni.example,nobody"}, "usos.contact_emails: 'nobody'"),
        ({"POSTROOM_ATTACHMENTS__MAX_BYTES": "1000"}, "attachments.max_bytes: "),
        ({"POSTROOM_RELAY__SECURITY": "perhaps"}, "POSTROOM_RELAY__SECURITY"),
        ({"POSTROOM_RELAY__TIMEOUT": "inf"}, "relay.timeout"),
        ({"POSTROOM_DELIVERY__UNKNOWN_PAUSE": "1e300"}, "delivery.unknown_pause"),
        ({"POSTROOM_DELIVERY__LEASE": "nan"}, "delivery.lease"),
        ({"POSTROOM_DATABASE__URL": "mysql://h/d"}, "database.url"),
        ({"POSTROOM_DATABASE__URL": "postgresql://h:port/d"}, "database.url"),
        ({"POSTROOM_DATABASE__URL": "nonsense"}, "database.url"),
        ({"POSTROOM_DATABASE__URL": "postgresql://u:a@b@h/d"}, "%40"),
        ({"POSTROOM_BOUNCES__LISTEN": "lmtp"}, "bounces.domain"),
        (
            {"POSTROOM_CONTACTS__MAY_WRITE_TO": '{"student": ["staff", "stuff"]}'},
            "contacts.may_write_to.student: 'stuff' is none of everyone",
        ),
        ({"POSTROOM_CONTACTS__MAY_WRITE_TO": '{"*": ["user:me"]}'}, "contacts.may_write_to.*: 'user:me'"),
        ({"POSTROOM_CONTACTS__MAY_WRITE_TO": '{" ": ["staff"]}'}, "a name of a role"),
        ({"POSTROOM_CONFIG": "no/such.toml"}, "such.toml"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        load(environment)


@pytest.mark.parametrize(
    "text", ["[http]\nport = '80'", "[http]\nprot = 80", "colour = 'red'", "[http", "http = 1", "\x00", "log_level = 'loud'"]
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "postroom.toml").write_text(text)
    with pytest.raises(SettingsError):
        load({})


@given(st.dictionaries(st.sampled_from([setting.environment for setting in describe(Settings())]), st.text(max_size=20), max_size=4))
def test_no_value_is_worse_than_an_error(environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        assert isinstance(load(environment), Settings)


def test_an_error_does_not_show_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"POSTROOM_SECRET_KEY": "hunter2", "POSTROOM_DATABASE__URL": "mysql://u:hunter3@h/d"})
    assert "hunter" not in str(caught.value)


def test_nothing_shows_secrets() -> None:
    settings = load(
        {
            "POSTROOM_SECRET_KEY": "hunter2" * 8,
            "POSTROOM_RELAY__PASSWORD": "hunter2",
            "POSTROOM_DATABASE__URL": "postgresql://u:hunter2@h/d",
        }
    )
    shown = describe(settings)
    assert {setting.name for setting in shown if setting.secret} == {"secret_key", "relay.password", "database.url"}
    assert all(setting.value == "(set)" for setting in shown if setting.secret)
    assert "hunter2" not in repr(shown)
    assert "hunter2" not in repr(settings)


def test_tables_of_lists_are_shown_whole_and_relays_by_name_alone() -> None:
    """Rules that cannot be read back are no help; relays hold passwords."""
    rules = '{"student": ["staff", "same_group"], "*": ["staff"]}'
    settings = load(
        {"POSTROOM_CONTACTS__MAY_WRITE_TO": rules, "POSTROOM_RELAYS": '{"backup": {"host": "b.example", "password": "hunter2"}}'}
    )
    shown = {setting.name: setting.value for setting in describe(settings)}
    assert (shown["contacts.may_write_to"], shown["relays"]) == ("student: staff, same_group; *: staff", "backup")


def test_the_template_is_a_file_of_defaults() -> None:
    """'postroom settings --toml': with every # removed it says what the program does without it."""
    text = template()
    uncommented = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert tomllib.loads(text) == {name: {} for name in tomllib.loads(text)}
    Path("postroom.toml").write_text(uncommented, encoding="utf-8")
    assert load({}) == Settings()
    assert all(setting.description in text for setting in describe(Settings()))


@pytest.mark.parametrize("setting", describe(Settings()), ids=lambda setting: setting.name)
def test_the_document_names_every_setting(setting: object) -> None:
    """docs/configuration.md: name, environment and default of each setting."""
    (line,) = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{setting.name}` |")]  # type: ignore[attr-defined]
    assert f"`{setting.environment}`" in line  # type: ignore[attr-defined]
    assert setting.secret or f"| `{setting.default}` |" in line or (not setting.default and "| empty |" in line)  # type: ignore[attr-defined]


def test_the_document_names_no_other_setting() -> None:
    named = re.findall(r"^\| `([a-z_.]+)` \| `POSTROOM", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named == [setting.name for setting in describe(Settings())]


@pytest.mark.parametrize("name", ["configuration.md", "delivery.md"])
def test_the_examples_of_the_documents_are_settings(name: str, tmp_path: Path) -> None:
    """Each indented block that begins with a table is a file that loads."""
    text = (DOCUMENT.parent / name).read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^(?:    .*)?\n)*(?:^    .*\n)", text, flags=re.MULTILINE)
    examples = [
        block for block in map(textwrap.dedent, blocks) if re.search(r"^\[\w+\]", block, flags=re.MULTILINE) and "POSTROOM_" not in block
    ]
    assert examples
    for example in examples:
        (tmp_path / "postroom.toml").write_text(example, encoding="utf-8")
        assert load({}) != Settings()
