"""`bourn ping`: the latency to a service."""

from __future__ import annotations

import time

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.model.duration import parse_duration


def main(argv: list[str]) -> int:
    """Send requests to SERVICE.ping and print how long each took."""
    parser = Parser(prog="bourn ping", description="Measure the latency to a service.")
    parser.add_argument(
        "-c", "--count", type=int, default=0, metavar="N", help="stop after N (default: never)"
    )
    parser.add_argument("-i", "--interval", default="1s", metavar="FSD", help="time between requests (1s)")
    parser.add_argument("-p", "--pad", type=int, default=0, metavar="BYTES", help="size of the payload")
    parser.add_argument("-r", "--rank", type=int, default=-1, metavar="N", help="rank of the broker to ask")
    parser.add_argument("target", metavar="SERVICE", help="a service, a rank, or RANK!SERVICE")
    args = parser.parse_args(argv)
    interval = parse_duration(args.interval)
    rank, service = args.rank, args.target
    first, mark, rest = args.target.partition("!")
    if first.isdigit() and (mark or not rest):
        rank, service = int(first), rest or "broker"
    name = f"{rank}!{service}" if rank >= 0 else service
    sequence = 0
    with Handle() as h:
        while True:
            start = time.perf_counter()
            h.rpc(f"{service}.ping", {"seq": sequence, "pad": "p" * args.pad}, nodeid=rank).get()
            elapsed = (time.perf_counter() - start) * 1000
            print(f"{name}.ping pad={args.pad} seq={sequence} time={elapsed:.3f} ms", flush=True)
            sequence += 1
            if sequence == args.count:
                return 0
            time.sleep(interval)
