// Package features keeps what the frozen part of a network makes of pictures, so
// that it runs once a picture and not once an epoch.
//
// It knows networks and batches through their interfaces, and one temporary file.
// It knows neither what the features mean nor what is trained on them.
package features

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// A Store holds the features of samples, packed: those that fit a limit in memory, the
// others in a file that ends with the program.
type Store struct {
	size     int // values of a sample
	samples  int
	variants int
	labels   []int32
	rows     []row
	mem      []byte
	file     *os.File
	filed    int64  // bytes in the file
	packed   []byte // rows on their way to the file, or the one that is read from it
	batch    dataset.Batch
}

// A row is where features lie: in memory up to its capacity, beyond that in the file.
type row struct {
	at     int64
	bytes  uint32 // 0 for features that were never made
	halved bool
}

// Options say what to keep.
type Options struct {
	Samples  int
	Variants int // of each sample, at least 1
	Size     int // values of a sample's features
	Limit    int // bytes in memory; the rest goes to a file
	Dir      string
}

// New makes an empty store. The file is made only where the limit may ask for one.
func New(o Options) (*Store, error) {
	n := o.Samples * o.Variants
	s := &Store{size: o.Size, samples: o.Samples, variants: o.Variants, labels: make([]int32, o.Samples), rows: make([]row, n)}
	most := n * mostPacked(o.Size)
	s.mem = make([]byte, 0, min(most, max(o.Limit, 0)))
	if cap(s.mem) < most {
		f, err := os.CreateTemp(o.Dir, "graft-features-*")
		if err != nil {
			return nil, fmt.Errorf("room for up to %d MB of features: %w (a larger --memory needs no file)", most>>20, err)
		}
		os.Remove(f.Name()) // it lives while it is open, where the system allows that
		s.file = f
	}
	return s, nil
}

// Bytes is the memory in use.
func (s *Store) Bytes() int { return len(s.mem) }

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
				s.put(v*s.samples+sample, out[i*s.size:(i+1)*s.size])
			}
			if err := s.flush(); err != nil {
				return err
			}
			finished += b.N
			if done != nil {
				done(finished, s.samples*s.variants)
			}
		}
	}
	return ctx.Err()
}

// put keeps a row; what memory has no room for is in the file after a flush.
func (s *Store) put(at int, v []float32) {
	to := &s.mem
	r := &s.rows[at]
	r.at = int64(len(s.mem))
	if cap(s.mem)-len(s.mem) < mostPacked(s.size) {
		to = &s.packed
		r.at = int64(cap(s.mem)) + s.filed + int64(len(s.packed))
	}
	before := len(*to)
	*to, r.halved = pack(*to, v)
	r.bytes = uint32(len(*to) - before)
}

func (s *Store) flush() error {
	if len(s.packed) == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(s.packed, s.filed); err != nil {
		return fmt.Errorf("keeping features: %w (is the disk of %s full?)", err, os.TempDir())
	}
	s.filed += int64(len(s.packed))
	s.packed = s.packed[:0]
	return nil
}

func (s *Store) get(at int, v []float32) error {
	r := s.rows[at]
	if r.at < int64(cap(s.mem)) {
		unpack(v[:s.size], s.mem[r.at:][:r.bytes], r.halved)
		return nil
	}
	s.packed = slices.Grow(s.packed[:0], int(r.bytes))[:r.bytes]
	if _, err := s.file.ReadAt(s.packed, r.at-int64(cap(s.mem))); err != nil {
		return fmt.Errorf("reading kept features: %w", err)
	}
	unpack(v[:s.size], s.packed, r.halved)
	return nil
}

// Images is the number of samples in an epoch.
func (s *Store) Images() int {
	n := 0
	for i := range s.samples {
		if s.rows[i].bytes > 0 {
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
				if s.rows[variant+sample].bytes == 0 {
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
