package graft

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strings"

	"graft/internal/transform"
)

//go:embed prove.py
var proveScript string

// errNoRuntime says that there is no Python with onnxruntime.
var errNoRuntime = errors.New("no onnxruntime")

// A pythonRuntime is a Python process that runs an ONNX file with onnxruntime.
type pythonRuntime struct {
	version string
	pixels  bool
	classes int
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    *bytes.Buffer // on standard error
}

// newRuntime starts the interpreter, python3 if none is named.
func newRuntime(ctx context.Context, python, path string, pixels bool, classes int) (runner, error) {
	if python == "" {
		python = "python3"
	}
	if out, err := exec.CommandContext(ctx, python, "-c", "import onnxruntime, numpy").CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %s has none (pip install onnxruntime): %w %s", errNoRuntime, python, err, lastLine(out))
	}
	r := &pythonRuntime{pixels: pixels, classes: classes, said: &bytes.Buffer{}, process: exec.CommandContext(ctx, python, "-c", proveScript, path)}
	r.process.Stderr = r.said
	var err error
	if r.in, err = r.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.out = bufio.NewReader(out)
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	version, err := r.out.ReadString('\n')
	if err != nil {
		r.close()
		return nil, fmt.Errorf("onnxruntime refuses the file: %s", lastLine(r.said.Bytes()))
	}
	r.version = strings.TrimSpace(version)
	return r, nil
}

func (r *pythonRuntime) name() string { return "onnxruntime " + r.version }
func (r *pythonRuntime) slow() bool   { return false }

func (r *pythonRuntime) close() {
	r.in.Close()
	r.process.Process.Kill() // whatever it is, it does not outlive the proof
	r.process.Wait()
}

func (r *pythonRuntime) run(x []float32, pic *transform.Picture) (logits, probs []float32, err error) {
	a := arrayOf(r.pixels, x, pic)
	request := make([]byte, 0, 16+4*len(a.Floats)+len(a.Bytes))
	for _, d := range a.Dims {
		request = binary.LittleEndian.AppendUint32(request, uint32(d))
	}
	for _, v := range a.Floats {
		request = binary.LittleEndian.AppendUint32(request, math.Float32bits(v))
	}
	answer := make([]byte, 8*r.classes)
	_, err = r.in.Write(append(request, a.Bytes...))
	if err == nil {
		_, err = io.ReadFull(r.out, answer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("onnxruntime: %s", lastLine(r.said.Bytes()))
	}
	both := make([]float32, 2*r.classes)
	for i := range both {
		both[i] = math.Float32frombits(binary.LittleEndian.Uint32(answer[4*i:]))
	}
	return both[:r.classes], both[r.classes:], nil
}

// lastLine is what a program said in the end.
func lastLine(said []byte) string {
	text := strings.TrimSpace(string(said))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
