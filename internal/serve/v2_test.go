package serve

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"graft"
)

// inferred asks for an inference and reads the answer, binary outputs included.
func inferred(t *testing.T, url, header string, tail []byte) map[string]any {
	t.Helper()
	var headers []string
	if tail != nil {
		headers = []string{"Inference-Header-Content-Length", strconv.Itoa(len(header))}
	}
	code, h, data := post(t, url+"/v2/models/a/infer", "application/octet-stream", append([]byte(header), tail...), headers...)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, data)
	}
	if n, err := strconv.Atoi(h.Get("Inference-Header-Content-Length")); err == nil {
		data, tail = data[:n], data[n:]
	} else {
		tail = nil
	}
	answer := decoded[answerV2](t, data)
	outputs := map[string]any{"id": answer.ID}
	for _, o := range answer.Outputs {
		name := o.Name + fmt.Sprint(o.Shape)
		if o.Parameters == nil {
			outputs[name] = strings.ReplaceAll(string(o.Data), " ", "")
			continue
		}
		n := *o.Parameters.BinaryDataSize
		o.binary, tail = tail[:n], tail[n:]
		count := 1
		for _, d := range o.Shape {
			count *= int(d)
		}
		if o.Datatype == "FP32" {
			v, err := o.floats(count)
			if err != nil {
				t.Fatal(err)
			}
			outputs[name] = v
			continue
		}
		v, err := o.elements(count)
		if err != nil {
			t.Fatal(err)
		}
		outputs[name] = string(slices.Concat(v...))
	}
	if len(tail) > 0 {
		t.Errorf("%d bytes behind the outputs", len(tail))
	}
	return outputs
}

func inJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// The same pictures as files and as tensors, in JSON and in binary, have predict's answers.
func TestInference(t *testing.T) {
	s, url := started(t, Config{})
	files := photographs(t, 2)
	want := direct(t, s.c.Models[0].Path, files)
	c, err := graft.OpenWith(s.c.Models[0].Path, graft.OpenOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nhwc, _, err := c.Tensors(files)
	if err != nil {
		t.Fatal(err)
	}
	planes := make([]float32, len(nhwc))
	for i, v := range nhwc {
		picture, at := i/(3*32*32), i%(3*32*32)
		planes[picture*3*32*32+at%3*32*32+at/3] = v
	}
	var bytesTail, floatTail []byte
	for _, f := range files {
		bytesTail = append(binary.LittleEndian.AppendUint32(bytesTail, uint32(len(f))), f...)
	}
	for _, v := range planes {
		floatTail = binary.LittleEndian.AppendUint32(floatTail, math.Float32bits(v))
	}
	logits := slices.Concat(want[0].Logits, want[1].Logits)
	probs := make([]float32, 6)
	for k, p := range want {
		for _, top := range p.TopK {
			probs[3*k+slices.Index(c.Classes, top.Label)] = float32(top.Prob)
		}
	}
	labels := []string{want[0].Label, want[1].Label}
	plain := map[string]any{"id": "", "logits[2 3]": inJSON(logits), "probabilities[2 3]": inJSON(probs), "labels[2 1]": inJSON(labels)}
	text := inJSON([]string{base64.StdEncoding.EncodeToString(files[0]), base64.StdEncoding.EncodeToString(files[1])})
	nested := strings.Replace(strings.Replace(text, `","`, `"],["`, 1), "[", "[[", 1) + "]"
	best := slices.MaxFunc([]int{0, 1, 2}, func(a, b int) int { return int(math.Copysign(1, float64(logits[a]-logits[b]))) })
	cases := []struct {
		name, header string
		tail         []byte
		want         map[string]any
	}{
		{"files in JSON", `{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"data":` + text + `}]}`, nil, plain},
		{"files in nested JSON", `{"inputs":[{"name":"image","datatype":"BYTES","shape":[2,1],"data":` + nested + `}]}`, nil, plain},
		{"tensor in JSON", `{"inputs":[{"name":"input","datatype":"FP32","shape":[2,3,32,32],"data":` + inJSON(planes) + `}]}`, nil, plain},
		{"files in binary", fmt.Sprintf(`{"id":"7","parameters":{"binary_data_output":true},"inputs":[{"name":"image","datatype":"BYTES","shape":[2,1],"parameters":{"binary_data_size":%d}}],
			"outputs":[{"name":"labels"},{"name":"logits"},{"name":"probabilities","parameters":{"binary_data":false}}]}`, len(bytesTail)), bytesTail,
			map[string]any{"id": "7", "labels[2 1]": labels[0] + labels[1], "logits[2 3]": logits, "probabilities[2 3]": inJSON(probs)}},
		{"tensor in binary", fmt.Sprintf(`{"inputs":[{"name":"input","datatype":"FP32","shape":[2,3,32,32],"parameters":{"binary_data_size":%d}}],"outputs":[{"name":"logits"}]}`, len(floatTail)), floatTail,
			map[string]any{"id": "", "logits[2 3]": inJSON(logits)}},
		{"classification", fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":%d}}],"outputs":[{"name":"logits","parameters":{"classification":1}}]}`, 4+len(files[0])),
			bytesTail[:4+len(files[0])], map[string]any{"id": "", "logits[1 1]": fmt.Sprintf(`["%s:%d:%s"]`, strconv.FormatFloat(float64(logits[best]), 'f', -1, 32), best, c.Classes[best])}},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			got := inferred(t, url, k.header, k.tail)
			for name, v := range k.want {
				if fmt.Sprint(got[name]) != fmt.Sprint(v) {
					t.Errorf("%s is %v, not %v", name, got[name], v)
				}
			}
			if len(got) != len(k.want) {
				t.Errorf("outputs %v", got)
			}
		})
	}
}

func TestWrongInference(t *testing.T) {
	_, url := started(t, Config{Pictures: 4})
	input := func(s string) string { return `{"inputs":[` + s + `]}` }
	image := `{"name":"image","datatype":"BYTES","shape":[1,1],"data":["` + base64.StdEncoding.EncodeToString(pngOf(t, 9, 9)) + `"]}`
	cases := []struct{ name, body, words string }{
		{"no inputs", `{}`, "0 inputs"},
		{"two inputs", input(image + "," + image), "2 inputs"},
		{"another input", input(`{"name":"x","datatype":"FP32","shape":[1],"data":[1]}`), `no input "x"`},
		{"no data", input(`{"name":"image","datatype":"BYTES","shape":[1]}`), "no data"},
		{"another type", input(`{"name":"image","datatype":"FP32","shape":[1],"data":[1]}`), "not BYTES"},
		{"another shape", input(`{"name":"input","datatype":"FP32","shape":[1,3,31,32],"data":[1]}`), "3 32 32"},
		{"another rank", input(`{"name":"input","datatype":"FP32","shape":[3,32,32],"data":[1]}`), "[N,3,S,S]"},
		{"too many", input(`{"name":"image","datatype":"BYTES","shape":[5,1],"data":["eA=="]}`), "may have 4"},
		{"none", input(`{"name":"image","datatype":"BYTES","shape":[0,1],"data":[]}`), "shape"},
		{"huge", input(`{"name":"image","datatype":"BYTES","shape":[9223372036854775807,1],"data":[]}`), "may have 4"},
		{"too few values", input(`{"name":"input","datatype":"FP32","shape":[1,3,32,32],"data":[1,2]}`), "2 values, not 3072"},
		{"no numbers", input(`{"name":"input","datatype":"FP32","shape":[1,3,32,32],"data":["x"]}`), "numbers"},
		{"too large a number", input(`{"name":"input","datatype":"FP32","shape":[1,3,32,32],"data":[1e99]}`), "no FP32"},
		{"no base64", input(`{"name":"image","datatype":"BYTES","shape":[1],"data":["\u0000"]}`), "base64"},
		{"binary missing", input(`{"name":"image","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":9}}`), "0 bytes are left"},
		{"another output", strings.TrimSuffix(input(image), "}") + `,"outputs":[{"name":"x"}]}`, `no output "x"`},
		{"a class of labels", strings.TrimSuffix(input(image), "}") + `,"outputs":[{"name":"labels","parameters":{"classification":2}}]}`, "these parameters"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, _, data := post(t, url+"/v2/models/a/infer", "application/json", []byte(c.body))
			if code != 400 && code != 413 || !strings.Contains(decoded[struct{ Error string }](t, data).Error, c.words) {
				t.Errorf("%d %s", code, data)
			}
		})
	}
	// Not numbers.
	header := `{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,32,32],"parameters":{"binary_data_size":12288}}]}`
	tail := slices.Repeat(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN()))), 3072)
	code, _, data := post(t, url+"/v2/models/a/infer", "application/octet-stream", append([]byte(header), tail...), "Inference-Header-Content-Length", strconv.Itoa(len(header)))
	if code != 400 || !strings.Contains(string(data), "NaN") {
		t.Errorf("NaN: %d %s", code, data)
	}
}

// FuzzV2 feeds the parser anything: it must answer or refuse, and hand on only data as
// large as the shape says.
func FuzzV2(f *testing.F) {
	f.Add([]byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"data":["eA=="]}]}`), -1)
	f.Add([]byte(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[[[1,-2e3,0.5]]]}],"outputs":[{"name":"logits","parameters":{"classification":2}}]}`), -1)
	header := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":10}}]}`
	f.Add([]byte(header+"\x01\x00\x00\x00x\x01\x00\x00\x00y"), len(header))
	header = `{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"parameters":{"binary_data_size":12}}]}`
	f.Add([]byte(header+"\x00\x00\x80\x3f\x00\x00\x80\xff\x00\x00\x00\x00"), len(header))
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		r, err := parseV2(body, header)
		if err != nil {
			return
		}
		for k := range r.Inputs {
			in := &r.Inputs[k]
			n, err := in.pictures(8)
			if err != nil {
				continue
			}
			if n < 1 || n > 8 {
				t.Fatalf("%d pictures", n)
			}
			if files, err := in.elements(n); err == nil && len(files) != n {
				t.Fatalf("%d elements for %d", len(files), n)
			}
			if values, err := in.floats(3 * n); err == nil {
				if len(values) != 3*n {
					t.Fatalf("%d values for %d", len(values), 3*n)
				}
				for _, v := range values {
					if v-v != 0 {
						t.Fatalf("%v among the values", v)
					}
				}
			}
		}
	})
}
