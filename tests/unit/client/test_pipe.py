"""Pipes over the brokers, without brokers: how much is on its way."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from bourn.client.pipe import LEAST, TOTAL, PipeService
from bourn.client.service import ClientRequest, answer
from bourn.client.transport import decode

TOKEN = bytes(32)


class Program:
    """The program that serves, and the messages it sends."""

    def __init__(self, pipes: int) -> None:
        self.sent: list[dict] = []
        self.heard: list[object] = []
        self.service = PipeService(self, "calls", TOKEN, pipes, self)

    def service_register(self, name, methods):
        self.methods = {name: methods}

    def opened(self, end, jobid):
        self.end = end
        self.heard.append(jobid)

    def received(self, end, data):
        self.heard.append(data)

    def ended(self, end):
        self.heard.append("end")

    def ask(self, method, payload, *, streaming=False) -> ClientRequest:
        message = {
            "topic": f"calls.{method}",
            "payload": payload,
            "matchtag": int(streaming),
            "flags": 1 if streaming else 2,
            "client": "client-1-0",
        }
        request = ClientRequest(lambda frame: self.sent.append(decode(memoryview(frame)[4:])), message)
        answer(request, self.methods)
        return request

    def said(self):
        found, self.sent = self.sent, []
        return found


def opened(pipes: int) -> tuple[Program, ClientRequest]:
    program = Program(pipes)
    request = program.ask("open", {"token": TOKEN.hex(), "jobid": 7}, streaming=True)
    assert program.heard == [7]
    return program, request


def length(messages) -> int:
    return sum(len(b64decode(message["payload"]["data"])) for message in messages)


@pytest.mark.parametrize("pipes", [1, 100, 100_000])
def test_no_more_than_a_window_is_on_its_way(pipes):
    program, _ = opened(pipes)
    window = program.said()[0]["payload"]["window"]
    assert LEAST <= window <= max(TOTAL // pipes, LEAST)
    program.end.send(bytes(3 * window + 5))
    assert length(program.said()) == window
    program.ask("data", {"got": window // 2})
    assert length(program.said()) == window // 2
    program.ask("data", {"got": 3 * window})
    assert length(program.said()) == 3 * window + 5 - window - window // 2


def test_the_reader_says_how_far_it_has_come():
    program, _ = opened(1)
    window = program.said()[0]["payload"]["window"]
    piece = bytes(window // 4)
    for _ in range(3):
        program.ask("data", {"data": b64encode(piece).decode()})
    assert program.heard[1:] == [piece] * 3
    assert [message["payload"] for message in program.said()] == [{"got": 3 * len(piece)}]


def test_a_pipe_ends_when_the_other_side_goes():
    program, request = opened(1)
    assert not program.end.rest()
    request.cancelled = True
    request.on_cancel()
    assert program.end.rest()
    program.ask("data", {"data": "AAAA"})
    assert program.heard == [7, "end"]


def test_who_has_no_token_gets_no_pipe():
    program = Program(1)
    program.ask("open", {"token": "0" * 63, "jobid": 7}, streaming=True)
    assert program.said()[0]["errstr"] == "this pipe isn't for you"
    assert program.heard == []


def test_a_client_of_another_rank_may_go_unnamed():
    program, _ = opened(1)
    request = program.ask("disconnect", {"client": "client-2-9"})
    assert request.userid == -1
