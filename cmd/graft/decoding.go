package main

import (
	"fmt"

	"graft"

	"github.com/spf13/pflag"
)

// A decodingFlag takes exact or fast.
type decodingFlag graft.Decoding

func (d *decodingFlag) Set(s string) error {
	if v := graft.Decoding(s); v != graft.DecodeExact && v != graft.DecodeFast {
		return fmt.Errorf("there are exact, fast")
	}
	*d = decodingFlag(s)
	return nil
}

func (d *decodingFlag) String() string { return string(*d) }
func (d *decodingFlag) Type() string   { return "exact|fast" }

// decodeFlag adds --decode; standard says what holds without it.
func decodeFlag(f *pflag.FlagSet, d *graft.Decoding, standard string) {
	f.Var((*decodingFlag)(d), "decode", "JPEGs: exact, or fast: those far larger than needed at a half, a quarter or an eighth (default "+standard+")")
}
