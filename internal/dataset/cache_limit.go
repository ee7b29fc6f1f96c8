package dataset

// Limit changes what the cache may take to about that many bytes, and drops
// pictures until it fits.
func (c *Cache) Limit(bytes int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left += bytes - c.total
	c.total = bytes
	for key, p := range c.pics {
		if c.left >= 0 {
			return
		}
		delete(c.pics, key)
		c.left += p.bytes()
	}
}
