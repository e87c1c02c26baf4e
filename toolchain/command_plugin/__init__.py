"""Stand-in for pulumi-resource-command 1.2: local:Command, local:run, remote:Command and remote:CopyToRemote.

Used where the official plugin cannot be fetched. It follows the official plugin's behaviour as its schema documents it
(https://www.pulumi.com/registry/packages/command/api-docs/), on asyncssh instead of Go's SSH client.
"""
