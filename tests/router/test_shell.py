"""The shell's side, end to end: the daemon as a process, driven by bash with the router's own script-template."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.router.vyos_standin.daemon import LOCKED
from tests.router.conftest import REPO, SECRET, router_lines
from tests.router.recorder import Recorder, daemon, free_port

FILES = REPO / "lab/router/files"


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


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    directory = tmp_path_factory.mktemp("router")
    with daemon(directory) as environment:
        made = Router(directory, environment, Recorder(directory / "root"))
        made.file("script-template", "script-template")
        yield made


@pytest.fixture(autouse=True)
def fresh(router: Router) -> None:
    """Each test starts from the first boot's configuration."""
    router.system.fail("")
    router.system.hold("")
    done = router.bash("""
        for node in firewall nat vpn protocols interfaces service system; do delete $node; done
        set system host-name vyos; set service ssh; set interfaces ethernet eth0 address dhcp
        commit; confirm; exit discard""")
    assert done.returncode == 0
    router.system.forget()


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("set system host-name other", 0, ""),
        ("set system host-name vyos", 0, "\n  Configuration path: [system host-name vyos] already exists\n\n"),
        ("set bogus", 0, "\n  Configuration path: [bogus] is not valid\n  Set failed\n\n"),
        ("set system host-name", 0, "\n  The specified configuration node requires a value\n  Set failed\n\n"),
        ("set system host-name ''", 0, "\n  Invalid value\n  Value validation failed\n  Set failed\n\n"),
        (
            "set interfaces tunnel tun0 description $'two\\nlines'",
            0,
            "\n  Invalid value\n  Value validation failed\n  Set failed\n\n",
        ),
        ("delete interfaces tunnel tun0", 0, "\n  Nothing to delete (the specified node does not exist)\n\n"),
        ("delete bogus", 0, "\n  Configuration path: [bogus] is not valid\n  Delete failed\n\n"),
        ("discard", 0, "\n  No changes have been discarded\n\n"),
        ("commit", 1, "No configuration changes to commit\n"),
        ("commit confirm", 1, "Use commit-confirm command\n"),
        ("set system host-name other; commit", 0, ""),
        (
            "set interfaces tunnel tun0; commit | tail -2; builtin exit ${PIPESTATUS[0]}",
            0,
            "[[interfaces tunnel tun0]] failed\nCommit failed\n",
        ),
        ("compare", 0, "No changes between working and active configurations.\n\n"),
        ("set system host-name other; compare", 0, '[system]\n- host-name "vyos"\n+ host-name "other"\n\n'),
        (
            "set system host-name other; compare commands",
            0,
            "delete system host-name 'vyos'\nset system host-name 'other'\n\n",
        ),
        ("save", 0, ""),
        ("commit-confirm", 1, "No configuration changes to commit\n"),
        ("confirm", 0, "No confirm pending\n"),
        ("run confirm", 1, "\n  Invalid command: [confirm]\n\n"),
        ("set +u; echo $-", 0, "hBc\n"),  # bash's own `set` goes on working
        ("run show configuration commands | tail -1", 0, "set system host-name 'vyos'\n"),
        ("show | head -1", 0, "interfaces {\n"),
    ],
)
def test_statuses_and_texts_of_the_shell_functions(router: Router, command: str, status: int, text: str) -> None:
    done = router.bash(command)
    assert (done.returncode, done.stdout) == (status, text)


def test_a_wrong_path_is_told_on_standard_error(router: Router) -> None:
    done = router.bash("exec 2> /dev/null; set bogus; delete bogus; set system host-name")
    assert done.stdout == "\n  The specified configuration node requires a value\n  Set failed\n\n"


def test_exit_leaves_configuration_mode_without_asking_and_never_the_shell(router: Router) -> None:
    """In a script `exit` is another than at VyOS's prompt, which refuses to leave with changes."""
    done = router.bash("set system host-name other; exit; echo status $?; exit 7; echo on; commit; builtin exit 7")
    assert done.stdout.splitlines() == ["status 0", "on", "Invalid command: not in configuration mode"]
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


PROMPT = "\ncommit-confirm will automatically reboot in 10 minutes unless changes\nare confirmed.\n\nProceed ? [Y/n] "
STARTED = "Initialized commit-confirm; 10 minutes to confirm before reboot\n"
STOPPED = "Reboot timer stopped\n"
AGAIN = "Please respond with yes/y or no/n\n"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("y\n", f"{PROMPT}{STARTED}{STOPPED}"),
        ("\n", f"{PROMPT}{STARTED}{STOPPED}"),
        ("Ye\n", f"{PROMPT}{STARTED}{STOPPED}"),
        ("what\nyes\n", f"{PROMPT}{AGAIN}{PROMPT}{STARTED}{STOPPED}"),
        ("n\n", f"{PROMPT}commit-confirm canceled\nNo confirm pending\n"),
    ],
)
def test_commit_confirm_asks(router: Router, answer: str, text: str) -> None:
    done = router.bash(
        "save; set system host-name other; commit-confirm; status=$?; confirm; builtin exit $status", stdin=answer
    )
    assert (done.returncode, done.stdout) == (0, text)


def test_commit_confirm_warns_of_what_is_not_saved(router: Router) -> None:
    done = router.bash("save; set system host-name one; commit; set system host-name two; commit-confirm 3 <<< n")
    assert done.stdout.startswith("\nYou should save previous commits before commit-confirm !\n\ncommit-confirm will ")
    assert "reboot in 3 minutes" in done.stdout


def test_commit_confirm_reads_ahead(router: Router) -> None:
    """It is a program in Python on VyOS: what stands after the answer in the same input is lost."""
    done = subprocess.run(
        ["bash", "-s"],
        input=f"source {router.directory}/script-template\nconfigure\nset system host-name other\ncommit-confirm\ny\n"
        "echo lost\n",
        env=router.environment,
        text=True,
        capture_output=True,
        timeout=20,
    )
    assert done.stdout.endswith(STARTED)
    assert router.bash("confirm", configure=False).stdout == STOPPED


def test_one_confirm_at_a_time_and_a_plain_commit_meanwhile(router: Router) -> None:
    """A second one is refused before it asks, with status 0 as whatever VyOS's `commit-confirm` does."""
    done = router.bash("""
        save; set system host-name one; commit-confirm <<< y > /dev/null
        set system host-name two; commit-confirm < /dev/null; echo $?; commit; echo $?
        run show configuration commands | tail -1""")
    assert done.stdout.splitlines() == ["Another confirm is pending", "0", "0", "set system host-name 'two'"]
    # neither a session nor the group is needed to confirm
    assert router.bash("confirm; confirm", configure=False).stdout == f"{STOPPED}No confirm pending\n"
    assert 'host-name "vyos"' in router.system.read("/config/config.boot")


def test_config_mgmt(router: Router) -> None:
    """What `commit-confirm` and `confirm` are made of; it can be called from anywhere."""
    tool = router.file("config-mgmt", "config-mgmt")
    script = f"""
        {tool} commit_confirm -t=5 -y; echo $?; {tool} commit_confirm -t=5 -y; echo $?
        {tool} confirm; echo $?; {tool} confirm; echo $?; {tool} bogus; echo $?"""
    assert router.bash(script, configure=False).stdout.splitlines() == [
        "Initialized commit-confirm; 5 minutes to confirm before reboot",
        "0",
        "Another confirm is pending",
        "1",
        "Reboot timer stopped",
        "0",
        "No confirm pending",
        "0",
        "config-mgmt: error: unrecognized arguments: bogus",
        "2",
    ]


def test_a_saved_file_can_be_loaded(router: Router) -> None:
    done = router.bash("""
        save /tmp/before; set system host-name other; commit; load /tmp/before; commit
        run show configuration commands | tail -1""")
    assert done.stdout.splitlines() == [
        "Loading configuration from '/tmp/before'",
        "Load complete. Use 'commit' to make changes effective.",
        "set system host-name 'vyos'",
    ]


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


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Fed:
    """A shell that is fed command by command over its standard input, each answer ended by a mark with the status."""

    def __init__(self, router: Router) -> None:
        self.process = subprocess.Popen(
            ["bash", "-s"],
            env=router.environment,
            cwd=router.directory,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self(f"source {router.directory}/script-template")
        self("configure")

    def send(self, command: str, stdin: str = "/dev/null") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{{ {command}\n}} 2>&1 < {stdin}; printf '\\036%d\\n' $?\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        text = ""
        while "\x1e" not in text:
            line = self.process.stdout.readline()
            assert line, "the shell has ended"
            text += line
        said, _, status = text.partition("\x1e")
        return int(status), said

    def __call__(self, command: str, stdin: str = "/dev/null") -> tuple[int, str]:
        self.send(command, stdin)
        return self.answer()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@pytest.fixture
def fed(router: Router) -> Iterator[Fed]:
    shell = Fed(router)
    yield shell
    shell.kill()


def test_a_shell_fed_from_outside(router: Router, fed: Fed) -> None:
    for line in router_lines():
        status, text = fed(line)
        assert (status, "failed" in text) == (0, False)
    assert fed("compare commands")[1].startswith("delete system host-name 'vyos'\nset firewall ipv4 forward filter ")
    assert fed("commit") == (0, "")
    assert f'secret = "{SECRET}"' in router.system.read("/etc/swanctl/conf.d/vyos.conf")
    assert fed("commit") == (1, "No configuration changes to commit\n")
    assert fed("set bogus") == (0, "\n  Configuration path: [bogus] is not valid\n  Set failed\n\n")
    assert fed("exit discard") == (0, "")
    shown = fed("run show configuration commands")[1]
    assert sorted(shown.splitlines()) == sorted(router_lines())


def test_a_commit_that_fails_in_a_fed_shell(router: Router, fed: Fed) -> None:
    router.system.fail("ip link add")
    for line in router_lines():
        fed(line)
    status, text = fed("commit")
    assert status == 0
    assert "ip link add" in text
    assert text.endswith("failed\nCommit failed\n")
    assert SECRET not in text


def test_commit_confirm_in_a_fed_shell(fed: Fed) -> None:
    fed("save")
    fed("set system host-name other")
    status, text = fed("commit-confirm <<< y")
    assert (status, text.splitlines()[-1]) == (0, f"Proceed ? [Y/n] {STARTED}".strip())
    assert fed("confirm") == (0, STOPPED)


@pytest.mark.parametrize("how", ["killed", "exit", "exit discard"])
def test_a_session_ends_with_its_shell_or_by_exit(router: Router, fed: Fed, how: str) -> None:
    """What was not committed in it is gone."""
    session = fed("echo $VYOS_SESSION")[1].strip()
    fed("set system host-name abandoned")

    def compare() -> str:
        return router.bash(f"VYOS_SESSION={session}; compare", configure=False).stdout

    assert "abandoned" in compare()
    if how == "killed":
        fed.kill()
    else:
        assert fed(how) == (0, "")
    wait_for(lambda: compare() == "Invalid command: not in configuration mode\n")
    assert router.bash("commit").stdout == "No configuration changes to commit\n"


def test_a_commit_runs_to_its_end_when_its_shell_is_killed(router: Router, fed: Fed) -> None:
    """Others are turned away until then, and not after."""
    router.system.hold("hostname slow")
    shell = Fed(router)
    shell("set system host-name slow")
    shell("set system name-server 192.0.2.1")  # committed after it
    shell.send("commit")
    wait_for(lambda: "hostname slow" in router.system.log)
    shell.kill()
    fed("set service ssh disable-host-validation")
    assert fed("commit") == (0, f"{LOCKED}\n")
    router.system.hold("")
    wait_for(lambda: fed("commit") == (0, ""))
    shown = fed("run show configuration commands")[1].splitlines()
    assert {
        "set system host-name 'slow'",
        "set system name-server '192.0.2.1'",
        "set service ssh disable-host-validation",
    } <= set(shown)


def test_my_commit_fails_while_another_commit_runs(router: Router, fed: Fed) -> None:
    router.file("my_command", "my_commit")
    router.system.hold("hostname slow")
    fed("set system host-name slow")
    fed.send("commit")
    wait_for(lambda: "hostname slow" in router.system.log)
    done = router.bash("set service ssh disable-host-validation; ./my_commit; builtin exit")
    assert (done.returncode, done.stdout) == (1, f"{LOCKED}\n")
    router.system.hold("")
    assert fed.answer() == (0, "")


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
