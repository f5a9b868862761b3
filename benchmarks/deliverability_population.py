"""Letters and readers that nobody would think of, and those that everybody has: what the checker is shown.

Each message is made as a sending makes it: the edition rendered, framed with the transport headers and signed, then
spliced for the member. Nothing comes from a database; the same seed gives the same messages.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from publisher import letters, links
from publisher.delivery.addresses import CannotBuild
from publisher.delivery.frame import Frame
from publisher.delivery.keys import Kind, make, use
from publisher.delivery.statements import Due
from publisher.models import Digest, Proof, Publication

#: Letters from here are signed, in one way each; from the last they are not.
DOMAINS = {"rsa.example": (Kind.RSA,), "both.example": (Kind.RSA, Kind.ED25519), "unsigned.example": ()}
READERS = 50  # of each letter

WORDS = {
    "latin": "the river court valley growers teachers have after the order of last spring reading rooms open with forty"
             " families and their mill says a report by the water board printed in March while talks broke down",
    "spanish": "la corte suspendió la obra en el río Claro después de que señoras y niños pidieran consulta así será",
    "greek": "το δικαστήριο του ποταμού σταμάτησε τα έργα στην κοιλάδα των δασκάλων μετά την άνοιξη",
    "cyrillic": "суд остановил работы на реке после того как учителя долины попросили о помощи весной",
    "arabic": "أوقفت المحكمة العمل في النهر بعد أن طلب المعلمون في الوادي المساعدة في الربيع",
    "chinese": "法院 下令 停止 河流 上的 工程 直到 村民 得到 咨询 教师 罢工 进入 第五 周",
    "thai": "ศาล สั่ง ระงับ การ ก่อสร้าง เขื่อน จนกว่า หมู่บ้าน จะ ได้รับ การ ปรึกษา",
    "quechua": "Qhichwa simi p’unchaw wayq’u ñawray yachachiqkuna unu mayu llaqta runakuna",
}  # fmt: skip
HOSTILE = (
    "", ".", "..", "From the editor", "--", "=?utf-8?q?already?=", "=41=42", "a@b.example", "<b>bold</b>", "Rowe, Ann",
    'the "quoted" one', "back\\slash", "(a comment)", "100 % & more", "Re:", "{first_name}", "{{ 7*7 }}", "🏔️🇵🇪 👩‍👩‍👧",
    "é́́́ stacked", "ﷺ", "x" * 300, "ab " * 60, "ß" * 90, "\u200bzero\u200dwidth", "tab\there", "​", "O’Brien-Núñez",
    "&amp;", "﷽", "'", "`", "$x", "%s", "://", "mailto:x@y.example", "end-- ", "=", "\u00a0", "-- ", "A" * 74, "A" * 75,
    "A" * 76,
)  # fmt: skip
FIRST = ("Ana", "Luis", "Tomás", "Inés", "Ζωή", "Мария", "李", "محمد", "O'Neil", "Jean-Luc", "Đặng", "J.", "", "A B C")
LAST = ("Vega", "Quispe Huamán", "Παπαδόπουλος", "Ковалёва", "王", "عبد الله", "d’Arc", "", "van der Berg, Jr.", "Ñ")
LOCAL = ("ana", "a.b", "o'neil", "first+list", "x_y", "a-b", "1", "very." * 10 + "long", "UPPER", "a!#$%&*=?^`{|}~")
HOSTS = ("members.example", "sub.sub.sub.example", "xn--bcher-kva.example", "bücher.example", "a-b.example")


@dataclass(frozen=True)
class Message:
    """One message, and what the checker may know of it besides its bytes."""

    raw: bytes
    postal_address: str
    at: datetime
    signed: bool


def make_keys() -> None:
    """A key of each kind for the domains that sign, in the folder that the settings name."""
    for domain, kinds in DOMAINS.items():
        for kind in kinds:
            make(domain, kind.value, kind)
            use(domain, kind.value)


def messages(count: int, at: datetime, seed: int = 120) -> Iterator[Message]:
    """So many messages; who cannot be written to, such as a name with a line end, has none and is not counted."""
    made = 0
    for n in range(count):
        frame, address, signed = _framed(random.Random(f"{seed} {n}"), n, at)
        for reader in range(READERS):
            if made == count:
                return
            due = _reader(random.Random(f"{seed} {n} {reader}"), reader)
            try:
                raw = frame.message(due)
            except CannotBuild:
                continue
            made += 1
            yield Message(raw, address, at, signed)


def sample(at: datetime) -> Message:
    """An Update as the first user sends it: six items of two paragraphs, two sections, signed."""
    chance = random.Random("sample")
    entries = tuple(_plain_entry(chance, n) for n in range(6))
    hello = "Dear {first_name|friend},\n\nhere is what has happened since the last Update."
    edition = _edition(entries, "Andean Reading Rooms", "Update 120. 31 March 2007", hello, _SECTIONS)
    frame = _frame(letters.render(edition), "update", "Andean Reading Rooms", "rsa.example", 1, at)
    raw = frame.message(Due(1, "rosa@members.example", 0, None, None, 1, "Rosa", "Flores", True))
    return Message(raw, edition.postal_address, at, signed=True)


_SECTIONS = (
    letters.Section("Our aims", "Books where there are none."),
    letters.Section("Why join us?", "• Six Updates a year\n• Invitations to talks"),
)


def _framed(chance: random.Random, n: int, at: datetime) -> tuple[Frame, str, bool]:
    label = f"Update {n + 1}. {chance.choice(('31 March 2007', 'domingo 3 de marzo', '二〇〇七年三月'))}"
    entries = tuple(_entry(chance, label) for _ in range(chance.choice((1, 1, 2, 5, 8, 12))))
    organisation = _named(chance, 120).strip() or "Andean Reading Rooms"
    introduction = chance.choice(("", "Dear {first_name|friend},\n\n" + _said(chance, 200), _said(chance, 400)))
    sections = chance.choice(((), _SECTIONS, (letters.Section(_named(chance, 60), _said(chance, 100)),)))
    edition = _edition(entries, organisation, label, introduction, sections)
    domain = list(DOMAINS)[n % len(DOMAINS)]
    sender = organisation if _fits(organisation) else "Andean Reading Rooms"
    frame = _frame(letters.render(edition), "update", sender, domain, n + 1, at)
    return frame, edition.postal_address, bool(DOMAINS[domain])


def _frame(letter: letters.Letter, slug: str, sender: str, domain: str, number: int, at: datetime) -> Frame:
    publication = Publication(pk=1, slug=slug, series="Update")
    digest = Digest(pk=number, publication=publication, number=number, date=at.date(), started_at=at)
    named = {"name": sender, "email": f"update@{domain}", "list_id": f"update.{domain}"}
    replies = f"office@{domain}" if number % 2 else ""
    proof = Proof(
        sha256=hashlib.sha256(repr(letter).encode()).hexdigest(),
        subject=letter.subject, html=letter.html, text=letter.text, sender={**named, "reply_to": replies},
    )  # fmt: skip
    return Frame(digest, proof)


def _edition(
    entries: tuple[letters.Entry, ...],
    organisation: str,
    label: str,
    introduction: str,
    sections: tuple[letters.Section, ...],
) -> letters.Edition:  # fmt: skip
    return letters.Edition(
        organisation=organisation,
        series="Update",
        label=label,
        introduction=introduction,
        entries=entries,
        sections=sections,
        join_url=links.absolute("/update/subscribe/"),
        join_label="Become a member",
        preferences_url=links.absolute("/preferences/"),
        archive_url=links.absolute("/update/"),
        site_url="https://reading-rooms.example",
        postal_address="Andean Reading Rooms, 1 Example Street\nLondon N1",
    )


def _plain_entry(chance: random.Random, n: int) -> letters.Entry:
    words = WORDS["latin"].split()
    paragraphs = [" ".join(chance.choices(words, k=70)).capitalize() + "." for _ in range(2)]
    link = f"https://reading-rooms.example/news/{n}"
    title = " ".join(chance.choices(words, k=6)).capitalize()
    return letters.Entry(title, "Update 120. 31 March 2007", "\n\n".join(paragraphs), link=link, more_url=link)


def _entry(chance: random.Random, label: str) -> letters.Entry:
    long = f"https://news.example/{chance.randrange(10**6)}?a=1&b={chance.random()}#x"
    link = chance.choice((long, "http://old.example/n%20s/", None))
    picture = {
        "image_url": links.absolute(f"/pictures/{chance.randbytes(32).hex()}.jpg"),
        "image_alt": chance.choice(("", _said(chance, 60))),
        "image_width": chance.choice((1, 40, 536, 4000)) + 2,
        "image_height": 400,
    }
    return letters.Entry(
        title=_named(chance, 150).strip() or "A reading room opens",
        label=label,
        teaser="\n\n".join(_said(chance, 300) for _ in range(chance.randrange(1, 4))) or "What there is to say.",
        link=link,
        more_url=link,
        byline=chance.choice((None, _said(chance, 30))),
        **(picture if chance.random() < 0.4 else {}),  # type: ignore[arg-type]  # its fields, by name
    )


def _reader(chance: random.Random, n: int) -> Due:
    hostile = chance.random() < 0.3
    first = _named(chance, 40) if hostile else chance.choice(FIRST)
    last = chance.choice(HOSTILE)[:120] if hostile else chance.choice(LAST)
    address = f"{chance.choice(LOCAL)}{n}@{chance.choice(HOSTS)}"
    member = chance.randrange(1, 10**9)
    return Due(n, address, 0, None, None, member, _unlike_a_field(first), _unlike_a_field(last), True, n % 10 == 9)


def _unlike_a_field(name: str) -> str:
    """Who is called “{first_name}” reads just that, and no checker could tell it from a field that was left."""
    return name.replace("{", "(")


def _said(chance: random.Random, length: int) -> str:
    words = WORDS[chance.choice(list(WORDS))].split()
    said = " ".join(chance.choices(words, k=max(1, length // 6)))
    return f"{said} {chance.choice(HOSTILE)} {chance.choice(words)}" if chance.random() < 0.4 else said


def _named(chance: random.Random, most: int) -> str:
    name = chance.choice(HOSTILE) if chance.random() < 0.4 else _said(chance, chance.choice((12, 40, 100)))
    return name[:most]


def _fits(name: str) -> bool:
    """A sender's name is approved by people: it has no line end, no tab and nothing like a field."""
    return name.isprintable() and len(name) <= 120 and "{" not in name
