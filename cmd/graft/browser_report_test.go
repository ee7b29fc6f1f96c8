package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestReportInBrowser opens the report of a run as a file, by mouse and by keyboard.
func TestReportInBrowser(t *testing.T) {
	b := openTab(t)
	dir := t.TempDir()
	graft := selfCommand(t, dir)
	args := strings.Fields("train clothing --model squeezenet1_1 --recipe fast --epochs 2 --limit 40 --out run")
	if out, err := graft(args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.as(1280, "light")
	b.do("open", chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(dir, "run", "report.html"))))
	b.until(`/ of the test pictures are named right$/.test(document.querySelector("h1").textContent)`)
	b.until(`[...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length > 50`)
	b.until(`performance.getEntriesByType("resource").every(e => e.name.startsWith("data:"))`) // it asks for nothing
	b.inspect("report")

	const open = `document.querySelector(".sheet:popover-open")`
	b.do("a cell", chromedp.Click(".matrix td.hit button", chromedp.ByQuery))
	b.until(open + ` !== null && ` + open + `.querySelectorAll("img").length > 0`)
	b.inspect("report-cell")
	b.do("close", chromedp.KeyEvent(kb.Escape))
	b.until(open + ` === null`)
	b.do("by keyboard", chromedp.Focus(".matrix td.hit button", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
	b.until(open + ` !== null`)
	b.do("to its button", chromedp.KeyEvent(kb.Tab))
	b.until(open + `.contains(document.activeElement) && document.activeElement.textContent === "Close"`)
	b.do("close", chromedp.KeyEvent(kb.Enter))
	b.until(open + ` === null && document.activeElement.matches(".matrix button")`)

	b.do("details", chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	b.axe("everything open")
	b.quiet()
}
