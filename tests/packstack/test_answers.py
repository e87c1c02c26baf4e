"""The answer file over PackStack's own defaults, its passwords, and what becomes of a run's output."""

from __future__ import annotations

import pytest

from packstack.answers import OWNED, UnknownOptions, answers, password, render, secrets_in
from packstack.keystonerc import parse
from packstack.run import Progress
from tests.packstack.samples import COMPUTE, settings

SECRET = "5" * 64
DEFAULTS = """[general]

# A comment that names CONFIG_HEAT_INSTALL=y
CONFIG_HEAT_INSTALL=n

# drawn at random
CONFIG_KEYSTONE_ADMIN_PW=0123456789abcdef
CONFIG_HORIZON_SECRET_KEY=0123456789abcdef0123456789abcdef
CONFIG_MANILA_SERVICE_INSTANCE_PASSWORD=ubuntu
CONFIG_RH_PW=
EXCLUDE_SERVERS=
"""


def test_answers_and_passwords_are_laid_over_the_defaults() -> None:
    text = render(DEFAULTS, {"CONFIG_HEAT_INSTALL": "y"}, SECRET)
    assert text.splitlines()[:4] == [
        "[general]",
        "",
        "# A comment that names CONFIG_HEAT_INSTALL=y",
        "CONFIG_HEAT_INSTALL=y",
    ]
    own = password(SECRET, "CONFIG_KEYSTONE_ADMIN_PW")
    assert f"CONFIG_KEYSTONE_ADMIN_PW={own}\n" in text
    assert "0123456789abcdef" not in text, "nothing that PackStack has drawn is left"
    assert "CONFIG_MANILA_SERVICE_INSTANCE_PASSWORD=ubuntu\nCONFIG_RH_PW=\nEXCLUDE_SERVERS=\n" in text
    assert secrets_in(text, SECRET) == [own, password(SECRET, "CONFIG_HORIZON_SECRET_KEY")]
    other = DEFAULTS.replace("0123456789abcdef", "fedcba9876543210")
    assert render(other, {"CONFIG_HEAT_INSTALL": "y"}, SECRET) == text, "the same each time"


def test_an_option_that_packstack_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownOptions, match="no CONFIG_OF_TOMORROW"):
        render(DEFAULTS, {"CONFIG_OF_TOMORROW": "1"}, SECRET)


def test_passwords_differ_by_purpose_and_secret_and_are_no_numbers() -> None:
    made = {password(secret, purpose) for secret in (SECRET, "6" * 64) for purpose in ("a", "b")}
    assert len(made) == 4
    assert {len(one) for one in made} == {32}
    assert all(one.isalnum() and one.islower() and one[0] == "p" for one in made)


def test_the_settings_decide_hosts_network_and_processor() -> None:
    found = answers(settings(furtherHosts=[COMPUTE], ntpServers=["ntp1.example.net"], virtType="qemu", region="Nagoya"))
    expected = {
        "CONFIG_CONTROLLER_HOST": "192.0.2.10",
        "CONFIG_COMPUTE_HOSTS": "192.0.2.11",
        "CONFIG_NETWORK_HOSTS": "192.0.2.10",
        "CONFIG_KEYSTONE_REGION": "Nagoya",
        "CONFIG_NTP_SERVERS": "ntp1.example.net",
        "CONFIG_NOVA_LIBVIRT_VIRT_TYPE": "qemu",
        "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": "extnet:br-ex",
        "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": "br-ex:eth1",
        "CONFIG_PROVISION_DEMO": "n",
    }
    assert expected.items() <= found.items()
    assert found.keys() >= OWNED.keys() - {"CONFIG_KEYSTONE_ADMIN_PW"}
    assert not [name for name in found if name.endswith(("_PW", "_SECRET"))]


def test_further_answers_count() -> None:
    assert answers(settings(answers={"CONFIG_SWIFT_INSTALL": "y"}))["CONFIG_SWIFT_INSTALL"] == "y"


def test_progress_comes_in_lines_however_it_is_cut() -> None:
    printed = "Installing:\nClean Up   [ \x1b[32mDONE\x1b[0m ]\n\rTesting\r名古屋.pp: [ DONE ]\nlast".encode()
    for size in range(1, len(printed) + 1):
        progress, lines = Progress(), list[str]()
        for start in range(0, len(printed), size):
            assert progress.offset == start
            lines += progress.take(b"running\n" + printed[start : start + size])
        lines += progress.take(b"0\n")
        assert lines == ["Installing:", "Clean Up   [ DONE ]", "名古屋.pp: [ DONE ]", "last"]
        assert progress.ended


def test_the_administrators_file_is_read_or_told_what_it_lacks() -> None:
    text = "unset OS_SERVICE_TOKEN\nexport OS_USERNAME=admin\n    export OS_PASSWORD='a$b'\nexport PS1='[\\u@\\h \\W(x)]\\$ '\n"
    with pytest.raises(ValueError, match="it has no OS_AUTH_URL, OS_PROJECT_NAME, OS_USER_DOMAIN_NAME, OS_PROJECT"):
        parse(text)
    more = "".join(
        f"export {name}=x\n"
        for name in (
            "OS_AUTH_URL",
            "OS_PROJECT_NAME",
            "OS_USER_DOMAIN_NAME",
            "OS_PROJECT_DOMAIN_NAME",
            "OS_REGION_NAME",
        )
    )
    assert parse(text + more)["password"] == "a$b"
