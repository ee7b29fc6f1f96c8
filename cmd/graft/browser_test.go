package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axeScript is axe-core's axe.min.js; make browser fetches it, and runs the tests of this file.
var axeScript = os.Getenv("GRAFT_AXE")

// A tab is a page in a headless browser that notes what goes wrong in it.
type tab struct {
	t   *testing.T
	ctx context.Context
	mu  sync.Mutex
	bad []string
}

// openTab starts Chromium, or skips the test where there is none.
func openTab(t *testing.T) *tab {
	t.Helper()
	if axeScript == "" {
		t.Skip("GRAFT_AXE names no axe.min.js: make browser fetches it and runs this test")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if at, err := exec.LookPath(name); err == nil {
			path = at
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("lang", "en-GB"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // events that are newer than the package
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				b.note("console %s: %s", e.Type, e.Args[0].Value)
			}
		case *runtime.EventExceptionThrown:
			b.note("exception: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError {
				b.note("log: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	b.do("start", log.Enable())
	return b
}

func (b *tab) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = append(b.bad, fmt.Sprintf(format, args...))
}

// do runs actions, which must succeed within a minute.
func (b *tab) do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Run(b.ctx, actions...) }()
	select {
	case err := <-done:
		if err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		var body string
		_ = chromedp.Run(b.ctx, chromedp.Evaluate("document.body.innerText", &body))
		b.t.Fatalf("%s: it did not happen within a minute; the page says:\n%s\n%s", what, body, strings.Join(b.bad, "\n"))
	}
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	b.do(expression, chromedp.Poll(expression, nil, chromedp.WithPollingInterval(50*time.Millisecond)))
}

// quiet fails where the page has complained.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.bad {
		b.t.Error(text)
	}
	b.bad = nil
}

// as shows the page on a screen of a width, in a colour scheme.
func (b *tab) as(width int, scheme string) {
	b.t.Helper()
	height := int64(900)
	if width < 600 {
		height = 844
	}
	b.do("screen", emulation.SetDeviceMetricsOverride(int64(width), height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// inspect looks at the page on a computer and a telephone, in both colour schemes: axe-core finds nothing
// serious, nothing is wider than the screen, and pictures of it are kept where GRAFT_SCREENSHOTS asks for them.
func (b *tab) inspect(name string) {
	b.t.Helper()
	for _, width := range []int{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			b.as(width, scheme)
			var wide float64
			b.do("layout", chromedp.Sleep(150*time.Millisecond), chromedp.Evaluate("document.documentElement.scrollWidth - innerWidth", &wide))
			if wide > 0 {
				b.t.Errorf("%s at %d pixels is %.0f too wide", name, width, wide)
			}
			b.axe(fmt.Sprintf("%s, %d pixels, %s", name, width, scheme))
			b.screenshot(fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
		}
	}
	b.as(1280, "light")
}

func (b *tab) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("GRAFT_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	b.do("screenshot", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), picture, 0o644)); err != nil {
		b.t.Fatal(err)
	}
}

// axe lets axe-core look at the page; what it calls serious or critical fails the test.
func (b *tab) axe(where string) {
	b.t.Helper()
	script, err := os.ReadFile(axeScript)
	if err != nil {
		b.t.Fatal(err)
	}
	var text string
	b.do("axe-core", chromedp.Evaluate("typeof axe === 'undefined' && ("+"() => {"+string(script)+"})(), true", nil),
		chromedp.Evaluate("axe.run().then(r => JSON.stringify(r.violations))", &text, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		if f.Impact == "serious" || f.Impact == "critical" {
			b.t.Errorf("%s: axe-core, %s: %s: %s\n%s\n%s", where, f.Impact, f.ID, f.Help, f.Nodes[0].HTML, f.Nodes[0].FailureSummary)
		} else {
			b.t.Logf("%s: axe-core, %s: %s: %s: %s", where, f.Impact, f.ID, f.Help, f.Nodes[0].HTML)
		}
	}
}

// selfCommand runs this test's program as graft.
func selfCommand(t *testing.T, dir string) func(args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "graft") // testscript runs the command that the program is called
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GRAFT_CACHE="+filepath.Join(dir, "cache"))
		return c
	}
}

// begin starts a command that is ended with the test, and gives its lines.
func begin(t *testing.T, c *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Signal(os.Interrupt)
			_ = c.Wait()
		}
	})
	return bufio.NewScanner(out)
}

// TestDashboardInBrowser goes through the page as a person would: the list, filtered and sorted, a run's
// report, two runs compared, a run watched while it trains, and stopped.
func TestDashboardInBrowser(t *testing.T) {
	b := openTab(t)
	dir := t.TempDir()
	graft := selfCommand(t, dir)
	for _, args := range []string{
		"--model resnet20 --weights none --epochs 8 --limit 40 --out runs/clothing-resnet20",
		"--model squeezenet1_1 --recipe fast --epochs 6 --limit 40 --out runs/clothing-squeezenet1_1",
	} {
		if out, err := graft(append([]string{"train", "clothing"}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	live := graft("train", "clothing", "--model", "squeezenet1_1", "--recipe", "plain", "--epochs", "500", "--limit", "48", "--batch", "16", "--threads", "1", "--out", "runs/night")
	begin(t, live)
	board := begin(t, graft("dashboard", "runs", "--listen", "127.0.0.1:0"))
	if !board.Scan() || !strings.HasPrefix(board.Text(), "http://127.0.0.1:") {
		t.Fatalf("the dashboard says %q", board.Text())
	}
	b.as(1280, "light")
	b.do("open", chromedp.Navigate(board.Text()))
	b.until(`document.querySelectorAll(".runs tbody tr").length === 3 && document.querySelector(".pill.running") !== null`)

	b.do("filter", chromedp.SendKeys("#filter", "finished resnet", chromedp.ByQuery))
	b.until(`document.querySelectorAll(".runs tbody tr").length === 1 && document.querySelector("#found").textContent === "1 of 3 runs"`)
	b.do("clear", chromedp.Evaluate(`filter.value = ""; filter.dispatchEvent(new Event("input"))`, nil))
	b.do("sort", chromedp.Click(".runs th.model button", chromedp.ByQuery))
	b.until(`document.querySelector(".runs th.model").ariaSort === "ascending" && document.querySelector(".runs td.model").textContent === "resnet20"`)
	b.do("choose", chromedp.Click(`[id="choose clothing-resnet20"]`, chromedp.ByQuery), chromedp.Click(`[id="choose clothing-squeezenet1_1"]`, chromedp.ByQuery))
	b.until(`document.querySelector("#compare").textContent === "Compare 2 runs"`)
	b.inspect("list")

	b.do("report", chromedp.Navigate(board.Text()+"report/clothing-squeezenet1_1"))
	b.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
	b.inspect("report")
	b.do("return", chromedp.Navigate(board.Text()))
	b.until(`document.querySelectorAll(".runs tbody tr").length === 3`)
	b.do("choose", chromedp.Click(`[id="choose clothing-resnet20"]`, chromedp.ByQuery), chromedp.Click(`[id="choose clothing-squeezenet1_1"]`, chromedp.ByQuery))

	b.do("compare", chromedp.Click("#compare", chromedp.ByQuery))
	b.until(`document.querySelectorAll(".plot path.curve").length === 4 && document.querySelector(".differs").innerText.includes("resnet20")`)
	b.do("by time", chromedp.Click(`input[value="time"]`, chromedp.ByQuery))
	b.until(`document.querySelector(".reading").textContent.startsWith("time ")`)
	b.inspect("compare")

	b.do("back", chromedp.Click(".back a", chromedp.ByQuery))
	b.do("run", chromedp.Click(`[id="run night"]`, chromedp.ByQuery))
	b.until(`document.querySelectorAll(".plot path.curve").length >= 4 && document.querySelectorAll(".pictures li.right, .pictures li.wrong").length === 12`)
	b.until(`/^[3-9] of 500$|^\d\d+ of 500$/.test([...document.querySelectorAll(".tiles .value")][1].textContent)`) // without a reload
	b.until(`/MB|GB/.test(document.querySelector(".tiles").textContent) && /≈/.test(document.querySelector(".tiles").textContent)`)
	b.do("keyboard", chromedp.Focus(".plot", chromedp.ByQuery), chromedp.KeyEvent(kb.Home))
	b.until(`document.querySelector(".plot").getAttribute("aria-valuetext").startsWith("epoch 1: ")`)
	b.do("leave the curve", chromedp.Evaluate(`document.activeElement.blur()`, nil))
	b.inspect("run")

	b.do("stop", chromedp.Click("#stop", chromedp.ByQuery), chromedp.WaitVisible("#ask-yes", chromedp.ByQuery))
	b.axe("the question before stopping")
	b.screenshot("stop-1280-light.png")
	b.do("yes", chromedp.Click("#ask-yes", chromedp.ByQuery))
	b.until(`document.querySelector(".title .pill").textContent === "interrupted" && document.querySelector("#stop").hidden`)
	var exit *exec.ExitError
	if err := live.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("the stopped run ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "runs", "night", "best.safetensors")); err != nil {
		t.Error(err)
	}
	b.quiet()
}
