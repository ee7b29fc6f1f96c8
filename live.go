package graft

import (
	"context"
	"math"
	"sync"
	"time"

	"graft/internal/dataset"
	"graft/internal/rundir"
	"graft/internal/train"
)

const (
	liveInterval = 500 * time.Millisecond
	livePoints   = 50 // of an epoch's loss, at most
	livePictures = 12
	liveSide     = 128 // pixels of such a picture
	liveQuality  = 85
)

// A live run tells of itself while it goes, and hears when it is asked to stop.
type live struct {
	dir      *rundir.Dir
	pictures []rundir.Picture
	shown    map[train.Phase]map[int]int // a sample's place in pictures, by part
	stop     context.CancelFunc

	mu      sync.Mutex // of what follows
	stopped bool       // it was asked to
	now     rundir.Live
	began   time.Time // the phase
	doneIn  int       // epochs of the phase that are over, timed
	leftIn  int       // and those that are not
	since   time.Time // the epoch began
	point   rundir.Point
	steps   int // in point
	seen    int // pictures in point
}

// tell begins to tell of the run, from its pictures on. The context that it returns is
// cancelled when the run is asked to stop; end, called after its last file was written, ends
// the telling.
func (s *session) tell(ctx context.Context) (told context.Context, end func()) {
	l := &live{dir: s.dir}
	s.live = l
	s.choosePictures(ctx)
	told, l.stop = context.WithCancel(ctx)
	events := s.c.Events
	s.c.Events = func(e Event) {
		l.event(e)
		events(e)
	}
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for tick := time.NewTicker(liveInterval); ; {
			l.write()
			select {
			case <-tick.C:
			case <-over:
				tick.Stop()
				return
			}
		}
	}()
	return told, func() {
		close(over)
		<-gone
		l.stop()
		if err := s.dir.EndLive(); err != nil {
			events(Warning{err.Error()})
		}
	}
}

// asked reports whether the run was asked to stop.
func (l *live) asked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// write tells where the run is. That it cannot be written does no harm: whoever reads it sees no news.
func (l *live) write() {
	if l.dir.StopRequested() {
		l.mu.Lock()
		l.stopped = true
		l.mu.Unlock()
		l.stop()
	}
	l.mu.Lock()
	now := l.now
	now.Points = append([]rundir.Point(nil), now.Points...)
	now.Updated, now.Left = time.Now().UTC(), l.left()
	l.mu.Unlock()
	now.Resident = resident()
	_ = l.dir.WriteLive(now)
}

// left estimates the seconds that the phase still takes: by its epochs so far, else by the
// share of the first that is done.
func (l *live) left() float64 {
	var epoch float64
	switch {
	case l.doneIn > 0:
		epoch = l.since.Sub(l.began).Seconds() / float64(l.doneIn)
	case l.now.Doing == string(train.Training) && l.now.Images > 0:
		epoch = time.Since(l.since).Seconds() * float64(l.now.TotalImages) / float64(l.now.Images)
	default:
		return 0
	}
	return rundir.Round(max(0, epoch*float64(l.leftIn)-time.Since(l.since).Seconds()))
}

// phase notes that a phase begins, or goes on after some of its epochs.
func (l *live) phase(name string, epochs, phasesLeft int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Phase, l.now.PhasesLeft = name, phasesLeft
	l.leftIn, l.doneIn = epochs, 0
	l.now.Doing, l.now.Images, l.now.TotalImages = "features", 0, 0
	l.began, l.since = time.Now(), time.Now()
}

func (l *live) event(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case Keeping:
		l.now.Doing, l.now.Images, l.now.TotalImages = "features", e.Done, e.Total
		l.began, l.since = time.Now(), time.Now() // epochs begin after it
	case Progress:
		l.now.Doing, l.now.Images, l.now.TotalImages = string(e.Phase), e.Images, e.TotalImages
		l.now.Epoch, l.now.Epochs = e.Epoch, e.Epochs
		if e.Phase == train.Training {
			l.now.Loss, l.now.TrainAcc = rundir.Round(e.Loss), rundir.Round(e.Accuracy)
			l.now.ImagesPerSec = rundir.Round(e.ImagesPerSec)
		}
	}
}

// step adds an update to the loss along the epoch.
func (l *live) step(s train.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.point.Loss += s.Loss
	l.seen += s.N
	l.steps++
	if l.steps < (s.Of+livePoints-1)/livePoints {
		return
	}
	l.point.Step, l.point.LR, l.point.Loss = s.Step, s.Rate, rundir.Round(l.point.Loss/float64(l.seen))
	l.now.Points = append(l.now.Points, l.point)
	l.point, l.seen, l.steps = rundir.Point{}, 0, 0
}

// epoch keeps an epoch in detail.
func (l *live) epoch(e train.Epoch, answers []train.Answer) error {
	l.mu.Lock()
	t := rundir.Trace{Epoch: e.Epoch, Points: l.now.Points}
	l.now.Points = nil
	l.point, l.seen, l.steps = rundir.Point{}, 0, 0
	l.doneIn++
	l.leftIn--
	l.since = time.Now()
	l.mu.Unlock()
	if len(answers) > 0 && len(l.pictures) > 0 {
		t.Answers = make([]rundir.Shown, len(l.pictures))
	}
	for _, a := range answers {
		if place, ok := l.shown[a.Part][a.Sample]; ok {
			t.Answers[place] = show(a)
		}
	}
	return l.dir.WriteTrace(t)
}

// show is an answer in probabilities.
func show(a train.Answer) rundir.Shown {
	top := 0
	for i, v := range a.Logits {
		if v > a.Logits[top] {
			top = i
		}
	}
	var sum float64
	for _, v := range a.Logits {
		sum += math.Exp(float64(v - a.Logits[top]))
	}
	return rundir.Shown{Class: top, Prob: rundir.Round(1 / sum), Right: rundir.Round(math.Exp(float64(a.Logits[a.Class]-a.Logits[top])) / sum)}
}

// choosePictures takes a few held-out pictures, of each class in turn and evenly spread over
// it, as the network sees them. A picture that cannot be read is left out.
func (s *session) choosePictures(ctx context.Context) {
	l := s.live
	part, phase, samples := "val", train.Validating, s.data.Valid
	if len(samples) == 0 || len(s.data.Test) == 0 {
		phase = train.Testing // as package train calls the only held-out pictures
	}
	if len(samples) == 0 {
		part, samples = "test", s.data.Test
	}
	l.shown = map[train.Phase]map[int]int{phase: {}}
	places := spread(samples, len(s.data.Classes), livePictures)
	var chosen []dataset.Sample
	for _, i := range places {
		chosen = append(chosen, samples[i])
	}
	for k, jpeg := range s.thumbnails(ctx, chosen, s.pre.WithSize(min(liveSide, s.pre.Crop)), liveQuality) {
		if jpeg == nil {
			continue
		}
		l.shown[phase][places[k]] = len(l.pictures)
		l.pictures = append(l.pictures, rundir.Picture{Path: chosen[k].Path, Part: part, Class: chosen[k].Class, JPEG: jpeg})
	}
	if err := s.dir.WritePictures(l.pictures); err != nil {
		s.c.Events(Warning{err.Error()})
	}
}

// spread are the places of up to n samples: of each class in turn, evenly spread over it.
func spread(samples []dataset.Sample, classes, n int) []int {
	of := make([][]int, classes)
	for i := range samples {
		c := samples[i].Class
		of[c] = append(of[c], i)
	}
	shown := min(classes, n) // of more classes, some
	var places []int
	for k := range shown {
		list := of[k*classes/shown]
		take := min(n/shown, len(list))
		for i := range take {
			places = append(places, list[i*len(list)/take])
		}
	}
	return places
}
