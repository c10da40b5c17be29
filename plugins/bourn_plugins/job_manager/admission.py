"""Who may submit to a queue: `allow-users` and `allow-groups` of `[queues.NAME]`."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn.config import Config
    from bourn.config.tables import QueueTable


class Admission:
    """The users and groups of a queue; false if it is open to everybody. The owner is always admitted.

    Raises ConfigError for a name that this host doesn't know.
    """

    def __init__(self, config: Config, name: str, table: QueueTable) -> None:
        self._name = name
        self._table = table
        self._users = {os.getuid()}
        self._groups: set[int] = set()
        for i, user in enumerate(table.allow_users):
            try:
                self._users.add(pwd.getpwnam(user).pw_uid)
            except KeyError:
                raise config.error(("queues", name, "allow-users", i), f"no such user '{user}'") from None
        for i, group in enumerate(table.allow_groups):
            try:
                self._groups.add(grp.getgrnam(group).gr_gid)
            except KeyError:
                raise config.error(("queues", name, "allow-groups", i), f"no such group '{group}'") from None

    def __bool__(self) -> bool:
        return bool(self._table.allow_users or self._table.allow_groups)

    def refuse(self, userid: int) -> str | None:
        """Say why a user may not submit; None if he may."""
        if userid in self._users:
            return None
        try:
            entry = pwd.getpwuid(userid)
        except KeyError:
            user = str(userid)
        else:
            user = entry.pw_name
            if self._groups.intersection(os.getgrouplist(user, entry.pw_gid)):
                return None
        lists = []
        if self._table.allow_users:
            lists.append(f"users {', '.join(self._table.allow_users)}")
        if self._table.allow_groups:
            lists.append(f"groups {', '.join(self._table.allow_groups)}")
        return f"queue '{self._name}' is not open to user {user}: it is for {' and '.join(lists)}"
