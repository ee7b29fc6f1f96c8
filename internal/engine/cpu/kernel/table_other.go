//go:build !amd64

package kernel

func archSets() []candidate { return nil }
