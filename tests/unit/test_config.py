import stat
from pathlib import Path

import pytest

from archiver import config
from archiver.config import Security
from archiver.errors import ArchiverError, ConfigInvalid, UsageError

HERE = Path("/etc/archiver/config.toml")
WHOLE = """
[archive.home]
path = "/backup/mail"
compression = "long"

[account.work]
archive = "home"
kind = "imap"
host = "imap.example.org"
port = 1993
user = "ann@example.org"
password-command = "pass show mail"
ca-file = "ca.pem"
timeout-s = 12.5
folders = ["INBOX", "Archive/*"]
exclude = ["Spam"]
"""
SMALL = """
[archive.home]
path = "/backup/mail"
[account.work]
archive = "home"
kind = "imap"
host = "imap.example.org"
user = "ann"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        config.parse(text.encode(), HERE)
    first, *lines = caught.value.text.split("\n  ")
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    assert first == f'"{HERE}" has {count}:'
    return lines


def small(extra: str, *, without: str = "") -> str:
    lines = [line for line in SMALL.splitlines() if not (without and line.startswith(f"{without} "))]
    return "\n".join([*lines, extra])


# --- reading -------------------------------------------------------------------------------------------


def test_a_whole_file_becomes_settings() -> None:
    settings = config.parse(WHOLE.encode(), HERE)
    assert settings.path == HERE
    assert settings.archive("home") == config.ArchiveSettings("home", Path("/backup/mail"), "long")
    assert settings.account("work") == config.AccountSettings(
        name="work",
        archive="home",
        kind="imap",
        host="imap.example.org",
        user="ann@example.org",
        port=1993,
        security=Security.TLS,
        ca_file=Path("/etc/archiver/ca.pem"),
        timeout_s=12.5,
        password_command="pass show mail",
        folders=("INBOX", "Archive/*"),
        exclude=("Spam",),
    )


def test_defaults_are_tls_the_usual_port_a_minute_and_no_password_source() -> None:
    account = config.parse(SMALL.encode(), HERE).account("work")
    assert (account.port, account.security, account.timeout_s) == (None, Security.TLS, 60.0)
    assert (account.password_command, account.password_file, account.password_keyring) == (None, None, False)


def test_settings_cannot_be_changed() -> None:
    account = config.parse(SMALL.encode(), HERE).account("work")
    with pytest.raises(AttributeError):
        account.host = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("line", "security"),
    [
        ("starttls = true", Security.STARTTLS),
        ("insecure-plaintext = true", Security.PLAINTEXT),
        ("starttls = false", Security.TLS),
    ],
)
def test_security_follows_from_the_keys(line: str, security: Security) -> None:
    assert config.parse(small(line).encode(), HERE).account("work").security is security


def test_all_problems_are_told_at_once_with_the_path_of_each_key() -> None:
    text = """
colour = true
[archive.home]
path = 7
[archive."a b"]
path = "/x"
[account.work]
archive = "hom"
kind = "imap"
prot = 993
user = "ann"
timeout-s = true
"""
    assert problems(text) == [
        "archive.home.path: must be text",
        'archive."a b": a name is up to 64 letters, digits, dots, hyphens and underscores',
        'account.work.archive: there is no [archive.hom], did you mean "home"?',
        "account.work.host: missing",
        "account.work.timeout-s: must be a number",
        'account.work.prot: unknown key, did you mean "port"?',
        "colour: unknown key",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("port = 0", "port: must be from 1 to 65535"),
        ("port = 65536", "port: must be from 1 to 65535"),
        ("port = true", "port: must be a whole number"),
        ('port = "993"', "port: must be a whole number"),
        ("port = 993.0", "port: must be a whole number"),
        ("timeout-s = nan", "timeout-s: must be from 1 to 3600"),
        ("timeout-s = inf", "timeout-s: must be from 1 to 3600"),
        ("starttls = 1", "starttls: must be true or false"),
        ('starttls = "yes"', "starttls: must be true or false"),
        ('folders = "INBOX"', 'folders: must be a list of texts, such as ["INBOX", "Archive/*"]'),
        ("exclude = [1]", 'exclude: must be a list of texts, such as ["INBOX", "Archive/*"]'),
        ('ca-file = ""', "ca-file: must not be empty"),
        ('password-command = " "', "password-command: must not be empty"),
        ('password-file = "a\\u0000b"', "password-file: must not hold a NUL"),
        ('password_command = "x"', 'password_command: unknown key, did you mean "password-command"?'),
        ('"od d" = 1', '"od d": unknown key'),
        (
            'password-file = "~nobody-of-this-name/x"',
            "password-file: names the home folder of a user that is not known",
        ),
        (
            "starttls = true\ninsecure-plaintext = true",
            'insecure-plaintext: contradicts "starttls"; keep one of them',
        ),
    ],
)
def test_a_wrong_value_is_told(line: str, problem: str) -> None:
    assert problems(small(line)) == [f"account.work.{problem}"]


@pytest.mark.parametrize("key", ["archive", "kind", "host", "user"])
def test_a_missing_key_is_told(key: str) -> None:
    assert problems(small("", without=key)) == [f"account.work.{key}: missing"]


@pytest.mark.parametrize("host", ["imaps://imap.example.org", "ann:hunter2@imap.example.org", "a b", "a/b"])
def test_a_host_is_a_bare_name_and_a_password_in_it_is_not_repeated(host: str) -> None:
    found = problems(small(f'host = "{host}"', without="host"))
    assert found == ['account.work.host: must be a bare name or address, such as "imap.example.org"']


def test_mail_in_files_has_a_path_and_no_server() -> None:
    text = '[archive.a]\npath = "/x"\n[account.local]\narchive = "a"\nkind = "files"\npath = "mail"\n'
    found = config.parse((text + 'form = "mboxrd"\nexclude = ["Spam"]').encode(), Path("/etc/config.toml"))
    local = found.accounts["local"]
    assert (local.kind, local.path, local.form, local.exclude) == (
        "files",
        Path("/etc/mail"),
        "mboxrd",
        ("Spam",),
    )
    assert problems(text + 'host = "imap.example.org"\nuser = "ann"\nform = "mbox"') == [
        'account.local.form: must be one of "mboxo", "mboxrd", "mboxcl", "mboxcl2", did you mean "mboxo"?',
        "account.local.host: unknown key",
        "account.local.user: unknown key",
    ]
    assert problems(text.replace('path = "mail"', "")) == ["account.local.path: missing"]


def test_an_account_on_a_server_has_no_path() -> None:
    text = '[archive.a]\npath = "/x"\n[account.w]\narchive = "a"\nkind = "imap"\nhost = "h"\nuser = "u"\n'
    told = 'goes with kind = "files" alone, and kind is "imap"'
    assert problems(text + 'path = "/var/mail"') == [f"account.w.path: {told}"]
    assert problems(text + 'form = "mboxrd"') == [f"account.w.form: {told}"]


def test_a_kind_that_nobody_knows_lists_the_known_ones() -> None:
    assert problems(small('kind = "imap4"', without="kind")) == [
        'account.work.kind: must be one of "imap", "pop3", "exchange", "files", did you mean "imap"?'
    ]


def test_a_kind_of_a_wrong_type_is_told() -> None:
    assert problems(small("kind = [1]", without="kind")) == ["account.work.kind: must be text"]


def test_two_password_sources_are_one_too_many() -> None:
    found = problems(small('password-keyring = true\npassword-command = "x"'))
    assert found == [
        'account.work.password-keyring: "password-command" and "password-keyring" are set; keep one of them'
    ]


def test_a_password_source_that_is_switched_off_does_not_count() -> None:
    text = small('password-keyring = false\npassword-command = "x"')
    assert config.parse(text.encode(), HERE).account("work").password_command == "x"


def test_a_password_in_the_file_is_refused_with_the_remedy_and_not_repeated() -> None:
    (found,) = problems(small('password = "hunter2"'))
    assert found.startswith("account.work.password: a password does not belong in this file")
    assert "password-command" in found
    assert "hunter2" not in found


def test_a_passphrase_in_the_file_is_refused() -> None:
    (found,) = problems('[archive.home]\npath = "/x"\npassphrase = "hunter2"')
    assert found.startswith("archive.home.passphrase: a passphrase does not belong in this file")
    assert "hunter2" not in found


def test_an_account_of_an_archive_that_is_wrong_itself_tells_only_the_cause() -> None:
    assert problems(SMALL.replace('path = "/backup/mail"', "")) == ["archive.home.path: missing"]


@pytest.mark.parametrize("text", ["account = 1", 'archive = ["x"]'])
def test_a_group_that_is_no_table_is_told(text: str) -> None:
    group = text.partition(" ")[0]
    assert problems(text) == [f"{group}: must be tables of the form [{group}.NAME]"]


def test_keys_put_straight_into_a_group_are_told() -> None:
    assert problems('[account]\nhost = "x"') == ["account.host: must be a table of the form [account.NAME]"]


def test_a_mistake_in_the_toml_is_told_with_its_line() -> None:
    with pytest.raises(ConfigInvalid, match=r"is not TOML: .*at line 2"):
        config.parse(b"[archive.home]\npath = /x\n", HERE)


def test_bytes_that_are_no_utf_8_are_told_with_their_line() -> None:
    with pytest.raises(ConfigInvalid, match=r"is not UTF-8 text \(at line 2\)"):
        config.parse(b'[archive.home]\npath = "\xff"\n', HERE)


def test_relative_paths_start_from_the_folder_of_the_file_and_the_tilde_is_the_home_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/there/ann")
    text = '[archive.a]\npath = "../mail"\n[archive.b]\npath = "~/mail"'
    settings = config.parse(text.encode(), HERE)
    assert settings.archive("a").path == Path("/etc/mail")
    assert settings.archive("b").path == Path("/there/ann/mail")


def test_no_file_means_empty_settings(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "none.toml")
    assert (settings.archives, settings.accounts) == ({}, {})


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        config.load(tmp_path)


# --- asking the settings -------------------------------------------------------------------------------


def test_an_unknown_account_is_told_with_a_guess_and_the_way_to_add_it() -> None:
    settings = config.parse(SMALL.encode(), HERE)
    with pytest.raises(UsageError, match='did you mean "work"') as caught:
        settings.account("wrok")
    assert caught.value.hint == "add it with: archiver account add wrok"
    with pytest.raises(UsageError, match='no archive "house"'):
        settings.archive("house")


def test_no_name_chooses_all_accounts_and_a_name_twice_chooses_it_once() -> None:
    settings = config.parse(SMALL.encode(), HERE)
    assert [account.name for account in settings.chosen([])] == ["work"]
    assert [account.name for account in settings.chosen(["work", "work"])] == ["work"]


def test_choosing_among_no_accounts_says_how_to_add_one() -> None:
    with pytest.raises(ConfigInvalid, match="no account is configured") as caught:
        config.parse(b"", HERE).chosen([])
    assert caught.value.hint == "add one with: archiver account add NAME"


# --- where things are ----------------------------------------------------------------------------------


def test_the_flag_goes_before_the_environment_and_the_environment_before_the_usual_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARCHIVER_CONFIG", "/by/environment.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert config.locate("/by/flag.toml") == Path("/by/flag.toml")
    assert config.locate() == Path("/by/environment.toml")
    monkeypatch.delenv("ARCHIVER_CONFIG")
    assert config.locate().name == "config.toml"


def test_a_relative_flag_becomes_an_absolute_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.locate("mine.toml") == tmp_path / "mine.toml"


def test_state_and_caches_go_to_folders_that_only_the_user_may_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARCHIVER_STATE_DIR", str(tmp_path / "a" / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where there is no XDG
    state, cache = config.state_folder(), config.cache_folder()
    assert state == tmp_path / "a" / "state"
    assert tmp_path in cache.parents
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (state, cache)} == {0o700}


def test_a_state_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ARCHIVER_STATE_DIR", str(tmp_path / "file" / "state"))
    with pytest.raises(ArchiverError, match="cannot be made"):
        config.state_folder()


# --- writing -------------------------------------------------------------------------------------------

KEYS = {"archive": "home", "kind": "imap", "host": "imap.example.net", "user": "bob"}


def test_a_first_archive_and_account_make_the_file_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    config.add_archive(path, "home", {"path": "mail", "compression": None})
    settings = config.add_account(path, "play", {**KEYS, "port": 143, "starttls": True, "exclude": ["Spam"]})
    assert settings == config.load(path)
    assert settings.archive("home").path == tmp_path / "new" / "mail"
    assert settings.account("play").exclude == ("Spam",)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["", "\n", "# the end", "\r\n"])
def test_what_stands_in_the_file_is_kept_to_the_byte(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "config.toml"
    before = f"# mine\n{WHOLE.strip()}  # to here{ending}".encode()
    path.write_bytes(before)
    config.add_account(path, "play.at-home", KEYS)
    assert path.read_bytes().startswith(before)
    assert set(config.load(path).accounts) == {"work", "play.at-home"}


def test_any_text_survives_the_way_into_the_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    config.add_archive(path, "home", {"path": "/x"})
    odd = 'a "b" \\c\td\ne\x7f\x01 ü 😀 # [x] \'\'\' """'
    settings = config.add_account(path, "play", {**KEYS, "user": odd})
    assert settings.account("play").user == odd


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    with pytest.raises(UsageError, match='there is an account "work" already'):
        config.add_account(path, "work", KEYS)
    with pytest.raises(UsageError, match='there is an archive "home" already'):
        config.add_archive(path, "home", {"path": "/y"})
    assert path.read_text() == SMALL


@pytest.mark.parametrize("name", ["", "a b", "../up", "-x", ".x", "a/b", "x" * 65, "a\n"])
def test_a_name_that_could_not_be_part_of_a_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        config.add_archive(tmp_path / "config.toml", name, {"path": "/y"})


def test_keys_that_the_file_could_not_hold_write_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    with pytest.raises(ConfigInvalid, match=r"account\.play\.port: must be from 1 to 65535"):
        config.add_account(path, "play", {**KEYS, "port": 0})
    with pytest.raises(UsageError, match="valid Unicode"):
        config.add_account(path, "play", {**KEYS, "user": "\udcff"})
    assert path.read_text() == SMALL
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_file_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[archive")
    with pytest.raises(ConfigInvalid):
        config.add_archive(path, "home", {"path": "/x"})
    assert path.read_text() == "[archive"


def test_a_file_behind_a_link_is_changed_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "archiver.toml"
    target.write_text(SMALL)
    link = tmp_path / "config.toml"
    link.symlink_to(target)
    config.add_account(link, "play", KEYS)
    assert link.is_symlink()
    assert "play" in config.load(target).accounts


TWO = """# top
[archive.home]
path = "/x"

[account.work]  # at the office
archive = "home"
kind = "imap"
host = "a"
user = "ann"
# the odd one out

# my own mail
[account.play]
archive = "home"
kind = "imap"
host = "b"
user = "ann"
"""


def test_removing_an_account_keeps_what_is_said_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TWO)
    assert set(config.remove_account(path, "work").accounts) == {"play"}
    assert path.read_text() == TWO[: TWO.index("[account.work]")] + TWO[TWO.index("# my own mail") :]
    config.remove_account(path, "play")
    assert config.load(path).accounts == {}
    assert path.read_text().startswith('# top\n[archive.home]\npath = "/x"\n')


@pytest.mark.parametrize(
    "header", ['[account."work"]', "[ account . 'work' ]", "[account.work] # x", "\t[account.work]"]
)
def test_a_header_may_be_written_in_every_way_of_toml(tmp_path: Path, header: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SMALL.replace("[account.work]", header))
    assert config.remove_account(path, "work").accounts == {}


def test_a_text_that_looks_like_a_header_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    trap = SMALL + 'password-command = """\n[account.other]\nx\n"""\n'
    path.write_text(trap)
    with pytest.raises(ConfigInvalid, match="in a way that archiver does not edit"):
        config.remove_account(path, "work")
    assert path.read_text() == trap


def test_an_account_written_in_one_line_is_left_to_the_user(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    inline = (
        'archive = {home = {path = "/x"}}\n'
        'account = {work = {archive = "home", kind = "imap", host = "a", user = "b"}}\n'
    )
    path.write_text(inline)
    with pytest.raises(ConfigInvalid) as caught:
        config.remove_account(path, "work")
    assert caught.value.hint == "remove the account work with an editor"
    with pytest.raises(ConfigInvalid, match="is not TOML"):
        config.add_account(path, "play", KEYS)
    assert path.read_text() == inline


def test_removing_an_account_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    with pytest.raises(UsageError, match='there is no account "wrok"'):
        config.remove_account(path, "wrok")
