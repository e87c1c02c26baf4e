"""What is wrong with a configuration, all of it at once, and the words that say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

MOST_SHOWN = 20  # names in a list of choices
LONGEST_SHOWN = 80  # characters of a value


class ConfigurationError(ValueError):
    """A configuration with faults; the text has a line for each: the field, the value, and the fix."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def refuse(faults: Iterable[str]) -> None:
    """Raise ConfigurationError with all faults, if there are any."""
    if found := list(faults):
        raise ConfigurationError(found)


def choices(value: str, known: Collection[str]) -> str:
    """The known names, and which of them may have been meant: `there are osaka, tokyo (did you mean tokyo?)`."""
    names = sorted(known)
    close = get_close_matches(value, names, n=1)
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    guess = f" (did you mean {close[0]}?)" if close else ""
    return f"there are {', '.join(names[:MOST_SHOWN])}{more}{guess}"


def shown(value: object) -> str:
    """A value for a message. Of an object only the keys: somebody may have put a password in it."""
    match value:
        case Mapping():
            return f"an object with {', '.join(map(str, value)) or 'nothing'} in it"
        case list() | tuple():
            return f"[{', '.join(map(shown, value))}]"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
