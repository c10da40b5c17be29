"""How conformance checks complain."""

from __future__ import annotations

__all__ = ["ensure", "ensure_name", "ensure_reason"]


def ensure(condition: object, message: str) -> None:
    """Raise AssertionError, also under ``python -O``, unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def ensure_name(value: object, what: str) -> str:
    """Return the object's name after making sure that configuration files and messages can use it."""
    name = getattr(value, "name", None)
    ensure(isinstance(name, str) and name, f"{what}: needs a name that is a text; it has {name!r}")
    text = str(name)
    ensure(text == text.strip() and " " not in text, f"{what} '{text}': its name must not have spaces")
    return f"{what} '{text}'"


def ensure_reason(value: object, what: str) -> None:
    """Make sure that a refusal is a sentence for a user: a text of one line."""
    ensure(isinstance(value, str), f"{what} must return None or a text, not {value!r}")
    text = str(value)
    ensure(text.strip(), f"{what} must give a reason, not an empty text")
    ensure("\n" not in text.strip(), f"{what} must give its reason in one line, not {text!r}")
