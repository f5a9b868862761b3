"""Bytes to text, and the marks that an old encoding leaves in it.

Damaged text is kept as printed. A guess may be wrong, and whoever repairs it must see what stood there;
so we say where it looks damaged and what it may have been, and leave the repair to a person.
"""

import codecs
import re

from publisher.intake import NotReadable

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
#: What pages call Latin-1 is Windows-1252 (so say browsers), with its quotes and dashes.
ALIASES = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
}
#: No others: utf-7 and the like have carried attacks, and no page needs them.
TRUSTED = re.compile(
    r"utf-?8|utf-?16(?:-?[lb]e)?|cp125\d|windows-125\d|iso-8859-\d+|macintosh|mac[-_]?roman", re.IGNORECASE
)
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b]")


def decode(content: bytes, content_type: str | None = None) -> str:
    """Return the text of `content` without its byte-order mark; raise NotReadable where it is no text."""
    text = _decode(content, content_type).removeprefix("\ufeff")
    if len(CONTROLS.findall(text)) > len(text) // 100:
        raise NotReadable("This is not text: it looks like a picture, an archive or a program.")
    return CONTROLS.sub("\ufffd", text)


def _decode(content: bytes, content_type: str | None) -> str:
    for mark, encoding in BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    if content.count(0, 0, 1000) > min(len(content), 1000) // 4:
        little = content[1:1000:2].count(0) > content[0:1000:2].count(0)
        return content.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    try:
        # First, whatever is declared: text in another encoding is practically never valid UTF-8.
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(content, declared(content, content_type))


def declared(content: bytes, content_type: str | None) -> str | None:
    """Return the encoding that the header or the page names, if we trust it."""
    in_header = CHARSET.search(content_type or "")
    in_page = DECLARED.search(content[:4096])
    name = in_header[1] if in_header else in_page[1].decode("ascii", "replace") if in_page else ""
    name = ALIASES.get(name.lower(), name)
    return name if TRUSTED.fullmatch(name) else None


def _decode_other(content: bytes, encoding: str | None) -> str:
    if encoding and not encoding.lower().startswith("utf"):
        return content.decode(encoding, errors="replace")
    # Line by line, because files of two encodings are joined with `cat` into one.
    return "\n".join(_decode_line(line) for line in content.split(b"\n"))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


#: Spanish and Portuguese words that end as "Peruís" (Peru’s) does.
WORDS_IN_IS = frozenset(
    ["país", "parís", "anís", "asís", "solís", "luís", "alanís", "amadís", "belís", "mís", "dionís"]
)
#: … and as "minersí" (miners’) does.
WORDS_IN_SI = frozenset(["sí", "así", "casí", "ansí"])
MAC = str.maketrans("íìîëñóÖ", "’“”‘–—…")  # bytes of Windows read as Macintosh
WINDOWS = str.maketrans("ÕÔÒÓÐÑÉ", "’‘“”–—…")  # bytes of Macintosh read as Windows

#: What a word holds that is damaged, and how to mend it (a table, or None where nobody can know).
MARKS: tuple[tuple[re.Pattern[str], dict[int, int] | None], ...] = (
    (re.compile(r"[\ufffd\x80-\x9f]"), None),
    (re.compile(r"[A-Za-z]í(?:s|t|re|ve|ll)\b|\bIí(?:m|d)\b|[A-Za-z]{3}sí(?!\w)"), MAC),
    (re.compile(r"(?<!\w)[ìë]\w|\w[îÖ](?!\w)|^[ñó]$"), MAC),
    (re.compile(r"[A-Za-z]Õ(?:s|t|re|ve|ll|d|m)?\b|(?<!\w)[ÒÔ][A-Za-z]|[a-z]Ó(?!\w)|^[ÐÑ]$"), WINDOWS),
    (re.compile(r"[A-Za-z][‡Ž¿][a-z]"), None),
    (re.compile(r"^\W*[A-Za-z]+\?[a-z]+\W*$"), None),
    (re.compile(r"&(?:#\d{2,5}|#x[0-9a-f]{2,4}|[a-z]{2,8});", re.IGNORECASE), None),
)
#: Two or more characters that were one before its UTF-8 bytes were read as Windows-1252.
DOUBLED = re.compile(r"[Â-ôŽž][\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{1,3}|â€|[ÂÃ](?!\w)")
WORD = re.compile(r"\S+")
#: Nothing longer is a word; looking into it closely would only take time.
WORD_MAX = 200


def signs(name: str, text: str | None) -> list[str]:
    """Return a sentence for each different word of `text` that looks damaged (at most five)."""
    found: dict[str, str | None] = {}
    for match in WORD.finditer(text or ""):
        word = match[0]
        if word not in found and (not word.isascii() or "?" in word or "&" in word):
            found.update(_look_at(word))
        if len(found) == 5:
            break
    return [_sentence(name, word, mended) for word, mended in found.items()]


def _look_at(word: str) -> dict[str, str | None]:
    """Return {word: what it may have been, if anyone can say}, or {} where it is sound."""
    bare = word.strip(".,;:()[]\"“”'‘’!")
    if bare.lower() in WORDS_IN_IS | WORDS_IN_SI:
        return {}
    if len(word) > WORD_MAX:
        return {bare: None} if "\ufffd" in word else {}
    mended = DOUBLED.sub(_redecode, word)
    if mended != word:
        return {bare: mended.strip(".,;:()[]") if DOUBLED.search(mended) is None else None}
    return next(({bare: bare.translate(table) if table else None} for mark, table in MARKS if mark.search(word)), {})


def _redecode(match: re.Match[str]) -> str:
    """Undo the reading of UTF-8 as Windows-1252, as far as the characters allow it."""
    characters = match[0]
    for length in range(len(characters), 1, -1):
        try:
            return characters[:length].encode("cp1252").decode("utf-8") + characters[length:]
        except UnicodeError:
            continue
    # "â€" alone is what is left of a quote whose last byte Windows-1252 cannot show, "Ã" of an à.
    return "\ufffd" if characters[0] in "ÃÂ" or (characters.startswith("â€") and len(characters) < 3) else characters


def _sentence(name: str, word: str, mended: str | None) -> str:
    perhaps = f" (perhaps “{mended}”)" if mended and mended != word and "\ufffd" not in mended else ""
    return f"The {name} looks damaged by an old encoding at “{word[:60]}”{perhaps}."


def signs_of(title: str, teaser: str, caption: str | None = None, byline: str | None = None) -> list[str]:
    """Return the marks of damage in all that is printed of an item."""
    texts = (("title", title), ("teaser", teaser), ("caption", caption), ("byline", byline))
    return [sentence for name, text in texts for sentence in signs(name, text)]
