"""Stand-in for pulumi-language-python: runs Python programs for the Pulumi engine.

Used where the official language host cannot be fetched. The engine starts `pulumi-language-python <engine address>`,
reads a port from its output, and speaks the LanguageRuntime protocol (pulumi's language.proto) to it. Every program
runs in a child process, on the interpreter of the project's `virtualenv` option.
"""
