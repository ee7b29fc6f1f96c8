package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestServeInBrowser drops photographs on the page, asks where the network looked, and reads the API's page.
func TestServeInBrowser(t *testing.T) {
	b := openTab(t)
	dir := t.TempDir()
	graft := selfCommand(t, dir)
	if out, err := graft("train", "clothing", "--model", "squeezenet1_1", "--recipe", "plain", "--freeze", "all", "--epochs", "3", "--limit", "40", "--out", "run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := writePhotos(filepath.Join(dir, "photos")); err != nil {
		t.Fatal(err)
	}
	photos, err := filepath.Glob(filepath.Join(dir, "photos", "*", "*"))
	if err != nil || len(photos) < 4 {
		t.Fatal(photos, err)
	}
	server := begin(t, graft("serve", "clothing=run", "again=run", "--listen", "127.0.0.1:0"))
	if !server.Scan() || !strings.HasPrefix(server.Text(), "http://127.0.0.1:") {
		t.Fatalf("the server says %q", server.Text())
	}
	url := strings.TrimSuffix(server.Text(), "/")
	b.as(1280, "light")
	b.do("open", chromedp.Navigate(url))
	b.until(`document.querySelector("#classes").textContent === "It knows: pants, shoes, t-shirt" && document.querySelectorAll("#model option").length === 2`)
	b.do("choose", chromedp.SetUploadFiles("#files", []string{photos[0], photos[1], photos[len(photos)-1]}, chromedp.ByQuery))
	b.until(`document.querySelector("#state").textContent === "3 pictures answered" && /^(pants|shoes|t-shirt) \d+\.\d %$/.test(document.querySelector("#answers h2").textContent)`)
	b.do("why", chromedp.Click("#answers button", chromedp.ByQuery))
	b.until(`document.querySelector("#answers img").alt.startsWith("What the network saw") && document.querySelectorAll("#answers button").length === 2`)
	b.inspect("serve")
	b.quiet()

	note := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(note, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.do("no picture", chromedp.SetUploadFiles("#files", []string{note}, chromedp.ByQuery))
	b.until(`document.querySelector("#answers .bad")?.textContent.startsWith("not a picture") && document.querySelector("#state").textContent === "1 picture, 1 without an answer"`)
	b.axe("an error")
	b.bad = nil // the browser notes the status of 415

	b.do("docs", chromedp.Navigate(url+"/docs"))
	b.until(`document.querySelectorAll(".operation").length === 13`)
	b.inspect("serve-docs")
	b.quiet()
}
