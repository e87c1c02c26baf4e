"""What is wrong with a configuration, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigurationError(ValueError):
    """A configuration with faults; the text has a line for each: the field, the value, and the fix."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))
