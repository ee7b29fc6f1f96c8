//go:build unix

package graft

import "golang.org/x/sys/unix"

// diskFree is how many bytes a user may still write where path lies.
func diskFree(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
