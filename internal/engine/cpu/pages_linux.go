package cpu

import "golang.org/x/sys/unix"

// largePages asks for pages of 2 MB: rows of many tensors are far apart, and the
// addresses of small pages take longer to find than the rows to read. A system
// that has none goes on with small ones.
func largePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
