"""How much a new server can be told. Pure."""

from __future__ import annotations

from components.errors import ConfigurationError

LIMIT = 16384  # bytes before base64: what VyOS's cloud-init takes; Nova itself takes 65535 after it


def check_user_data(site: str, text: str) -> None:
    """ConfigurationError when a site's user data is too large for its router to be configured by."""
    size = len(text.encode())
    if size > LIMIT:
        raise ConfigurationError(
            [
                f"sites.{site}: VyOS's user data has {size} bytes, more than the {LIMIT} that cloud-init takes; "
                "put less into it: what is not needed before the first login can be set over SSH"
            ]
        )
