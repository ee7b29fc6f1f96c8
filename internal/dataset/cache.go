package dataset

import "sync"

// DefaultCacheBytes is the memory that decoded pictures may take.
const DefaultCacheBytes = 384 << 20

// A Cache keeps decoded pictures, as they were decoded, until it is full; the
// rest are decoded each time. They are not kept smaller, since what the network
// sees must not depend on the cache; a JPEG's chroma stays at its own size, so
// that most take 1.5 bytes a pixel. A nil Cache keeps nothing. It is safe for
// concurrent use.
type Cache struct {
	mu    sync.RWMutex
	pics  map[cacheKey]*decoded
	left  int
	total int
}

// A cacheKey is a picture and how it was read.
type cacheKey struct {
	path     string
	asStored bool
	enough   int
}

// NewCache makes a cache for about that many bytes of pixels.
func NewCache(bytes int) *Cache {
	return &Cache{pics: map[cacheKey]*decoded{}, left: bytes, total: bytes}
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

func (c *Cache) get(path string, o DecodeOptions) *decoded {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.pics[cacheKey{path, o.IgnoreEXIF, o.Enough}]
}

func (c *Cache) put(path string, o DecodeOptions, p *decoded) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{path, o.IgnoreEXIF, o.Enough}
	if n := p.bytes(); c.pics[key] == nil && n <= c.left {
		c.pics[key] = p
		c.left -= n
	}
}
