package kernel

import "golang.org/x/sys/cpu"

// archSets are the sets in assembly. Those of AVX-512 use its foundation and the
// extensions that every processor with 256-bit masked operations has.
func archSets() []candidate {
	x := &cpu.X86
	wide := x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512BW
	if x.HasAVX512BF16 && wide {
		avx512.BF16 = avx512BF16
	}
	narrow := x.HasAVX2 && x.HasFMA
	return []candidate{
		{set: avx512, runs: wide && narrow},
		{set: avx2, runs: narrow},
	}
}
