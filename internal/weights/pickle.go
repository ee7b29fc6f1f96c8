package weights

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// A pickle is a program for a stack machine. This one knows the instructions that
// describe data and the constructors of construct.go, which build plain values
// of the types below; it refuses all others by name. Nothing is imported, called or
// looked up by a name from the file.

const (
	maxPickle = 32 << 20 // bytes; ResNet-152's pickle has 0.1 MB
	maxOps    = 2 << 20  // instructions in one pickle, and so values, memo entries and depth
)

// What a pickle's values become, beside nil, bool, int64, float64, string and []byte.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct { // in the order of first insertion
		keys, vals []any
		at         map[string]int // of the keys that are strings
	}
	global struct{ module, name string } // only ones that construct.go knows
	opaque struct{ kind string }         // data of no use here: kept by name only
)

func (g global) String() string { return g.module + "." + g.name }

func (d *dict) set(k, v any) {
	if s, ok := k.(string); ok {
		if i, ok := d.at[s]; ok {
			d.vals[i] = v
			return
		}
		if d.at == nil {
			d.at = map[string]int{}
		}
		d.at[s] = len(d.keys)
	}
	d.keys, d.vals = append(d.keys, k), append(d.vals, v)
}

func (d *dict) get(k string) (any, bool) {
	i, ok := d.at[k]
	if !ok {
		return nil, false
	}
	return d.vals[i], true
}

// kindOf names a value's type as its Python author would.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a string"
	case []byte:
		return "bytes"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case global:
		return v.String()
	case opaque:
		return v.kind
	case *storage:
		return "a storage"
	case *stored:
		return "a tensor"
	}
	return "a value"
}

// machine runs one pickle.
type machine struct {
	src      *source
	stack    []any
	marks    []int // heights of the stack
	memo     map[uint64]any
	storages map[string]*storage // by key, as far as asked for
}

// unpickle runs the pickle that begins at src and returns its value.
// Storages are entered into known.
func unpickle(src *source, known map[string]*storage) (any, error) {
	m := machine{src: src, memo: map[uint64]any{}, storages: known}
	start := src.pos
	for range maxOps {
		at := src.pos
		if at-start > maxPickle {
			return nil, fmt.Errorf("refused: a pickle longer than %d bytes", maxPickle)
		}
		op, err := src.byte()
		if err == nil && op == '.' {
			var v any
			if v, err = m.pop(); err == nil {
				return v, nil
			}
		}
		if err == nil {
			err = m.step(op)
		}
		if err != nil {
			return nil, fmt.Errorf("pickle at byte %d: %w", at, err)
		}
	}
	return nil, fmt.Errorf("refused: a pickle of more than %d instructions", maxOps)
}

var errUnderflow = errors.New("damaged: it takes more from the stack than is there")

func (m *machine) push(v any) error { m.stack = append(m.stack, v); return nil }

func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() (any, error) {
	n := len(m.stack) - 1
	if n < m.floor() {
		return nil, errUnderflow
	}
	v := m.stack[n]
	m.stack[n] = nil
	m.stack = m.stack[:n]
	return v, nil
}

// popN returns the topmost n values in the order they were pushed.
func (m *machine) popN(n int) ([]any, error) {
	h := len(m.stack) - n
	if h < m.floor() {
		return nil, errUnderflow
	}
	vs := append([]any(nil), m.stack[h:]...)
	clear(m.stack[h:])
	m.stack = m.stack[:h]
	return vs, nil
}

// popMark returns the values above the last mark and removes both.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errors.New("damaged: no mark where one is needed")
	}
	vs, err := m.popN(len(m.stack) - m.marks[n-1])
	m.marks = m.marks[:n-1]
	return vs, err
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) put(i uint64) error {
	v, err := m.top()
	if err == nil {
		m.memo[i] = v
	}
	return err
}

func (m *machine) get(i uint64) error {
	v, ok := m.memo[i]
	if !ok {
		return fmt.Errorf("damaged: it recalls value %d, which it never kept", i)
	}
	return m.push(v)
}

// refusedOps are the instructions that construct objects by other ways than
// construct.go, or need parties that are not there.
var refusedOps = map[byte]string{
	'P': "PERSID", 'i': "INST", 'o': "OBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4",
	0x92: "NEWOBJ_EX", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}

// step executes the instruction op; its operands follow in src.
func (m *machine) step(op byte) error {
	if name, ok := refusedOps[op]; ok {
		if name == "INST" {
			module, _ := m.src.line()
			class, _ := m.src.line()
			return refuse(global{module, class})
		}
		return fmt.Errorf("refused: pickle instruction %s, which is not data", name)
	}
	switch op {
	case 0x80: // PROTO
		v, err := m.src.byte()
		if err == nil && v > 5 {
			err = fmt.Errorf("pickle protocol %d is not known, 0 to 5 are", v)
		}
		return err
	case 0x95: // FRAME
		n, err := m.src.uint(8)
		if err == nil && n > uint64(max(m.src.left, 0)) {
			err = fmt.Errorf("a frame of %d bytes is declared, %d are left", n, m.src.left)
		}
		return err
	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP
		if n := len(m.marks); n > 0 && len(m.stack) == m.marks[n-1] {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.push(v)
	case 'p', 'g': // PUT, GET
		s, err := m.src.line()
		if err != nil {
			return err
		}
		i, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return fmt.Errorf("damaged: memo index %q", s)
		}
		if op == 'p' {
			return m.put(i)
		}
		return m.get(i)
	case 'q', 'r': // BINPUT, LONG_BINPUT
		i, err := m.src.uint(width(op == 'q', 1, 4))
		if err != nil {
			return err
		}
		return m.put(i)
	case 0x94: // MEMOIZE
		return m.put(uint64(len(m.memo)))
	case 'h', 'j': // BINGET, LONG_BINGET
		i, err := m.src.uint(width(op == 'h', 1, 4))
		if err != nil {
			return err
		}
		return m.get(i)
	}
	if done, err := m.scalar(op); done {
		return err
	}
	if done, err := m.container(op); done {
		return err
	}
	if done, err := m.object(op); done {
		return err
	}
	return fmt.Errorf("refused: unknown pickle instruction 0x%02x", op)
}

func width(short bool, a, b int) int {
	if short {
		return a
	}
	return b
}

// scalar executes the instructions that push a number or a string.
func (m *machine) scalar(op byte) (bool, error) {
	var v any
	var err error
	var u uint64
	switch op {
	case 'N': // NONE
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		v = op == 0x88
	case 'J': // BININT
		u, err = m.src.uint(4)
		v = int64(int32(u))
	case 'K', 'M': // BININT1, BININT2
		u, err = m.src.uint(width(op == 'K', 1, 2))
		v = int64(u)
	case 0x8a, 0x8b: // LONG1, LONG4
		v, err = m.long(width(op == 0x8a, 1, 4))
	case 'I', 'L': // INT, LONG
		v, err = m.textInt()
	case 'G': // BINFLOAT, big-endian
		var b []byte
		if b, err = m.src.bytes(8); err == nil {
			var bits uint64
			for _, c := range b {
				bits = bits<<8 | uint64(c)
			}
			v = math.Float64frombits(bits)
		}
	case 'F': // FLOAT
		var s string
		if s, err = m.src.line(); err == nil {
			v, err = strconv.ParseFloat(s, 64)
		}
	case 'U', 'T': // SHORT_BINSTRING, BINSTRING
		v, err = m.text(width(op == 'U', 1, 4))
	case 0x8c, 'X', 0x8d: // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
		v, err = m.text(map[byte]int{0x8c: 1, 'X': 4, 0x8d: 8}[op])
	case 'S', 'V': // STRING (quoted), UNICODE: names in them have nothing to unescape
		var s string
		s, err = m.src.line()
		if n := len(s); op == 'S' && n >= 2 && s[0] == s[n-1] {
			s = s[1 : n-1]
		}
		v = s
	case 'C', 'B', 0x8e, 0x96: // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
		var n uint64
		if n, err = m.src.uint(map[byte]int{'C': 1, 'B': 4, 0x8e: 8, 0x96: 8}[op]); err == nil {
			v, err = m.src.bytes(n)
		}
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, m.push(v)
}

func (m *machine) text(lengthBytes int) (any, error) {
	n, err := m.src.uint(lengthBytes)
	if err != nil {
		return nil, err
	}
	b, err := m.src.bytes(n)
	return string(b), err
}

// long reads a two's complement number; one that int64 cannot hold becomes opaque.
func (m *machine) long(lengthBytes int) (any, error) {
	n, err := m.src.uint(lengthBytes)
	if err != nil {
		return nil, err
	}
	b, err := m.src.bytes(n)
	if err != nil {
		return nil, err
	}
	if n > 8 {
		return opaque{"a number beyond 64 bits"}, nil
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if n > 0 && n < 8 && b[n-1] >= 0x80 {
		v -= 1 << (8 * n)
	}
	return v, nil
}

func (m *machine) textInt() (any, error) {
	s, err := m.src.line()
	if err != nil {
		return nil, err
	}
	switch s {
	case "00", "01": // how protocol 0 writes False and True
		return s == "01", nil
	}
	if n := len(s); n > 0 && s[n-1] == 'L' {
		s = s[:n-1]
	}
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, nil
	}
	if _, ok := new(big.Int).SetString(s, 10); ok {
		return opaque{"a number beyond 64 bits"}, nil
	}
	return nil, fmt.Errorf("damaged: %q is not a number", s)
}
