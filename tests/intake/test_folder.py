"""A folder of listings, feeds and WordPress answers."""

from pathlib import Path

from publisher.intake import folder

LISTING = "• {}\n\n    31 March 2007\n\n    Text.\n\n  • Our aims\n\n    To help.\n"


def test_every_file_is_read_in_the_order_of_names_and_a_bad_one_stops_none(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(LISTING.format("B"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "feed.xml").write_text(
        "<rss version='2.0'><channel><item><title>A</title></item></channel></rss>"
    )
    (tmp_path / "c.json").write_text('[{"title": {"rendered": "C"}, "date": "2007-03-31T00:00:00"}]')
    (tmp_path / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x01")
    (tmp_path / "e.txt").write_text("")
    (tmp_path / ".hidden").write_text(LISTING.format("no"))

    files = folder.read(tmp_path)

    assert [file.path.name for file in files] == ["feed.xml", "b.txt", "c.json", "d.png", "e.txt"]
    assert [file.reading and file.reading.kind for file in files] == ["feed", "listing", "wordpress", None, None]
    assert [item.title for item in folder.merge(files).items] == ["A", "B", "C"]
    assert all(file.problem and file.problem.endswith(".") for file in files[3:])


def test_a_section_that_every_page_repeats_is_kept_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("Junk\n\n" + LISTING.format(name))

    reading = folder.merge(folder.read(tmp_path))

    assert [item.title for item in reading.items] == ["a", "b"]
    assert [section.title for section in reading.sections] == ["Our aims"]
    assert [(one.line, one.text, one.why) for one in reading.unread] == [
        (1, "Junk", "a.txt: It stands before the first item."),
        (1, "Junk", "b.txt: It stands before the first item."),
    ]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(LISTING.format("secret"))
    inside = tmp_path / "folder"
    inside.mkdir()
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "own.txt").write_text(LISTING.format("own"))

    assert [file.path.name for file in folder.read(inside)] == ["own.txt"]


def test_a_file_of_any_size_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(2_000_000_000)

    assert "is larger than 10 MB" in (folder.read(tmp_path)[0].problem or "")
