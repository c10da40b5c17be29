from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.jobid import JobID

FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58_ascii", "words", "emoji")


def test_the_vector_of_rfc_19() -> None:
    jobid = JobID(6731191091817518)
    assert str(jobid) == jobid.f58 == "ƒuZZybuNNy"
    assert jobid.f58_ascii == "fuZZybuNNy"
    assert jobid.dec == "6731191091817518"
    assert jobid.hex == "0x17e9fb8df16c2e"
    assert jobid.dothex == "0017.e9fb.8df1.6c2e"
    assert jobid.kvs == "job.0017.e9fb.8df1.6c2e"
    assert jobid.words == "reform-remote-galileo--heart-package-academy"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0xedaf97d000000", 0xEDAF97D000000),
        ("000e.daf9.7d00.0000", 0xEDAF97D000000),
        ("random-idea-yoyo--sugar-printer-academy", 4181414752813056),
        ("ƒZemgA8Bzf", 4181414752813056),
        ("🚹💂🙌😳💱🏃", 32031603597246464),
        ("😄😹🎇📥🏧🙉🔞", 39601885002334208),
        ("🚹💂🈳💰🎩🏃", 32031692986253312),
        ("ƒ1", 0),
        ("😃", 0),
        ("  17\n", 17),
    ],
)
def test_examples_of_the_encodings(text: str, value: int) -> None:
    assert JobID.parse(text) == value


@given(st.integers(0, 2**64 - 1))
def test_every_encoding_is_read_back(value: int) -> None:
    jobid = JobID(value)
    for form in FORMS:
        assert JobID(jobid.encode(form)) == value, form


BAD = """
- -- . .... a-b-c 1.2.3.4 0x 0xg 1_0 x -1 +5 ١ 😃x f ƒ ƒ0 ƒOO fnot! yes-yes-yes--yes-yes-yes
18446744073709551616 ƒzzzzzzzzzzzzzzz academy-academy-academy--verbal-verbal-verbal
"""


@pytest.mark.parametrize("text", ["", *BAD.split()])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(BournError, match="not a job id"):
        JobID(text)


@given(st.text(max_size=30))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    with suppress(BournError):
        assert 0 <= JobID(text) < 2**64


def test_it_is_an_integer_that_prints_as_f58() -> None:
    jobid = JobID(1234)
    assert jobid == 1234
    assert {jobid: "x"}[1234] == "x"
    assert f"{jobid}" == jobid.f58
    assert f"{jobid:>8}" == jobid.f58.rjust(8)
    assert f"{jobid:d} {jobid:x}" == "1234 4d2"
    assert repr(jobid) == "JobID(1234)"
    assert JobID(jobid) == jobid


def test_out_of_range_and_unknown_forms_are_refused() -> None:
    for value in (-1, 2**64):
        with pytest.raises(BournError, match="2\\*\\*64"):
            JobID(value)
    with pytest.raises(BournError, match="did you mean 'dothex'"):
        JobID(1).encode("dothx")
    assert JobID(1).encode("f58plain") == "f2"
