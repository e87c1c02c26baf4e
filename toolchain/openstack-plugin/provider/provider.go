// Package provider describes the bridged OpenStack provider under the names of the pulumi_openstack SDK.
package provider

import (
	_ "embed"
	"encoding/json"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/v3/openstack"
)

// Version of the pulumi_openstack Python SDK whose tokens are in tokens.json.
const Version = "5.5.3"

//go:embed tokens.json
var tokenTable []byte

// Info pairs every Terraform resource and data source with its Pulumi token.
func Info() tfbridge.ProviderInfo {
	var table struct{ Resources, DataSources map[string]string }
	if err := json.Unmarshal(tokenTable, &table); err != nil {
		panic(err)
	}
	info := tfbridge.ProviderInfo{
		P:              shimv2.NewProvider(openstack.Provider()),
		Name:           "openstack",
		Version:        Version,
		ResourcePrefix: "openstack",
		Resources:      map[string]*tfbridge.ResourceInfo{},
		DataSources:    map[string]*tfbridge.DataSourceInfo{},
	}
	for terraform, token := range table.Resources {
		info.Resources[terraform] = &tfbridge.ResourceInfo{Tok: tokens.Type(token)}
	}
	for terraform, token := range table.DataSources {
		info.DataSources[terraform] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token)}
	}
	// The one property whose SDK name is not the bridge's default for the Terraform name.
	info.Resources["openstack_orchestration_stack_v1"].Fields = map[string]*tfbridge.SchemaInfo{
		"outputs": {Name: "StackOutputs"},
	}
	info.SetAutonaming(255, "-")
	return info
}
