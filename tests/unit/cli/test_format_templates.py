import pytest

from bourn.cli.format import Template, field_lookup, named, short_duration
from bourn.errors import BournError

LOOKUP = field_lookup(
    {
        "name": ("NAME", lambda r: r.get("name", "")),
        "n": ("N", lambda r: r.get("n", "")),
        "t": ("TIME", lambda r: r.get("t", 0.0)),
    }
)


def show(text, *records):
    template = Template(text, LOOKUP)
    template.fit(records)
    return [template.header(), *template.rows(records)]


def test_widths_and_headings():
    assert show("{name:<6} {n:>4}|", {"name": "a", "n": 1}) == ["NAME      N|", "a         1|"]


def test_numbers_keep_their_format_and_nothing_is_blank():
    assert show("{n:>6.2f}|", {"n": 1}, {}) == ["     N|", "  1.00|", "      |"]


def test_cutting_is_marked_with_a_plus():
    assert show("{name:<4.4+}|", {"name": "abcdef"}, {"name": "abcd"})[1:] == ["abc+|", "abcd|"]
    assert show("{name:<4.4}|", {"name": "abcdef"})[1] == "abcd|"


def test_hyphen_for_nothing():
    assert show("{n:>3h}|{t!F:>4h}|{name:h}", {}) == ["  N|TIME|NAME", "  -|   -|-"]


def test_collapse_and_expand():
    assert show("?:{name:<9} {n}", {"n": 1}) == ["N", "1"]
    assert show("+:{name:<2} {n}", {"name": "longer", "n": 1}) == ["NAME   N", "longer 1"]
    assert show("+:{name:>2.2} {n}", {"name": "longer", "n": 1}) == ["  NAME N", "longer 1"]


def test_times():
    assert show("{t!H} {t!F} {n!P}", {"t": 3723.4, "n": 0.25})[1] == "1:02:03 1.034h 25%"
    assert show("{t!d:%Y::>6}|", {"t": 86400.0 * 200})[1] == "  1970|"
    assert show("{t!D}|", {"t": 0})[1] == "|"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nmae}", "unknown field 'nmae'; did you mean 'name'"),
        ("{name", "format '{name'"),
        ("{name!Z}", "unknown conversion '!Z'"),
        ("{name:zz9}", "no format specification"),
    ],
)
def test_bad_formats(text, message):
    with pytest.raises(BournError, match=message):
        Template(text, LOOKUP)


def test_named_formats():
    assert named("long", {"long": "{name}"}) == "{name}"
    assert named("{n}", {}) == "{n}"
    with pytest.raises(BournError, match="no format named 'lng'; did you mean 'long'"):
        named("lng", {"long": ""})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (3.2, "3.200s"),
        (12.34567, "12.35s"),
        (90, "1.5m"),
        (5400, "1.5h"),
        (86400, "1d"),
    ],
)
def test_durations(seconds, text):
    assert short_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "field_name", "how"),
    [
        ("{name:>5d}", "name", ":>5d"),
        ("{ntasks} {name!d}", "name", "!d"),
        ("{name!F:>8}", "name", "!F:>8"),
        ("+:{name!H}", "name", "!H"),
    ],
)
def test_a_format_that_does_not_suit_the_value_is_one_clear_error(text, field_name, how):
    fields = {"name": ("NAME", lambda r: r["name"]), "ntasks": ("NTASKS", lambda r: 2)}
    template = Template(text, field_lookup(fields))
    record = {"name": "word"}
    template.fit([record])
    with pytest.raises(BournError, match=f"field '{field_name}': '{how}' can't print 'word'"):
        list(template.rows([record]))
