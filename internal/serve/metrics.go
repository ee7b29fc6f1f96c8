package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows, in Prometheus' form.
type metrics struct {
	handler  http.Handler
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	batches  *prometheus.HistogramVec
	infer    *prometheus.HistogramVec
	decoded  prometheus.Histogram
	rejected *prometheus.CounterVec
	reloads  *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	r := prometheus.NewRegistry()
	seconds := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "graft_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "code"}),
		latency:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "graft_http_request_duration_seconds", Help: "From a request's header to its answer.", Buckets: seconds}, []string{"route"}),
		batches:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "graft_batch_pictures", Help: "Pictures that went through the network together.", Buckets: []float64{1, 2, 4, 8, 16, 32}}, []string{"model"}),
		infer:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "graft_inference_duration_seconds", Help: "Of one batch in the network.", Buckets: seconds}, []string{"model"}),
		decoded:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "graft_decode_duration_seconds", Help: "From a file's bytes to what the network reads.", Buckets: seconds}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "graft_rejected_total", Help: "Requests and pictures without a prediction, by reason."}, []string{"reason"}),
		reloads:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "graft_model_reloads_total", Help: "Model files opened while serving: swapped or refused."}, []string{"model", "result"}),
	}
	for _, reason := range reasons {
		m.rejected.WithLabelValues(reason)
	}
	r.MustRegister(m.requests, m.latency, m.batches, m.infer, m.decoded, m.rejected, m.reloads, &states{s: s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) answered(route, method string, code int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(code)).Inc()
	m.latency.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) inferred(model string, n int, took time.Duration) {
	m.batches.WithLabelValues(model).Observe(float64(n))
	m.infer.WithLabelValues(model).Observe(took.Seconds())
}

func (m *metrics) reloaded(model, result string) { m.reloads.WithLabelValues(model, result).Inc() }

// states are read when they are asked for.
type states struct{ s *Server }

var (
	queueDesc = prometheus.NewDesc("graft_queue_pictures", "Pictures admitted and not yet answered.", []string{"model"}, nil)
	underDesc = prometheus.NewDesc("graft_requests_under_way", "Requests with pictures under way.", nil, nil)
	readyDesc = prometheus.NewDesc("graft_ready", "1 while new requests are welcome.", nil, nil)
	infoDesc  = prometheus.NewDesc("graft_model_info", "The model that answers to a name.", []string{"model", "network", "classes", "file", "device"}, nil)
)

func (m *states) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueDesc, underDesc, readyDesc, infoDesc} {
		ch <- d
	}
}

func (m *states) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, l := range m.s.models {
		i := l.acquire()
		gauge(queueDesc, float64(i.batch.waiting.Load()), l.name)
		gauge(infoDesc, 1, l.name, i.Model, strconv.Itoa(len(i.Classes)), i.Path, i.Device())
		l.release(i)
	}
	gauge(underDesc, float64(len(m.s.under)))
	ready := 0.0
	if m.s.ready.Load() {
		ready = 1
	}
	gauge(readyDesc, ready)
}
