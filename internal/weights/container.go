package weights

import (
	"errors"
	"fmt"
)

// container executes the instructions that build tuples, lists, dicts and sets.
func (m *machine) container(op byte) (bool, error) {
	switch op {
	case ')': // EMPTY_TUPLE
		return true, m.push(tuple(nil))
	case ']': // EMPTY_LIST
		return true, m.push(&list{})
	case '}': // EMPTY_DICT
		return true, m.push(&dict{})
	case 0x8f: // EMPTY_SET
		return true, m.push(opaque{"a set"})
	case 't', 'l', 'd', 0x91: // TUPLE, LIST, DICT, FROZENSET
		vs, err := m.popMark()
		if err != nil {
			return true, err
		}
		switch op {
		case 't':
			return true, m.push(tuple(vs))
		case 'l':
			return true, m.push(&list{vs})
		case 0x91:
			return true, m.push(opaque{"a frozenset"})
		}
		d := &dict{}
		if err := d.fill(vs); err != nil {
			return true, err
		}
		return true, m.push(d)
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		vs, err := m.popN(int(op - 0x84))
		if err != nil {
			return true, err
		}
		return true, m.push(tuple(vs))
	case 'a', 'e', 's', 'u', 0x90: // APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS
		return true, m.extend(op)
	}
	return false, nil
}

// extend adds values to the list, dict or set below them.
func (m *machine) extend(op byte) error {
	var vs []any
	var err error
	switch op {
	case 'a':
		vs, err = m.popN(1)
	case 's':
		vs, err = m.popN(2)
	default:
		vs, err = m.popMark()
	}
	if err != nil {
		return err
	}
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *list:
		if op == 'a' || op == 'e' {
			to.items = append(to.items, vs...)
			return nil
		}
	case *dict:
		if op == 's' || op == 'u' {
			return to.fill(vs)
		}
	case opaque:
		return nil
	}
	return fmt.Errorf("damaged: it adds to %s", kindOf(to))
}

// fill sets keys and values that follow each other in vs.
func (d *dict) fill(vs []any) error {
	if len(vs)%2 != 0 {
		return errors.New("damaged: a key without a value")
	}
	for i := 0; i < len(vs); i += 2 {
		d.set(vs[i], vs[i+1])
	}
	return nil
}
