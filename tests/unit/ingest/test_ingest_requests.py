from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.signing import Signed
from bourn_plugins.job_ingest.envelope import unwrap
from bourn_plugins.job_ingest.ledger import Ack, Ledger
from bourn_plugins.job_ingest.request import Item, items
from bourn_plugins.signing_none import NoneSigner
from tests.unit.ingest.fakes import OWNER_UID, jobspec


def parse(job: Any, is_owner: bool = True) -> Item:
    (item,) = items([job], 2, is_owner)
    return item


def test_a_job_with_everything_and_one_with_nothing() -> None:
    assert parse({"jobspec": 1}) == Item(1, 16, 0, None, None)
    overrides = {"attributes.system.job.name": "n"}
    full = {"jobspec": 0, "urgency": 31, "flags": 6, "key": "k", "set": overrides}
    assert parse(full) == Item(0, 31, 6, "k", overrides)
    assert parse({"jobspec": 0, "set": {}}).overrides is None


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (5, "must be an object with jobspec"),
        ({}, "'jobspec' must be an index into jobspecs, of which there are 2, not None"),
        ({"jobspec": 2}, "of which there are 2, not 2"),
        ({"jobspec": True}, "not True"),
        ({"jobspec": 0, "urgncy": 1}, "unknown key 'urgncy'; did you mean 'urgency'?"),
        ({"jobspec": 0, "urgency": 32}, "urgency must be an integer from 0 to 31, not 32"),
        ({"jobspec": 0, "urgency": None}, "urgency must be an integer"),
        ({"jobspec": 0, "urgency": True}, "urgency must be an integer"),
        ({"jobspec": 0, "flags": 1}, "flags must be a sum of debug 2, waitable 4, novalidate 8, not 1"),
        ({"jobspec": 0, "flags": "debug"}, "flags must be a sum"),
        ({"jobspec": 0, "key": ""}, "key must be a string of 1 to 256"),
        ({"jobspec": 0, "key": "x" * 257}, "key must be a string of 1 to 256"),
        ({"jobspec": 0, "set": {"tasks": []}}, "tasks: only keys under"),
    ],
)
def test_what_is_wrong_is_said(job: Any, reason: str) -> None:
    with pytest.raises(BournError) as caught:
        parse(job)
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"jobspec": 0, "urgency": 17}, "urgency over 16, not 17"),
        ({"jobspec": 0, "flags": 12}, "the flag waitable, novalidate"),
    ],
)
def test_what_guests_may_not(job: Any, reason: str) -> None:
    assert parse(job)
    with pytest.raises(BournError) as caught:
        parse(job, is_owner=False)
    assert caught.value.errnum == 1
    assert reason in caught.value.message
    assert parse({"jobspec": 0, "urgency": 16, "flags": 2}, is_owner=False)


def no_signer(mechanism: str, userid: int) -> Any:
    raise BournError(f"no {mechanism}", 1)


def none_signer(mechanism: str, userid: int) -> Any:
    return NoneSigner()


def test_an_unsigned_j_is_read_back() -> None:
    token = NoneSigner().sign(json.dumps(jobspec()).encode(), OWNER_UID, "")
    assert unwrap(token, OWNER_UID, none_signer) == jobspec()
    with pytest.raises(BournError, match="by user 1000, submitted by user 7") as caught:
        unwrap(token, 7, none_signer)
    assert caught.value.errnum == 1


def b64(obj: object) -> str:
    return base64.b64encode(json.dumps(obj).encode()).decode()


NONE = b64({"version": 1, "mechanism": "none", "userid": 1000})


def test_a_signed_j_goes_to_its_mechanism() -> None:
    class Signer:
        def sign(self, payload: bytes, userid: int, recipient: str) -> str:
            raise NotImplementedError

        def verify(self, token: str, userid: int) -> Signed:
            payload = base64.b64decode(token.split(".")[1])
            return Signed(payload, userid, "test")

    header = b64({"version": 1, "mechanism": "test", "userid": 5})
    assert unwrap(f"{header}.{b64({'a': 1})}.sig", 5, lambda name, userid: Signer()) == {"a": 1}
    with pytest.raises(BournError, match="no test"):
        unwrap(f"{header}.{b64({})}.sig", 5, no_signer)
    broken = base64.b64encode(b"{").decode()
    with pytest.raises(BournError, match="payload isn't JSON"):
        unwrap(f"{header}.{broken}.sig", 5, lambda name, userid: Signer())


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("a.b", "not HEADER.PAYLOAD.SIGNATURE"),
        ("é.b.c", "header isn't base64"),
        ("!.b.c", "header isn't base64"),
        (f"{b64([])}.b.c", "no version 1 and mechanism"),
        (f"{b64({'version': 2, 'mechanism': 'none'})}.b.c", "no version 1"),
        (
            f"{b64({'version': 1, 'mechanism': 'none', 'userid': 1000})}.{b64({})}.x",
            "not HEADER.PAYLOAD.none",
        ),
        (f"{b64({'version': 1, 'mechanism': 'none', 'userid': 1000})}.x.none", "payload isn't base64"),
    ],
)
def test_a_malformed_j_is_refused(token: str, reason: str) -> None:
    with pytest.raises(BournError, match=r"^the signed jobspec is refused: ") as caught:
        unwrap(token, OWNER_UID, none_signer)
    assert reason in caught.value.message


@given(st.text(max_size=40))
def test_any_text_is_no_j(text: str) -> None:
    with pytest.raises(BournError):
        unwrap(text, OWNER_UID, no_signer)


def test_an_answer_waits_for_all_it_stands_on_and_comes_once() -> None:
    told: list[BournError | None] = []
    ledger = Ledger()
    first = ledger.start([((1, "a"), 10)])
    second = ledger.start([((1, "b"), 11)])
    ack = Ack(told.append, 2)
    first.acks.append(ack)
    second.acks.append(ack)
    assert ledger.find((1, "a")) == (10, first)
    assert len(ledger) == 2
    ledger.land(first, None)
    assert told == []
    assert ledger.find((1, "a")) is None
    ledger.land(second, None)
    assert told == [None]
    assert len(ledger) == 0


def test_the_first_error_is_the_answer() -> None:
    told: list[BournError | None] = []
    ledger = Ledger()
    flights = [ledger.start([]) for _ in range(3)]
    ack = Ack(told.append, 3)
    for flight in flights:
        flight.acks.append(ack)
    errors = [None, BournError("full"), BournError("later")]
    for flight, error in zip(flights, errors, strict=True):
        ledger.land(flight, error)
    assert told == [errors[1]]
    Ack(told.append, 0)
    assert told == [errors[1], None]
