package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// sets is the list of all sets this program has, best first; the ones that the
// processor lacks included. The last runs everywhere.
var sets = append(archSets(), candidate{set: generic, runs: true})

// A candidate is a set and whether this processor can run it.
type candidate struct {
	set  *Set
	runs bool
}

// aliases are names that Select takes for a set until they have their own.
var aliases = map[string]string{"avx512_bf16": "avx512"}

// Available lists the sets that this processor can run, best first, generic last.
func Available() []*Set {
	var able []*Set
	for _, c := range sets {
		if c.runs {
			able = append(able, c.set)
		}
	}
	return able
}

// Select returns the best set for this processor, or the one that the
// environment variable GRAFT_CPU names.
func Select() (*Set, error) { return choose(os.Getenv("GRAFT_CPU")) }

func choose(name string) (*Set, error) {
	able := Available()
	if name == "" {
		return able[0], nil
	}
	want := name
	if a, ok := aliases[name]; ok {
		want = a
	}
	i := slices.IndexFunc(able, func(s *Set) bool { return s.Name == want })
	if i >= 0 {
		return able[i], nil
	}
	var names []string
	for _, s := range able {
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("GRAFT_CPU=%s: this processor and program have %s", name, strings.Join(names, ", "))
}
