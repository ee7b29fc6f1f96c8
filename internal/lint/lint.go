// Package lint holds tests only: they keep the project's shape. Which package
// may import which, how long a file may be, which names a package may not have.
package lint
