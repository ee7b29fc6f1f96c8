//go:build unix && !linux

package cpu

// largePages leaves the size of pages to the system.
func largePages([]byte) {}
