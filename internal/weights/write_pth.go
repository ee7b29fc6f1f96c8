package weights

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
)

// storageClasses name the storages of the element types that are written.
var storageClasses = map[DType]string{F32: "FloatStorage", F16: "HalfStorage", I64: "LongStorage"}

// WritePTH writes the tensors in their order as torch.save writes a state dict since
// PyTorch 1.6: a zip archive of a pickle (protocol 2) and the bytes of each tensor, which
// torch.load(weights_only=True) opens. The same input gives the same bytes.
func WritePTH(w io.Writer, tensors []Tensor) error {
	pickle, err := stateDictPickle(tensors)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	stored := func(name string, content []byte) error {
		// Sizes stand before the content: PyTorch's reader maps it into memory.
		f, err := z.CreateRaw(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))})
		if err == nil {
			_, err = f.Write(content)
		}
		return err
	}
	if err := stored("data.pkl", pickle); err != nil {
		return err
	}
	if err := stored("byteorder", []byte("little")); err != nil {
		return err
	}
	for i := range tensors {
		var content bytes.Buffer
		b := bufio.NewWriter(&content)
		if err := encode(b, tensors[i].Data, tensors[i].stored()); err != nil {
			return err
		}
		b.Flush()
		if err := stored("data/"+strconv.Itoa(i), content.Bytes()); err != nil {
			return err
		}
	}
	if err := stored("version", []byte("3\n")); err != nil {
		return err
	}
	return z.Close()
}

// A pickler writes the few instructions that a state dict takes.
type pickler struct{ bytes.Buffer }

func (p *pickler) global(module, name string) { fmt.Fprintf(p, "c%s\n%s\n", module, name) }

func (p *pickler) text(s string) {
	p.WriteByte('X') // BINUNICODE
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

func (p *pickler) number(n int) {
	p.WriteByte('J') // BININT
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func (p *pickler) tuple(n []int) {
	p.WriteByte('(') // MARK
	for _, v := range n {
		p.number(v)
	}
	p.WriteByte('t') // TUPLE
}

// emptyDict is collections.OrderedDict().
func (p *pickler) emptyDict() {
	p.global("collections", "OrderedDict")
	p.WriteString(")R") // EMPTY_TUPLE REDUCE
}

// stateDictPickle is the state dict's pickle: an OrderedDict of tensors, each
// torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks).
func stateDictPickle(tensors []Tensor) ([]byte, error) {
	p := &pickler{}
	p.WriteString("\x80\x02") // PROTO 2
	p.emptyDict()
	p.WriteByte('(')
	seen := map[string]bool{}
	for i, t := range tensors {
		class, count := storageClasses[t.stored()], 1
		strides := make([]int, len(t.Shape))
		for d := len(t.Shape) - 1; d >= 0; d-- {
			strides[d] = count
			count *= t.Shape[d]
		}
		switch {
		case class == "":
			return nil, fmt.Errorf("pth: tensor %s: elements of type %q are not written", t.Name, string(t.stored()))
		case count != len(t.Data) || count > math.MaxInt32 || seen[t.Name]:
			return nil, fmt.Errorf("pth: tensor %s of shape %v with %d elements, or named twice", t.Name, t.Shape, len(t.Data))
		}
		seen[t.Name] = true
		p.text(t.Name)
		p.global("torch._utils", "_rebuild_tensor_v2")
		p.WriteString("((")
		p.text("storage")
		p.global("torch", class)
		p.text(strconv.Itoa(i))
		p.text("cpu")
		p.number(count)
		p.WriteString("tQ") // TUPLE BINPERSID
		p.number(0)
		p.tuple(t.Shape)
		p.tuple(strides)
		p.WriteByte(0x89) // NEWFALSE
		p.emptyDict()
		p.WriteString("tR")
	}
	p.WriteString("u.") // SETITEMS STOP
	return p.Bytes(), nil
}
