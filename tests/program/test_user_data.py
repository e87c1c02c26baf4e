"""A site's user data fits into what cloud-init takes."""

from __future__ import annotations

import pytest

from components.errors import ConfigurationError
from components.user_data import check_user_data


def test_user_data_up_to_the_limit_is_taken() -> None:
    check_user_data("tokyo", "x" * 16384)


@pytest.mark.parametrize("text", ["x" * 16385, "é" * 8192 + "x"], ids=["characters", "bytes"])
def test_larger_user_data_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_user_data("tokyo", text)
    assert str(caught.value) == (
        "sites.tokyo: VyOS's user data has 16385 bytes, more than the 16384 that cloud-init takes; "
        "put less into it: what is not needed before the first login can be set over SSH"
    )
