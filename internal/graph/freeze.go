package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// Freeze reports, for every parameter, whether it is frozen: what says "" for
// none, a number for the first so many [Blocks], "all" for everything but the
// output layer, or names separated by commas, each of a block, layer or
// parameter. A name that fits nothing, and freezing the output layer, are errors.
func Freeze(g *Graph, what string) ([]bool, error) {
	frozen := make([]bool, len(g.Params))
	if what == "" {
		return frozen, nil
	}
	if n, err := strconv.Atoi(what); err == nil {
		if err := freezeBlocks(g, n, frozen); err != nil {
			return nil, err
		}
	} else if what == "all" {
		for i := range frozen {
			frozen[i] = !g.InHead(i)
		}
	} else {
		for name := range strings.SplitSeq(what, ",") {
			if err := freezeName(g, strings.TrimSpace(name), frozen); err != nil {
				return nil, err
			}
		}
	}
	for i, f := range frozen {
		if f && g.InHead(i) {
			return nil, fmt.Errorf("freezing %s would freeze the output layer %s, which is new and must learn", what, g.Head)
		}
	}
	return frozen, nil
}

func freezeBlocks(g *Graph, n int, frozen []bool) error {
	blocks := Blocks(g)
	if n < 0 || n > len(blocks) {
		return fmt.Errorf("freezing %d blocks: the network has %d", n, len(blocks))
	}
	first := map[string]bool{}
	for _, b := range blocks[:n] {
		first[b.Name] = true
	}
	for i := range g.Nodes {
		if g.Nodes[i].Kind == Forward && first[blockName(g.Nodes[i].Name)] {
			for _, p := range g.Nodes[i].Params {
				frozen[p] = true
			}
		}
	}
	return nil
}

func freezeName(g *Graph, name string, frozen []bool) error {
	found := false
	for i := range g.Params {
		if p := g.Params[i].Name; name != "" && (p == name || strings.HasPrefix(p, name+".")) {
			frozen[i], found = true, true
		}
	}
	if found {
		return nil
	}
	var names []string
	for _, b := range Blocks(g) {
		if b.Params > 0 {
			names = append(names, b.Name)
		}
	}
	return fmt.Errorf("freezing %q: no parameter's name begins so; the network has %s", name, strings.Join(names, ", "))
}
