// Command serve measures graft serve under load: it starts the program on loopback with and
// without micro-batches, lets clients post photographs one after another, and prints
// throughput and latencies as a table. Clients and server share the machine's processors.
//
//	go run ./bench/serve -model runs/photos-squeezenet1_1 -pictures photos/
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	program := flag.String("graft", "bin/graft", "the program")
	model := flag.String("model", "", "run or model file")
	pictures := flag.String("pictures", "", "folder of photographs")
	clients := flag.String("clients", "1,8,32", "how many at once")
	last := flag.Duration("for", 3*time.Second, "of each measurement")
	flag.Parse()
	if err := run(*program, *model, *pictures, *clients, *last); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(program, model, pictures, clients string, last time.Duration) error {
	files, err := read(pictures)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d photographs\n\n| | clients | pictures/s | p50 ms | p99 ms | pictures a batch |\n|---|---|---|---|---|---|\n", filepath.Base(model), len(files))
	for _, how := range []struct{ name, batch string }{{"one by one", "1"}, {"micro-batches", "32"}} {
		err := served(program, model, how.batch, func(url string) error {
			for _, c := range strings.Split(clients, ",") {
				n, err := strconv.Atoi(c)
				if err != nil {
					return err
				}
				if _, err := load(url, files, n, last/5); err != nil { // warm
					return err
				}
				before, err := batches(url)
				if err != nil {
					return err
				}
				took, err := load(url, files, n, last)
				if err != nil {
					return err
				}
				after, err := batches(url)
				if err != nil {
					return err
				}
				slices.Sort(took)
				ms := func(share float64) float64 {
					return float64(took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()) / 1000
				}
				fmt.Printf("| %s | %d | %.0f | %.1f | %.1f | %.1f |\n", how.name, n, float64(len(took))/last.Seconds(), ms(.5), ms(.99), (after[0]-before[0])/(after[1]-before[1]))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// read gets the files of a folder, at most 200.
func read(dir string) (files [][]byte, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(files) == 200 {
			return err
		}
		data, err := os.ReadFile(path)
		files = append(files, data)
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no files in %q", dir)
	}
	return files, err
}

// served starts the server, calls do with its address, and ends it.
func served(program, model, batch string, do func(url string) error) error {
	c := exec.Command(program, "serve", "m="+model, "--listen", "127.0.0.1:0", "--batch", batch)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("%s serve: %s", program, &said), c.Wait())
	}
	err = do(strings.TrimSuffix(strings.TrimSpace(line), "/"))
	return errors.Join(err, c.Process.Signal(os.Interrupt), c.Wait())
}

// load lets n clients ask for so long, and returns how long each answer took.
func load(url string, files [][]byte, n int, last time.Duration) ([]time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	end := time.Now().Add(last)
	var clients sync.WaitGroup
	for c := range n {
		clients.Go(func() {
			var took []time.Duration
			var err error
			for k := c * 7; err == nil && time.Now().Before(end); k++ {
				start := time.Now()
				err = ask(client, url, files[k%len(files)])
				took = append(took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took...), errors.Join(failed, err)
		})
	}
	clients.Wait()
	return all, failed
}

func ask(client *http.Client, url string, file []byte) error {
	r, err := client.Post(url+"/v1/predict", "application/octet-stream", bytes.NewReader(file))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", r.StatusCode, data)
	}
	return err
}

// batches reads from the metrics how many pictures went through the network, and in how many batches.
func batches(url string) (counts [2]float64, err error) {
	r, err := http.Get(url + "/metrics")
	if err != nil {
		return counts, err
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		for i, name := range []string{"graft_batch_pictures_sum", "graft_batch_pictures_count"} {
			if strings.HasPrefix(lines.Text(), name) {
				if counts[i], err = strconv.ParseFloat(lines.Text()[strings.LastIndex(lines.Text(), " ")+1:], 64); err != nil {
					return counts, err
				}
			}
		}
	}
	return counts, lines.Err()
}
