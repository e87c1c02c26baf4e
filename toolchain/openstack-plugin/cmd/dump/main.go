// dump prints, for every resource and data source of the bridged provider, the token and the shape of its properties.
package main

import (
	"encoding/json"
	"log"
	"os"

	"vpn-connect/toolchain/openstack-plugin/provider"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

func main() {
	info := provider.Info()
	shapes := map[string]any{}
	info.P.ResourcesMap().Range(func(name string, resource shim.Resource) bool {
		entry := info.Resources[name]
		shapes[string(entry.Tok)] = properties(resource.Schema(), entry.Fields)
		return true
	})
	functions := map[string]any{}
	info.P.DataSourcesMap().Range(func(name string, source shim.Resource) bool {
		functions[string(info.DataSources[name].Tok)] = properties(source.Schema(), nil)
		return true
	})
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"resources": shapes, "functions": functions}); err != nil {
		log.Fatal(err)
	}
}

func properties(schema shim.SchemaMap, fields map[string]*tfbridge.SchemaInfo) map[string]any {
	out := map[string]any{}
	schema.Range(func(name string, property shim.Schema) bool {
		out[tfbridge.TerraformToPulumiNameV2(name, schema, fields)] = shape(property)
		return true
	})
	return out
}

// shape is a string for a scalar, ["list", element] or ["map", element] for a collection, and an object otherwise.
func shape(property shim.Schema) any {
	var element any = "str"
	switch e := property.Elem().(type) {
	case shim.Schema:
		element = shape(e)
	case shim.Resource:
		element = properties(e.Schema(), nil)
	}
	switch property.Type() {
	case shim.TypeBool:
		return "bool"
	case shim.TypeInt:
		return "int"
	case shim.TypeFloat:
		return "float"
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(property, nil) {
			return element
		}
		return []any{"list", element}
	case shim.TypeMap:
		return []any{"map", element}
	}
	return "str"
}
