from publisher.standing import Bullets, Paragraph, blocks


def test_paragraphs_are_parted_by_a_blank_line() -> None:
    assert blocks("One line\nand its end.\n \t\n\nAnother.") == (
        Paragraph("One line and its end."),
        Paragraph("Another."),
    )


def test_lines_that_start_with_a_bullet_are_a_list() -> None:
    assert blocks("Join us:\n• News\n  • Talks\nBecome a member") == (
        Paragraph("Join us:"),
        Bullets(("News", "Talks")),
        Paragraph("Become a member"),
    )


def test_no_text_is_no_block() -> None:
    assert blocks("") == blocks(" \n\n ") == ()
