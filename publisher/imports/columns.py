"""Which column of a list is what: by its name, in the languages in which lists come, or as somebody says."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


#: What a column may be for us, and how it is called. Compared without case, accents, blanks and signs.
CALLED: Mapping[str, frozenset[str]] = {
    "email": _words(
        "email mail emailaddress emailadress mailaddress address emails email1value correo correoelectronico",
        "adresseemail adresseelectronique courriel mel emailadresse mailadresse endereco enderecodeemail",
        "indirizzoemail epost sahkoposti почта адрес электроннаяпочта",
    ),
    "first_name": _words(
        "firstname givenname forename fname name1 nombre nombres primernombre prenom vorname nome имя voornaam"
    ),
    "last_name": _words(
        "lastname surname familyname lname apellido apellidos nomdefamille nom nachname familienname sobrenome",
        "cognome фамилия achternaam",
    ),
    "language": _words("language lang locale idioma lengua langue sprache lingua язык taal"),
    "agreed_at": _words(
        "agreedat consentat consentedat consentdate optinat optintime optindate confirmedat confirmtime subscribedat",
        "joined joinedat fechadealta fechadeconsentimiento datedinscription anmeldedatum",
    ),
    "tags": _words("tags tag etiquetas labels groups grupos schlagworte"),
    "state": _words("state status estado statut subscribed subscription memberstatus"),
}
#: What a former system wrote of who must not be brought back as a member.
GONE = _words(
    "left suppressed unsubscribed unsub cleaned bounced complained complaint blocked blacklisted blocklisted",
    "removed inactive no 0 false baja debaja desuscrito desinscrit abgemeldet pending unconfirmed erased",
    "cancelled canceled optedout optout unsubscribe nonsubscribed neversubscribed notsubscribed archived deleted",
    "disabled junk spam spamcomplaint bounce hardbounce hardbounced softbounce softbounced invalid unverified",
    "notconfirmed rejected banned suspended expired transactional n f off nein non nao desabonne desabonnee",
    "desinscrite desuscrita inactivo inactiva cancelado cancelada eliminado eliminada inactif desactive",
    "ausgetragen gesperrt gekundigt geloscht inaktiv disiscritto отписан нет",
)
#: And of who is a member. Whoever it says anything else of is neither: that line is given back.
STAYS = _words(
    "active subscribed subscriber subscribe member confirmed enabled valid verified approved current regular",
    "optin optedin yes y 1 true t on ok joined activo activa alta dealta suscrito suscrita confirmado confirmada",
    "si verdadero sim ativo ativa inscrito inscrita actif abonne abonnee inscrit inscrite confirme oui vrai aktiv",
    "angemeldet abonniert bestatigt ja wahr attivo attiva iscritto iscritta подписан активен да",
)


def plain(name: str) -> str:
    """“Correo electrónico” and “correo_electronico” are one."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def found(names: Sequence[str], said: Mapping[str, str] | None = None) -> dict[str, int]:
    """Where each column that we know of stands. What somebody said comes first; of two that fit, the first one.

    Said to be called "", it is not in this list, whatever the names are.
    """
    folded = [plain(name) for name in names]
    where = {what: list(names).index(name) for what, name in (said or {}).items() if name and name in names}
    for what, called in CALLED.items():
        if what not in (said or {}):
            fitting = [at for at, name in enumerate(folded) if name in called and at not in where.values()]
            if fitting:
                where[what] = fitting[0]
    return where
