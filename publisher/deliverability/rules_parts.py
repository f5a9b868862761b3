"""The parts of a letter: how they are encoded, and whether everybody can read them."""

from __future__ import annotations

import re

from lxml import html as lxml_html

from publisher.merge import FIELDS

from .letter import Opened, decoded, split, words
from .rule import Rules

rule = Rules()

#: Gmail cuts a message off at 102 KB as transferred; our own bound leaves room for what the way adds.
MOST_HTML = 95 * 1024
_FIELD = re.compile(r"\{(?:" + "|".join(FIELDS) + r")(?:\|[^{}]*)?\}")
_ALIVE = ("script", "form", "iframe", "frame", "object", "embed", "applet", "input", "button", "select", "textarea",
          "video", "audio", "svg", "math", "base", "link", "noscript")  # fmt: skip
_SHORTENERS = frozenset({"bit.ly", "t.co", "goo.gl", "tinyurl.com", "ow.ly", "is.gd", "buff.ly", "rebrand.ly"})
_SAID_HOST = re.compile(r"(?:https?://)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:[/?#]\S*)?", re.IGNORECASE)


@rule("two-parts", "multipart/alternative, the text first and the HTML last", "RFC 2046 §5.1.4")
def two_parts(letter: Opened) -> str:
    kinds = [leaf.get_content_type() for leaf in letter.leaves]
    whole = letter.parsed.get_content_type()
    if kinds == ["text/plain"] and whole == "text/plain":
        return ""  # a member may want the text alone
    good = whole == "multipart/alternative" and kinds == ["text/plain", "text/html"]
    return "" if good else f"{whole} of {', '.join(kinds)}"


@rule("boundary", "The boundary has at most 70 characters, parts what it should and closes", "RFC 2046 §5.1.1")
def boundary(letter: Opened) -> str:
    if not letter.parsed.is_multipart():
        return ""
    mark = str(letter.parsed.get_boundary() or "")
    lines = [line for line in letter.body.split(b"\r\n") if line.startswith(b"--" + mark.encode())]
    closed = lines[-1:] == [f"--{mark}--".encode()] and len(lines) == len(letter.leaves) + 1
    return "" if closed and 0 < len(mark) <= 70 else f"{len(lines)} lines of a boundary of {len(mark)}"


@rule("mime-version", "MIME-Version is 1.0", "RFC 2045 §4")
def mime_version(letter: Opened) -> str:
    said = letter.one("mime-version")
    return "" if said == "1.0" else f"{said!r}"


@rule("charset", "Each part says that it is UTF-8, and is", "RFC 2046 §4.1.2; RFC 3629 §3")
def charset(letter: Opened) -> str:
    for leaf in letter.leaves:
        said = leaf.get_content_charset() or "nothing"
        if said != "utf-8":
            return f"{leaf.get_content_type()} says {said}"
        try:
            decoded(leaf).decode()
        except UnicodeDecodeError as problem:
            return f"{leaf.get_content_type()} is not UTF-8 at {problem.start}"
    return ""


@rule("no-defects", "A strict parser finds nothing to mend", "RFC 2045 §6; RFC 2046 §5.1")
def no_defects(letter: Opened) -> str:
    defects = [type(d).__name__ for part in letter.parsed.walk() for d in part.defects]
    names = {header.name for header in letter.headers} - {"dkim-signature"}
    defects += [type(d).__name__ for name in sorted(names) for value in letter.read(name) for d in value.defects]
    return f"{defects[0]}" if defects else ""


@rule("encoding", "Each part is quoted-printable, base64 or 7bit", "RFC 2045 §6.1")
def encoding(letter: Opened) -> str:
    used = {str(leaf.get("content-transfer-encoding", "7bit")).lower() for leaf in letter.leaves}
    odd = used - {"quoted-printable", "base64", "7bit"}
    return f"{', '.join(odd)}" if odd else ""


@rule("quoted-lines", "Encoded lines have at most 76 characters", "RFC 2045 §6.7 (5), §6.8")
def quoted_lines(letter: Opened) -> str:
    coded = (body for head, body in letter.parts if not re.search(rb"(?i)encoding: *7bit", head))
    longest = max((len(line) for body in coded for line in body.split(b"\r\n")), default=0)
    return f"a line of {longest}" if longest > 76 else ""


@rule("quoted-signs", "Each = of quoted-printable stands before two digits or a line end", "RFC 2045 §6.7 (1)")
def quoted_signs(letter: Opened) -> str:
    for head, body in letter.parts:
        if b"quoted-printable" in head and (wrong := re.search(rb"=(?![0-9A-F]{2}|\r\n)", body)):
            return f"{body[wrong.start() : wrong.start() + 4]!r}"
    return ""


@rule("line-tails", "No encoded line ends with a blank, which the way may take off", "RFC 2045 §6.7 (3)")
def line_tails(letter: Opened) -> str:
    return "a blank before a line end" if b" \r\n" in letter.body or b"\t\r\n" in letter.body else ""


@rule("no-first-dots", "No line of the body begins with a dot", "RFC 5321 §4.5.2 (relays that do not stuff)")
def no_first_dots(letter: Opened) -> str:
    return "a dot at the beginning of a line" if b"\r\n." in letter.body or letter.body.startswith(b".") else ""


@rule("no-attachments", "Nothing is attached", "Google, sender guidelines; M3AAWG, sender best practices §5")
def no_attachments(letter: Opened) -> str:
    held = [leaf.get_content_type() for leaf in letter.leaves if leaf.get_content_disposition()]
    return f"{held[0]}" if held else ""


@rule("text-said", "The text part has words", "RFC 2046 §5.1.4; SpamAssassin MIME_HTML_ONLY")
def text_said(letter: Opened) -> str:
    return "" if len(letter.text.split()) >= 10 else f"{len(letter.text.split())} words"


@rule(
    "html-size",
    f"The HTML part has at most {MOST_HTML // 1024} KiB as transferred",
    "Gmail clips at 102 KB (spamresource.com 2022-01)",
)
def html_size(letter: Opened) -> str:
    size = max((len(body) for head, body in letter.parts if b"text/html" in head.lower()), default=0)
    return f"{size / 1024:.1f} KiB" if size > MOST_HTML else ""


@rule("html-words", "The HTML can be read without its pictures", "WCAG 2.2 1.4.5; SpamAssassin HTML_IMAGE_ONLY_*")
def html_words(letter: Opened) -> str:
    return "" if letter.tree is None or len(letter.visible.split()) >= 20 else f"{len(letter.visible.split())} words"


@rule(
    "same-links",
    "Whoever reads the text can follow all that the HTML links to",
    "RFC 2046 §5.1.4; SpamAssassin MPART_ALT_DIFF",
)
def same_links(letter: Opened) -> str:
    there = set(letter.text_links)
    missing = [url for url in letter.html_links if url.startswith("http") and url not in there]
    bare = [url for url in missing if url.rstrip("/.,;:!?)”’'") not in {each.rstrip("/") for each in there}]
    return f"not in the text: {bare[0][:100]}" if bare else ""


@rule("same-headings", "The text has every heading of the HTML", "RFC 2046 §5.1.4; WCAG 2.2 1.3.1")
def same_headings(letter: Opened) -> str:
    flat = words(letter.text)
    missing = [said for h in letter.elements("h1", "h2", "h3") if (said := words(h.text_content())) not in flat]
    return f"not in the text: {missing[0][:60]!r}" if missing else ""


@rule("image-alt", "Each image has a text in its place", "WCAG 2.2 1.1.1")
def image_alt(letter: Opened) -> str:
    without = [img.get("src", "") for img in letter.elements("img") if img.get("alt") is None]
    return f"{without[0][:80]}" if without else ""


@rule(
    "image-size",
    "Each image says how wide it is, and nothing jumps",
    "Outlook shows it at its full size otherwise (caniemail.com)",
)
def image_size(letter: Opened) -> str:
    without = [img.get("src", "") for img in letter.elements("img") if not img.get("width")]
    return f"{without[0][:80]}" if without else ""


@rule(
    "image-https",
    "Images come over https, and none is held in the letter",
    "Gmail's image proxy; SpamAssassin __HTML_IMG_DATA",
)
def image_https(letter: Opened) -> str:
    other = [img.get("src", "") for img in letter.elements("img") if not img.get("src", "").startswith("https://")]
    return f"{other[0][:80]}" if other else ""


@rule(
    "no-pixel", "No image is there to see who opens it", "UK PECR reg. 6; ICO, storage and access technologies (2026)"
)
def no_pixel(letter: Opened) -> str:
    tiny = [i.get("src", "") for i in letter.elements("img") if {i.get("width"), i.get("height")} & {"0", "1"}]
    hidden = [i.get("src", "") for i in letter.elements("img") if "display:none" in i.get("style", "").replace(" ", "")]
    return f"{(tiny + hidden)[0][:80]}" if tiny or hidden else ""


@rule("language", "The HTML says its language", "WCAG 2.2 3.1.1")
def language(letter: Opened) -> str:
    return "" if letter.tree is None or letter.tree.get("lang") else "no lang on <html>"


@rule("title", "The HTML has a title", "WCAG 2.2 2.4.2")
def title(letter: Opened) -> str:
    return "" if letter.tree is None or words(letter.tree.findtext(".//title") or "") else "no <title>"


@rule(
    "doctype", "The HTML begins with its doctype", "Outlook and Gmail draw it in quirks mode otherwise (caniemail.com)"
)
def doctype(letter: Opened) -> str:
    return "" if letter.tree is None or letter.html.lstrip().lower().startswith("<!doctype html") else "no doctype"


@rule("tables", "Tables that lay out say so", "WCAG 2.2 1.3.1 (role=presentation)")
def tables(letter: Opened) -> str:
    bare = sum(table.get("role") not in {"presentation", "none"} for table in letter.elements("table"))
    return f"{bare} tables" if bare else ""


@rule("colour-schemes", "The HTML names the colour schemes it is made for", "CSS Color Adjustment §2.2; Apple Mail")
def colour_schemes(letter: Opened) -> str:
    named = any(meta.get("name") == "color-scheme" for meta in letter.elements("meta"))
    return "" if letter.tree is None or named else "no color-scheme"


@rule("nothing-alive", "No script, form, frame or object", "Gmail CSS and HTML support; SpamAssassin HTML_TAG_*")
def nothing_alive(letter: Opened) -> str:
    found = [element.tag for element in letter.elements(*_ALIVE)]
    acting = [name for e in letter.elements() for name in getattr(e, "attrib", ()) if str(name).startswith("on")]
    moved = [m for m in letter.elements("meta") if (m.get("http-equiv") or "").lower() == "refresh"]
    return next(iter([*map(str, found), *map(str, acting), *("refresh" for _ in moved)]), "")


@rule("own-style", "No style is fetched from elsewhere, nor placed with position", "Gmail CSS support")
def own_style(letter: Opened) -> str:
    sheets = "".join(style.text or "" for style in letter.elements("style"))
    inline = ";".join(element.get("style", "") for element in letter.elements() if isinstance(element.tag, str))
    odd = re.search(r"@import|@font-face|(?<![\w-])position\s*:|expression\(|url\(", sheets + inline, re.IGNORECASE)
    return f"{odd[0]}" if odd else ""


@rule("link-schemes", "Links lead to web pages or addresses, never to a script or data", "Gmail; OWASP ASVS 1.2.2")
def link_schemes(letter: Opened) -> str:
    odd = [url for url in letter.html_links if not url.lower().startswith(("https://", "http://", "mailto:", "tel:"))]
    return f"{odd[0][:80]!r}" if odd else ""


@rule(
    "link-hosts",
    "Links name their hosts: no numbers, no passwords, no shorteners",
    "SpamAssassin NUMERIC_HTTP_ADDR, HTTPS_IP_MISMATCH; Spamhaus DBL",
)
def link_hosts(letter: Opened) -> str:
    odd = [url for url in letter.html_links if url.startswith("http") and not _is_named(url)]
    return f"{odd[0][:80]}" if odd else ""


@rule("link-honest", "A link that shows an address leads to its host", "Google, sender guidelines (deceptive links)")
def link_honest(letter: Opened) -> str:
    for a in letter.elements("a"):
        said, parts = _SAID_HOST.fullmatch(words(a.text_content())), split(a.get("href", ""))
        if said and parts and parts.scheme in {"http", "https"} and not _same(said[1], parts.hostname or ""):
            return f"shows {said[1]}, leads to {parts.hostname}"
    return ""


@rule("link-said", "Each link says in words where it leads", "WCAG 2.2 2.4.4")
def link_said(letter: Opened) -> str:
    silent = [a.get("href", "") for a in letter.elements("a") if a.get("href") and not _name(a)]
    return f"{silent[0][:80]}" if silent else ""


@rule("fields-filled", "No merge field was left as it is", "own rule: what a reader sees is meant for them")
def fields_filled(letter: Opened) -> str:
    left = _FIELD.search(letter.text) or _FIELD.search(letter.html) or _FIELD.search(letter.head.decode("latin-1"))
    return f"{left[0]}" if left else ""


@rule(
    "postal-address",
    "Text and HTML show where the sender can be reached by post",
    "CAN-SPAM 15 USC 7704(a)(5); UK PECR reg. 23",
)
def postal_address(letter: Opened) -> str:
    address = words(letter.facts.postal_address)
    if not address:
        return "the publication has none"
    shown = [words(letter.text), *([letter.visible] if letter.tree is not None else [])]
    return "" if all(_squeezed(address) in _squeezed(said) for said in shown) else "not shown"


def _is_named(url: str) -> bool:
    parts = split(url)
    host = (parts.hostname or "") if parts else ""
    numbers = re.fullmatch(r"[\d.]+|0x[0-9a-f]+", host) or ":" in host
    return bool(host) and not numbers and host not in _SHORTENERS and "@" not in (parts.netloc if parts else "@")


def _same(said: str, led: str) -> bool:
    shown, there = said.lower().removeprefix("www."), led.lower().removeprefix("www.")
    return shown == there or there.endswith(f".{shown}")


def _name(a: lxml_html.HtmlElement) -> str:
    alts = " ".join(img.get("alt", "") for img in a.iter("img"))
    return words(f"{a.text_content()} {alts} {a.get('aria-label', '')}")


def _squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()
