// Package engine pins the Pulumi command that is built where the official release cannot be fetched.
package engine
