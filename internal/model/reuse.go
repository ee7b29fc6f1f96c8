package model

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"graft/internal/graph"
	"graft/internal/weights"
)

// imagenetClasses are ImageNet's classes in the order of the outputs, each with its WordNet
// synonyms and torchvision's name; NOTICE says from where.
//
//go:embed imagenet_classes.txt
var imagenetClasses string

// A Match is a class of the user's and the source's classes whose rows of the old output
// layer it begins with.
type Match struct {
	Class string
	From  []string
}

// sourceClasses are the classes of a state dict's output layer, each by all of its names: a
// graft's from its metadata, else ImageNet's where there are as many; nil if not known.
func sourceClasses(source *weights.StateDict, n int) [][]string {
	var names []string
	if text := source.Metadata["graft.classes"]; text != "" && json.Unmarshal([]byte(text), &names) == nil && len(names) == n {
		list := make([][]string, n)
		for i, name := range names {
			list[i] = []string{name}
		}
		return list
	}
	lines := strings.Split(strings.TrimSpace(imagenetClasses), "\n")
	if len(lines) != n {
		return nil
	}
	list := make([][]string, n)
	for i, line := range lines {
		list[i] = strings.Split(line, ", ")
	}
	return list
}

// ParseMap reads the lines of a file that says which class begins as which of the source's:
// class = name, name. Empty lines and those that begin with # are left out.
func ParseMap(text string) (map[string][]string, error) {
	m := map[string][]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		class, from, ok := strings.Cut(line, "=")
		class = strings.TrimSpace(class)
		if !ok || class == "" || m[class] != nil {
			return nil, fmt.Errorf("line %d is %q: a line is CLASS = OLD NAME, OLD NAME, once a class", i+1, line)
		}
		for name := range strings.SplitSeq(from, ",") {
			if name = strings.TrimSpace(name); name != "" {
				m[class] = append(m[class], name)
			}
		}
	}
	return m, nil
}

// ReuseHead gives classes the rows that classes of the same name have in the source's output
// layer, the mean where several match: case, separators and plural do not count, and a
// WordNet synonym is as good as the name. With a mapping only what it names. values are
// Graft's. What matched is returned in the order of the classes; an error names what a mapping
// names and nobody has.
func ReuseHead(g *graph.Graph, values [][]float32, source *weights.StateDict, classes []string, mapping map[string][]string) ([]Match, error) {
	for class := range mapping {
		if !slices.Contains(classes, class) {
			return nil, fmt.Errorf("no class is called %q; there are %s", class, strings.Join(classes, ", "))
		}
	}
	var matches []Match
	for i, p := range g.Params {
		if !g.InHead(i) {
			continue
		}
		old, ok := source.Get(p.Name)
		if !ok || len(old.Shape) == 0 {
			return nil, nil
		}
		names := sourceClasses(source, old.Shape[0])
		if names == nil {
			return nil, nil
		}
		row := p.Len() / p.Shape[0]
		if len(old.Data) != row*old.Shape[0] {
			return nil, nil
		}
		matches = nil
		for c, class := range classes {
			from, err := rowsOf(class, names, mapping)
			if err != nil {
				return nil, err
			}
			if len(from) == 0 {
				continue
			}
			m := Match{Class: class}
			mean := values[i][c*row : (c+1)*row]
			clear(mean)
			for _, k := range from {
				m.From = append(m.From, names[k][0])
				for j := range mean {
					mean[j] += old.Data[k*row+j] / float32(len(from))
				}
			}
			matches = append(matches, m)
		}
	}
	return matches, nil
}

// rowsOf are the source's classes that a class begins as.
func rowsOf(class string, names [][]string, mapping map[string][]string) (rows []int, err error) {
	wanted := []string{class}
	if mapping != nil {
		wanted = mapping[class]
	}
	for _, want := range wanted {
		found := false
		for k, synonyms := range names {
			if slices.ContainsFunc(synonyms, func(s string) bool { return canonical(s) == canonical(want) }) {
				found = true
				if !slices.Contains(rows, k) {
					rows = append(rows, k)
				}
			}
		}
		if !found && mapping != nil {
			return nil, fmt.Errorf("%q: the old output layer has no class %q", class, want)
		}
	}
	return rows, nil
}

// canonical is a name in lower case, without separators and the plural's ending.
func canonical(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	s := b.String()
	for _, e := range []struct{ plural, singular string }{{"ies", "y"}, {"sses", "ss"}, {"xes", "x"}, {"ches", "ch"}, {"shes", "sh"}, {"ss", "ss"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(s, e.plural); ok && len(stem) > 2 {
			return stem + e.singular
		}
	}
	return s
}
