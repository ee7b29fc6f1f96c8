//go:build !amd64 && !arm64

package kernel

func archSets() []candidate { return nil }
