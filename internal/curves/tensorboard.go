package curves

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// An eventWriter writes a TensorBoard event file: records framed as TFRecord has them, each an Event of
// tensorflow/core/util/event.proto. Two kinds of it are all that scalars need.
type eventWriter struct {
	w   io.Writer
	err error
}

// newEventWriter begins a file with the version that TensorBoard looks for.
func newEventWriter(w io.Writer, at time.Time) *eventWriter {
	e := &eventWriter{w: w}
	event := doubleField(nil, 1, wall(at)) // wall_time
	event = bytesField(event, 3, []byte("brain.Event:2"))
	e.record(event)
	return e
}

// scalar adds a value of a curve at a step.
func (e *eventWriter) scalar(at time.Time, step int, tag string, v float64) {
	value := bytesField(nil, 1, []byte(tag))
	value = binary.LittleEndian.AppendUint32(append(value, 2<<3|5), math.Float32bits(float32(v))) // simple_value
	event := doubleField(nil, 1, wall(at))
	if step != 0 { // proto3 leaves out what is 0
		event = binary.AppendUvarint(append(event, 2<<3), uint64(step))
	}
	e.record(bytesField(event, 5, bytesField(nil, 1, value))) // summary
}

// record frames bytes: length, its checksum, the bytes, their checksum.
func (e *eventWriter) record(b []byte) {
	if e.err != nil {
		return
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(b)))
	out = binary.LittleEndian.AppendUint32(out, masked(out))
	out = append(out, b...)
	out = binary.LittleEndian.AppendUint32(out, masked(b))
	_, e.err = e.w.Write(out)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the CRC-32C, rotated and offset so that sums of data that holds sums stay good.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

func wall(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func doubleField(to []byte, number byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(append(to, number<<3|1), math.Float64bits(v))
}

func bytesField(to []byte, number byte, v []byte) []byte {
	return append(binary.AppendUvarint(append(to, number<<3|2), uint64(len(v))), v...)
}
