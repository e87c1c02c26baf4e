"""Asks PackStack itself what it thinks of answers: run by a Python that has PackStack, apart from this project.

Reads a JSON object of options and values from standard input, writes a JSON list of faults. PackStack's own validators
decide, but for those that look at the machine that they run on (is the host up, is the file there).
"""

# mypy: ignore-errors
# of the two packages called packstack, this imports the other one

import difflib
import json
import logging
import os
import sys

logging.disable(logging.CRITICAL)
# PackStack prints; what is left of standard output is for the answer
ANSWER, sys.stdout = sys.stdout, sys.stderr

import packstack.installer.utils as utils  # noqa: E402  PackStack logs what it imports
from packstack.installer import basedefs  # noqa: E402
from packstack.installer.exceptions import ParamValidationError  # noqa: E402

# a default for hosts that PackStack draws from the machine's default gateway, of which there may be none
utils.get_localhost_ip = lambda: "127.0.0.1"

from packstack.installer import run_setup  # noqa: E402

LOCAL = {
    "validate_ssh", "validate_multi_ssh", "validate_ping", "validate_multi_ping", "validate_file", "validate_sshkey",
    "validate_writeable_directory", "validate_ldap_url", "validate_ldap_dn",
}  # fmt: skip


def faults(answers):
    """A text for each answer that PackStack would refuse."""
    controller = run_setup.controller
    known = [name for group in controller.getAllGroups() for name in group.parameters]
    for name, value in sorted(answers.items()):
        param = controller.getParamByName(name)
        if param is None:
            close = difflib.get_close_matches(name, known, n=1)
            yield f"{name}: PackStack has no such option" + (f"; did you mean {close[0]}?" if close else "")
            continue
        for validator in param.VALIDATORS or ():
            if validator.__name__ in LOCAL:
                continue
            try:
                validator(value, param.OPTION_LIST)
            except ParamValidationError as error:
                yield f"{name}: {'its value is refused' if param.MASK_INPUT else error}"
                break


if __name__ == "__main__":
    run_setup.loadPlugins()
    run_setup.initPluginsConfig()
    json.dump(list(faults(json.load(sys.stdin))), ANSWER)
    # made by the import; a link that leads nowhere would hinder the next one
    os.rmdir(basedefs.VAR_DIR)
    os.unlink(basedefs.LATEST_LOG_DIR)
