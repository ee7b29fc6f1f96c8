package main

// precisionFlag is the flag of the commands that compute.
func precisionFlag(flags interface {
	StringVar(p *string, name, value, usage string)
}, p *string) {
	flags.StringVar(p, "precision", "auto", "auto, fp32 or bf16: what activations are stored and convolutions multiply in (auto: bf16 where the processor has AVX512_BF16)")
}
