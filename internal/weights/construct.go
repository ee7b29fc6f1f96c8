package weights

import (
	"errors"
	"fmt"
)

// kind is what a name that a pickle asks for stands for.
type kind int

const (
	isDict      kind = iota + 1 // becomes a dict, whatever is handed to it
	isInert                     // becomes opaque
	isSize                      // torch.Size: its one tuple
	isTensor                    // (storage, offset, shape, strides, ...)
	isTensorV3                  // the same, dtype as the 7th
	isParameter                 // (tensor, ...)
	isFromType                  // (constructor, type, its arguments, state)
	isStorage                   // a storage's class, with its element type
	isDType                     // a torch.dtype
)

// constructors is the closed list of names that a pickle may ask for. All build plain
// values; none runs code. Whatever else is asked for is refused.
var constructors = map[global]struct {
	kind  kind
	dtype DType
}{
	{"torch._utils", "_rebuild_tensor"}:               {kind: isTensor},
	{"torch._utils", "_rebuild_tensor_v2"}:            {kind: isTensor},
	{"torch._utils", "_rebuild_tensor_v3"}:            {kind: isTensorV3},
	{"torch._utils", "_rebuild_parameter"}:            {kind: isParameter},
	{"torch._utils", "_rebuild_parameter_with_state"}: {kind: isParameter},
	{"torch._tensor", "_rebuild_from_type_v2"}:        {kind: isFromType},

	{"torch", "FloatStorage"}:            {isStorage, F32},
	{"torch", "DoubleStorage"}:           {isStorage, F64},
	{"torch", "HalfStorage"}:             {isStorage, F16},
	{"torch", "BFloat16Storage"}:         {isStorage, BF16},
	{"torch", "LongStorage"}:             {isStorage, I64},
	{"torch", "IntStorage"}:              {isStorage, I32},
	{"torch", "ShortStorage"}:            {isStorage, I16},
	{"torch", "CharStorage"}:             {isStorage, I8},
	{"torch", "ByteStorage"}:             {isStorage, U8},
	{"torch", "BoolStorage"}:             {isStorage, Bool},
	{"torch.storage", "UntypedStorage"}:  {isStorage, U8},
	{"torch", "UntypedStorage"}:          {isStorage, U8},
	{"torch", "float32"}:                 {isDType, F32},
	{"torch", "float64"}:                 {isDType, F64},
	{"torch", "float16"}:                 {isDType, F16},
	{"torch", "bfloat16"}:                {isDType, BF16},
	{"torch", "int64"}:                   {isDType, I64},
	{"torch", "int32"}:                   {isDType, I32},
	{"torch", "int16"}:                   {isDType, I16},
	{"torch", "int8"}:                    {isDType, I8},
	{"torch", "uint64"}:                  {isDType, U64},
	{"torch", "uint32"}:                  {isDType, U32},
	{"torch", "uint16"}:                  {isDType, U16},
	{"torch", "uint8"}:                   {isDType, U8},
	{"torch", "bool"}:                    {isDType, Bool},
	{"torch", "Size"}:                    {kind: isSize},
	{"torch", "device"}:                  {kind: isInert},
	{"torch", "Tensor"}:                  {kind: isInert},
	{"torch.nn.parameter", "Parameter"}:  {kind: isInert},
	{"collections", "OrderedDict"}:       {kind: isDict},
	{"collections", "Counter"}:           {kind: isDict},
	{"collections", "defaultdict"}:       {kind: isDict},
	{"builtins", "dict"}:                 {kind: isDict},
	{"__builtin__", "dict"}:              {kind: isDict},
	{"builtins", "list"}:                 {kind: isInert},
	{"__builtin__", "list"}:              {kind: isInert},
	{"builtins", "set"}:                  {kind: isInert},
	{"__builtin__", "set"}:               {kind: isInert},
	{"builtins", "frozenset"}:            {kind: isInert},
	{"__builtin__", "frozenset"}:         {kind: isInert},
	{"builtins", "int"}:                  {kind: isInert},
	{"__builtin__", "int"}:               {kind: isInert},
	{"builtins", "float"}:                {kind: isInert},
	{"__builtin__", "float"}:             {kind: isInert},
	{"builtins", "bytearray"}:            {kind: isInert},
	{"__builtin__", "bytearray"}:         {kind: isInert},
	{"argparse", "Namespace"}:            {kind: isInert},
	{"_codecs", "encode"}:                {kind: isInert}, // how protocol 2 writes bytes
	{"numpy", "dtype"}:                   {kind: isInert},
	{"numpy", "ndarray"}:                 {kind: isInert},
	{"numpy.core.multiarray", "scalar"}:  {kind: isInert},
	{"numpy._core.multiarray", "scalar"}: {kind: isInert},

	{"numpy.core.multiarray", "_reconstruct"}:  {kind: isInert},
	{"numpy._core.multiarray", "_reconstruct"}: {kind: isInert},
}

// refuse is the error for a name that is not in the list.
func refuse(g global) error {
	hint := "graft reads tensors, numbers, strings and their containers, and runs nothing; save model.state_dict() alone, or convert the file to safetensors"
	return fmt.Errorf("refused: pickle asks for %.200s, which is not data (%s)", g.String(), hint)
}

// object executes the instructions that name constructors and call them.
func (m *machine) object(op byte) (bool, error) {
	switch op {
	case 'c': // GLOBAL
		module, err := m.src.line()
		if err != nil {
			return true, err
		}
		name, err := m.src.line()
		if err != nil {
			return true, err
		}
		return true, m.pushGlobal(global{module, name})
	case 0x93: // STACK_GLOBAL
		vs, err := m.popN(2)
		if err != nil {
			return true, err
		}
		module, ok1 := vs[0].(string)
		name, ok2 := vs[1].(string)
		if !ok1 || !ok2 {
			return true, errors.New("damaged: a name that is not text")
		}
		return true, m.pushGlobal(global{module, name})
	case 'R', 0x81: // REDUCE, NEWOBJ
		vs, err := m.popN(2)
		if err != nil {
			return true, err
		}
		v, err := construct(vs[0], vs[1])
		if err != nil {
			return true, err
		}
		return true, m.push(v)
	case 'b': // BUILD: attributes, of no use here
		vs, err := m.popN(1)
		if err != nil {
			return true, err
		}
		to, err := m.top()
		if err != nil {
			return true, err
		}
		switch to.(type) {
		case *dict, opaque:
			return true, nil
		}
		return true, fmt.Errorf("refused: it sets %s as the state of %s", kindOf(vs[0]), kindOf(to))
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return true, err
		}
		s, err := m.storage(id)
		if err != nil {
			return true, err
		}
		return true, m.push(s)
	}
	return false, nil
}

func (m *machine) pushGlobal(g global) error {
	if _, ok := constructors[g]; !ok {
		return refuse(g)
	}
	return m.push(g)
}

// construct builds the value that the constructor c makes of the tuple args.
func construct(c, args any) (any, error) {
	g, ok := c.(global)
	a, ok2 := args.(tuple)
	if !ok || !ok2 {
		return nil, fmt.Errorf("refused: it calls %s with %s", kindOf(c), kindOf(args))
	}
	switch k := constructors[g]; k.kind {
	case isDict:
		return constructDict(a)
	case isInert:
		return opaque{g.String()}, nil
	case isSize:
		if len(a) == 1 {
			switch v := a[0].(type) {
			case tuple:
				return v, nil
			case *list:
				return tuple(v.items), nil
			}
		}
		return nil, errors.New("damaged: torch.Size without its numbers")
	case isTensor:
		return newStored(a, "")
	case isTensorV3:
		if len(a) < 7 {
			return nil, fmt.Errorf("damaged: %s with %d arguments", g, len(a))
		}
		t, _ := a[6].(global)
		if constructors[t].kind != isDType {
			return nil, fmt.Errorf("damaged: %s with %s as its element type", g, kindOf(a[6]))
		}
		return newStored(a, constructors[t].dtype)
	case isParameter:
		if len(a) > 0 {
			if t, ok := a[0].(*stored); ok {
				return t, nil
			}
		}
		return nil, errors.New("damaged: a parameter without its tensor")
	case isFromType:
		if len(a) >= 3 {
			if f, ok := a[0].(global); ok {
				switch constructors[f].kind {
				case isTensor, isTensorV3, isParameter:
					return construct(f, a[2])
				}
			}
		}
		return nil, errors.New("damaged: torch._tensor._rebuild_from_type_v2 without a tensor")
	}
	return nil, fmt.Errorf("refused: it calls %s", g)
}

// constructDict builds a dict of nothing, or of a list of pairs.
func constructDict(a tuple) (any, error) {
	d := &dict{}
	for _, arg := range a {
		pairs, ok := arg.(*list)
		if !ok {
			continue // defaultdict's factory
		}
		for _, p := range pairs.items {
			var kv []any
			switch p := p.(type) {
			case tuple:
				kv = p
			case *list:
				kv = p.items
			}
			if len(kv) != 2 {
				return nil, errors.New("damaged: a dict of something else than pairs")
			}
			d.set(kv[0], kv[1])
		}
	}
	return d, nil
}
