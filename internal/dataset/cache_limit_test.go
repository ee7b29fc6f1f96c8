package dataset

import (
	"fmt"
	"image"
	"testing"
)

func TestCacheLimit(t *testing.T) {
	c := NewCache(1000)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			c.put(fmt.Sprint(i), DecodeOptions{}, &decoded{img: &image.Gray{Pix: make([]byte, 100)}})
		}
	}
	put(0, 12)
	if c.Bytes() != 1000 {
		t.Fatalf("%d bytes of 1000", c.Bytes())
	}
	c.Limit(350)
	if c.Bytes() > 350 || c.Bytes() < 300 {
		t.Errorf("%d bytes of 350", c.Bytes())
	}
	put(20, 24)
	if c.Bytes() > 350 {
		t.Errorf("%d bytes of 350 after more", c.Bytes())
	}
	c.Limit(0)
	if c.Bytes() != 0 {
		t.Errorf("%d bytes of 0", c.Bytes())
	}
}
