package kernel

import "golang.org/x/sys/cpu"

// archSets are the sets in assembly.
func archSets() []candidate { return []candidate{{set: neon, runs: cpu.ARM64.HasASIMD}} }
