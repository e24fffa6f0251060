"""A good file becomes a configuration; whatever is wrong with a bad one is told at once, with its line."""

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from syncd.channels import kinds
from syncd.config import model
from syncd.config.explain import ConfigError
from syncd.config.load import default_control_socket, find_config, load
from syncd.config.model import Config, Table, WebAddress
from syncd.config.secrets import Secret, Secrets
from syncd.domain.ids import ChannelId, LocationId
from syncd.domain.listings import WriteKind
from syncd.domain.policy import Mode, Override
from syncd.domain.setup import DriftRule, FirstSync

ROOT = Path(__file__).resolve().parents[2]
ENVIRON = {"SHOP_UK_TOKEN": "shpat_0123456789", "SHOP_UK_SECRET": "hush-hush-hush", "OLD": "older-hush"}


class Shop(Table):
    endpoint: WebAddress
    access_token: Secret
    webhook_secret: Secrets
    pages: int = 50


class Till(Table):
    table: str = "stock"


KINDS = {"shopify": Shop, "till": Till}

GOOD = """
[daemon]
state_dir = "state"

[locations.warehouse]
[locations.shop]
authority = "till-1"
books_within = 3600

[channels.shop-uk]
kind = "shopify"
endpoint = "https://example.myshopify.com/"
access_token = { env = "SHOP_UK_TOKEN" }
webhook_secret = [{ env = "SHOP_UK_SECRET" }, { env = "OLD" }]
locations = { "gid://shopify/Location/1" = "warehouse", "gid://shopify/Location/2" = ["warehouse", "shop"] }
policy = { share = 0.1, mode = "strict" }

[channels.till-1]
kind = "till"
locations = "shop"
first_sync = "adopt"
drift = "ask"
poll_seconds = 2.5
mass_change = { alter = 0.5 }
"""

Read = Callable[[str], Config]
Lines = Callable[[str], list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str, environ: Mapping[str, str] = ENVIRON) -> Config:
        path = tmp_path / "syncd.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, kinds=KINDS, environ=environ)

    return read


@pytest.fixture
def faults(read: Read, tmp_path: Path) -> Lines:
    """The lines of the error, without the folder."""

    def faults(text: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            read(text)
        return str(raised.value).replace(f"{tmp_path}/", "").splitlines()

    return faults


def test_a_good_file_is_read_whole(read: Read, tmp_path: Path) -> None:
    config = read(GOOD)

    shop, till = config.channels[ChannelId("shop-uk")], config.channels[ChannelId("till-1")]
    assert config.state_dir == tmp_path / "state"
    assert config.database_url is None
    assert (config.listener.host, config.listener.port, config.listener.max_body) == ("127.0.0.1", 8080, 4 * 1024**2)
    assert config.control_socket == tmp_path / "state" / "control.sock"
    assert isinstance(shop.settings, Shop)
    assert shop.settings.endpoint == "https://example.myshopify.com"
    assert shop.settings.access_token.get_secret_value() == "shpat_0123456789"
    assert [secret.get_secret_value() for secret in shop.settings.webhook_secret] == ["hush-hush-hush", "older-hush"]
    assert shop.locations == {
        "gid://shopify/Location/1": ("warehouse",),
        "gid://shopify/Location/2": ("warehouse", "shop"),
    }
    assert (shop.first_sync, shop.drift, shop.poll_seconds) == (FirstSync.ASK, DriftRule.ENFORCE, 300)
    assert shop.policy == Override(share=Fraction(1, 10), mode=Mode.STRICT)
    assert till.locations == {"": ("shop",)}
    assert (till.first_sync, till.drift, till.poll_seconds) == (FirstSync.ADOPT, DriftRule.ASK, 2.5)
    assert (till.mass_change.alter, till.mass_change.zero) == (0.5, 0.1)
    assert config.locations[LocationId("warehouse")].authority is None
    assert config.locations[LocationId("shop")].authority == "till-1"
    assert config.locations[LocationId("shop")].books_within_seconds == 3600


def test_the_rules_see_the_same_channels_and_authorities(read: Read) -> None:
    setup = read(GOOD).setup({ChannelId("shop-uk"): WriteKind.COMPARE_AND_SET, ChannelId("till-1"): WriteKind.ABSOLUTE})

    assert setup.authority == {"shop": "till-1"}
    assert setup.is_authority(ChannelId("till-1"), next(iter(setup.channels[ChannelId("till-1")].locations)))
    assert setup.channels[ChannelId("till-1")].mass_alter == 0.5
    assert setup.locations == ("warehouse", "shop")


def test_an_empty_file_is_a_daemon_without_channels(read: Read) -> None:
    config = read("")

    assert config.state_dir == Path("/var/lib/syncd")
    assert config.control_socket == Path("/run/syncd/control.sock")
    assert config.channels == {}


def test_reading_twice_gives_equal_results(read: Read) -> None:
    assert read(GOOD) == read(GOOD)


def test_secrets_are_not_in_what_is_printed_of_a_configuration(read: Read) -> None:
    shown = repr(read(GOOD)) + str(read(GOOD).channels)

    assert not any(secret in shown for secret in ENVIRON.values())


def test_every_fault_is_told_at_once_in_the_order_of_the_file(faults: Lines) -> None:
    assert faults("""
[deamon]
state_dir = "/tmp/x"

[listener]
port = "8080"
max_body = 0

[locations.warehouse]
authority = "shop-u"

[channels.shop-uk]
knd = "shopify"
poll_seconds = -1
policy = { share = 1.5, sfety_stock = 1 }

[channels.two]
kind = "shopfy"
endpoint = "http://shop.example"
acess_token = { env = "SHOP_UK_TOKEN" }
webhook_secret = { env = "NOT_SET" }
locations = { "1" = "warehose" }
drift = "enforced"
""") == [
        'syncd.toml:2: deamon: unknown key; did you mean "daemon"?',
        "syncd.toml:6: listener.port: must be a whole number",
        "syncd.toml:7: listener.max_body: must be more than 0",
        'syncd.toml:10: locations.warehouse.authority: "shop-u" is no channel; did you mean "shop-uk"?',
        "syncd.toml:12: channels.shop-uk.access_token: missing",
        "syncd.toml:12: channels.shop-uk.endpoint: missing",
        "syncd.toml:12: channels.shop-uk.webhook_secret: missing",
        'syncd.toml:13: channels.shop-uk.knd: unknown key; did you mean "kind"?',
        "syncd.toml:14: channels.shop-uk.poll_seconds: must be more than 0",
        'syncd.toml:15: channels.shop-uk.policy.sfety_stock: unknown key; did you mean "safety_stock"?',
        "syncd.toml:15: channels.shop-uk.policy.share: must be at most 1",
        'syncd.toml:18: channels.two.kind: "shopfy" is not a channel kind; did you mean "shopify"?',
        "syncd.toml:19: channels.two.endpoint: must be https; plain http is only for this machine",
        'syncd.toml:20: channels.two.acess_token: unknown key; did you mean "access_token"?',
        "syncd.toml:21: channels.two.webhook_secret: the environment variable NOT_SET is not set",
        'syncd.toml:22: channels.two.locations.1: "warehose" is not in [locations]; did you mean "warehouse"?',
        'syncd.toml:23: channels.two.drift: must be "enforce", "adopt" or "ask"; did you mean "enforce"?',
    ]


CHANNEL = '[locations.w]\n[channels.c]\nkind = "shopify"\nendpoint = "https://s.example"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[channels.c]\nkind = 'till'\nlocations = { '1' = 'w' }",
            's:3: channels.c.locations.1: "w" is not in [locations]',
        ),
        (
            "[locations.warehouse]\n[channels.c]\nkind='till'\nlocations = 'warehose'",
            's:4: channels.c.locations.: "warehose" is not in [locations]; did you mean "warehouse"?',
        ),
        (
            "[channels.C]\nkind = 'till'",
            "s:1: channels.C: a channel's name is made of a-z, 0-9, _ and -, and is not syncd",
        ),
        (
            "[channels.syncd]\nkind = 'till'",
            "s:1: channels.syncd: a channel's name is made of a-z, 0-9, _ and -, and is not syncd",
        ),
        ("[channels.c]\npoll_seconds = 3", "s:1: channels.c.kind: missing"),
        ("[channels.c]\nkind = 'fax'", 's:2: channels.c.kind: "fax" is not a channel kind; there are: shopify, till'),
        ("[channels]\nc = 3", "s:2: channels.c: must be a table"),
        ("channels = 3", "s:1: channels: must be a table"),
        ("[daemon]\nstate_dir = 3", "s:2: daemon.state_dir: must be text"),
        (
            "[listener]\npublic_url = 'http://stock.example'",
            "s:2: listener.public_url: must be https; plain http is only for this machine",
        ),
        ("[listener]\nport = 70000", "s:2: listener.port: must be at most 65535"),
        ("[database]\nurl = 'mysql://x'", "s:2: database.url: must begin with postgresql://"),
        ("[policy]\nmode = 'stict'", 's:2: policy.mode: must be "pool", "quota" or "strict"; did you mean "strict"?'),
        ("[policy]\nshare = nan", "s:2: policy.share: must be a finite number"),
        ("[policy]\ncap = -1", "s:2: policy.cap: must be at least 0"),
        ("[policy]\nbuffer = 1.5", "s:2: policy.buffer: must be a whole number"),
        ("[policy]\nbuffer = true", "s:2: policy.buffer: must be a whole number"),
        ("[control]\nsocket = '/" + "x" * 120 + "'", "s:2: control.socket: a socket's path has at most 107 bytes"),
        (
            "[locations.w]\nauthority = 'c'\n[channels.c]\nkind = 'till'",
            "s:2: locations.w.authority: channel c does not map this location, so it cannot count it",
        ),
        (
            "[locations.w]\n[channels.a]\nkind='till'\nlocations='w'\nfirst_sync='adopt'\n"
            "[channels.b]\nkind='till'\nlocations='w'\nfirst_sync='adopt'",
            "s:8: channels.b.locations.: the counts of w are already adopted from channel a",
        ),
        (
            "[locations.w]\n[locations.v]\n[channels.a]\nkind='till'\nlocations=['w','v']\nfirst_sync='adopt'",
            's:5: channels.a.locations.: with first_sync = "adopt" one location stands for one of ours',
        ),
        ("[channels.c]\nkind = 'till'\nlocations = {'1' = []}", "s:3: channels.c.locations.1: must not be empty"),
        ("x = 1\nx = 2", "s:2: not TOML: Cannot overwrite a value"),
        ("[daemon\n", "s:1: not TOML: Expected ']' at the end of a table declaration (column 8)"),
    ],
)
def test_a_single_fault_is_told_in_plain_words(faults: Lines, text: str, line: str) -> None:
    assert faults(text) == [line.replace("s:", "syncd.toml:", 1).replace("locations.: ", 'locations."": ')]


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ('"shpat_0123456789"', "a secret is not written into the file; write { env = "),
        ("3", "write { env = "),
        ('{ env = "A", file = "B" }', "write { env = "),
        ('{ vault = "A" }', "write { env = "),
        ('{ env = "EMPTY" }', "the environment variable EMPTY is not set"),
        ('{ file = "nowhere" }', "nowhere: No such file or directory"),
        ('{ file = "open" }', "open can be read by everybody; chmod 600 it"),
        ('{ file = "empty" }', "empty is empty"),
        ('{ file = "." }', "Is a directory"),
        ('{ credential = "token" }', "systemd passed no credentials; add LoadCredential=token:"),
        ("[]", "write { env = "),
    ],
)
def test_a_secret_that_cannot_be_had_is_a_fault_that_does_not_show_it(
    faults: Lines, tmp_path: Path, secret: str, message: str
) -> None:
    (tmp_path / "open").write_text("shpat_0123456789")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)

    (fault,) = faults(CHANNEL + f"access_token = {secret}\nwebhook_secret = {{ env = 'OLD' }}")

    assert fault.startswith("syncd.toml:5: channels.c.access_token: ")
    assert message in fault
    assert "shpat" not in fault


def test_secrets_come_from_private_files_and_systemd_credentials(read: Read, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file\n")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "hook").write_text("from systemd")

    config = read(
        CHANNEL + "access_token = { file = 'token' }\nwebhook_secret = { credential = 'hook' }",
        {"CREDENTIALS_DIRECTORY": str(tmp_path / "creds")},
    )

    settings = config.channels[ChannelId("c")].settings
    assert isinstance(settings, Shop)
    assert settings.access_token.get_secret_value() == "from file"
    assert settings.webhook_secret[0].get_secret_value() == "from systemd"


def test_a_credential_name_cannot_leave_its_directory(faults: Lines, read: Read, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plain file name"):
        read(
            CHANNEL + "access_token = { credential = '../x' }\nwebhook_secret = { env = 'OLD' }",
            {"CREDENTIALS_DIRECTORY": str(tmp_path), "OLD": "x"},
        )


def test_a_database_url_may_be_written_or_named_like_a_secret(read: Read) -> None:
    written = read("[database]\nurl = 'postgresql://db/syncd'").database_url
    named = read("[database]\nurl = { env = 'DB' }", {"DB": "postgres://u:p@db/syncd"}).database_url

    assert written is not None
    assert written.get_secret_value() == "postgresql://db/syncd"
    assert named is not None
    assert named.get_secret_value() == "postgres://u:p@db/syncd"
    assert "u:p" not in repr(named)


@pytest.mark.parametrize(
    ("endpoint", "accepted"),
    [
        ("https://shop.example/base", True),
        ("http://127.0.0.1:8081", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.evil.example", False),
        ("ftp://shop.example", False),
        ("shop.example", False),
        ("https://user:pass@shop.example", False),
        ("https://shop.example:port", False),
    ],
)
def test_an_endpoint_is_https_or_on_this_machine(read: Read, endpoint: str, accepted: bool) -> None:
    text = (
        f"[channels.c]\nkind='shopify'\nendpoint='{endpoint}'\naccess_token={{env='OLD'}}\nwebhook_secret={{env='OLD'}}"
    )
    if accepted:
        assert read(text).channels
    else:
        with pytest.raises(ConfigError, match=r"syncd.toml:3: channels.c.endpoint: must"):
            read(text)


def test_a_file_that_is_not_there_or_not_text_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing.toml: No such file"):
        load(tmp_path / "nothing.toml", kinds=KINDS, environ={})
    (tmp_path / "latin.toml").write_bytes(b"# one\n# \xe9\n")
    with pytest.raises(ConfigError, match=r"latin.toml:2: not UTF-8 text"):
        load(tmp_path / "latin.toml", kinds=KINDS, environ={})


def test_the_file_is_looked_for_in_a_fixed_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ".config" / "syncd" / "syncd.toml"
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path)}

    with pytest.raises(ConfigError, match=r"no configuration found .*config.example.toml"):
        find_config(None, environ)
    home.parent.mkdir(parents=True)
    home.touch()
    assert find_config(None, environ) == home
    (tmp_path / "syncd.toml").touch()
    assert find_config(None, environ) == Path("syncd.toml")
    assert find_config(None, {**environ, "SYNCD_CONFIG": "/b"}) == Path("/b")
    assert find_config(Path("/a"), {**environ, "SYNCD_CONFIG": "/b"}) == Path("/a")


def test_the_control_socket_depends_on_the_state_directory_alone_and_always_fits() -> None:
    long = Path("/srv") / ("x" * 150)

    assert default_control_socket(Path("/var/lib/syncd")) == Path("/run/syncd/control.sock")
    assert default_control_socket(Path("/srv/a")) == Path("/srv/a/control.sock")
    assert len(os.fsencode(default_control_socket(long))) <= 107
    assert default_control_socket(long) != default_control_socket(long / "other")


def test_the_example_is_itself_a_good_configuration() -> None:
    config = load(ROOT / "config.example.toml", kinds=kinds(), environ=ENVIRON)

    assert list(config.channels) == ["shop-uk"]
    assert config.state_dir == Path("/var/lib/syncd")


def test_the_example_shows_every_key_of_every_table() -> None:
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    tables = [
        model.DaemonTable,
        model.DatabaseTable,
        model.ListenerTable,
        model.ControlTable,
        model.PolicyTable,
        model.LocationTable,
        model.ChannelTable,
        model.MassChange,
    ]
    assert [key for table in tables for key in table.model_fields if f"{key} = " not in text] == []
