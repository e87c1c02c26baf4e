"""How the drill counts."""

from __future__ import annotations

import pytest

from lab.drill import Asker, longest_gap


def test_the_longest_gap_is_between_answers_or_until_the_end() -> None:
    assert longest_gap([10.0, 10.1, 15.2, 15.3]) == pytest.approx(5.1)
    assert longest_gap([10.0, 10.1, 30.0]) == pytest.approx(19.9)
    assert longest_gap([30.0]) == float("inf"), "no answer at all"


def test_a_client_asks_in_its_own_way() -> None:
    plain, worst = Asker("tokyo", False, ""), Asker("osaka", True, "timeout:1 attempts:2")
    assert (plain.order, worst.order) == ("tokyo first", "tokyo first")
    assert (plain.limit, worst.limit) == (15, 5)
    assert "tac /etc/resolv.conf" in worst.command()
    assert "tac" not in plain.command()
    assert "RES_OPTIONS='timeout:1 attempts:2'" in worst.command()
    assert plain.notes != worst.notes
