package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
)

// A function is a kernel's name in kernel.Set and its arguments.
type function struct {
	name string
	args []arg
}

type arg struct {
	name, typ string
	offset    int // in the argument frame
}

// parseSet finds the fields of function type in a struct of the package.
func parseSet(file, name string) ([]function, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var funcs []function
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			if typ, ok := field.Type.(*ast.FuncType); ok {
				funcs = append(funcs, function{field.Names[0].Name, layOut(typ.Params)})
			}
		}
		return false
	})
	if len(funcs) == 0 {
		return nil, fmt.Errorf("%s: no kernels in type %s", file, name)
	}
	return funcs, nil
}

// layOut places arguments as the assembler's calling convention does.
func layOut(params *ast.FieldList) []arg {
	var args []arg
	offset := 0
	for _, p := range params.List {
		typ := types.ExprString(p.Type)
		size := map[string]int{"float32": 4, "bool": 1}[typ]
		if size == 0 {
			size = 8
		}
		for _, name := range p.Names {
			offset = (offset + size - 1) / size * size
			args = append(args, arg{name.Name, typ, offset})
			offset += size
		}
	}
	return args
}

func (f function) size() int {
	if len(f.args) == 0 {
		return 0
	}
	last := f.args[len(f.args)-1]
	switch last.typ {
	case "bool":
		return last.offset + 1
	case "float32":
		return last.offset + 4
	}
	return last.offset + 8
}

func (f function) symbol(s *isa) string {
	i := 1
	for i < len(f.name) && strings.ToUpper(f.name)[i] == f.name[i] {
		i++ // SGD is sgd
	}
	return strings.ToLower(f.name[:i]) + f.name[i:] + s.name
}

func (f function) params() string {
	var out []string
	for _, a := range f.args {
		out = append(out, a.name+" "+a.typ)
	}
	return strings.Join(out, ", ")
}
