package dataset

import (
	"sync"

	"graft/internal/transform"
)

// DefaultCacheBytes is the memory that decoded pictures may take.
const DefaultCacheBytes = 384 << 20

// A Cache keeps decoded pictures, as they were decoded, until it is full; the
// rest are decoded each time. A nil Cache keeps nothing. It is safe for
// concurrent use.
type Cache struct {
	mu    sync.RWMutex
	pics  map[string]*transform.Picture
	left  int
	total int
}

// NewCache makes a cache for about that many bytes of pixels.
func NewCache(bytes int) *Cache {
	return &Cache{pics: map[string]*transform.Picture{}, left: bytes, total: bytes}
}

// Bytes is the memory in use.
func (c *Cache) Bytes() int {
	if c == nil {
		return 0
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.total - c.left
}

func (c *Cache) get(path string) *transform.Picture {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.pics[path]
}

func (c *Cache) put(path string, p *transform.Picture) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pics[path] == nil && len(p.Pix) <= c.left {
		c.pics[path] = p
		c.left -= len(p.Pix)
	}
}
