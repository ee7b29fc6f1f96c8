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

func (t *stageTask) run(_ *worker, i, _ int) {
	s := t.to
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
