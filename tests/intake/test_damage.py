"""Text damaged by an old encoding: found, named, never changed."""

import pytest

from publisher.intake import NotReadable, damage


@pytest.mark.parametrize(
    ("word", "perhaps"),
    [
        ("Peruís", "Peru’s"),
        ("donít", "don’t"),
        ("minersí", "miners’"),
        ("ìHelloî", "“Hello”"),
        ("PeruÕs", "Peru’s"),
        ("ÒquotedÓ", "“quoted”"),
        ("CafÃ©", "Café"),
        ("PerÃº", "Perú"),
        ("itâ€™s", "it’s"),
        ("Â£5", "£5"),
    ],
)
def test_what_an_old_encoding_did_is_named_with_what_it_may_have_been(word: str, perhaps: str) -> None:
    assert damage.signs("title", f"It says {word} here") == [
        f"The title looks damaged by an old encoding at “{word}” (perhaps “{perhaps}”)."
    ]


@pytest.mark.parametrize("word", ["Per\ufffd", "Per\x9cu", "Peru?s", "&rsquo;s", "voilÃ"])
def test_what_nobody_can_mend_is_named_all_the_same(word: str) -> None:
    assert damage.signs("teaser", f"It says {word} here") == [
        f"The teaser looks damaged by an old encoding at “{word}”."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "El país de París: Solís y Luís dicen sí, así, anís.",
        "São Paulo, NÃO, Ñandú, Óscar Martín, Ángel, Única, Ípsilon",
        "Cajamarca’s “x” – y… — ‘z’",
        "Why? Now! See http://example.org/?a=b&c=d; AT&T; R&D",
        "Île de France, naïve Noël, Müller, Ørsted, Škoda, Žižek, Łódź",
        "¿Qué pasó? ¡Nada!",
        "Чаловек и 日本",
    ],
)
def test_sound_text_is_not_flagged(text: str) -> None:
    assert damage.signs("title", text) == []


def test_at_most_five_words_are_named() -> None:
    assert len(damage.signs("teaser", " ".join(f"caf{letter}Ã©" for letter in "abcdefgh"))) == 5


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b"caf\xe9", None, "café"),
        (b"caf\xe9", "text/html; charset=iso-8859-1", "café"),
        ("café".encode(), "text/html; charset=iso-8859-1", "café"),
        (b"\x93x\x94", "text/plain; charset=ISO-8859-1", "“x”"),
        (b"Ma\x96ana", "text/plain; charset=macintosh", "Mañana"),
        ('<meta charset="iso-8859-2">ąę'.encode("iso-8859-2"), None, '<meta charset="iso-8859-2">ąę'),
        (b"x\x81y", None, "x\ufffdy"),
        (b"\xef\xbb\xbfx", None, "x"),
        (b"+ADw-script+AD4-\xe9", "text/html; charset=utf-7", "+ADw-script+AD4-é"),
    ],
)
def test_bytes_become_text_by_what_they_are_before_what_they_claim(
    content: bytes, content_type: str | None, text: str
) -> None:
    assert damage.decode(content, content_type) == text


def test_a_picture_is_no_text() -> None:
    with pytest.raises(NotReadable, match="This is not text"):
        damage.decode(b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff")
