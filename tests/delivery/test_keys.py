"""Keys for signing: made once, used only when somebody says so, and never passed over in silence."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from publisher.delivery import keys
from publisher.delivery.keys import CannotSign, Kind
from publisher.delivery.message import message_id
from publisher.lifecycle import Refusal
from tests.delivery.test_dkim import SIGNERS, made
from tests.privileges import as_anybody

DOMAIN = "example.org"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.DATA = tmp_path
    settings.DKIM_FOLDER = ""
    return tmp_path / "keys" / "dkim"


def selectors(domain: str = DOMAIN) -> list[str]:
    return [signer.selector for signer in keys.signers_for(domain)]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_new_key_is_kept_for_us_alone_and_signs_nothing_yet(folder, kind):
    key = keys.make(DOMAIN, "one", kind)
    file = folder / DOMAIN / "one.pem"
    assert (key.kind, key.in_use, key.problem) == (kind, False, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert selectors() == []


@pytest.mark.parametrize("kind", list(Kind))
def test_a_receiver_that_looks_up_the_printed_record_finds_the_signature_good(kind, monkeypatch):
    key = keys.make(DOMAIN, "one", kind)
    keys.use(DOMAIN, "one")
    monkeypatch.setitem(SIGNERS, "one", keys.signers_for(DOMAIN)[0])
    name, value = key.record
    assert name == "one._domainkey.example.org"
    dns = {f"{name}.".encode(): value.encode()}
    assert dkim.verify(made("one"), dnsfunc=lambda name, timeout: dns[name])


@pytest.mark.parametrize("kind", list(Kind))
def test_a_line_of_a_zone_file_says_the_same_in_strings_that_fit(kind):
    key = keys.make(DOMAIN, "one", kind)
    strings = re.findall(r'"([^"]*)"', key.zone_line)
    assert key.zone_line.startswith("one._domainkey.example.org. IN TXT ( ")
    assert ("".join(strings), max(map(len, strings)) <= 255) == (key.record[1], True)
    assert len(strings) == {"rsa": 2, "ed25519": 1}[kind]


def test_no_key_is_made_over_another(folder):
    keys.make(DOMAIN, "one", Kind.ED25519)
    before = (folder / DOMAIN / "one.pem").read_bytes()
    for name in ("one", "two"):
        if name == "two":
            keys.make(DOMAIN, "two", Kind.ED25519)
            keys.retire(DOMAIN, "two")
        with pytest.raises(Refusal, match=f"has, or had, a key {name}"):
            keys.make(DOMAIN, name, Kind.RSA)
    assert (folder / DOMAIN / "one.pem").read_bytes() == before


def test_one_key_of_each_kind_signs():
    for name, kind in (("r1", Kind.RSA), ("r2", Kind.RSA), ("e1", Kind.ED25519)):
        keys.make(DOMAIN, name, kind)
    assert (keys.use(DOMAIN, "r1"), keys.use(DOMAIN, "e1"), keys.use(DOMAIN, "r2")) == ([], [], ["r1"])
    assert sorted(selectors()) == ["e1", "r2"]
    assert {key.selector: key.in_use for key in keys.stored()} == {"e1": True, "r1": False, "r2": True}
    assert keys.use(DOMAIN, "r2") == []


def test_a_retired_key_signs_no_more_and_is_kept(folder):
    keys.make(DOMAIN, "one", Kind.ED25519)
    keys.use(DOMAIN, "one")
    keys.retire(DOMAIN, "one")
    assert (selectors(), list(keys.stored()), (folder / DOMAIN / "one.retired").exists()) == ([], [], True)


def test_a_domain_signs_for_itself_alone():
    keys.make(DOMAIN, "one", Kind.ED25519)
    keys.use("EXAMPLE.org", "one")
    assert (selectors("Example.ORG"), selectors("news.example.org"), selectors("other.example")) == (["one"], [], [])


def test_a_domain_beyond_ascii_is_written_as_the_dns_writes_it():
    key = keys.make("bücher.example", "one", Kind.ED25519)
    keys.use("Bücher.example", "one")
    assert key.record[0] == "one._domainkey.xn--bcher-kva.example"
    assert [signer.domain for signer in keys.signers_for("xn--bcher-kva.example")] == ["xn--bcher-kva.example"]
    assert message_id("a", "b", "bücher.example").endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize("verb", [keys.make, keys.use, keys.retire])
@pytest.mark.parametrize("selector", ["", "../other", "a/b", "a.b", "A", "-a", "x" * 64, "in use", "é"])
def test_what_is_no_selector_is_refused(verb, selector):
    with pytest.raises(Refusal, match="is no selector"):
        verb(DOMAIN, selector, *([Kind.RSA] if verb is keys.make else []))


@pytest.mark.parametrize("domain", ["", "../..", "a/b", "exa mple.org", "-a.org"])
def test_what_is_no_domain_is_refused(domain):
    with pytest.raises(Refusal, match="is not a domain"):
        keys.make(domain, "one", Kind.RSA)


def test_a_key_that_is_not_there_is_neither_used_nor_retired():
    with pytest.raises(Refusal, match=r"The key one of example\.org cannot be read from .*: no such file"):
        keys.use(DOMAIN, "one")
    with pytest.raises(Refusal, match="has no key one"):
        keys.retire(DOMAIN, "one")


# ---- Never unsigned by accident


def weak() -> bytes:
    key = rsa.generate_private_key(65537, 1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def another_kind() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("content", [b"", b"nonsense", None, weak, another_kind])
def test_a_key_in_use_that_cannot_be_read_stops_everything(folder, content):
    for name in ("one", "two"):
        keys.make(DOMAIN, name, Kind.ED25519 if name == "one" else Kind.RSA)
        keys.use(DOMAIN, name)
    file = folder / DOMAIN / "one.pem"
    file.unlink() if content is None else file.write_bytes(content() if callable(content) else content)
    with pytest.raises(CannotSign, match=r"The key one of example\.org cannot be read from .*Restore it"):
        keys.signers_for(DOMAIN)
    assert [(key.selector, bool(key.problem)) for key in keys.stored()] == [("one", True), ("two", False)]
    assert selectors("other.example") == []


def test_what_is_in_use_has_to_be_readable_too(folder):
    keys.make(DOMAIN, "one", Kind.ED25519)
    (folder / DOMAIN / "in-use").mkdir()
    with pytest.raises(CannotSign, match=r"Which keys sign for example\.org cannot be read"):
        keys.signers_for(DOMAIN)


def test_a_key_of_somebody_else_stops_everything(folder):
    keys.make(DOMAIN, "one", Kind.ED25519)
    keys.use(DOMAIN, "one")
    (folder / DOMAIN / "one.pem").chmod(0)
    with as_anybody(), pytest.raises(CannotSign, match="permission denied"):
        keys.signers_for(DOMAIN)


def test_a_machine_that_lacks_the_named_folder_does_not_send_unsigned(settings, tmp_path):
    settings.DKIM_FOLDER = str(tmp_path / "elsewhere")
    with pytest.raises(CannotSign, match=r"PUBLISHER_DKIM_FOLDER names .*elsewhere, which is not there"):
        keys.signers_for(DOMAIN)
    keys.make(DOMAIN, "one", Kind.ED25519)
    assert (selectors(), (tmp_path / "elsewhere" / DOMAIN / "one.pem").exists()) == ([], True)
