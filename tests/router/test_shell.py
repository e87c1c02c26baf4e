"""The shell's side, end to end: the daemon as a process, driven by bash with the router's own script-template."""

from __future__ import annotations

import grp
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.router.conftest import REPO, SECRET, router_lines
from tests.router.recorder import Recorder

FILES = REPO / "lab/router/files"
DRIVER = REPO / "vyos_templates/driver.vbash"


@dataclass
class Router:
    """A running daemon on a system that only notes, and a shell that talks to it."""

    directory: Path
    environment: dict[str, str]
    system: Recorder

    def file(self, name: str, target: str) -> Path:
        """One of the router's files, with the path of script-template in it made this directory's."""
        path = self.directory / target
        path.write_text((FILES / name).read_text().replace("/opt/vyatta/etc/functions", str(self.directory)))
        path.chmod(0o755)
        return path

    def bash(self, script: str, stdin: str = "", configure: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a script that has sourced script-template and, by default, is in configuration mode; both outputs in one."""
        begin = f"source {self.directory}/script-template\n" + ("configure\n" if configure else "")
        return subprocess.run(
            ["bash", "-c", begin + script],
            input=stdin,
            env=self.environment,
            cwd=self.directory,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    directory = tmp_path_factory.mktemp("router")
    (directory / "root").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "VYOS_STANDIN_PORT": str(free_port()),
        "VYOS_GROUP": grp.getgrgid(os.getgid()).gr_name,
        "VYOS_STANDIN_TRIES": "50",
        "LC_ALL": "C.UTF-8",
    }
    daemon = subprocess.Popen(
        [sys.executable, "-m", "tests.router.recorder", str(directory / "root")], cwd=REPO, env=environment
    )
    made = Router(directory, environment, Recorder(directory / "root"))
    made.file("script-template", "script-template")
    yield made
    daemon.terminate()
    daemon.wait(10)


@pytest.fixture(autouse=True)
def fresh(router: Router) -> None:
    """Each test starts from the first boot's configuration."""
    router.system.fail("")
    done = router.bash("""
        for node in firewall nat vpn protocols interfaces service system; do delete $node; done
        set system host-name vyos; set service ssh; set interfaces ethernet eth0 address dhcp
        commit; exit discard""")
    assert done.returncode == 0
    router.system.forget()


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("set system host-name other", 0, ""),
        ("set system host-name vyos", 0, "  Configuration path: [system host-name vyos] already exists\n"),
        ("set bogus", 0, "  Configuration path: [bogus] is not valid\n  Set failed\n"),
        ("set system host-name", 0, "  The specified configuration node requires a value\n  Set failed\n"),
        ("set system host-name ''", 0, "  Invalid value\n  Value validation failed\n  Set failed\n"),
        (
            "set interfaces tunnel tun0 description $'two\\nlines'",
            0,
            "  Invalid value\n  Value validation failed\n  Set failed\n",
        ),
        ("delete interfaces tunnel tun0", 0, "  Nothing to delete (the specified node does not exist)\n"),
        ("delete bogus", 0, "  Configuration path: [bogus] is not valid\n  Delete failed\n"),
        ("commit", 1, "No configuration changes to commit\n"),
        ("set system host-name other; commit", 0, ""),
        (
            "set interfaces tunnel tun0; commit | tail -2; builtin exit ${PIPESTATUS[0]}",
            0,
            "[[interfaces tunnel tun0]] failed\nCommit failed\n",
        ),
        ("compare", 0, "No changes between working and active configurations.\n"),
        ("set system host-name other; compare", 0, "- system host-name 'vyos'\n+ system host-name 'other'\n"),
        ("commit-confirm", 1, "No configuration changes to commit\n"),
        ("confirm", 0, "No confirm pending\n"),
        ("set +u; echo $-", 0, "hBc\n"),  # bash's own `set` goes on working
        ("run show configuration commands | tail -1", 0, "set system host-name 'vyos'\n"),
        ("show | head -1", 0, "interfaces {\n"),
    ],
)
def test_statuses_and_texts_of_the_shell_functions(router: Router, command: str, status: int, text: str) -> None:
    done = router.bash(command)
    assert (done.returncode, done.stdout) == (status, text)


def test_exit_leaves_configuration_mode_and_not_the_shell(router: Router) -> None:
    done = router.bash("set system host-name other; exit; echo status $?; exit discard; echo on; exit 7")
    assert done.stdout.splitlines() == [
        "Cannot exit: configuration modified.",
        "Use 'exit discard' to discard the changes and exit.",
        "status 1",
        "on",
    ]
    assert done.returncode == 7


def test_configure_needs_the_group(router: Router) -> None:
    done = router.bash("VYOS_GROUP=nobody-has-it configure; echo $?", configure=False)
    assert done.stdout == "Failed to set up config session: not in group vyattacfg\n1\n"


def test_commands_outside_a_session_are_refused(router: Router) -> None:
    done = router.bash("commit", configure=False)
    assert (done.returncode, done.stdout) == (1, "Invalid command: not in configuration mode\n")


def test_a_daemon_that_does_not_answer_is_an_error(router: Router) -> None:
    done = router.bash(f"VYOS_STANDIN_PORT={free_port()} VYOS_STANDIN_TRIES=2 configure; echo $?", configure=False)
    assert done.stdout == "the configuration daemon does not answer\n1\n"


def test_my_commands_have_a_status(router: Router) -> None:
    for name in ("set", "delete", "commit"):
        router.file("my_command", f"my_{name}")
    done = router.bash("""
        ./my_set bogus; echo $?; ./my_set system host-name -; echo $?; ./my_delete bogus; echo $?
        ./my_delete system name-server; echo $?; ./my_set system host-name other; echo $?
        ./my_commit; echo $?; ./my_set interfaces tunnel tun0; ./my_commit > /dev/null; echo $?; exit discard""")
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == ["1", "1", "1", "0", "0", "0", "1"]


def test_operational_commands_go_through_the_wrapper(router: Router) -> None:
    wrapper = router.file("vyatta-op-cmd-wrapper", "wrapper")
    done = router.bash(f"{wrapper} show configuration commands; echo $?; {wrapper} reset vpn; echo $?", configure=False)
    assert done.stdout.splitlines() == [
        "set interfaces ethernet eth0 address 'dhcp'",
        "set service ssh",
        "set system host-name 'vyos'",
        "0",
        "  Invalid command: [reset]",
        "1",
    ]


@pytest.mark.parametrize(
    ("answer", "status", "end"),
    [
        ("y\n", 0, "Initialized commit-confirm; 10 minutes to confirm before reboot\nReboot timer stopped\n"),
        ("\n", 0, "Initialized commit-confirm; 10 minutes to confirm before reboot\nReboot timer stopped\n"),
        ("what\nyes\n", 0, "Initialized commit-confirm; 10 minutes to confirm before reboot\nReboot timer stopped\n"),
        ("n\n", 1, "commit-confirm canceled\nNo confirm pending\n"),
    ],
)
def test_commit_confirm_asks(router: Router, answer: str, status: int, end: str) -> None:
    done = router.bash(
        "set system host-name other; commit-confirm; status=$?; confirm; builtin exit $status", stdin=answer
    )
    assert "commit-confirm will automatically reboot in 10 minutes unless changes\nare confirmed.\n" in done.stdout
    assert done.stdout.endswith(end)
    assert done.returncode == status


def test_commit_confirm_waits_for_ever_at_the_end_of_input(router: Router) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            [
                "bash",
                "-c",
                f"source {router.directory}/script-template; configure; set system host-name other; commit-confirm",
            ],
            stdin=subprocess.DEVNULL,
            env=router.environment,
            capture_output=True,
            timeout=1.5,
        )


def test_a_session_ends_with_its_shell(router: Router) -> None:
    router.bash("set system host-name abandoned")
    assert router.bash("commit").stdout == "No configuration changes to commit\n"


def driver(router: Router, lines: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the program's own driver as on a router: the lines in a file, the secret on stdin."""
    (router.directory / "lines").write_text("\n".join([*lines, ""]))
    script = DRIVER.read_text().replace("/opt/vyatta/etc/functions", str(router.directory))
    return subprocess.run(
        ["bash", "-c", script],
        input=f"{SECRET}\n",
        env=router.environment,
        cwd=router.directory,
        text=True,
        capture_output=True,
        timeout=30,
    )


LINES = [line.replace(f"'{SECRET}'", '"$PSK"') for line in router_lines()]
DELETES = ["delete interfaces tunnel", "delete protocols static route", "delete vpn ipsec", "delete firewall"]


def test_the_programs_driver(router: Router) -> None:
    first = driver(router, [*DELETES, *LINES])
    assert (first.returncode, first.stdout, first.stderr) == (0, "committed\n", "")
    assert f'secret = "{SECRET}"' in router.system.read("/etc/swanctl/conf.d/vyos.conf")
    assert f'secret "{SECRET}"' in router.system.read("/config/config.boot")
    router.system.forget()
    again = driver(router, [*DELETES, *LINES])
    assert (again.returncode, again.stdout, again.stderr) == (0, "unchanged\n", "")
    assert router.system.log == []


def test_the_programs_driver_when_a_line_is_refused(router: Router) -> None:
    done = driver(router, [*LINES, "set interfaces tunnel tun0 mtu 1"])
    assert done.returncode == 1
    assert done.stderr.startswith("set interfaces tunnel tun0 mtu 1\n  Invalid value\n  Value validation failed\n")
    assert done.stderr.endswith("VyOS refused lines; nothing was changed\n")
    assert router.system.log == []


def test_the_programs_driver_when_the_commit_fails(router: Router) -> None:
    router.system.fail("ip link add")
    done = driver(router, LINES)
    assert done.returncode == 1
    assert "ip link add" in done.stderr
    assert "Commit failed\nVyOS refused the commit\n" in done.stderr
    assert SECRET not in done.stderr


def test_two_sessions_wait_for_each_other_with_flock(router: Router) -> None:
    if not shutil.which("flock"):
        pytest.skip("no flock")
    script = (
        f"source {router.directory}/script-template; configure; set system name-server 192.0.2.$1; commit; exit discard"
    )
    started = [
        subprocess.Popen(
            ["flock", str(router.directory / "lock"), "bash", "-c", script, "sh", str(n)],
            env=router.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(1, 6)
    ]
    assert [process.communicate(timeout=20)[0] for process in started] == [""] * 5
    assert len(router.bash("run show configuration commands | grep name-server").stdout.splitlines()) == 5


def test_the_daemon_takes_requests_while_it_still_boots(tmp_path: Path, router: Router) -> None:
    """Right after the boot a script waits instead of failing."""
    (tmp_path / "run/cloud").mkdir(parents=True)
    (tmp_path / "run/cloud/vyos_config_commands").write_text("set system host-name 'first'\n")
    environment = {**router.environment, "VYOS_STANDIN_PORT": str(free_port())}
    script = f"source {router.directory}/script-template; configure && run show configuration commands | tail -1"
    shell = subprocess.Popen(["bash", "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
    time.sleep(0.1)
    daemon = subprocess.Popen([sys.executable, "-m", "tests.router.recorder", str(tmp_path)], cwd=REPO, env=environment)
    assert shell.communicate(timeout=20)[0] == "set system host-name 'first'\n"
    daemon.terminate()
    daemon.wait(10)
    assert (tmp_path / "config/.first-boot-done").exists()
