"""Editions for the tests of letters: Update 120 of a made-up charity, and others cut from it."""

from dataclasses import replace

from publisher.letters import Edition, Entry, Section

LABEL = "Update 120. 31 March 2007"
SITE = "https://altoverde.example"

AIMS = Section(
    "Our aims",
    "The Alto Verde Support Group stands beside the people of the Alto Verde valleys. We report what happens there,"
    " and we take what we learn to those who decide.",
)
WHY_JOIN = Section(
    "Why join the Support Group?",
    "• Six Updates a year, by e-mail or on paper\n"
    "• Invitations to talks, and to the annual conference\n"
    "• Your membership pays for the legal advice centre in San Telmo",
)

ENTRIES = (
    Entry(
        title="Court halts dam on the Río Claro",
        label=LABEL,
        teaser="The regional court has ordered work on the Río Claro dam to stop until the eleven villages upstream"
        " have been consulted. The company has thirty days to appeal.\n\n"
        "It is the first time that a court in the province has relied on the consultation law of 2005. Lawyers for"
        " the villages called the ruling “a door that cannot be shut again”.",
        link=f"{SITE}/news/court-halts-dam",
        more_url=f"{SITE}/news/court-halts-dam",
        image_url=f"{SITE}/media/5f0c2a.jpg",
        image_alt="Villagers stand on a gravel bank and look across the river to the idle diggers",
        image_caption="The building site at Dos Puentes on the morning after the ruling. Photo: Ana Quispe",
        image_width=1200,
        image_height=800,
    ),
    Entry(
        title="Coffee growers open their own mill",
        label=LABEL,
        teaser="Forty families in San Telmo no longer sell their beans unwashed. Their co-operative’s mill began work"
        " in February, and the first eight sacks have been shipped to Bristol.",
        byline="Rosa Huamán, San Telmo",
        link=f"{SITE}/news/coffee-mill",
        more_url=f"{SITE}/news/coffee-mill?from=update&issue=120",
    ),
    Entry(
        title="Teachers’ strike enters its fifth week",
        label=LABEL,
        teaser="Schools in the three highland districts remain closed. Talks broke down on 22 March over pay for"
        " bilingual teachers, whose posts are funded from year to year.",
        link=f"{SITE}/news/teachers-strike",
        more_url=f"{SITE}/news/teachers-strike",
    ),
    Entry(
        title="Dates for your diary",
        label=LABEL,
        teaser="Our annual conference is on Saturday 12 May at Friends House, Leeds. Doors open at 10:00;"
        " interpretation between Spanish and English is provided.",
    ),
    Entry(
        title="Report: “Who owns the water?”",
        label=LABEL,
        teaser="Seven of ten litres licensed in the upper valley go to three companies, says a report by the"
        " University of Alto Verde & the Water Users’ Board. We summarise its findings in four pages.",
        link=f"{SITE}/news/who-owns-the-water",
        more_url=f"{SITE}/news/who-owns-the-water",
    ),
)

UPDATE_120 = Edition(
    organisation="Alto Verde Support Group",
    series="Update",
    label=LABEL,
    introduction="Dear {first_name|friend},\n\n"
    "Two months of hard rain have not stopped the courts, the growers or the teachers. Here is what has happened in"
    " the valleys since January.",
    entries=ENTRIES,
    sections=(AIMS, WHY_JOIN),
    join_url=f"{SITE}/join",
    join_label="Become a member",
    archive_url=f"{SITE}/update/",
    preferences_url=f"{SITE}/preferences/",
    site_url=SITE,
    postal_address="Unit 3, 41 Mill Lane\nLeeds LS9 8AH, United Kingdom",
)

BARE = replace(UPDATE_120, introduction="", entries=ENTRIES[3:4], sections=(), join_url="")
FORTY = replace(
    UPDATE_120, entries=tuple(replace(each, title=f"{n}. {each.title}") for n in range(1, 9) for each in ENTRIES)
)
