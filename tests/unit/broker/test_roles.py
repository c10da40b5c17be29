from __future__ import annotations

import pytest

from bourn.broker.roles import Role, credentials


@pytest.mark.parametrize(
    ("uid", "options", "expected"),
    [
        (100, {}, Role.OWNER | Role.LOCAL),
        (100, {"guests": True, "admin": True}, Role.OWNER | Role.LOCAL),
        (101, {}, None),
        (0, {}, None),
        (101, {"guests": True}, Role.USER | Role.LOCAL),
        (0, {"guests": True}, Role.USER | Role.LOCAL),
        (0, {"root_is_owner": True}, Role.OWNER | Role.LOCAL),
        (101, {"admin": True}, Role.ADMIN | Role.USER | Role.LOCAL),
    ],
)
def test_credentials(uid: int, options: dict[str, bool], expected: Role | None) -> None:
    assert credentials(uid, 100, **options) == expected
