"""The file that PackStack leaves for the cloud's administrator. Pure."""

from __future__ import annotations

import shlex

#: what a client needs, and the output that it becomes
NEEDED = {
    "OS_AUTH_URL": "authUrl",
    "OS_USERNAME": "user",
    "OS_PASSWORD": "password",
    "OS_PROJECT_NAME": "project",
    "OS_USER_DOMAIN_NAME": "userDomain",
    "OS_PROJECT_DOMAIN_NAME": "projectDomain",
    "OS_REGION_NAME": "region",
}


def parse(text: str) -> dict[str, str]:
    """The values that a client needs; ValueError names those that are missing, and shows none."""
    found = {}
    for line in text.splitlines():
        for word in shlex.split(line.strip().removeprefix("export "), comments=True):
            name, equals, value = word.partition("=")
            if equals:
                found[name] = value
    if missing := [name for name in NEEDED if not found.get(name)]:
        raise ValueError(f"it has no {', '.join(missing)}")
    return {output: found[name] for name, output in NEEDED.items()}
