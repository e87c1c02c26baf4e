// pulumi-resource-openstack: the Terraform OpenStack provider behind Pulumi's Terraform bridge.
//
// Used where the official plugin cannot be fetched. The official one is built from the same two parts; its type tokens
// are in tokens.json, and tests/toolchain/test_openstack_plugin.py holds every token and property against the SDK.
package main

import (
	"vpn-connect/toolchain/openstack-plugin/provider"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

func main() {
	// The schema serves code generation only, which nothing here does.
	schema := []byte(`{"name":"openstack","version":"` + provider.Version + `"}`)
	tfbridge.Main("openstack", provider.Version, provider.Info(), schema)
}
