"""`python -m bourn_shell_plugins.pmix.server`: the PMIx server of a job on one node.

It speaks with the shell host over its standard input and output, one JSON object a line. First it is told the
job; it answers with what the tasks need in their environment. Then it passes fences and aborts on. It ends
with its standard input.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from base64 import b64decode, b64encode
from ctypes import c_void_p, cast, string_at
from typing import Any

from bourn_shell_plugins.pmix.library import (
    NOT_FOUND,
    NOT_SUPPORTED,
    OPERATION_SUCCEEDED,
    RANK_WILDCARD,
    SUCCESS,
    Abort,
    DirectModex,
    Fence,
    Finalized,
    Library,
    LibraryError,
    ModexDone,
    Proc,
    Rank,
    Regex,
    Release,
    Switch,
    Text,
    Upcalls,
    Word,
)


class Server:
    """Answers the library's calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Any, Any]] = {}
        self._serial = 0
        self._lent: dict[int, bytes] = {}
        self.nodes: list[list[int]] = []
        """Ranks of the tasks on each node."""
        self.folder = ""
        """Where the library's files are, and those that tasks share; removed at the end."""
        # The library keeps the addresses of these.
        self._functions = {
            "client_finalized": Finalized(lambda *_: OPERATION_SUCCEEDED),
            "abort": Abort(self._abort),
            "fence_nb": Fence(self.fence),
            "direct_modex": DirectModex(lambda *_: NOT_FOUND),
        }
        self._release = Release(lambda serial: self._lent.pop(serial, None))
        self._upcalls = Upcalls()
        for name, function in self._functions.items():
            setattr(self._upcalls, name, cast(function, c_void_p))

    def start(self, job: dict[str, Any]) -> None:
        """Serve a job: {nspace, id, nodeid, hosts, nodes: ranks on each, folder}; tell its environment."""
        hosts, nodes, nodeid = job["hosts"], job["nodes"], job["nodeid"]
        self.nodes = nodes
        library = Library()
        self.folder = tempfile.mkdtemp(prefix="bourn-pmix-", dir=job["folder"])
        # Tasks clear the session's directory when they end; what others still share is elsewhere.
        server, session, shared = (f"{self.folder}/{name}" for name in ("server", "session", "shared"))
        for path in (server, session, shared):
            os.mkdir(path, 0o700)
        names = {"pmix.srvr.tmpdir": server, "pmix.sys.tmpdir": server, "pmix.hname": hosts[nodeid]}
        library.init(self._upcalls, {key: Text(value) for key, value in names.items()})
        local = nodes[nodeid]
        info = _job_info(job, session, library.regex(hosts), library.ppn(nodes))
        library.register_nspace(job["nspace"], len(local), info)
        env = []
        for rank in local:
            proc = Proc(job["nspace"].encode(), rank)
            library.register_client(proc, os.getuid(), os.getgid())
            env.append(library.environment(proc))
        self._say(env=env, folder=self.folder, shared=shared)

    def fenced(self, serial: int, data: bytes) -> None:
        """End a fence with what all nodes have given."""
        function, argument = self._waiting.pop(serial)
        # The library copies it in its own time, and says when it has.
        self._lent[serial] = data
        function(SUCCESS, data, len(data), argument, cast(self._release, c_void_p), serial)

    def fence(
        self, procs: Any, nprocs: int, _info: Any, _ninfo: int, data: Any, size: int, done: Any, argument: Any
    ) -> int:
        """Take this node's part of a fence (pmix_server_fencenb_fn_t); `fenced` ends it."""
        wanted = {procs[n].rank for n in range(nprocs)}
        nodes = [node for node in self.nodes if RANK_WILDCARD in wanted or wanted.intersection(node)]
        if 1 < len(nodes) < len(self.nodes):
            # The shells exchange data among all nodes of a job only.
            return NOT_SUPPORTED
        blob = string_at(data, size) if size else b""
        with self._lock:
            self._serial += 1
            serial = self._serial
        self._waiting[serial] = (cast(done, ModexDone), argument)
        name = ",".join(map(str, sorted(wanted)))
        self._say(fence=serial, name=name, alone=len(nodes) == 1, data=b64encode(blob).decode())
        return SUCCESS

    def _abort(self, proc: Any, _object: Any, status: int, message: bytes | None, *_: object) -> int:
        text = (message or b"").decode("utf-8", "replace")
        self._say(abort=proc[0].rank, status=status, message=text)
        return OPERATION_SUCCEEDED

    def _say(self, **members: Any) -> None:
        line = json.dumps(members).encode() + b"\n"
        with self._lock:
            view = memoryview(line)
            while view:
                view = view[os.write(1, view) :]


def _job_info(job: dict[str, Any], session: str, node_map: Regex, proc_map: Regex) -> dict[str, Any]:
    """Return the attributes of a job that PMIx clients expect."""
    nodes, nodeid = job["nodes"], job["nodeid"]
    local = nodes[nodeid]
    size = sum(map(len, nodes))
    info: dict[str, Any] = {
        "pmix.jobid": Text(job["id"]),
        "pmix.univ.size": Word(size),
        "pmix.job.size": Word(size),
        "pmix.max.size": Word(size),
        "pmix.job.napps": Word(1),
        "pmix.app.size": Word(size),
        "pmix.num.nodes": Word(len(nodes)),
        "pmix.node.size": Word(len(local)),
        "pmix.local.size": Word(len(local)),
        "pmix.lpeers": Text(",".join(map(str, local))),
        "pmix.lldr": Rank(local[0]),
        "pmix.tmpdir": Text(session),
        "pmix.nsdir": Text(session),
        "pmix.tdir.rmclean": Switch(True),
        "pmix.nmap": node_map,
        "pmix.pmap": proc_map,
    }
    return info


def main() -> int:
    """Serve one job; return the exit status."""
    server = Server()
    for line in sys.stdin:
        message = json.loads(line)
        if "fenced" in message:
            server.fenced(message["fenced"], b"".join(map(b64decode, message["data"])))
        else:
            try:
                server.start(message)
            except (LibraryError, OSError) as error:
                print(json.dumps({"error": str(error)}), flush=True)
                break
    if server.folder:
        shutil.rmtree(server.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    # No task is left to which the library would have to say goodbye.
    os._exit(main())
