"""What the provider's resources do: the steps from a bare host to an OpenStack, as functions of plain values.

Each step can be taken again: it looks at what is there and does what is missing. A step that failed, or whose SSH
session was lost, is taken up by the next `pulumi up`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from typing import Any

from packstack import answers, keystonerc, run
from packstack.definitions import CHECKER
from packstack.facts import DIRECTORY, KEYSTONERC, Facts, script
from packstack.prechecks import Finding, Subject, findings
from packstack.preparation import actions
from packstack.provider.ssh import PATIENCE, RETURN_PATIENCE, Host, HostError, Hosts, Lost
from packstack.settings import Access as HostAccess
from packstack.settings import HostSettings
from vyos_provider.resources import Kind, Log, Properties, access_of

#: seconds between looks at PackStack's progress
POLL_SECONDS = 1.0
#: lines of PackStack's output that an error shows
LAST_LINES = 15
PACKAGES = "openstack-packstack python3-openstackclient"


class Step(Kind):
    """A step on a host, which is named by `connection`: `host`, `user`, `privateKey`, `hostKey`, `port`."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    def host(self, inputs: Properties) -> Host:
        return self.hosts.of(access_of(inputs["connection"]))

    def diff(self, old: Properties, new: Properties) -> list[str]:
        """Another way to the same host is no reason to take a step again."""
        return [name for name in super().diff(old, new) if not name.startswith("connection")]


class Secret(Kind):
    """256 random bits, from which the new cloud's passwords are made. Output `secret`."""

    secret_outputs = computed = ("secret",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return {"secret": secrets.token_hex(32)}


class Prechecks(Step):
    """Looks at all hosts, and fails with everything that stands in the way; touches nothing.

    Inputs: `settings`, `connections` (in the order of the settings' hosts), `owner` (names the stack). Output
    `findings`, a line for each check on each host.
    """

    computed = ("findings",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        settings = settings_of(inputs)
        ways = zip(settings.hosts, inputs["connections"], strict=True)
        looks = [look_at(self.hosts.of(access_of(way)), host, settings, inputs["owner"]) for host, way in ways]
        subjects = await asyncio.gather(*looks)
        found = [(on.host.fqdn, finding) for on in subjects for finding in findings(on)]
        lines = [told(name, finding) for name, finding in found]
        if stops := [told(name, finding) for name, finding in found if finding.verdict == "stop"]:
            raise HostError("nothing on the hosts has been touched; set these right first:\n" + "\n".join(stops))
        for line in lines:
            await log("info", line)
        return {"findings": lines}


class InstallerKey(Step):
    """The RSA key that PackStack logs in to its hosts with, made on the controller. Output `publicKey`."""

    computed = ("publicKey",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        key = answers.SSH_KEY
        make = f"""umask 077
mkdir -p {key.rpartition("/")[0]}
[ -e {key} ] || ssh-keygen -q -t rsa -b 3072 -N '' -f {key}
cat {key}.pub"""
        return {"publicKey": (await self.host(inputs).must(make, "make PackStack's key")).strip()}


class Preparation(Step):
    """The host's system as PackStack needs it. A host that is so already is left as it is.

    Inputs: `settings`, `address` (which of the settings' hosts), `authorizedKey`, `owner` (names the stack). Output
    `changed`: what was done.
    `pulumi refresh` looks again and adds an input `drift`, what the next `up` does.
    """

    computed = ("changed",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        host, changed = self.host(inputs), []
        for action in await self.left(inputs):
            await log("info", action.title)
            await host.work(action.script, action.title)
            changed.append(action.title)
        if changed and (left := await self.left(inputs)):
            titles = ", ".join(action.title for action in left)
            raise HostError(f"{host.access.host}: this was done, and is not as it should be: {titles}")
        return {"changed": changed}

    async def read(self, inputs: Properties, log: Log) -> Properties:
        known = {name: value for name, value in inputs.items() if name != "drift"}
        try:
            left = await self.left(inputs)
        except Lost as error:
            await log("warning", f"whether the host was changed is not known: {error}")
            return inputs
        # updates come every day, and are the operator's
        titles = [action.title for action in left if action.title != "updates of all packages"]
        return {**known, "drift": titles} if titles else known

    async def left(self, inputs: Properties) -> list[Any]:
        settings = settings_of(inputs)
        about = next(host for host in settings.hosts if str(host.address) == inputs["address"])
        return actions(await look_at(self.host(inputs), about, settings, inputs["owner"]), inputs["authorizedKey"])


class Installer(Step):
    """PackStack and OpenStack's client on the controller. Input `release`, output `version`."""

    computed = ("version",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        host = self.host(inputs)
        if (await host.look(f"rpm --query {PACKAGES}")).status:
            await log("info", f"install {PACKAGES}")
            await host.work(f"dnf --assumeyes install {PACKAGES}", "install PackStack")
        version = await host.must("rpm --query --queryformat '%{VERSION}' openstack-packstack", "ask for the version")
        return {"version": version.strip()}


class AnswerFile(Step):
    """PackStack's answer file on the controller, readable by root alone.

    Inputs: `answers` (options and values), `secret` (passwords are made from it). Output `digest`: another one when the
    file is another.
    """

    computed = ("digest",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        host, given = self.host(inputs), inputs["answers"]
        await host.must(f"umask 077; mkdir -p {DIRECTORY}", f"make {DIRECTORY}")
        await host.put(f"{DIRECTORY}/checker.py", CHECKER.read_text())
        said = await host.feed(f"python3 -I {DIRECTORY}/checker.py", json.dumps(given), "check the answers")
        if faults := json.loads(said):
            raise HostError("PackStack on the host refuses these answers:\n" + "\n".join(faults))
        defaults = f"{DIRECTORY}/defaults.txt"
        generate = f"env {run.ENVIRONMENT} packstack --gen-answer-file={defaults} >&2; cat {defaults}; rm {defaults}"
        text = await host.must(f"umask 077; {generate}", "have PackStack write its defaults")
        try:
            text = answers.render(text, given, inputs["secret"])
        except answers.UnknownOptions as error:
            raise HostError(f"{host.access.host}: {error}") from None
        await host.put(run.ANSWER_FILE, text)
        return {"digest": hashlib.sha256(text.encode()).hexdigest()}


class Installation(Step):
    """PackStack's run. It goes on on the host whatever becomes of the session, and is attached to again.

    Inputs: `digest` (of the answer file), `secret`, `connections` (to all hosts; PackStack takes no other host keys).
    With another digest PackStack runs again, which changes what the answers have changed. Deleting this leaves the
    OpenStack as it is.
    """

    def diff(self, old: Properties, new: Properties) -> list[str]:
        return ["digest"] if old.get("digest") != new.get("digest") else []

    async def create(self, inputs: Properties, log: Log) -> Properties:
        host, ways = self.host(inputs), [access_of(way) for way in inputs["connections"]]
        written = await host.must(f"cat {run.ANSWER_FILE}", "read the answer file")
        hidden = answers.secrets_in(written, inputs["secret"])
        start = run.start(inputs["digest"], {way.host: way.host_key for way in ways})
        began = (await host.must(start, "start PackStack")).strip()
        if began == "other":
            raise HostError(f"{host.access.host}: PackStack runs with other answers there; wait until it has ended")
        await log("info", f"PackStack: {began}")
        if began == "finished":
            return {}
        progress, last = await self.follow(host, hidden, log)
        # not before it has ended: it would go on at its old place in its logs
        await asyncio.gather(*(clean(self.hosts.of(way), hidden, log) for way in ways))
        if progress.state == "gone":
            raise HostError(f"{host.access.host}: PackStack has ended without a word, as when the host restarts")
        if progress.state != "0":
            said = f"PackStack ended with {progress.state}; its logs: {run.PACKSTACK_LOGS}"
            raise HostError("\n".join([f"{host.access.host}: {said}", *last]))
        return {}

    async def follow(self, host: Host, hidden: list[str], log: Log) -> tuple[run.Progress, list[str]]:
        """Pass on what PackStack prints until it has ended; its last lines."""
        progress, last = run.Progress(), list[str]()
        while True:
            try:
                done = await host.look(run.look(progress.offset), RETURN_PATIENCE)
            except Lost as error:
                raise Lost(
                    f"{error}\nPackStack goes on on the host; the next `pulumi up` attaches to it again."
                ) from error
            before = progress.offset
            for line in progress.take(done.output):
                last = [*last, without(line, hidden)][-LAST_LINES:]
                await log("info", last[-1])
            if progress.offset == before:
                if progress.ended:
                    return progress, last
                await asyncio.sleep(POLL_SECONDS)

    async def delete(self, properties: Properties, log: Log) -> None:
        host = properties["connection"]["host"]
        await log("warning", f"{host}: its OpenStack goes on running; it goes when the host is installed anew")


class Credentials(Step):
    """The administrator's credentials, from PackStack's file. Input `digest`; outputs as in `keystonerc`."""

    secret_outputs = ("password", "keystonerc")
    computed = (*keystonerc.NEEDED.values(), "keystonerc")

    async def create(self, inputs: Properties, log: Log) -> Properties:
        host = self.host(inputs)
        text = await host.must(f"cat {KEYSTONERC}", "read the administrator's credentials")
        try:
            return {**keystonerc.parse(text), "keystonerc": text}
        except ValueError as error:
            raise HostError(f"{host.access.host}: {KEYSTONERC}: {error}") from None


class Password(Kind):
    """A password made from a secret. Inputs `secret`, `purpose`; output `password`."""

    secret_outputs = computed = ("password",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return {"password": answers.password(inputs["secret"], inputs["purpose"])}


async def look_at(host: Host, about: HostAccess, settings: HostSettings, owner: str) -> Subject:
    """The facts of a host."""
    done = await host.look(script(about, settings), PATIENCE)
    return Subject(about, settings, Facts.parse(done.text), owner)


def told(name: str, finding: Finding) -> str:
    """A finding on a line."""
    return f"{name}: {finding.check}: {finding.text}" + (" (will change)" if finding.verdict == "will change" else "")


async def clean(host: Host, hidden: list[str], log: Log) -> None:
    """Take the secrets out of the host's logs, as far as it can be reached."""
    try:
        await host.put(f"{DIRECTORY}/scrub.py", run.scrub())
        await host.feed(f"python3 -I {DIRECTORY}/scrub.py", "\n".join(hidden), "take secrets out of the logs")
    except HostError as error:
        await log("warning", str(error))


def without(text: str, hidden: list[str]) -> str:
    """A text without secrets."""
    for secret in hidden:
        text = text.replace(secret, "<secret>")
    return text


def settings_of(inputs: Properties) -> HostSettings:
    """The settings, which were checked where they came from; Pulumi has made their numbers floats."""
    return HostSettings.model_validate(whole(inputs["settings"]))


def whole(value: Any) -> Any:
    """A value with whole numbers as such."""
    match value:
        case dict():
            return {name: whole(item) for name, item in value.items()}
        case list():
            return [whole(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def kinds() -> dict[str, Kind]:
    """The provider's types of resources by their names."""
    hosts = Hosts()
    steps = (Prechecks, InstallerKey, Preparation, Installer, AnswerFile, Installation, Credentials)
    return {"Secret": Secret(), "Password": Password(), **{kind.__name__: kind(hosts) for kind in steps}}
