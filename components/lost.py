"""What becomes of the resources of a site whose cloud does not answer any more: they stay as they were."""

from __future__ import annotations

import pulumi

#: every input is the one of the last update, so that nothing differs and no provider has a reason to ask the cloud
#: (https://www.pulumi.com/docs/iac/concepts/options/ignorechanges/; a refresh would ask all the same)
AS_IT_WAS = pulumi.ResourceOptions(ignore_changes=["*"])


def kept(lost: bool, opts: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
    """`opts`, for a resource at a site that may be lost."""
    return pulumi.ResourceOptions.merge(opts, AS_IT_WAS if lost else None)


def with_children_kept(lost: bool, opts: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
    """`opts`, for a component at a site that may be lost: it holds for all its children."""

    def keep(one: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        return pulumi.ResourceTransformationResult(one.props, kept(True, one.opts))

    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[keep]) if lost else None)
