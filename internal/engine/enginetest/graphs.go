package enginetest

import (
	"fmt"

	"graft/internal/graph"

	"pgregory.net/rapid"
)

// A testCase is a small graph that shows one operation, or one way that
// operations meet, which an engine may run together.
type testCase struct {
	name  string
	batch int
	build func() *graph.Graph
}

type builder struct{ *graph.Builder }

// network builds a graph: body on pictures, then average and a linear layer.
func network(in graph.Shape, body func(b builder) int) func() *graph.Graph {
	return func() *graph.Graph {
		b := builder{graph.NewBuilder("test", in)}
		x := body(b)
		return b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", x), 5), "fc")
	}
}

func (b builder) conv(name string, x, out, kernel, stride, pad int) int {
	return b.Conv(name, x, out, graph.Window{Kernel: kernel, Stride: stride, Pad: pad}, true)
}

// normed is a convolution without bias, BatchNorm and ReLU.
func (b builder) normed(name string, x, out, kernel, stride, pad int) int {
	x = b.Conv(name, x, out, graph.Window{Kernel: kernel, Stride: stride, Pad: pad}, false)
	return b.ReLU(b.BatchNorm(name+".bn", x))
}

func (b builder) depthwise(name string, x, kernel, stride, pad int) int {
	c := b.Out(x).C
	return b.Conv(name, x, c, graph.Window{Kernel: kernel, Stride: stride, Pad: pad, Groups: c}, true)
}

// squeezed is x scaled by a function of its channels' means.
func (b builder) squeezed(name string, x int) int {
	s := b.Activation(graph.SiLU, b.conv(name+".fc1", b.GlobalAvgPool(name+".avg", x), 6, 1, 1, 0))
	return b.Mul(name, x, b.Activation(graph.Sigmoid, b.conv(name+".fc2", s, b.Out(x).C, 1, 1, 0)))
}

func cases() []testCase {
	small := graph.Shape{H: 9, W: 7, C: 3}
	var list []testCase
	add := func(name string, batch int, in graph.Shape, body func(b builder) int) {
		list = append(list, testCase{name, batch, network(in, body)})
	}
	for _, w := range [][3]int{{1, 1, 0}, {1, 2, 0}, {3, 1, 1}, {3, 1, 0}, {3, 2, 1}, {3, 2, 0}, {5, 1, 2}, {5, 2, 2}, {7, 2, 3}} {
		add(fmt.Sprintf("conv of picture %v", w), 3, small, func(b builder) int { return b.conv("c", 0, 10, w[0], w[1], w[2]) })
		add(fmt.Sprintf("conv %v", w), 3, graph.Shape{H: 11, W: 10, C: 3}, func(b builder) int {
			return b.conv("d", b.conv("c", 0, 20, 1, 1, 0), 40, w[0], w[1], w[2])
		})
	}
	for _, c := range [][2]int{{8, 8}, {16, 48}, {24, 33}, {64, 64}, {100, 7}, {36, 70}} {
		add(fmt.Sprintf("channels %v", c), 2, small, func(b builder) int {
			x := b.ReLU(b.conv("c", 0, c[0], 3, 1, 1))
			return b.ReLU(b.conv("e", b.ReLU(b.conv("d", x, c[1], 3, 1, 1)), c[0], 1, 1, 0))
		})
	}
	add("many pixels", 2, graph.Shape{H: 37, W: 41, C: 3}, func(b builder) int {
		return b.normed("d", b.normed("c", 0, 16, 3, 1, 1), 24, 3, 2, 1)
	})
	add("winograd sizes", 3, graph.Shape{H: 14, W: 14, C: 3}, func(b builder) int {
		x := b.normed("c", 0, 64, 3, 1, 1)
		return b.normed("e", b.normed("d", x, 64, 3, 1, 1), 64, 3, 1, 1)
	})
	add("winograd of stride 2", 3, graph.Shape{H: 21, W: 22, C: 3}, func(b builder) int {
		x := b.normed("c", 0, 24, 3, 1, 1)
		y := b.normed("d", x, 40, 3, 2, 1)
		s := b.BatchNorm("s.bn", b.Conv("s", x, 40, graph.Window{Kernel: 1, Stride: 2}, false))
		return b.ReLU(b.Add("add", b.BatchNorm("e.bn", b.conv("e", y, 40, 3, 1, 1)), s))
	})
	for _, stride := range []int{1, 2} { // as the features of a frozen part are
		add(fmt.Sprintf("3x3 of stride %d on an input of many channels", stride), 3, graph.Shape{H: 16, W: 16, C: 24}, func(b builder) int {
			return b.normed("c", 0, 40, 3, stride, 1)
		})
	}
	add("products of many channels", 5, graph.Shape{H: 13, W: 13, C: 3}, func(b builder) int { // by Strassen's algorithm
		x := b.normed("d", b.normed("c", 0, 128, 3, 1, 1), 160, 1, 1, 0)
		y := b.BatchNorm("e.bn", b.conv("e", x, 192, 3, 2, 1))
		s := b.BatchNorm("s.bn", b.Conv("s", x, 192, graph.Window{Kernel: 1, Stride: 2}, false))
		return b.conv("f", b.ReLU(b.Add("add", y, s)), 256, 1, 1, 0)
	})
	add("large weights", 3, graph.Shape{H: 11, W: 9, C: 3}, func(b builder) int {
		x := b.normed("d", b.normed("c", 0, 90, 1, 1, 0), 100, 3, 2, 1)
		return b.conv("f", b.normed("e", x, 270, 1, 1, 0), 300, 1, 2, 0)
	})
	add("scale that is no mean", 3, graph.Shape{H: 7, W: 7, C: 3}, func(b builder) int {
		x := b.normed("c", 0, 20, 3, 1, 1)
		return b.conv("e", b.Mul("m", x, b.Activation(graph.Sigmoid, b.conv("d", x, 20, 7, 1, 0))), 8, 1, 1, 0)
	})
	add("one sample", 1, small, func(b builder) int { return b.normed("d", b.normed("c", 0, 16, 3, 1, 1), 16, 3, 1, 1) })
	add("norm of picture", 4, small, func(b builder) int { return b.ReLU(b.BatchNorm("n", 0)) })
	add("norm without relu", 4, small, func(b builder) int { return b.BatchNorm("n", b.conv("c", 0, 12, 3, 1, 1)) })
	add("norm of norm", 4, small, func(b builder) int {
		return b.conv("d", b.BatchNorm("m", b.BatchNorm("n", b.conv("c", 0, 12, 3, 1, 1))), 8, 1, 1, 0)
	})
	add("residual", 3, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.BatchNorm("n", b.conv("d", x, 16, 3, 1, 1))
		x = b.ReLU(b.Add("add", y, x))
		z := b.BatchNorm("m", b.conv("e", x, 16, 3, 1, 1))
		return b.ReLU(b.Add("add2", z, x))
	})
	add("residual with downsample", 3, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.normed("d", x, 24, 3, 2, 1)
		y = b.BatchNorm("e.bn", b.Conv("e", y, 24, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, false))
		s := b.BatchNorm("s.bn", b.Conv("s", x, 24, graph.Window{Kernel: 1, Stride: 2}, false))
		return b.ReLU(b.Add("add", y, s))
	})
	add("residual second", 3, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.BatchNorm("n", b.conv("d", x, 16, 3, 1, 1))
		return b.ReLU(b.Add("add", x, y))
	})
	add("residual without relu or norm", 3, small, func(b builder) int {
		x := b.conv("c", 0, 16, 3, 1, 1)
		return b.Add("add", b.conv("d", x, 16, 3, 1, 1), x)
	})
	add("sum with itself", 3, small, func(b builder) int {
		x := b.conv("c", 0, 16, 3, 1, 1)
		return b.Add("add", x, x)
	})
	add("relu of relu, shared", 3, small, func(b builder) int {
		x := b.ReLU(b.conv("c", 0, 16, 3, 1, 1))
		return b.Add("add", b.ReLU(x), b.conv("d", x, 16, 1, 1, 0))
	})
	add("norm shared by three", 3, small, func(b builder) int {
		x := b.BatchNorm("n", b.conv("c", 0, 16, 3, 1, 1))
		y := b.Add("add", b.ReLU(x), b.conv("d", x, 16, 1, 1, 0))
		return b.Add("add2", y, b.conv("e", x, 16, 3, 1, 1))
	})
	add("shared relu after norm", 3, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.Add("add", b.conv("d", x, 16, 3, 1, 1), b.conv("e", x, 16, 1, 1, 0))
		return b.Add("add2", y, x)
	})
	pools := map[string]graph.Window{
		"plain": {Kernel: 2, Stride: 2}, "padded": {Kernel: 3, Stride: 2, Pad: 1}, "ceil": {Kernel: 3, Stride: 2, Ceil: true},
		"overlapping": {Kernel: 3, Stride: 1, Pad: 1}, "gaps": {Kernel: 2, Stride: 3},
	}
	for name, w := range pools {
		add("max pool, "+name, 3, small, func(b builder) int {
			return b.conv("d", b.MaxPool("p", b.normed("c", 0, 20, 3, 1, 1), w), 8, 1, 1, 0)
		})
	}
	add("max pool of picture", 3, small, func(b builder) int {
		return b.conv("d", b.MaxPool("p", 0, graph.Window{Kernel: 2, Stride: 2}), 8, 1, 1, 0)
	})
	for _, c := range [][]int{{16, 8}, {8, 24, 16}, {3, 5, 9, 7}} {
		add(fmt.Sprintf("concat %v", c), 3, small, func(b builder) int {
			x := b.ReLU(b.conv("c", 0, 16, 3, 1, 1))
			var parts []int
			for i, n := range c {
				parts = append(parts, b.ReLU(b.conv(fmt.Sprint("p", i), x, n, 1+2*(i%2), 1, i%2)))
			}
			return b.conv("d", b.Concat("cat", parts...), 16, 3, 1, 1)
		})
	}
	add("concat of normed, shared", 3, small, func(b builder) int {
		x, y := b.normed("c", 0, 16, 3, 1, 1), b.normed("e", 0, 8, 1, 1, 0)
		cat := b.Concat("cat", x, y)
		return b.Add("add", b.conv("d", cat, 24, 3, 1, 1), b.Concat("cat2", y, x))
	})
	add("dropout", 4, small, func(b builder) int {
		return b.conv("d", b.Dropout("drop", b.ReLU(b.conv("c", 0, 20, 3, 1, 1)), 0.4), 8, 1, 1, 0)
	})
	add("dropout of concat", 4, small, func(b builder) int {
		x := b.Concat("cat", b.ReLU(b.conv("c", 0, 16, 3, 1, 1)), b.ReLU(b.conv("e", 0, 8, 1, 1, 0)))
		return b.ReLU(b.conv("d", b.Dropout("drop", x, 0.5), 5, 1, 1, 0))
	})
	fire := func(b builder, name string, x, squeeze, expand int) int {
		x = b.ReLU(b.conv(name+".s", x, squeeze, 1, 1, 0))
		return b.Concat(name, b.ReLU(b.conv(name+".1", x, expand, 1, 1, 0)), b.ReLU(b.conv(name+".3", x, expand, 3, 1, 1)))
	}
	add("fires, pooled and dropped", 3, graph.Shape{H: 13, W: 11, C: 3}, func(b builder) int {
		x := b.MaxPool("p", b.ReLU(b.conv("c", 0, 24, 3, 2, 0)), graph.Window{Kernel: 3, Stride: 1, Pad: 1})
		x = fire(b, "g", fire(b, "f", x, 16, 24), 8, 40)
		x = fire(b, "h", b.MaxPool("q", x, graph.Window{Kernel: 3, Stride: 2, Ceil: true}), 8, 16)
		return b.ReLU(b.conv("d", b.Dropout("drop", x, 0.5), 5, 1, 1, 0))
	})
	add("concat of relus, shared", 3, small, func(b builder) int {
		x := fire(b, "f", b.conv("c", 0, 16, 3, 1, 1), 8, 16)
		return b.Add("add", b.conv("d", x, 24, 1, 1, 0), b.conv("e", b.MaxPool("p", x, graph.Window{Kernel: 3, Stride: 1, Pad: 1}), 24, 1, 1, 0))
	})
	add("concat of relus of shared convs", 3, small, func(b builder) int {
		x, y := b.conv("c", 0, 16, 3, 1, 1), b.conv("d", 0, 8, 1, 1, 0)
		cat := b.Concat("cat", b.ReLU(x), b.ReLU(y))
		return b.Add("add", b.conv("e", cat, 16, 1, 1, 0), x)
	})
	add("concat of normed, pooled", 3, small, func(b builder) int {
		x := b.Concat("cat", b.normed("c", 0, 16, 3, 1, 1), b.ReLU(b.conv("d", 0, 8, 1, 1, 0)))
		return b.conv("e", b.MaxPool("p", x, graph.Window{Kernel: 2, Stride: 2}), 8, 1, 1, 0)
	})
	add("shortcut", 3, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.BatchNorm("n", b.conv("d", x, 32, 3, 2, 1))
		return b.ReLU(b.Add("add", y, b.Shortcut("s", x, 32, 2)))
	})
	for _, w := range [][3]int{{3, 1, 1}, {3, 2, 1}, {5, 1, 2}, {5, 2, 2}, {1, 1, 0}, {3, 2, 0}} {
		for _, c := range []int{24, 20} {
			if w[0] > 1 { // a norm behind a scaled norm answers to rounding only
				add(fmt.Sprintf("depthwise %v of %d", w, c), 3, graph.Shape{H: 11, W: 10, C: 3}, func(b builder) int {
					x := b.depthwise("d", b.normed("c", 0, c, 1, 1, 0), w[0], w[1], w[2])
					return b.conv("e", b.Activation(graph.ReLU6, b.BatchNorm("d.bn", x)), 8, 1, 1, 0)
				})
			}
			add(fmt.Sprintf("depthwise %v of %d alone", w, c), 3, small, func(b builder) int {
				return b.depthwise("e", b.depthwise("d", b.conv("c", 0, c, 3, 1, 1), w[0], w[1], w[2]), 3, 1, 1)
			})
		}
	}
	list = append(list, transformers()...)
	for _, k := range []int{3, 5} {
		for _, side := range []int{9, 10} {
			add(fmt.Sprintf("same padding %d of %d", k, side), 3, graph.Shape{H: side, W: side, C: 3}, func(b builder) int {
				same := graph.Window{Kernel: k, Stride: 2, Same: true}
				x := b.ReLU(b.Conv("c", 0, 24, same, true))
				x = b.Add("add", b.Conv("d", x, 24, graph.Window{Kernel: k, Stride: 1, Same: true}, true), x)
				same.Groups = 24
				return b.conv("e", b.ReLU(b.BatchNorm("n", b.Conv("f", x, 24, same, false))), 8, 1, 1, 0)
			})
		}
	}
	for _, c := range [][4]int{{32, 32, 8, 3}, {48, 48, 6, 3}, {24, 36, 3, 3}, {20, 10, 5, 1}, {104, 104, 13, 3}, {12, 24, 12, 3}, {7, 14, 7, 5}} {
		for _, stride := range []int{1, 2} {
			add(fmt.Sprintf("grouped %v stride %d", c, stride), 3, small, func(b builder) int {
				x := b.conv("c", 0, c[0], 1, 1, 0)
				x = b.Conv("d", x, c[1], graph.Window{Kernel: c[3], Stride: stride, Pad: c[3] / 2, Groups: c[2]}, true)
				return b.conv("e", b.ReLU(x), 8, 1, 1, 0)
			})
		}
	}
	add("grouped, normed, residual", 3, graph.Shape{H: 14, W: 14, C: 3}, func(b builder) int {
		x := b.normed("c", 0, 64, 3, 1, 1)
		y := b.Conv("d", x, 64, graph.Window{Kernel: 3, Stride: 1, Pad: 1, Groups: 16}, false)
		y = b.BatchNorm("f.bn", b.Conv("f", b.ReLU(b.BatchNorm("d.bn", y)), 64, graph.Window{Kernel: 3, Stride: 1, Pad: 1, Groups: 4}, false))
		return b.ReLU(b.Add("add", y, x))
	})
	for op := graph.ReLU; op.Activation(); op++ {
		act := func(b builder, x int) int { return b.Activation(op, x) }
		add(op.String()+" of norm", 3, small, func(b builder) int {
			x := act(b, b.BatchNorm("n", b.conv("c", 0, 20, 3, 1, 1)))
			return b.conv("d", x, 8, 3, 1, 1)
		})
		add(op.String()+" of conv", 3, small, func(b builder) int {
			return b.conv("e", act(b, b.conv("d", act(b, b.conv("c", 0, 16, 3, 1, 1)), 20, 1, 1, 0)), 8, 1, 1, 0)
		})
		add(op.String()+" of shared norm", 3, small, func(b builder) int {
			x := b.BatchNorm("n", b.conv("c", 0, 16, 3, 1, 1))
			return b.Add("add", act(b, x), b.conv("d", x, 16, 1, 1, 0))
		})
		add(op.String()+" shared behind norm", 3, small, func(b builder) int {
			x := act(b, b.BatchNorm("n", b.conv("c", 0, 16, 3, 1, 1)))
			return b.Add("add", act(b, x), b.Concat("cat", x))
		})
		add(op.String()+" of residual", 3, small, func(b builder) int {
			x := b.normed("c", 0, 16, 3, 1, 1)
			return act(b, b.Add("add", b.BatchNorm("n", b.conv("d", x, 16, 3, 1, 1)), x))
		})
		add(op.String()+" of dropped and of concat", 3, small, func(b builder) int {
			x := act(b, b.Dropout("drop", b.BatchNorm("n", b.conv("c", 0, 16, 3, 1, 1)), 0.3))
			return b.conv("e", b.Concat("cat", x, act(b, b.conv("d", x, 8, 1, 1, 0))), 8, 1, 1, 0)
		})
	}
	add("squeeze-excitation", 3, small, func(b builder) int {
		x := b.Activation(graph.SiLU, b.BatchNorm("n", b.conv("c", 0, 24, 3, 1, 1)))
		return b.conv("d", b.squeezed("se", x), 8, 1, 1, 0)
	})
	add("squeeze-excitation of a shared value", 3, small, func(b builder) int {
		x := b.normed("c", 0, 20, 3, 1, 1)
		return b.Add("add", b.squeezed("se", x), x)
	})
	add("stochastic depth", 5, small, func(b builder) int {
		x := b.normed("c", 0, 16, 3, 1, 1)
		y := b.StochasticDepth("drop", b.BatchNorm("n", b.conv("d", x, 16, 3, 1, 1)), 0.4)
		return b.Add("add", y, x)
	})
	list = append(list, testCase{"squeeze head", 3, func() *graph.Graph {
		b := builder{graph.NewBuilder("test", small)}
		x := b.Dropout("drop", b.ReLU(b.conv("c", 0, 16, 3, 1, 1)), 0.5)
		return b.Graph(b.GlobalAvgPool("avg", b.ReLU(b.conv("d", x, 5, 1, 1, 0))), "d")
	}})
	list = append(list, testCase{"gradient shared by relu and norm", 2, func() *graph.Graph {
		b := builder{graph.NewBuilder("test", small)}
		x := b.conv("first", 0, 8, 3, 1, 1)
		twice := b.Add("twice", x, x)
		n := b.BatchNorm("bn", x) // its gradient runs between the ReLU's and the addition's
		return b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", b.Add("sum", n, b.ReLU(twice))), 4), "fc")
	}})
	list = append(list, testCase{"linear of linear", 5, func() *graph.Graph {
		b := builder{graph.NewBuilder("test", graph.Shape{H: 1, W: 1, C: 30})}
		return b.Graph(b.Linear("fc", b.ReLU(b.Linear("a", 0, 50)), 9), "fc")
	}})
	return list
}

// randomGraph draws a network of a few operations whose values may be used again.
func randomGraph(t *rapid.T) *graph.Graph {
	b := builder{graph.NewBuilder("random", graph.Shape{H: rapid.IntRange(4, 9).Draw(t, "h"), W: rapid.IntRange(4, 9).Draw(t, "w"), C: 3})}
	x := b.conv("first", 0, 8*rapid.IntRange(1, 3).Draw(t, "c"), 3, 1, 1)
	same := []int{x} // values of one shape
	for i := range rapid.IntRange(1, 7).Draw(t, "operations") {
		from := rapid.SampledFrom(same).Draw(t, "from")
		name := fmt.Sprint("op", i)
		c := b.Out(from).C
		switch rapid.IntRange(0, 9).Draw(t, "operation") {
		case 0:
			x = b.ReLU(from)
		case 1:
			x = b.BatchNorm(name, from)
		case 2:
			x = b.conv(name, from, c, 3, 1, 1)
		case 3:
			x = b.conv(name, from, c, 1, 1, 0)
		case 4:
			x = b.Add(name, from, rapid.SampledFrom(same).Draw(t, "other"))
		case 5:
			x = b.normed(name, from, c, 3, 1, 1)
		case 6:
			x = b.MaxPool(name, from, graph.Window{Kernel: 3, Stride: 1, Pad: 1})
		case 7:
			x = b.depthwise(name, from, 3, 1, 1)
		case 8:
			x = b.Activation(graph.SiLU, from)
		case 9:
			x = b.squeezed(name, from)
		}
		same = append(same, x)
	}
	if rapid.Bool().Draw(t, "concat") {
		x = b.Concat("cat", x, rapid.SampledFrom(same).Draw(t, "beside"))
	}
	return b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", x), 4), "fc")
}
