"""How a stack is doing: `python -m health` tells whether its links carry traffic and why not; `diagram.py` draws it.

`stack.py` reads what the stack has, `collect.py` and `cloud.py` ask machines and clouds, `diagnosis.py` is pure: from
facts to causes. See docs/status.md.
"""
