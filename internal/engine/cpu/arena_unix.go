//go:build unix

package cpu

import "golang.org/x/sys/unix"

// newArena takes zeroed memory from the system, beside the garbage-collected
// heap: the collector lets garbage grow in proportion to the heap, and gives
// memory back late.
func newArena(bytes int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	largePages(b)
	return b, nil
}

func freeArena(b []byte) { _ = unix.Munmap(b) }
