// Package features keeps what the frozen part of a network makes of pictures, so
// that it runs once a picture and not once an epoch.
//
// It knows networks and batches through their interfaces, and one temporary file.
// It knows neither what the features mean nor what is trained on them.
package features

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"unsafe"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// A Store holds the features of samples: those that fit a limit in memory, the
// others in a file that ends with the program. There what was computed in bfloat16 takes
// two bytes a value.
type Store struct {
	size     int // values of a sample
	samples  int
	variants int
	labels   []int32
	made     []bool // by row
	mem      []float32
	file     *os.File // a row has room for float32, and fills half of it where bfloat16 holds its values
	halved   []bool   // by row, of those in the file
	half     []uint16 // a row's
	batch    dataset.Batch
}

// Options say what to keep.
type Options struct {
	Samples  int
	Variants int // of each sample, at least 1
	Size     int // values of a sample's features
	Limit    int // bytes in memory; the rest goes to a file
	Dir      string
}

// New makes an empty store. The file is made only where the limit asks for one.
func New(o Options) (*Store, error) {
	rows := o.Samples * o.Variants
	s := &Store{size: o.Size, samples: o.Samples, variants: o.Variants, labels: make([]int32, o.Samples), made: make([]bool, rows)}
	inside := min(rows, max(o.Limit, 0)/(4*o.Size))
	s.mem = make([]float32, inside*o.Size)
	if inside < rows {
		f, err := os.CreateTemp(o.Dir, "graft-features-*")
		if err != nil {
			return nil, fmt.Errorf("room for %d MB of features: %w (a larger --memory needs no file)", rows*o.Size*4>>20, err)
		}
		os.Remove(f.Name()) // it lives while it is open, where the system allows that
		s.file, s.halved, s.half = f, make([]bool, rows), make([]uint16, o.Size)
	}
	return s, nil
}

// Bytes is the memory in use.
func (s *Store) Bytes() int { return 4 * len(s.mem) }

// Close removes the file.
func (s *Store) Close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

// Fill runs net over the batches of every variant, which are numbered from 0, and
// keeps what comes out. done hears how many samples are finished; it may be nil.
func (s *Store) Fill(ctx context.Context, net engine.Network, batches func(ctx context.Context, variant int) iter.Seq2[*dataset.Batch, error], done func(n, total int)) error {
	var out []float32
	finished := 0
	for v := range s.variants {
		for b, err := range batches(ctx, v) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if len(out) < b.N*s.size {
				out = make([]float32, b.N*s.size)
			}
			if err := net.Infer(b.X, b.N, out); err != nil {
				return err
			}
			for i, sample := range b.Index[:b.N] {
				s.labels[sample] = b.Labels[i]
				if err := s.put(v*s.samples+sample, out[i*s.size:(i+1)*s.size]); err != nil {
					return err
				}
			}
			finished += b.N
			if done != nil {
				done(finished, s.samples*s.variants)
			}
		}
	}
	return ctx.Err()
}

func (s *Store) put(row int, v []float32) error {
	s.made[row] = true
	if at := row * s.size; at < len(s.mem) {
		copy(s.mem[at:], v)
		return nil
	}
	from := bytes(v)
	if s.halved[row] = halve(s.half, v); s.halved[row] {
		from = bytes(s.half)
	}
	if _, err := s.file.WriteAt(from, s.offset(row)); err != nil {
		return fmt.Errorf("keeping features: %w (is the disk of %s full?)", err, os.TempDir())
	}
	return nil
}

func (s *Store) get(row int, v []float32) error {
	if at := row * s.size; at < len(s.mem) {
		copy(v, s.mem[at:at+s.size])
		return nil
	}
	v = v[:s.size]
	to := bytes(v)
	if s.halved[row] {
		to = bytes(s.half)
	}
	if _, err := io.ReadFull(io.NewSectionReader(s.file, s.offset(row), int64(len(to))), to); err != nil {
		return fmt.Errorf("reading kept features: %w", err)
	}
	if s.halved[row] {
		for i, h := range s.half {
			v[i] = math.Float32frombits(uint32(h) << 16)
		}
	}
	return nil
}

// halve writes values as bfloat16 and reports whether nothing is lost.
func halve(to []uint16, v []float32) bool {
	lost := uint32(0)
	for i, x := range v {
		b := math.Float32bits(x)
		to[i] = uint16(b >> 16)
		lost |= b & 0xffff
	}
	return lost == 0
}

func (s *Store) offset(row int) int64 { return int64(4*s.size) * int64(row-len(s.mem)/s.size) }

// bytes is how values lie in memory; the file is read by this process alone.
func bytes[T float32 | uint16](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
}

// Images is the number of samples in an epoch.
func (s *Store) Images() int {
	n := 0
	for i := range s.samples {
		if s.made[i] {
			n++
		}
	}
	return n
}

// Batches yields an epoch's samples, in an order that seed and epoch decide where
// shuffle is set and that gives every class its turn where balance is, of variant epoch
// modulo their number, from a batch on. A batch is valid until the next one is asked for.
func (s *Store) Batches(n int, shuffle, balance bool, seed uint64) func(ctx context.Context, epoch, from int) iter.Seq2[*dataset.Batch, error] {
	return func(ctx context.Context, epoch, from int) iter.Seq2[*dataset.Batch, error] {
		return func(yield func(*dataset.Batch, error) bool) {
			b := &s.batch
			if len(b.Index) < n {
				*b = dataset.Batch{X: make([]float32, n*s.size), Labels: make([]int32, n), Index: make([]int, n)}
			}
			variant := epoch % s.variants * s.samples
			order := s.order(balance, rand.New(rand.NewPCG(seed, uint64(epoch))))
			at, skip := 0, from*n
			flush := func() bool {
				whole := *b
				b.X, b.Labels, b.Index, b.N = b.X[:at*s.size], b.Labels[:at], b.Index[:at], at
				more := at == 0 || yield(b, nil)
				*b, at = whole, 0
				return more
			}
			for i := range s.samples {
				sample := i
				if shuffle {
					sample = order[i]
				}
				if !s.made[variant+sample] {
					continue
				}
				if skip > 0 {
					skip--
					continue
				}
				if err := s.get(variant+sample, b.X[at*s.size:]); err != nil {
					yield(nil, err)
					return
				}
				b.Labels[at], b.Index[at] = s.labels[sample], sample
				if at++; at == n && !flush() {
					return
				}
			}
			flush()
		}
	}
}

func (s *Store) order(balance bool, r *rand.Rand) []int {
	if balance {
		return dataset.BalancedOrder(s.samples, func(i int) int { return int(s.labels[i]) }, r)
	}
	return r.Perm(s.samples)
}

// A Network is an upper part that trains on features, beside the lower one that
// made them: their parameters together are the whole network's.
type Network struct {
	engine.Network                // the upper part
	Lower          engine.Network // compiled for inference
	InLower        []bool         // by parameter
}

// Join makes a Network of its parts; g is the lower one's graph, with the whole's parameters.
func Join(upper, lower engine.Network, g *graph.Graph) *Network {
	n := &Network{Network: upper, Lower: lower, InLower: make([]bool, len(g.Params))}
	for i := range g.Nodes {
		for _, p := range g.Nodes[i].Params {
			n.InLower[p] = true
		}
	}
	return n
}

// Load gives a parameter to the part it belongs to.
func (n *Network) Load(param int, v []float32) { n.of(param).Load(param, v) }

// Read reads it from there.
func (n *Network) Read(param int, v []float32) { n.of(param).Read(param, v) }

func (n *Network) of(param int) engine.Network {
	if n.InLower[param] {
		return n.Lower
	}
	return n.Network
}

// Bytes is the memory of both parts.
func (n *Network) Bytes() int { return n.Network.Bytes() + n.Lower.Bytes() }

// Close closes both.
func (n *Network) Close() {
	n.Network.Close()
	n.Lower.Close()
}
