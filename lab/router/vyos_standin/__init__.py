"""A small, strict stand-in for VyOS 1.4's configuration command line, for the lab's router image only.

A resident daemon holds the configuration and the sessions, because starting an interpreter takes most of a second in an
emulated guest; the shell functions in files/script-template talk to it over loopback without starting anything. Texts,
exit codes and commit semantics are VyOS's (vyos-1x and vyatta-cfg, branch sagitta): what is not declared in `schema` is
refused. Known to differ: `commit` after deleting and setting the same lines says that there are no changes (VyOS 1.4
says nothing), values are never expanded or completed, and there are no edit levels, rollbacks or comments.
"""
