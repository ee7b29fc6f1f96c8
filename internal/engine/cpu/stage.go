package cpu

import "unsafe"

// A stage is a picture batch inside the arena: dense pixels with real zero
// padding round every picture, for a convolution that reads it a kernel row at
// a time; or with physical channels and no padding, for anything else.
type stage struct {
	*tensor
	pad       int
	rowPixels int // with padding
	channels  int // floats a pixel
	h, w, c   int
}

// A stageTask copies the caller's pictures into a stage, a picture an item.
type stageTask struct {
	net *network
	to  *stage
}

func (t *stageTask) items(n int) int { return n }

func (t *stageTask) run(w *worker, i, _ int) {
	s := t.to
	if s.value == 2 {
		t.round(w, i)
		return
	}
	src := t.net.input[i*s.h*s.w*s.c:][:s.h*s.w*s.c]
	dst := unsafe.Slice((*float32)(unsafe.Add(s.base, i*s.bytes)), s.bytes/4)
	row := s.rowPixels * s.channels
	clear(dst[:s.pad*row])
	for h := range s.h {
		d := dst[(h+s.pad)*row:][:row]
		line := src[h*s.w*s.c:][:s.w*s.c]
		if s.channels == s.c {
			clear(d[:s.pad*s.c])
			copy(d[s.pad*s.c:], line)
			clear(d[s.pad*s.c+len(line):])
			continue
		}
		for x := range s.w {
			p := d[x*s.channels:][:s.channels]
			clear(p[copy(p, line[x*s.c:][:s.c]):])
		}
	}
	clear(dst[(s.h+s.pad)*row:])
}

// round is run to a stage of bfloat16.
func (t *stageTask) round(w *worker, i int) {
	s := t.to
	src := t.net.input[i*s.h*s.w*s.c:][:s.h*s.w*s.c]
	dst := unsafe.Slice((*uint16)(unsafe.Add(s.base, i*s.bytes)), s.bytes/2)
	row := s.rowPixels * s.channels
	clear(dst[:s.pad*row])
	for h := range s.h {
		d := dst[(h+s.pad)*row:][:row]
		line := src[h*s.w*s.c:][:s.w*s.c]
		if s.channels == s.c {
			clear(d[:s.pad*s.c])
			t.roundLine(w, d[s.pad*s.c:], line)
			clear(d[s.pad*s.c+len(line):])
			continue
		}
		clear(d)
		for x := range s.w {
			t.roundLine(w, d[x*s.channels:], line[x*s.c:][:s.c])
		}
	}
	clear(dst[(s.h+s.pad)*row:])
}

// roundLine rounds any number of values.
func (t *stageTask) roundLine(w *worker, to []uint16, line []float32) {
	round, whole := t.net.set.BF16.RoundRows, len(line)/vec*vec
	if whole > 0 {
		round(unsafe.Pointer(&to[0]), 0, unsafe.Pointer(&line[0]), 0, 1, whole)
	}
	if rest := line[whole:]; len(rest) > 0 {
		in, out := w.wino[:vec], unsafe.Pointer(&w.wino[vec])
		copy(in, rest)
		round(out, 0, unsafe.Pointer(&in[0]), 0, 1, vec)
		copy(to[whole:], unsafe.Slice((*uint16)(out), len(rest)))
	}
}
