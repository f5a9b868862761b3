import pytest

from publisher import colours


def test_contrast_is_that_of_wcag() -> None:
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)
    assert colours.contrast("#8a1c1c", "#8A1C1C") == 1


def test_a_colour_that_can_be_read_is_left_alone() -> None:
    assert colours.readable("#8A1C1C", on="#ffffff", toward=0) == "#8a1c1c"


@pytest.mark.parametrize(
    "accent",
    [
        f"#{red}{green}{blue}"
        for red in ("00", "7f", "ff")
        for green in ("00", "80", "ff")
        for blue in ("00", "77", "ff")
    ],
)
def test_whatever_accent_is_chosen_the_letter_can_be_read(accent: str) -> None:
    for shades in (colours.light(accent), colours.dark(accent)):
        read = [colours.contrast(each, shades.page) for each in (shades.ink, shades.text, shades.muted, shades.accent)]
        assert min(*read, colours.contrast(shades.button_text, shades.button)) >= colours.READABLE


def test_only_six_digits_are_a_colour() -> None:
    for wrong in ("red", "#fff", "#12345g", "8a1c1c", "#8a1c1c;"):
        with pytest.raises(ValueError, match="is not a colour"):
            colours.channels(wrong)
