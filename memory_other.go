//go:build !linux

package graft

// memoryFree is 0: unknown.
func memoryFree() (free int64, limited bool) { return 0, false }

// resident is 0: unknown.
func resident() int64 { return 0 }
